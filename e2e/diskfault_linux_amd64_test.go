package e2e

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// readyDatabase is a database with an account in it, made once: a life begins with a copy.
var readyDatabase struct {
	sync.Once
	data []byte
}

// faultyLife is one life of a gateway whose disk fails at one place, and what clients were told in it.
type faultyLife struct {
	b      *box
	phones *simulator
	fault  diskFault
	sealed bool // the gateway has said, by an error, that its store has failed
	told   []told
}

// told is an answer of status 0, or the lack of one.
type told struct {
	what   string // "submit", "cancel", "replace"
	id     string // "" for a submit without a status 0
	status smpp.Status
	answer bool // there was one
	text   string
}

const (
	faultyNumber = "4161230000"
	faultyText   = "for now"
)

func newFaultyLife(t *testing.T, f diskFault) *faultyLife {
	t.Helper()
	l := &faultyLife{fault: f, phones: startSimulator(t, "--latency", "5ms", "--report-delay", "5ms")}
	readyDatabase.Do(func() {
		b := newBox(t, settings{})
		b.account(t, "shop")
		data, err := os.ReadFile(filepath.Join(b.dir, "data", "gateway.db"))
		if err != nil {
			t.Fatal(err)
		}
		readyDatabase.data = data
	})
	l.b = newBox(t, settings{modem: l.phones.port, level: "info"})
	l.b.sick = true
	dir := filepath.Join(l.b.dir, "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gateway.db"), bytes.TrimRight(readyDatabase.data, "\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "gateway.db"), int64(len(readyDatabase.data))); err != nil {
		t.Fatal(err)
	}
	return l
}

// run lives it, and gives the number of calls in it. The gateway has ended then.
func (l *faultyLife) run(t *testing.T) calls {
	t.Helper()
	b := l.b
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	env, counts := underInjector(t, b, l.fault)
	b.p = startIn(t, []string{env}, b.log, os.Args[0], path, "serve", "--config", b.config)
	if l.serves(t) {
		l.work(t)
	}
	select {
	case <-b.p.ended:
		if l.fault.Call == "pwrite64" && l.fault.Errno == syscall.ENOSPC {
			t.Errorf("a full disk ended it, and there may be room soon:\n%s", b.log)
		}
	case <-time.After(200 * time.Millisecond):
		if l.sealed {
			break // it must end by itself
		}
		b.p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-b.p.ended:
	case <-time.After(15 * time.Second):
		t.Fatalf("it does not end; %s", b.log)
	}
	code := exitCode(b.p.err)
	b.p = nil
	c := readCalls(t, counts)
	failed := strings.Contains(b.log.String(), "the store has failed") || strings.Contains(b.log.String(), "smsgateway: ")
	if failed != (code == 1) || code > 1 || l.sealed && code != 1 {
		t.Errorf("exit code %d, and the log says:\n%s", code, b.log)
	}
	if failed && !strings.Contains(b.log.String(), "\nsmsgateway: ") && !strings.HasPrefix(b.log.String(), "smsgateway: ") {
		t.Errorf("it ended without a sentence:\n%s", b.log)
	}
	return c
}

// serves waits until it takes clients, or has ended.
func (l *faultyLife) serves(t *testing.T) bool {
	t.Helper()
	deadline := time.After(patience)
	for n := 0; ; {
		list, changed := l.b.log.from(n)
		n += len(list)
		for _, line := range list {
			if strings.Contains(line, `msg="smsgateway serves"`) {
				_, rest, _ := strings.Cut(line, " smpp=")
				l.b.addr, _, _ = strings.Cut(rest, " ")
				return true
			}
		}
		select {
		case <-changed:
		case <-l.b.p.ended:
			return false
		case <-deadline:
			t.Fatalf("it neither serves nor ends:\n%s", l.b.log)
		}
	}
}

