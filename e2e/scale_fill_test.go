package e2e

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/sms"
	"smsgateway/store"
)

// filling is what a file is to hold, as weeks of work would leave it. Of its messages each second one is of the account
// "bench", whose password is its key; those of the others are as many as there are, and have the same.
type filling struct {
	accounts int  // beside "bench"
	waiting  int  // messages that wait and are due
	kept     int  // that have ended
	receipts bool // of each that has ended
	to       string
	accepted time.Duration                 // how long ago; 0: now
	times    func(m *store.Message)        // sets when one that waits is due and expires; nil: at once, and in a day
	change   func(i int, a *store.Account) // nil: as they are made
}

// fillers is how many messages are brought to their ends at once, each by a SIM of its own: their commits are shared.
const fillers = 512

// filler writes a file.
type filler struct {
	filling
	db       *store.DB
	accounts []store.Account
	r        *rand.Rand
	began    time.Time
	ahead    time.Duration // of its clock
	first    store.ID
	last     store.ID
}

func (f *filler) now() time.Time { return time.Now().Add(f.ahead) }

// fill makes the file of a data directory, and tells which ids its messages have: of "bench" are the first one and each second
// one after it.
func fill(t *testing.T, dir string, what filling) (first, last store.ID) {
	t.Helper()
	f := &filler{filling: what, r: rand.New(rand.NewPCG(1, 2)), began: time.Now(), ahead: -what.accepted}
	path := filepath.Join(dir, "gateway.db")
	f.open(t, path)
	defer f.db.Close()
	waits := make(chan *store.Message, fillers)
	var work sync.WaitGroup
	for n := range fillers {
		work.Go(func() {
			line := fmt.Sprintf("89882000%012d", n)
			ref := uint8(n)
			for m := range waits {
				if err := f.end(m, line, &ref); err != nil {
					t.Errorf("message %s: %v", m.ID, err)
				}
			}
		})
	}
	f.enqueueAll(t, waits)
	close(waits)
	work.Wait()
	if f.ahead != 0 { // the clock goes on to the present, and the file knows it
		f.ahead = 0
		if _, err := f.db.Tick(time.Now(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return f.first, f.last
}

func (f *filler) open(t *testing.T, path string) {
	log := slog.New(slog.DiscardHandler)
	g, err := gateway.Open(gateway.Options{Path: path, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	bench, err := g.AddAccount(gateway.NewAccount{Key: "bench", Password: "bench"})
	if err == nil {
		err = g.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	began, ahead := f.began, f.ahead
	f.db, err = store.Open(path, store.Options{Log: log, Monotonic: func() time.Duration { return time.Since(began) + f.ahead - ahead }})
	if err != nil {
		t.Fatal(err)
	}
	f.accounts = make([]store.Account, f.filling.accounts+1)
	f.accounts[0] = bench
	var adding sync.WaitGroup
	for n := range fillers {
		adding.Go(func() {
			for i := 1 + n; i < len(f.accounts); i += fillers {
				a := store.Account{Key: fmt.Sprintf("a%06d", i), Name: fmt.Sprint("customer ", i), Password: bench.Password}
				if f.change != nil {
					f.change(i, &a)
				}
				added, err := f.db.AddAccount(a, f.now())
				if err != nil {
					t.Error(err)
				}
				f.accounts[i] = added
			}
		})
	}
	adding.Wait()
}

// enqueueAll hands in all messages, those that are to end among the others, and passes these on.
func (f *filler) enqueueAll(t *testing.T, end chan<- *store.Message) {
	type accepted struct {
		a *store.Accept
		m *store.Message
	}
	const ahead = 2048
	var open []accepted
	settle := func(n int) {
		for len(open) > n {
			id, err := open[0].a.Result()
			if err != nil {
				t.Fatal(err)
			}
			if f.first == 0 {
				f.first = id
			}
			f.last = id
			if m := open[0].m; m != nil {
				m.ID = id
				end <- m
			}
			open = open[1:]
		}
	}
	total, kept := f.waiting+f.kept, 0
	for i := range total {
		m := f.message(i)
		ends := kept*total < (i+1)*f.kept // evenly
		if !ends && f.times != nil {
			f.times(m)
		}
		a := accepted{a: f.db.Enqueue(m)}
		if ends {
			kept++
			a.m = m
		}
		open = append(open, a)
		settle(ahead)
	}
	settle(0)
}

// message is the i-th: one in ten is long, one in twenty in UCS-2.
func (f *filler) message(i int) *store.Message {
	a := &f.accounts[0]
	if i%2 == 1 {
		a = &f.accounts[f.r.IntN(len(f.accounts))]
	}
	to := f.to
	if to == "" {
		to = fmt.Sprint(491500000000 + f.r.Int64N(10_000_000))
	}
	now := f.now()
	m := &store.Message{
		Account: a.Key, Lane: a.Lane, Accepted: now, Expires: now.Add(24 * time.Hour), Preview: "Your order 4711 is r",
		Source: sms.Address{TON: 5, Number: "SHOP"}, Destination: sms.Address{TON: 1, NPI: 1, Number: to},
	}
	if f.receipts {
		m.RegisteredDelivery = 1
	}
	switch {
	case i%10 == 9:
		m.Parts = []store.Part{{Data: f.octets(153)}, {Data: f.octets(153)}, {Data: f.octets(60)}}
	case i%20 == 8:
		m.DCS, m.Parts = 8, []store.Part{{Data: f.octets(2 * (10 + f.r.IntN(60)))}}
	default:
		m.Parts = []store.Part{{Data: f.octets(20 + f.r.IntN(140))}}
	}
	return m
}

func (f *filler) octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(' ' + f.r.IntN(90))
	}
	return b
}

// end has a message end as they do: of a hundred ninety are delivered, four are not, three are cancelled, and three are only
// known to have been sent.
func (f *filler) end(m *store.Message, line string, ref *uint8) error {
	now := f.now()
	share := m.ID % 100
	if share < 3 {
		return f.db.Cancel(m.Lane, m.ID, now)
	}
	for part := range m.Parts {
		*ref++
		if err := f.db.Claim(m.ID, part, "modem", line, now); err != nil {
			return err
		}
		if err := f.db.Sent(m.ID, part, *ref, share >= 6, now); err != nil {
			return err
		}
		if share < 6 {
			continue
		}
		status := sms.Status(0)
		if share < 10 && part == len(m.Parts)-1 {
			status = 0x41
		}
		report := store.Report{Ref: *ref, Recipient: m.Destination.Number, Time: now, Discharge: now, Status: status}
		if _, err := f.db.Report(line, report, now); err != nil {
			return err
		}
	}
	return nil
}
