package e2e

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
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

// longStops has TestStopWhile do all that it can.
var longStops = flag.Bool("longstops", false, "TestStopWhile tries all cases, also those that take a minute")

// stopBound is what the unit for systemd has to give: docs/design.md.
const stopBound = 45 * time.Second

// stopping is a gateway that is about to be stopped, and what it has promised.
type stopping struct {
	*box
	phones *simulator // nil: no modem
	e      *esme

	mu    sync.Mutex
	texts map[string]phoneText // by the message_id that came with status 0
	inbox map[string]string    // texts from phones, by number
	asked sync.WaitGroup       // requests that are not answered yet
}

// stopRow is something that goes on when the signal comes.
type stopRow struct {
	name  string
	modem []string // arguments of the simulator; nil: there is no modem
	set   settings
	// begin starts the gateway, and returns when it is under way.
	begin   func(t *testing.T, s *stopping)
	within  time.Duration                   // of one signal to the end
	code    int                             // exit code then
	says    string                          // and its sentence
	signals int                             // 1 or 2; 0: each
	twice   bool                            // two signals also without -longstops
	atOnce  bool                            // the second comes with the first
	long    bool                            // with -longstops only
	after   func(t *testing.T, s *stopping) // nothing runs then
}

// up starts the gateway and a client.
func (s *stopping) up(t *testing.T) {
	t.Helper()
	s.serve(t)
	s.e = s.bind(t, "shop")
	if s.phones != nil {
		s.ready(t)
	}
}

// sends has the client submit a text.
func (s *stopping) sends(t *testing.T, to, words string) (id string) {
	t.Helper()
	id = s.e.submit(t, text(to, words))
	s.promised(id, to, words)
	return id
}

func (s *stopping) promised(id, to, words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[id] = phoneText{to, words}
}

// fault has something go wrong in the modem.
func (s *stopping) fault(t *testing.T, words string) {
	t.Helper()
	if _, err := fmt.Fprintf(s.phones.p.stdin, "fault %s\n", words); err != nil {
		t.Fatal(err)
	}
}

// midSend has a text in the modem, and another behind it.
func (s *stopping) midSend(t *testing.T) {
	t.Helper()
	n := s.log.count()
	s.sends(t, "4161231234", "being sent")
	s.sends(t, "4161231234", "waiting")
	s.log.await(t, n, s.p.ended, ctrlZ...)
}

// request has somebody ask for something through the control socket, who reads no more than the beginning of the answer.
// It is written when this returns.
func (s *stopping) request(t *testing.T, method, path, body string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(s.dir, "data", "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: smsgateway\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	return bufio.NewReaderSize(conn, 16)
}

// TestStopWhile stops a gateway in the middle of all that it may be doing, by one signal, and by a second one right behind it.
// It ends in time and says why if not in order; what was accepted is there, nothing is sent twice, and the file is whole.
func TestStopWhile(t *testing.T) {
	t.Parallel()
	for _, row := range slices.Concat(stopRows, diskStops) {
		for _, signals := range []int{1, 2} {
			if row.signals != 0 && row.signals != signals || (row.long || signals == 2 && !row.twice) && !*longStops {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d signals", row.name, signals), func(t *testing.T) {
				t.Parallel()
				row.run(t, signals)
			})
		}
	}
}

func (row *stopRow) run(t *testing.T, signals int) {
	s := &stopping{texts: make(map[string]phoneText), inbox: make(map[string]string)}
	set := row.set
	if row.modem != nil {
		s.phones = startSimulator(t, row.modem...)
		set.modem = s.phones.port
	}
	s.box = newBox(t, set)
	s.account(t, "shop")
	row.begin(t, s)
	s.signal(t, row, signals)
	list, _ := s.log.from(0)
	for _, line := range list {
		if strings.HasPrefix(line, "goroutine ") || strings.HasPrefix(line, "SIG") {
			t.Errorf("it left a dump: %s", line)
		}
	}
	if found := cliJSON[findingsJSON](t, s.box, "check"); found.Faults != 0 {
		t.Errorf("check: %+v", found)
	}
	s.asked.Wait()
	if row.after != nil {
		row.after(t, s)
	}
	s.settle(t, signals)
}