// work is what a client does in the life: a text that goes out, one for later with another text in its place, one for later
// that is cancelled, and a long one.
func (l *faultyLife) work(t *testing.T) {
	t.Helper()
	e, err := l.bind(t)
	if err != nil {
		return
	}
	defer e.Close()
	e.Timeout = 20 * time.Second
	now := l.submit(t, e, text(faultyNumber, faultyText))
	later := func(body string) *smpp.SubmitSM {
		p := text(faultyNumber, body)
		p.ScheduleDeliveryTime = "000000010000000R" // in an hour
		return p
	}
	if id := l.submit(t, e, later("before")); id != "" {
		l.note(t, "replace", id, "instead", e.Replace(&smpp.ReplaceSM{MessageID: id, ShortMessage: []byte("instead")}))
	}
	if id := l.submit(t, e, later("never")); id != "" {
		l.note(t, "cancel", id, "", e.Cancel(&smpp.CancelSM{MessageID: id}))
	}
	long := l.submit(t, e, text(faultyNumber, strings.Repeat("long ", 40)))
	for _, id := range []string{now, long} {
		if id == "" {
			continue
		}
		timeout := time.After(10 * time.Second)
		for open := true; open; {
			select {
			case d, ok := <-e.Deliveries():
				open = ok && !bytes.Contains(d.ShortMessage, []byte("id:"+id))
			case <-l.b.p.ended:
				open = false
			case <-timeout:
				open = false
			}
		}
	}
	if id := l.submit(t, e, later("last")); id != "" {
		if _, err := e.Query(id, smpp.Address{}); err != nil && !l.gone(err) {
			var status smpp.Status
			if errors.As(err, &status) && status != smpp.StatusSysErr {
				t.Errorf("query_sm of %s: %v", id, err)
			}
		}
	}
	e.Unbind()
}

