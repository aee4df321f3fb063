package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// siege is how long TestHostile makes each attack. For figures:
//
//	go test ./e2e -run 'TestHostile$' -siege 10s -v
var siege = flag.Duration("siege", 400*time.Millisecond, "how long each attack of TestHostile lasts")

// TestHostile makes all attacks that we know on a gateway, one after the other, beside a decent client that submits all the
// while, one message after the other. The client goes on, the process stays small, and its log can be read. The bounds are
// generous: what a run measures is in its log.
func TestHostile(t *testing.T) {
	b := startBox(t, settings{level: "info", smpp: []string{"ban_after = 6"}})
	b.account(t, "shop")
	b.account(t, "customer")
	good := b.bind(t, "shop")
	target := smpptest.Target{Addr: b.addr, SystemID: "customer", Password: password("customer")}
	b.dial(t).Bind(smpp.BindTransceiver, target.SystemID, target.Password) // the password is known from here on
	calm := submitUntil(t, good, time.Now().Add(*siege), 5*time.Millisecond)
	t.Logf("%-42s %s", "nobody else", calm)
	for _, a := range smpptest.Attacks() {
		lines := b.log.count()
		ctx, enough := context.WithTimeout(t.Context(), *siege)
		var attacking sync.WaitGroup
		attacking.Go(func() { a.Run(ctx, target) })
		took := submitUntil(t, good, time.Now().Add(*siege), 5*time.Millisecond)
		resident := b.resident(t)
		enough()
		attacking.Wait()
		logged := b.log.count() - lines - len(took)
		t.Logf("%-42s %s, %d MB resident, %d lines logged", a.Name, took, resident>>20, logged)
		if most := slices.Max(took); most > 10*time.Second {
			t.Errorf("%s: a submit_sm took %s", a.Name, most)
		}
		if most := mostResident(); resident > int64(most)<<20 {
			t.Errorf("%s: %d MB resident, want %d at most", a.Name, resident>>20, most)
		}
		if most := 200 + int(*siege/time.Second)*100; logged > most {
			t.Errorf("%s: %d lines in the log, want %d at most", a.Name, logged, most)
		}
	}
	b.wantOpen(t)
}

// mostResident is how many MB the gateway may have; the race detector takes several times as much.
func mostResident() int {
	if raceDetector || os.Getenv("SMSGATEWAY_RACE") == "1" {
		return 2000
	}
	return 300
}

// wantOpen sees a gateway that was attacked take clients as before: the one that it knows, and after the ban of this address
// another.
func (b *box) wantOpen(t *testing.T) {
	t.Helper()
	b.bind(t, "shop")
	b.account(t, "new")
	eventually(t, "the address to be banned", func() (bool, string) {
		_, err := b.dial(t).Bind(smpp.BindTransceiver, "new", fmt.Sprint(time.Now().UnixNano()%1e8))
		return errors.Is(err, smpp.StatusBindFail), fmt.Sprint(err)
	})
	_, err := b.dial(t).Bind(smpp.BindTransceiver, "new", password("new"))
	wantStatus(t, "bind from a banned address", err, smpp.StatusBindFail)
	b.bind(t, "shop")
	b.must(t, "account", "unban", "127.0.0.1")
	b.bind(t, "new")
}

type refusedJSON struct {
	Binds []struct {
		Address  string    `json:"address"`
		SystemID string    `json:"system_id"`
		Reason   string    `json:"reason"`
		First    time.Time `json:"first"`
		Last     time.Time `json:"last"`
		Count    int       `json:"count"`
	} `json:"binds"`
	Banned []struct {
		Address string    `json:"address"`
		Until   time.Time `json:"until"`
	} `json:"banned"`
}

// latencies are those of one submit_sm after the other.
type latencies []time.Duration

// String sums them up: "120 submits, p50 1.2ms, p99 3.4ms, most 5.6ms".
func (l latencies) String() string {
	slices.Sort(l)
	at := func(percent int) time.Duration { return l[(len(l)-1)*percent/100].Round(10 * time.Microsecond) }
	return fmt.Sprintf("%4d submits, p50 %8s, p99 %8s, most %8s", len(l), at(50), at(99), at(100))
}

// submitUntil submits one message after the other, with a pause between, and takes the time of each.
func submitUntil(t *testing.T, e *esme, end time.Time, pause time.Duration) (took latencies) {
	t.Helper()
	for len(took) == 0 || time.Now().Before(end) {
		began := time.Now()
		e.submit(t, text("4161231234", "hello"))
		took = append(took, time.Since(began))
		time.Sleep(pause)
	}
	return took
}

// resident is how many octets of memory the gateway has now.
func (b *box) resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
