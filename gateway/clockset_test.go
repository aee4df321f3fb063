package gateway_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// wallClock is a machine's wall clock that a test sets.
type wallClock struct{ ahead atomic.Int64 }

func (w *wallClock) set(to time.Time) { w.ahead.Store(int64(time.Until(to))) }

func (w *wallClock) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.ahead.Load())) }

// on has a gateway go by it.
func (w *wallClock) on(o *gateway.Options, _ *sim.Config) { o.Clock = gateway.NewClock(w.now, nil) }

// TestReceiptsOverStep: receipts that wait while the clock is set still go to the session that is bound, with the right dates.
func TestReceiptsOverStep(t *testing.T) {
	t.Parallel()
	wall := new(wallClock)
	wall.set(time.Unix(20, 0))
	b := startBench(t, wall.on)
	b.account("shop", 0)
	tx := b.bind(smpp.BindTransmitter, "shop")
	id, err := store.ParseID(b.submit(tx, "4161231230", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	const all = 5
	for n := range all - 1 {
		b.submit(tx, "416123123"+string(rune('1'+n)), "hello")
	}
	waitFor(t, "the receipts", func() bool { return b.waiting("shop") == all })
	e := b.esme("shop", 0x34)
	_, seq := e.delivery() // the session has room for one yet
	wall.ahead.Store(0)
	b.ClockMoved() // before the session is given up
	waitFor(t, "the true time", func() bool {
		m, err := b.Message(id)
		return err == nil && time.Since(m.Accepted) < time.Hour
	})
	e.answer(seq, smpp.StatusOK)
	for range all - 1 {
		d, seq := e.delivery()
		if r, err := smpp.ParseReceipt(string(d.ShortMessage)); err != nil || time.Since(r.DoneDate).Abs() > 24*time.Hour {
			t.Errorf("a receipt says it was done at %s (%v)", r.DoneDate, err)
		}
		e.answer(seq, smpp.StatusOK)
	}
	waitFor(t, "the receipts to go", func() bool { return b.waiting("shop") == 0 })
}

// TestStartInAYearToCome: as long as nobody can be sure of the time, nothing seems to be past its keeping time.
func TestStartInAYearToCome(t *testing.T) {
	t.Parallel()
	path, wall := filepath.Join(t.TempDir(), "gateway.db"), new(wallClock)
	b := startBenchOn(t, path, wall.on)
	b.account("shop", 0)
	tx := b.bind(smpp.BindTransmitter, "shop")
	id := b.submit(tx, "4161231234", "hello")
	wantState(t, tx, id, smpp.StateDelivered)
	b.stop()

	wall.set(time.Now().AddDate(1, 0, 0))
	b = startBenchOn(t, path, wall.on)
	tx = b.bind(smpp.BindTransmitter, "shop")
	if _, err := tx.Query(id, smpp.Address{}); err != nil {
		t.Errorf("query_sm: %v", err)
	}
	e := b.esme("shop", 0x34)
	_, seq := e.delivery()
	e.answer(seq, smpp.StatusOK)
	wall.ahead.Store(0) // within its first quarter of an hour
	waitFor(t, "the receipt to go", func() bool { return b.waiting("shop") == 0 })
	wantState(t, tx, id, smpp.StateDelivered)
}