func (l *faultyLife) bind(t *testing.T) (*esme, error) {
	t.Helper()
	c, err := smpptest.Dial(t.Context(), l.b.addr)
	if err != nil { // it has ended already
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	_, err = c.Bind(smpp.BindTransceiver, "shop", password("shop"))
	return &esme{Client: c}, err
}

// gone tells whether there was no answer.
func (l *faultyLife) gone(err error) bool {
	var status smpp.Status
	return err != nil && !errors.As(err, &status)
}

func (l *faultyLife) submit(t *testing.T, e *esme, p *smpp.SubmitSM) string {
	t.Helper()
	id, err := e.Submit(p)
	l.note(t, "submit", id, string(p.ShortMessage), err)
	if err != nil {
		return ""
	}
	return id
}

// note keeps what was answered. After the first answer that says that the store has failed there is no status 0 any more
// (I14).
func (l *faultyLife) note(t *testing.T, what, id, body string, err error) {
	t.Helper()
	x := told{what: what, id: id, text: body, answer: !l.gone(err)}
	errors.As(err, &x.status)
	l.told = append(l.told, x)
	if err == nil && l.sealed {
		t.Errorf("%s was answered with status 0 after the store had failed", what)
	}
	if !x.answer && l.fault.Errno == syscall.EIO { // it was in doubt, or the process has ended
		l.sealed = true
	}
	switch x.status {
	case smpp.StatusOK:
	case smpp.StatusMsgQFul:
		if l.fault.Errno != syscall.ENOSPC {
			t.Errorf("%s was answered with %s", what, x.status)
		}
	case smpp.StatusSysErr:
		l.sealed = l.sealed || l.fault.Errno == syscall.EIO
	case smpp.StatusReplaceFail, smpp.StatusCancelFail:
		if !l.sealed {
			t.Errorf("%s was answered with %s", what, x.status)
		}
	default:
		t.Errorf("%s was answered with %s", what, x.status)
	}
}

// judge opens the file with a fresh process, and holds it against what was told and what the phones have.
func (l *faultyLife) judge(t *testing.T) {
	t.Helper()
	list := make(map[string]messageJSON)
	for _, m := range cliJSON[[]messageJSON](t, l.b, "message", "list", "--limit", "100") {
		list[m.ID] = m
	}
	known := make(map[string]bool)
	for _, x := range l.told {
		m, ok := list[x.id]
		switch {
		case x.status == smpp.StatusOK && x.answer && !ok:
			t.Errorf("%s of %s (%q) was answered with status 0, and the file does not have it", x.what, x.id, x.text)
		case x.status != smpp.StatusOK || !x.answer:
		case x.what == "cancel" && m.State != "deleted":
			t.Errorf("%s was cancelled with status 0, and is %s", x.id, m.State)
		case x.what == "replace" && !strings.HasPrefix(m.Text, x.text):
			t.Errorf("%s was replaced with status 0, and says %q", x.id, m.Text)
		}
		known[x.id] = true
	}
	refused := make(map[string]bool)
	for _, x := range l.told {
		refused[x.text] = refused[x.text] || x.what == "submit" && x.status != smpp.StatusOK
	}
	for id, m := range list {
		if !known[id] && refused[m.Text] { // an error was answered, so it must never be sent (I7)
			t.Errorf("%s (%q, %s) is in the file, though its submit_sm was answered with an error", id, m.Text, m.State)
		}
	}
	seen := make(map[string]int)
	for _, got := range l.phones.texts(t) {
		seen[got.text]++
		if seen[got.text] > 1 {
			t.Errorf("a phone got %q twice", got.text)
		}
		claimed := slices.ContainsFunc(l.of(list, got.text), func(m messageJSON) bool {
			return slices.ContainsFunc(m.Parts, func(p partJSON) bool { return p.Attempts > 0 })
		})
		if !claimed {
			t.Errorf("a phone got %q, and the file knows nothing of a try", got.text)
		}
	}
	for id, m := range list {
		if (m.State == "sent" || m.State == "delivered") && seen[m.Text] == 0 && len(m.Parts) == 1 {
			t.Errorf("%s (%q) is %s, and no phone has it", id, m.Text, m.State)
		}
	}
}

// of are the messages with this text; the list shows the beginning of a long one.
func (l *faultyLife) of(list map[string]messageJSON, body string) (found []messageJSON) {
	for _, m := range list {
		if strings.HasPrefix(body, strings.TrimRight(strings.TrimSuffix(m.Text, "..."), "… ")) {
			found = append(found, m)
		}
	}
	return found
}

// TestDiskFaults has one system call on the database after the other say that the disk fails or is full, once or from then
// on, with the call not made or made all the same. What was answered with status 0 is in the file each time; after a commit
// that failed the process answers no status 0 any more, ends by itself with exit code 1 and a sentence, and the next one is
// well. Nothing is on the air that was not claimed on disk.
func TestDiskFaults(t *testing.T) {
	t.Parallel()
	whole := newFaultyLife(t, diskFault{Call: "none"})
	n := whole.run(t)
	whole.judge(t)
	if len(whole.told) != 7 {
		t.Fatalf("the life is not as it should be: %+v\n%s", whole.told, whole.b.log)
	}
	t.Logf("calls in a whole life: %v", n)
	var list []diskFault
	from := rand.Int()
	for _, call := range []string{"pwrite64", "fdatasync", "fsync", "fallocate", "ftruncate"} {
		step := max(1, *diskFaults)
		if *diskFaults == 0 {
			step = max(1, n[call]/2)
		}
		for nth := 1 + from%step; nth <= n[call]; nth += step {
			for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
				for _, ever := range []bool{false, true} {
					if *diskFaults == 0 && ever != (errno == syscall.ENOSPC) {
						continue
					}
					list = append(list, diskFault{Call: call, Nth: nth, Errno: errno, Ever: ever})
				}
			}
			list = append(list, diskFault{Call: call, Nth: nth, Errno: syscall.EIO, Done: true})
		}
	}
	struck := make(chan bool, len(list))
	t.Run("each", func(t *testing.T) {
		for _, f := range list {
			t.Run(strings.ReplaceAll(f.String(), " ", "_"), func(t *testing.T) {
				t.Parallel()
				l := newFaultyLife(t, f)
				c := l.run(t)
				struck <- c["faults"] > 0
				l.judge(t)
				if f.Errno == syscall.EIO && c["faults"] > 0 && !strings.Contains(l.b.log.String(), "smsgateway: ") {
					t.Errorf("the disk failed, and the gateway went on:\n%s", l.b.log)
				}
				l.phones.p.kill()
				os.RemoveAll(l.b.dir)
			})
		}
	})
	close(struck)
	hit := 0
	for yes := range struck {
		if yes {
			hit++
		}
	}
	t.Logf("%d lives, in %d of them the fault happened", len(list), hit)
	if hit*4 < len(list)*3 { // what is committed together, and what the modem says when, is not the same each time
		t.Errorf("of %d faults %d happened", len(list), hit)
	}
}
