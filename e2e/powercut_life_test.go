package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smsgateway/smpp"
)

// compactSuffix makes the name of the file that a compaction writes.
const compactSuffix = ".compact.tmp"

// lifeKeep is how long messages are kept in a traced life: so short that retention takes part in it.
const lifeKeep = 2 * time.Second

// recorder has strace record programs of ours, one after the other, in one file.
type recorder struct {
	strace, out string
	slow        bool // a rename takes its time
}

// start starts a program of the box under strace.
func (r recorder) start(t *testing.T, b *box, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	trace := straceArgs(r.out)
	if r.slow {
		trace = append(trace, "-e", "inject=rename,renameat,renameat2:delay_enter=500000") // µs
	}
	return start(t, b.log, r.strace, append(append(trace, path), append(args, "--config", b.config)...)...)
}

// run runs a command to its end, and gives what it says.
func (r recorder) run(t *testing.T, b *box, args ...string) string {
	t.Helper()
	p := r.start(t, b, args...)
	p.wantEnd(t, 0)
	list, _ := p.stdout.from(0)
	return strings.Join(list, "\n")
}

// serve starts the gateway on the box's data as serve does. The process of the box is strace; the function that comes
// back gives the gateway a signal and waits for its end.
func (r recorder) serve(t *testing.T, b *box) (end func(how syscall.Signal)) {
	t.Helper()
	n := b.log.count()
	b.p = r.start(t, b, "serve")
	select {
	case <-b.p.ended: // the kernel forbids it, in some containers
		if list, _ := b.log.from(n); strings.Contains(strings.Join(list, "\n"), "ptrace") {
			without(t, "strace", "may not trace processes here: "+strings.Join(list, "; "))
		}
	case <-time.After(300 * time.Millisecond):
	}
	b.served(t, n)
	pid := childOf(t, b.p.cmd.Process.Pid)
	p := b.p
	t.Cleanup(func() { // before that of start, which ends strace alone
		select {
		case <-p.ended: // and the gateway before it
		default:
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return func(how syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(pid, how); err != nil {
			t.Fatal(err)
		}
		if how == syscall.SIGKILL {
			<-p.ended // strace ends as its program did
		} else {
			p.wantEnd(t, 0)
		}
		b.p = nil
	}
}

// childOf gives the only child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(list)))
	if err != nil {
		t.Fatalf("the children of strace are %q", list)
	}
	return child
}

// life is what a traced gateway goes through. Each message has a destination of its own, so that what goes on air can be
// told apart.
type life struct {
	t        *testing.T
	b        *box
	phones   *simulator
	recorder recorder
	mu       sync.Mutex
	n        int // destinations so far
}

// number makes a destination that nothing else goes to, with these last digits.
func (l *life) number(last string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	return fmt.Sprintf("41%05d%s", 20000+l.n, last)
}

// later is a submit_sm that waits for tomorrow.
func (l *life) later(words string) *smpp.SubmitSM {
	p := text(l.number("0"), words)
	p.ScheduleDeliveryTime = "000001000000000R"
	return p
}

// tracedLife lives through some of everything under strace, and leaves the trace. rounds is how long it lasts. The gateway
// is killed in a compaction, and a backup is restored over what has come since.
func tracedLife(t *testing.T, strace, trace string, rounds int) (root string) {
	phones := startSimulator(t, "--latency", "20ms", "--report-delay", "30ms", "--pin", "4711")
	b := newBox(t, settings{modem: phones.port, more: []string{"per_day = 100000", `pin = "4711"`}, level: "info", messages: []string{
		fmt.Sprintf("keep = %q", lifeKeep), `uncertain_wait = "1s"`, `resubmit_window = "3s"`,
	}})
	l := &life{t: t, b: b, phones: phones, recorder: recorder{strace: strace, out: trace, slow: true}}
	end := l.recorder.serve(t, b)
	b.account(t, "shop", "--max-parts", "5", "--per-day", "100000")
	b.account(t, "clinic", "--max-parts", "2", "--per-day", "100000")
	b.ready(t)
	shop, other := b.bind(t, "shop"), b.bindAs(t, smpp.BindTransmitter, "shop")
	for round := range rounds {
		clinic := b.bind(t, "clinic") // its account is disabled at times, and that ends its sessions
		l.burst(round, shop, other, clinic)
		l.operations(shop)
		l.commands(round)
		l.compacted(round, shop)
	}
	for _, e := range []*esme{shop, other} {
		if err := e.Unbind(); err != nil {
			t.Error(err)
		}
	}
	l.idle()
	end = l.killedInCompaction(end)
	end = l.restored(end)
	l.troubles(b.bind(t, "clinic"))
	deaf := b.dial(t) // its receipts wait on disk till the end
	deaf.OnDeliver = func(*smpp.DeliverSM) smpp.Status { return smpp.StatusRxTAppn }
	if _, err := deaf.Bind(smpp.BindTransceiver, "shop", password("shop")); err != nil {
		t.Fatal(err)
	}
	l.window(deaf, 4, func(i int) smpp.Body { return text(l.number("0"), fmt.Sprintf("unread %d", i)) })
	l.purged(deaf)
	l.b.must(t, "compact")
	end(syscall.SIGTERM)
	root, err := filepath.EvalSymlinks(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// compacted has the file compacted while a client goes on.
func (l *life) compacted(round int, e *esme) {
	l.t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		l.window(e, 4, func(i int) smpp.Body { return text(l.number("0"), fmt.Sprintf("while %d was compacted, %d", round, i)) })
	})
	if r := l.b.cli(l.t, "compact"); r.code != 0 {
		l.t.Errorf("compact: %+v", r)
	}
	all.Wait()
}

// idle waits until the modem has nothing to do: who is killed in the middle of a text listens for its answer for 20 s.
func (l *life) idle() {
	l.t.Helper()
	eventually(l.t, "nothing to be on its way", func() (bool, string) {
		list := cliJSON[[]messageJSON](l.t, l.b, "message", "list", "--limit", "1000")
		for _, m := range list {
			if !m.Final && m.State != "sent" && m.Due.Before(time.Now().Add(time.Minute)) {
				return false, fmt.Sprintf("%+v", m)
			}
		}
		return true, ""
	})
}

// killedInCompaction kills the gateway before the compacted file takes its place, and starts it again.
func (l *life) killedInCompaction(end func(syscall.Signal)) func(syscall.Signal) {
	l.t.Helper()
	next := filepath.Join(l.b.dir, "data", databaseName+compactSuffix)
	ended := make(chan result, 1)
	go func() { ended <- l.b.cli(l.t, "compact") }()
	var at time.Time
	eventually(l.t, "a new file to be ready", func() (bool, string) { // the writer waits for the rename: nothing else is written
		info, err := os.Stat(next)
		if err == nil && at.IsZero() || err == nil && at.Before(info.ModTime()) {
			at = info.ModTime()
		}
		return err == nil && time.Since(at) > 100*time.Millisecond, fmt.Sprint(err)
	})
	end(syscall.SIGKILL)
	if r := <-ended; r.code == 0 {
		l.t.Error("the compaction was over before the gateway was killed")
	}
	if _, err := os.Stat(next); err != nil {
		l.t.Fatalf("the new file has taken its place: %v", err)
	}
	l.recorder.slow = false
	end = l.recorder.serve(l.t, l.b)
	l.b.ready(l.t)
	return end
}

// restored stops the gateway and restores a backup over what has come since, which goes on from there.
func (l *life) restored(end func(syscall.Signal)) func(syscall.Signal) {
	t, b := l.t, l.b
	t.Helper()
	e := b.bind(t, "shop")
	waits := l.later("it waits in the backup")
	e.submit(t, waits)
	backup := filepath.Join(b.dir, "backup.db")
	b.must(t, "backup", backup)
	late := l.later("the backup does not know it")
	e.submit(t, late)
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{Destination: waits.Destination}), smpp.StatusOK)
	e.wantReceipt(t, e.submit(t, text(l.number("0"), "sent since")), smpp.StateDelivered)
	end(syscall.SIGTERM)
	l.recorder.run(t, b, "restore", backup)
	end = l.recorder.serve(t, b)
	b.ready(t)
	e = b.bind(t, "shop")
	wantStatus(t, "cancel_sm of what the backup did not know", e.Cancel(&smpp.CancelSM{Destination: late.Destination}), smpp.StatusOK)
	if err := e.Unbind(); err != nil {
		t.Error(err)
	}
	return end
}

