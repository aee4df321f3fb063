package e2e

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/store"
)

// crowdFlag: go test ./e2e -run TestCrowds -v -timeout 1h -crowd 1000000
var crowdFlag = flag.Int("crowd", 2_000, "how many there are of what TestCrowds has come together")

// stormIn is how long after a file was begun the hour of all its messages comes: it has to be filled until then.
func stormIn(n int) time.Duration { return 2*time.Second + time.Duration(n)*40*time.Microsecond }

// TestCrowds has very many of one kind come together, and one client beside them who submits one message after the other. It
// tells what he has to wait, and how much memory that takes.
func TestCrowds(t *testing.T) {
	t.Parallel()
	n := *crowdFlag
	storm := time.Now().Add(stormIn(n)).Truncate(time.Second)
	for _, crowd := range []struct {
		name string
		what filling
		come func(*scaled, *testing.T, time.Time) (memory int64)
	}{
		{"messages that expire in one second", filling{accounts: 1000, waiting: n, receipts: true, times: func(m *store.Message) {
			m.Expires = storm
		}}, (*scaled).storm},
		{"messages that are due in one second", filling{accounts: 1000, waiting: n, times: func(m *store.Message) {
			m.Due = storm
		}}, (*scaled).storm},
		{"receipts for one account", filling{accounts: 0, waiting: n, receipts: true, times: func(m *store.Message) {
			m.Expires = storm
		}}, (*scaled).collect},
		{"messages to one number", filling{accounts: 0, waiting: n, to: "491501234567"}, (*scaled).quiet},
		{"accounts", filling{accounts: n / 10, waiting: n / 10}, (*scaled).quiet},
		{"messages beside one that may replace another", filling{accounts: 0, waiting: n}, (*scaled).replaces},
	} {
		t.Run(crowd.name, func(t *testing.T) {
			s := newScaled(t)
			storm = time.Now().Add(stormIn(n)).Truncate(time.Second)
			s.first, s.last = fill(t, s.data(), crowd.what)
			s.begin(t)
			if most := crowd.come(s, t, storm); most > 2*mostAdded && !raceDetector { // the gateway's own and a password's check are in it
				t.Errorf("%.1f MiB of anonymous memory are too much", mib(most))
			}
			s.stop(t)
		})
	}
}

// storm submits before the hour and after it, until the gateway has no more work than that.
func (s *scaled) storm(t *testing.T, at time.Time) (most int64) {
	t.Helper()
	if late := time.Since(at); late > 0 {
		t.Logf("it took %s too long to fill the file: the hour has come before the start", late.Round(time.Second))
	}
	before := s.submitOneByOne(t, time.Now().Add(min(max(time.Until(at), 0), time.Second)))
	t.Logf("before:        %s", before)
	time.Sleep(time.Until(at))
	began := time.Now()
	var during latencies
	for {
		during = append(during, s.submitOneByOne(t, time.Now().Add(500*time.Millisecond))...)
		most = max(most, s.anonymous(t))
		if s.rests(t) {
			break
		}
	}
	t.Logf("while it lasts: %s", during)
	t.Logf("over within %s; anonymous memory %.1f MiB at most", time.Since(began).Round(100*time.Millisecond), mib(most))
	return most
}

// quiet submits beside a crowd that does nothing.
func (s *scaled) quiet(t *testing.T, _ time.Time) int64 {
	t.Helper()
	t.Logf("%s", s.submitOneByOne(t, time.Now().Add(time.Second)))
	memory := s.anonymous(t)
	s.lists(t)
	t.Logf("anonymous memory %.1f MiB, after the operator's lists %.1f", mib(memory), mib(s.anonymous(t)))
	return memory
}

func (s *scaled) submitOneByOne(t *testing.T, end time.Time) (took latencies) {
	t.Helper()
	for len(took) == 0 || time.Now().Before(end) {
		began := time.Now()
		if err := s.clients[0].submit(1, 1); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
		time.Sleep(time.Millisecond)
	}
	return took
}

// rests tells whether the gateway does nothing while nothing is asked of it.
func (s *scaled) rests(t *testing.T) bool {
	t.Helper()
	ticks := func() string {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		return strings.Join(strings.Fields(rest)[11:13], " ") // utime, stime
	}
	before := ticks()
	time.Sleep(250 * time.Millisecond)
	return ticks() == before
}

// collect binds a receiver once all have expired, and takes what has come together.
func (s *scaled) collect(t *testing.T, at time.Time) (most int64) {
	t.Helper()
	for time.Sleep(time.Until(at)); !s.rests(t); {
		time.Sleep(250 * time.Millisecond)
	}
	want := int((s.last - s.first) / 2)
	atFirst, began := s.anonymous(t), time.Now()
	c, err := newBenchClientAs(s.addr, smpp.BindReceiver)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	var first time.Duration
	for n := range want {
		if err := c.takeDelivery(); err != nil {
			t.Fatalf("deliver_sm %d: %v", n, err)
		}
		if n == 0 {
			first = time.Since(began)
		}
		if n%(want/20+1) == 0 {
			most = max(most, s.anonymous(t))
		}
	}
	took := time.Since(began)
	t.Logf("%d receipts: the first after %s, %.0f a second; anonymous memory %.1f MiB before, %.1f at most", want,
		first.Round(time.Millisecond), float64(want)/took.Seconds(), mib(atFirst), mib(most))
	return most
}

// takeDelivery answers the next deliver_sm.
func (c *benchClient) takeDelivery() error {
	for {
		b, err := c.frames.Next()
		if err != nil {
			return err
		}
		header, err := smpp.ParseHeader(b)
		if err != nil {
			return err
		}
		if header.Command != smpp.CmdDeliverSM {
			continue
		}
		c.out = append(binary.BigEndian.AppendUint32(c.out[:0], 17), 0x80, 0, 0, 5, 0, 0, 0, 0)
		c.out = append(binary.BigEndian.AppendUint32(c.out, header.Sequence), 0)
		_, err = c.conn.Write(c.out)
		return err
	}
}

// replaces submits messages with replace_if_present_flag.
func (s *scaled) replaces(t *testing.T, _ time.Time) int64 {
	t.Helper()
	c, before := s.clients[0], s.anonymous(t)
	p := text("4161231234", "hello")
	p.ReplaceIfPresentFlag, p.ServiceType = 1, "VMN"
	var err error
	if c.request, err = (smpp.PDU{Body: p}).Append(nil); err != nil {
		t.Fatal(err)
	}
	first := s.submitOneByOne(t, time.Now())
	t.Logf("the first: %s", first)
	t.Logf("the others: %s", s.submitOneByOne(t, time.Now().Add(time.Second)))
	memory := s.anonymous(t)
	t.Logf("anonymous memory %.1f MiB before, %.1f after", mib(before), mib(memory))
	return memory
}
