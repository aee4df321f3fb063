package gateway

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"smsgateway/sms"
	"smsgateway/store"
)

// TestStepOnFullDisk: where a full disk has no room to date all anew, the time stays as it was; the gateway goes on, and follows
// the clock once there is room. It runs in a process of its own, as its limit is for the whole process.
func TestStepOnFullDisk(t *testing.T) {
	const alone = "SMSGATEWAY_TEST_STEP_ON_FULL_DISK"
	if os.Getenv(alone) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	m := &machine{wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), "gateway.db")
	clock := m.clock(time.Time{})
	g := clinic(t, func(o *Options) { o.Path, o.Clock = path, clock })
	acct, err := g.operator()
	if err != nil {
		t.Fatal(err)
	}
	began := g.opt.Now()
	for n := range 300 { // 9 MB, of which the file holds less than half ahead
		msg := &store.Message{Account: acct.Key, Lane: acct.Lane, Destination: sms.Address{TON: 1, NPI: 1, Number: fmt.Sprint(4900000 + n)},
			Accepted: began, Expires: began.Add(time.Hour), Parts: []store.Part{{Data: bytes.Repeat([]byte{65}, 30_000)}}}
		if _, err := g.db.Enqueue(msg).Result(); err != nil {
			t.Fatal(err)
		}
	}
	limit := func(size uint64) {
		var r syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
		r.Cur = min(size, r.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	limit(uint64(info.Size()))
	const by = 300 * 24 * time.Hour
	m.pass(time.Hour)
	m.wall = m.wall.Add(by)
	step := func() {
		t.Helper()
		if _, err := g.stepClock(); err != nil {
			t.Fatal(err)
		}
	}
	step()
	m.pass(clockPatience)
	step()
	first := func() time.Time {
		list, err := g.Messages(store.Filter{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0].Accepted
	}
	if now := g.opt.Now(); now.Sub(began) != time.Hour+clockPatience || !first().Equal(began) || !g.clockDoubted() {
		t.Errorf("without room it is %s, and a message is from %s", now, first())
	}
	limit(1 << 62)
	m.pass(clockAgain)
	step()
	if now := g.opt.Now(); !now.Equal(m.wall) || !first().Equal(began.Add(by)) {
		t.Errorf("with room it is %s, want %s, and a message is from %s", now, m.wall, first())
	}
}
