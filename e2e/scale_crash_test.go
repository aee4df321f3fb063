package e2e

import (
	"flag"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"smsgateway/store"
)

// crashedFlag: go test ./e2e -run TestReadyAfterCrash -v -timeout 1h -crashed 1000000
var crashedFlag = flag.Int("crashed", 20_000, "how many messages the file of TestReadyAfterCrash holds")

// mostMapped is how much more of its file a start may have looked at, until its first submit_sm_resp, than one with few
// messages, in octets. Linux maps 16 pages around each that is touched.
const mostMapped = 5 << 20

// TestReadyAfterCrash: whatever a gateway with very many messages does when it is killed, the next one answers the first
// submit_sm within 10 s, and has all that was acknowledged (delivery-semantics, section 11, I13). That it does not go through the
// file is seen from the pages that it touches.
func TestReadyAfterCrash(t *testing.T) {
	t.Parallel()
	n := *crashedFlag
	little, s := newScaled(t), newScaled(t)
	little.first, little.last = fill(t, little.data(), filling{accounts: 1000, waiting: 100})
	storm := time.Now().Add(10*time.Second + time.Duration(n)*80*time.Microsecond)
	s.first, s.last = fill(t, s.data(), filling{accounts: 1000, waiting: n - n/4, kept: n / 4, receipts: true, times: func(m *store.Message) {
		if m.Accepted.UnixNano()%4 == 0 { // some expire while it is killed
			m.Expires = storm.Add(time.Duration(m.Accepted.UnixNano()%20) * time.Second)
		}
	}})
	little.begin(t)
	few := little.mapped(t)
	little.stop(t)

	r := rand.New(rand.NewPCG(5, 6))
	kept := []uint64{uint64(s.first), uint64(s.last - (s.last-s.first)%2)}
	for _, crash := range []struct {
		name string
		by   func()
	}{
		{"under load", func() { kept = append(kept, s.killLoaded(t, r)...) }},
		{"under load, once more", func() { kept = append(kept, s.killLoaded(t, r)...) }},
		{"during the start", func() {
			s.launch(t)
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			s.end(t, syscall.SIGKILL)
		}},
		{"while it compacts its file", func() {
			s.begin(t)
			asked := make(chan struct{})
			go func() {
				command(t, "", "compact", "--config", s.config) // it ends with an error, as nobody answers any more
				close(asked)
			}()
			time.Sleep(time.Duration(50+r.IntN(300)) * time.Millisecond)
			s.end(t, syscall.SIGKILL)
			<-asked
		}},
		{"while very many expire", func() {
			s.begin(t)
			time.Sleep(time.Until(storm) + time.Duration(r.IntN(1500))*time.Millisecond)
			s.end(t, syscall.SIGKILL)
		}},
	} {
		crash.by()
		took := s.begin(t)
		more := s.mapped(t) - few
		t.Logf("killed %s: ready within %s; it has looked at %.1f MiB more than with a hundred messages", crash.name,
			took.Round(time.Millisecond), mib(more))
		if took > mostStart { // it may have been the disk
			s.end(t, syscall.SIGKILL)
			if took = min(took, s.begin(t)); took > mostStart {
				t.Errorf("after a kill %s it took %s until the first submit_sm was answered", crash.name, took)
			}
		}
		if time.Now().Before(storm) && more > mostMapped { // from then on it works off what is over
			t.Errorf("after a kill %s the start looked at %.1f MiB more than with few messages; %d at most are right", crash.name,
				mib(more), mostMapped>>20)
		}
		ids := make([]store.ID, len(kept))
		for i, id := range kept {
			ids[i] = store.ID(id)
		}
		if err := s.clients[0].queries(ids, scaleWindow); err != nil {
			t.Errorf("after a kill %s: %v", crash.name, err)
		}
		s.stop(t)
	}
	s.begin(t)
	command(t, "", "message", "list", "--to", "12345678", "--config", s.config)
	if seen := s.mapped(t) - few; seen < mostMapped {
		t.Errorf("a search through all messages looks at %.1f MiB more: so a scan at the start would not be seen", mib(seen))
	}
	s.stop(t)
}

// killLoaded starts the gateway, and kills it in the middle of submits. It tells the last ids that were acknowledged.
func (s *scaled) killLoaded(t *testing.T, r *rand.Rand) (last []uint64) {
	t.Helper()
	s.begin(t)
	s.bind(t, 4)
	var sending sync.WaitGroup
	for _, c := range s.clients {
		sending.Go(func() { c.submit(1_000_000, 50) }) // its end is an error
	}
	time.Sleep(time.Duration(100+r.IntN(400)) * time.Millisecond)
	s.cmd.Process.Kill()
	sending.Wait()
	for _, c := range s.clients {
		last = append(last, c.lastID)
	}
	s.end(t, syscall.SIGKILL)
	return last
}

// mapped is how many octets of files the gateway has in its memory: its program, and what it has looked at of its database.
func (s *scaled) mapped(t *testing.T) int64 {
	t.Helper()
	return memoryOf(t, s.cmd.Process.Pid, "RssFile:")
}