// window sends n requests at once and waits for all answers, which must be good.
func (l *life) window(e *esme, n int, make func(i int) smpp.Body) (ids []string) {
	l.t.Helper()
	var answers []<-chan smpp.PDU
	for i := range n {
		answer, err := e.Send(make(i))
		if err != nil {
			l.t.Error(err)
			return ids
		}
		answers = append(answers, answer)
	}
	for _, answer := range answers {
		select {
		case pdu := <-answer:
			if body, ok := pdu.Body.(*smpp.SubmitSMResp); ok && pdu.Status == smpp.StatusOK {
				ids = append(ids, body.MessageID)
				continue
			}
			l.t.Errorf("a request of a window was answered with %v", pdu)
		case <-time.After(patience):
			l.t.Errorf("no answer within %s", patience)
			return ids
		}
	}
	return ids
}

// burst has sessions submit at the same time.
func (l *life) burst(round int, sessions ...*esme) {
	l.t.Helper()
	var all sync.WaitGroup
	for s, e := range sessions {
		all.Go(func() {
			l.window(e, 4+2*s, func(i int) smpp.Body {
				p := text(l.number("0"), fmt.Sprintf("burst %d of session %d, %d", round, s, i))
				if i == 1 {
					p.ShortMessage = fmt.Appendf(p.ShortMessage, ": %s", strings.Repeat("a long text ", 18))
				}
				return p
			})
		})
	}
	all.Wait()
}