// signal stops the gateway and looks at how it ends.
func (s *stopping) signal(t *testing.T, row *stopRow, signals int) {
	t.Helper()
	n, began := s.log.count(), time.Now()
	process := s.p.cmd.Process
	process.Signal(syscall.SIGTERM)
	within := row.within
	if signals == 2 {
		if !row.atOnce {
			s.log.await(t, n, s.p.ended, "msg=stopping")
		}
		process.Signal(syscall.SIGINT)
		within, began = 2*time.Second, time.Now()
	}
	select {
	case <-s.p.ended:
	case <-time.After(stopBound + 10*time.Second):
		t.Fatalf("it does not end:\n%s", s.log)
	}
	took, code := time.Since(began), exitCode(s.p.err)
	t.Logf("it ended after %s: %v", took.Round(time.Millisecond), s.p.err)
	if took > within {
		t.Errorf("it took %s to stop, want at most %s", took, within)
	}
	// A second signal may come too late: then it has ended in order.
	if code != row.code && !(signals == 2 && (code < 0 || code >= 128)) {
		t.Errorf("it ended with %d (%v), want %d", code, s.p.err, row.code)
	}
	said := ""
	list, _ := s.log.from(n)
	for _, line := range list {
		if strings.HasPrefix(line, "smsgateway: ") {
			said += line
		}
	}
	if code >= 0 && code < 128 && ((said == "") != (row.says == "") || !strings.Contains(said, row.says)) {
		t.Errorf("it said %q, want %q", said, row.says)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "data", "control.sock")); code == 0 && !os.IsNotExist(err) {
		t.Errorf("control.sock is still there (%v)", err)
	}
	s.p = nil
}

// settle starts the gateway once more: all that it promised comes true.
func (s *stopping) settle(t *testing.T, signals int) {
	t.Helper()
	s.serve(t)
	list, err := os.ReadDir(filepath.Join(s.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if !slices.Contains([]string{"gateway.db", "control.sock", "calls.json"}, f.Name()) {
			t.Errorf("%s was left", f.Name())
		}
	}
	s.e = s.bind(t, "shop")
	if s.phones == nil {
		for id := range s.texts {
			s.e.wantState(t, id, smpp.StateEnroute)
		}
		s.stop(t)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(s.texts)) {
		want := s.texts[id]
		eventually(t, "message "+id+" to be delivered", func() (bool, string) {
			m := s.message(t, id)
			// A status report is said once; a process that is killed between that and the disk loses it.
			return m.State == "delivered" || m.State == "sent" && signals == 2, fmt.Sprintf("%+v", m)
		})
		s.phones.wantCount(t, want.to, want.text, 1)
	}
	eventually(t, "the texts from phones", func() (bool, string) {
		got := make(map[string]int)
		for _, in := range cliJSON[[]inboxJSON](t, s.box, "inbox", "list", "--limit", "1000") {
			got[in.From+" "+in.Text]++
		}
		missing := 0
		for from, words := range s.inbox {
			if n := got[from+" "+words]; n == 0 {
				missing++
			} else if n > 1 {
				t.Fatalf("%s's text came %d times", from, n)
			}
		}
		return missing == 0, fmt.Sprintf("%d of %d are missing", missing, len(s.inbox))
	})
	s.sends(t, "4161239999", "all is well")
	s.phones.wantText(t, "4161239999", "all is well")
	s.stop(t)
}

var stopRows = []stopRow{
	{
		name: "a modem takes its time", modem: []string{"--latency", "3s", "--report-delay", "1s"}, signals: 2, twice: true, atOnce: true,
		begin: func(t *testing.T, s *stopping) { s.up(t); s.midSend(t) },
	},
	{
		name: "a modem does not answer any more", modem: []string{"--report-delay", "31s"}, signals: 1, long: true, begin: silentModem,
		within: stopBound, code: 1, says: "a modem did not answer within 30s of the stop",
	},
	{
		name: "the PIN is being entered", twice: true, modem: []string{"--pin", "4711"}, set: settings{more: []string{`pin = "4711"`}},
		begin: func(t *testing.T, s *stopping) {
			s.secrets = append(s.secrets, `"4711"`)
			s.serve(t)
			s.log.await(t, 0, s.p.ended, `msg="to modem"`, "AT+CPIN=")
		},
		within: 15 * time.Second,
	},
	{
		name: "a modem is set up", modem: []string{},
		begin: func(t *testing.T, s *stopping) {
			s.serve(t)
			s.log.await(t, 0, s.p.ended, `msg="to modem"`, "AT+CNMI=")
		},
		within: 10 * time.Second,
	},
	{
		name: "a modem says nothing from the start", modem: []string{},
		begin: func(t *testing.T, s *stopping) {
			s.fault(t, "deaf 10m")
			s.phones.p.stdout.await(t, 0, s.phones.p.ended, "fault: deaf")
			s.serve(t)
			s.log.await(t, 0, s.p.ended, `msg="to modem"`)
		},
		after:  func(t *testing.T, s *stopping) { s.fault(t, "reset") },
		within: 10 * time.Second,
	},
	{
		name: "a reload takes out the modem that sends", modem: []string{"--latency", "2s"},
		begin: func(t *testing.T, s *stopping) {
			s.up(t)
			s.midSend(t)
			config, err := os.ReadFile(s.config)
			if err != nil {
				t.Fatal(err)
			}
			other := strings.ReplaceAll(string(config), `name = "sim"`, `name = "other"`)
			if err := os.WriteFile(s.config, []byte(other), 0o600); err != nil {
				t.Fatal(err)
			}
			s.p.cmd.Process.Signal(syscall.SIGHUP)
		},
		within: 10 * time.Second,
	},
	{
		name: "operators wait for a backup, a check, a compaction and a modem", modem: []string{}, set: settings{messages: []string{"max_parts = 255"}},
		begin: func(t *testing.T, s *stopping) {
			s.up(t)
			s.fill(t)
			s.fault(t, "deaf 10m")
			s.phones.p.stdout.await(t, 0, s.phones.p.ended, "fault: deaf")
			n := s.log.count()
			s.request(t, "POST", "/v1/modems/sim/ussd", `{"code":"*100#"}`)
			s.log.await(t, n, s.p.ended, `msg="to modem"`)
			s.request(t, "POST", "/v1/modems/sim/command", `{"command":"AT+CSQ"}`)
			for range 3 {
				backup := s.request(t, "GET", "/v1/backup", "")
				resp, err := http.ReadResponse(backup, nil)
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("backup: %v (%v)", resp, err)
				}
				ended := s.p.ended
				s.asked.Go(func() {
					<-ended
					if _, err := io.Copy(io.Discard, resp.Body); err == nil {
						t.Error("the backup was complete: nothing was under way")
					}
				})
			}
			s.request(t, "GET", "/v1/check", "")
			s.request(t, "POST", "/v1/file/compact", "")
		},
		after:  func(t *testing.T, s *stopping) { s.fault(t, "reset") },
		within: 15 * time.Second,
	},
	{
		name: "texts come from phones, and status reports", twice: true, modem: []string{"--latency", "10ms", "--report-delay", "300ms"},
		begin: func(t *testing.T, s *stopping) {
			s.up(t)
			for i := range 15 {
				s.sends(t, numberOf(i), fmt.Sprint("reported ", i))
			}
			for i := range 40 {
				from, words := fmt.Sprint("+4917612300", 10+i), fmt.Sprint("from a phone ", i)
				s.phones.text(t, from, words)
				s.inbox[from] = words
			}
			s.phones.wantText(t, numberOf(8), "reported 8")
		},
		within: 10 * time.Second,
	},
	{
		name: "500 sessions, some with full windows, some deaf", twice: true,
		set:   settings{level: "info", smpp: []string{`response = "2s"`, "max_sessions = 1000"}},
		begin: manySessions, within: 10 * time.Second,
	},
}

