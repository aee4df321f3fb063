package smpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// mo is a deliver_sm with a text.
func mo(s string) *DeliverSM { return (*DeliverSM)(text(s)) }

func TestDeliver(t *testing.T) {
	tests := []struct {
		name   string
		answer func(p *peer, sequence uint32) // nil: none
		want   error                          // as errors.Is finds it; nil for taken
		after  time.Duration
	}{
		{"taken", func(p *peer, n uint32) { p.send(n, &DeliverSMResp{}) }, nil, 0},
		{"taken, without a body", func(p *peer, n uint32) { p.write(whole(CmdDeliverSMResp, 0, n, nil)) }, nil, 0},
		{"taken, with an id", func(p *peer, n uint32) { p.send(n, &DeliverSMResp{MessageID: "5"}) }, nil, 0},
		{"taken, with a body that cannot be read", func(p *peer, n uint32) { p.write(whole(CmdDeliverSMResp, 0, n, []byte("x"))) }, nil, 0},
		{"refused", func(p *peer, n uint32) { p.sendStatus(n, StatusRxTAppn, &DeliverSMResp{}) }, StatusRxTAppn, 0},
		{"larvitsmpp: refused for a TLV", func(p *peer, n uint32) { p.sendStatus(n, 0xC0, &DeliverSMResp{}) }, StatusInvOptParStream, 0},
		{"refused by a number that is no code", func(p *peer, n uint32) { p.sendStatus(n, 0x401, &DeliverSMResp{}) }, Status(0x401), 0},
		{"jSMPP: generic_nack", func(p *peer, n uint32) { p.sendStatus(n, StatusInvSerTyp, &GenericNack{}) }, StatusInvSerTyp, 0},
		{"generic_nack without a reason", func(p *peer, n uint32) { p.send(n, &GenericNack{}) }, StatusUnknownErr, 0},
		{"other answers, then the right one", func(p *peer, n uint32) {
			p.send(n+1, &DeliverSMResp{})
			p.send(n, &SubmitSMResp{})
			p.send(n, &EnquireLinkResp{})
			p.send(n, &DeliverSMResp{})
			p.send(n, &DeliverSMResp{}) // and again
		}, nil, 0},
		{"ajankovic: no answer", nil, ErrTimeout, 7 * time.Second},
		{"the client goes", func(p *peer, n uint32) { p.conn.Close() }, ErrClosed, 0},
		{"the client unbinds", func(p *peer, n uint32) { p.send(1, &Unbind{}) }, ErrClosed, 0},
		{"the last thing that the client says", func(p *peer, n uint32) {
			p.write(encode(p.t, PDU{Sequence: n, Body: &DeliverSMResp{}}, PDU{Sequence: 1, Body: &Unbind{}}))
		}, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := &fake{}
				p := serve(t, &Server{Backend: backend, Response: 7 * time.Second}).dialAs(BindTransceiver)
				synctest.Wait()
				go func() {
					if got := p.next(); got.Sequence != 1 || string(got.Body.(*DeliverSM).ShortMessage) != "hi" {
						t.Errorf("the client got %+v", got)
					}
					if tt.answer != nil {
						tt.answer(p, 1)
					}
				}()
				start := time.Now()
				err := backend.session(t).Deliver(t.Context(), mo("hi"))
				if (tt.want == nil && err != nil) || !errors.Is(err, tt.want) || time.Since(start) != tt.after {
					t.Errorf("got %v after %s, want %v after %s", err, time.Since(start), tt.want, tt.after)
				}
				synctest.Wait()
			})
		})
	}
}

func TestDeliverNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		server := serve(t, &Server{Backend: backend})
		p := server.dialAs(BindTransmitter)
		synctest.Wait()
		if err := backend.session(t).Deliver(t.Context(), mo("hi")); !errors.Is(err, ErrClosed) {
			t.Errorf("to a transmitter: %v", err)
		}
		p.alive()
		p = server.dialAs(BindReceiver)
		synctest.Wait()
		s := backend.session(t)
		var field *FieldError
		if err := s.Deliver(t.Context(), &DeliverSM{ServiceType: "too long"}); !errors.As(err, &field) {
			t.Errorf("a field too long: %v", err)
		}
		p.alive()
		s.Close("test")
		if err := s.Deliver(t.Context(), mo("hi")); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		p.conn.Close()
		synctest.Wait()
		if err := s.Deliver(t.Context(), mo("hi")); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestDeliverBeforeBound has a Backend that cannot wait.
func TestDeliverBeforeBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{bind: func(s *Session, _ *Bind) error {
			if err := s.Deliver(t.Context(), mo("hi")); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
			return nil
		}}
		serve(t, &Server{Backend: backend}).dialAs(BindReceiver).alive()
	})
}

func TestDeliverContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		p := serve(t, &Server{Backend: backend}).dialAs(BindReceiver)
		synctest.Wait()
		s := backend.session(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, second := make(chan error), make(chan error)
		go func() { first <- s.Deliver(t.Context(), mo("one")) }() // holds the wire: nobody reads
		synctest.Wait()
		go func() { second <- s.Deliver(ctx, mo("two")) }()
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting to write: %v", err)
		}
		p.next()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { second <- s.Deliver(ctx, mo("three")) }()
		p.next()
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the answer: %v", err)
		}
		p.send(1, &DeliverSMResp{})
		if err := <-first; err != nil {
			t.Errorf("the first: %v", err)
		}
	})
}

// TestDeliverMany has many open at once, answered backwards, beside submissions.
func TestDeliverMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 50
		backend := &fake{}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransceiver)
		synctest.Wait()
		s := backend.session(t)
		results := make(chan error)
		for i := range many {
			go func() {
				err := s.Deliver(t.Context(), mo(fmt.Sprint(i)))
				if want := Status(i % 2); err == nil && want != 0 || err != nil && !errors.Is(err, want) {
					results <- fmt.Errorf("deliver_sm %d: %w", i, err)
				}
				results <- nil
			}()
		}
		status, seen := map[uint32]Status{}, map[string]bool{}
		for range many {
			got := p.next()
			name := string(got.Body.(*DeliverSM).ShortMessage)
			var i int
			fmt.Sscan(name, &i)
			status[got.Sequence], seen[name] = Status(i%2), true
		}
		if len(status) != many || len(seen) != many {
			t.Errorf("%d numbers and %d texts, want %d", len(status), len(seen), many)
		}
		p.send(5, text("between"))
		p.want(5, StatusOK, &SubmitSMResp{MessageID: "1"})
		for n := uint32(many); n > 0; n-- {
			p.sendStatus(n, status[n], &DeliverSMResp{})
		}
		for range many {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestManyLate: however many answers never came, the one to the last that was given up counts, and the first is forgotten.
func TestManyLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		p := serve(t, &Server{Backend: backend, EnquireLink: -1, Log: slog.New(slog.DiscardHandler)}).dialAs(BindReceiver)
		session := backend.session(t)
		var late []uint32
		for i := range uint32(mostLate + 1) {
			go p.nextOctets(time.Hour) // takes it, and does not answer
			err := session.DeliverLate(t.Context(), &DeliverSM{}, func(Status) { late = append(late, i+1) })
			if !errors.Is(err, ErrTimeout) {
				t.Fatal(err)
			}
		}
		for _, sequence := range []uint32{1, 2, mostLate + 1} {
			p.send(sequence, &DeliverSMResp{})
		}
		synctest.Wait()
		if !slices.Equal(late, []uint32{2, mostLate + 1}) {
			t.Errorf("late answers that counted: %v", late)
		}
	})
}

func TestSequenceNumbers(t *testing.T) {
	s := newSession((&Server{}).settings(), 1, nopConn{})
	s.sequence = 0x7FFFFFFD
	for _, want := range []uint32{0x7FFFFFFE, 0x7FFFFFFF, 1, 2} {
		if got := s.nextSequence(); got != want {
			t.Errorf("got %#x, want %#x", got, want)
		}
	}
}