// operations are those of SMPP on messages that wait, and on one that was sent.
func (l *life) operations(e *esme) {
	t := l.t
	t.Helper()
	sent := e.submit(t, text(l.number("0"), "a short one"))
	gone, swept, changed := l.later("cancelled by its id"), l.later("cancelled by its address"), l.later("before it was replaced")
	id := e.submit(t, gone)
	e.submit(t, swept)
	replaced := e.submit(t, changed)
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusOK)
	l.query(e, id, smpp.StateDeleted)
	wantStatus(t, "cancel_sm by address", e.Cancel(&smpp.CancelSM{Destination: swept.Destination}), smpp.StatusOK)
	wantStatus(t, "replace_sm", e.Replace(&smpp.ReplaceSM{MessageID: replaced, RegisteredDelivery: 1, ShortMessage: []byte("after it")}), smpp.StatusOK)
	resp, err := e.SubmitMulti(&smpp.SubmitMulti{
		Destinations:       []smpp.Destination{{Address: smpp.Address{Addr: l.number("1")}}, {Address: smpp.Address{Addr: l.number("2")}}},
		RegisteredDelivery: 1, ShortMessage: []byte("to several"),
	})
	if err != nil {
		t.Errorf("submit_multi: %v, %v", err, resp)
	}
	data := &smpp.DataSM{Destination: smpp.Address{Addr: l.number("5")}, RegisteredDelivery: 1}
	data.TLVs = smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte("by data_sm")}}
	if _, err := e.Data(data); err != nil {
		t.Errorf("data_sm: %v", err)
	}
	again := text(l.number("6"), "submitted twice")
	again.PriorityFlag = 1
	again.TLVs = smpp.TLVs{smpp.TLVUint16(smpp.TagUserMessageReference, uint16(l.n))}
	if first, second := e.submit(t, again), e.submit(t, again); first != second {
		t.Errorf("submitted again it has the id %s, before %s", second, first)
	}
	e.wantReceipt(t, sent, smpp.StateDelivered)
	l.query(e, sent, smpp.StateDelivered)
	wantStatus(t, "cancel_sm of a delivered one", e.Cancel(&smpp.CancelSM{MessageID: sent}), smpp.StatusCancelFail)
}

// query wants an end to be told, as long as it is kept; on a slow machine that may be over.
func (l *life) query(e *esme, id string, want smpp.MessageState) {
	l.t.Helper()
	resp, err := e.Query(id, smpp.Address{})
	if errors.Is(err, smpp.StatusQueryFail) {
		return
	}
	if err != nil || resp.MessageState != want {
		l.t.Errorf("query_sm of %s: %v, %v; want %s", id, resp, err, want)
	}
}

// commands are the operator's, and a phone's text.
func (l *life) commands(round int) {
	t, b := l.t, l.b
	t.Helper()
	b.must(t, "account", "set", "clinic", "--max-parts", strconv.Itoa(2+round%2))
	b.must(t, "send", "--to", l.number("3"), "--text", "by hand", "--account", "shop")
	b.must(t, "account", "disable", "clinic")
	b.must(t, "account", "enable", "clinic")
	words := fmt.Sprintf("text %d of a phone", round)
	l.phones.text(t, l.number("4"), words)
	eventually(t, "the text to be in the inbox", func() (bool, string) {
		out := b.must(t, "inbox", "list")
		return strings.Contains(out, words), out
	})
}

// troubles are messages that meet faults: some end badly, some stay in doubt until it is over.
func (l *life) troubles(e *esme) {
	t := l.t
	t.Helper()
	for _, row := range []struct {
		last string
		want smpp.MessageState
	}{
		{"99901", smpp.StateUndeliverable},
		{"99908", smpp.StateUndeliverable},
		{"99919", smpp.StateDelivered},
		{"99913", smpp.StateUnknown},
		{"99924", smpp.StateDelivered},
	} {
		id := e.submit(t, text(l.number(row.last), "trouble "+row.last))
		e.wantReceipt(t, id, row.want)
	}
	id := e.submit(t, l.later("cancelled by the operator"))
	l.b.must(t, "message", "cancel", id)
	l.b.must(t, "account", "password", "clinic") // and its sessions end
}

// purged waits until the first messages are past their keeping time.
func (l *life) purged(e *esme) {
	t := l.t
	t.Helper()
	id := e.submit(t, text(l.number("0"), "the last one"))
	eventually(t, "retention", func() (bool, string) {
		r := l.b.cli(t, "message", "show", id)
		return strings.Contains(r.stderr, "keeping time"), r.stdout + r.stderr
	})
}