// silentModem has a text in a modem that sends it and never answers.
func silentModem(t *testing.T, s *stopping) {
	s.up(t)
	s.fault(t, "silent sent")
	s.midSend(t)
}

// fill makes the file larger than what sockets hold.
func (s *stopping) fill(t *testing.T) {
	t.Helper()
	for i := range 120 {
		p := longText(numberOf(i), strings.Repeat("a long text, ", 2900))
		p.ScheduleDeliveryTime = inAnHour
		s.e.submit(t, p)
	}
}

// manySessions has 500 clients: most idle, 100 that submit with a full window, 20 that neither read nor answer.
func manySessions(t *testing.T, s *stopping) {
	s.serve(t)
	clients := make([]*esme, 480)
	for i := range clients {
		clients[i] = s.bind(t, "shop")
	}
	for range 20 {
		deafBind(t, s.box)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for i, e := range clients[:100] {
		s.asked.Go(func() { s.flood(ctx, e.Client, i) })
	}
	eventually(t, "many answers", func() (bool, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.texts) > 2000, fmt.Sprint(len(s.texts))
	})
}

// flood submits with a full window until the session ends.
func (s *stopping) flood(ctx context.Context, c *smpptest.Client, who int) {
	open := make(chan (<-chan smpp.PDU), 50)
	go func() {
		defer close(open)
		for i := 0; ctx.Err() == nil; i++ {
			answer, err := c.Send(text(numberOf(who), fmt.Sprint("text ", i)))
			if err != nil {
				return
			}
			open <- answer
		}
	}()
	for answer := range open { // it is closed at the end of the session
		p := <-answer
		if resp, ok := p.Body.(*smpp.SubmitSMResp); ok && p.Status == 0 {
			s.promised(resp.MessageID, "", "")
		}
	}
}
