package smpp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// farConn is a connection from somewhere.
type farConn struct {
	net.Conn
	from net.Addr
}

func (c farConn) RemoteAddr() net.Addr { return c.from }

// dialFrom is dial from an address.
func (r *running) dialFrom(ip string) *peer {
	ours, theirs := net.Pipe()
	r.ln.accepted <- farConn{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1024}}
	return newPeer(r.t, ours)
}

func TestPeerOf(t *testing.T) {
	for addr, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1}:                     "192.0.2.7/32",
		&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7"), Port: 2}:            "192.0.2.7/32",
		&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:3:4:5:6"), Port: 3}:        "2001:db8:1:2::/64",
		&net.TCPAddr{IP: net.ParseIP("fe80::1:2:3:4"), Zone: "eth0", Port: 1}: "fe80::/64",
		&net.TCPAddr{}:                 "invalid Prefix",
		&net.UnixAddr{Name: "nowhere"}: "invalid Prefix",
	} {
		if got := PeerOf(addr).String(); got != want {
			t.Errorf("%v is %s, want %s", addr, got, want)
		}
	}
}

// TestCrowd has a crowd from one address, then from everywhere: who is alone stays, and so does whose bind is looked at.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		decide := make(chan struct{})
		var out lockedBuffer
		server := serve(t, &Server{
			Backend:  &fake{bind: func(*Session, *Bind) error { <-decide; return nil }},
			MaxConns: 40, MaxUnbound: 20, MaxUnboundPeer: 10, SessionInit: time.Hour,
			Log: slog.New(slog.NewTextHandler(&out, nil)),
		})
		alone, binding := server.dialFrom("192.0.2.1"), server.dialFrom("198.51.100.9")
		binding.send(1, &Bind{Kind: BindTransmitter})
		synctest.Wait()
		for range 1000 {
			server.dialFrom("198.51.100.9")
		}
		alone.alive()
		for i := range 9 {
			server.dialFrom(fmt.Sprintf("203.0.113.%d", i)).alive()
		}
		crowd := make([]*peer, 10)
		for i := range crowd {
			crowd[i] = server.dialFrom("2001:db8::" + fmt.Sprint(i)) // 64 bits are one
		}
		alone.alive()
		close(decide)
		binding.want(1, StatusOK, &BindResp{Kind: BindTransmitter, SystemID: "gateway", TLVs: TLVs{TLVUint8(TagScInterfaceVersion, 0x34)}})
		binding.alive()
		crowd[9].alive()
		if n := strings.Count(out.String(), "\n"); n > 3 {
			t.Errorf("%d lines in the log:\n%s", n, &out)
		}
	})
}

// TestCrowdOfMany has each connection from somewhere else: the oldest goes, but not one whose bind is looked at.
func TestCrowdOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		decide := make(chan struct{})
		defer close(decide)
		server := serve(t, &Server{
			Backend:  &fake{bind: func(*Session, *Bind) error { <-decide; return nil }},
			MaxConns: 40, MaxUnbound: 10, SessionInit: time.Hour, Log: slog.New(slog.DiscardHandler),
		})
		var all []*peer
		for i := range 40 {
			all = append(all, server.dialFrom(fmt.Sprint("192.0.2.", i)))
			if i == 5 {
				all[5].send(1, &Bind{Kind: BindTransmitter})
				synctest.Wait()
			}
		}
		for i, p := range all {
			switch {
			case i == 5:
				p.wantNothing(time.Second)
			case i < 31:
				p.wantEndAfter(0)
			default:
				p.alive()
			}
		}
	})
}

// TestCrowdCounts goes through the ways in which a connection leaves: no place is lost or won.
func TestCrowdCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Backend: &fake{}, MaxConns: 5, MaxUnbound: 3, Log: slog.New(slog.DiscardHandler)}
		server := serve(t, s)
		for range 3 {
			server.dial().conn.Close()
			bound := server.dialAs(BindReceiver)
			bound.send(2, &Unbind{})
			bound.want(2, StatusOK, &UnbindResp{})
			bound.conn.Close()
			for range 7 {
				server.dial()
			}
			time.Sleep(time.Minute) // the last three end with their session init
			synctest.Wait()
			if c := &s.crowd; c.all != 0 || c.open != 0 || len(c.peers) != 0 {
				t.Fatalf("%d connections, %d not bound, of %d peers, want none", c.all, c.open, len(c.peers))
			}
		}
	})
}

// TestSlowPDU gives a PDU a time to be whole, however its octets drip.
func TestSlowPDU(t *testing.T) {
	drip := func(p *peer, n int) (sent int) {
		pdu := whole(CmdSubmitSM, 0, 1, bytes.Repeat([]byte{1}, n))
		for i := range pdu {
			p.conn.SetWriteDeadline(time.Now().Add(time.Minute))
			if _, err := p.conn.Write(pdu[i : i+1]); err != nil {
				return i
			}
			time.Sleep(time.Second)
		}
		return len(pdu)
	}
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, &Server{Backend: &fake{}, SessionInit: time.Minute, EnquireLink: -1, PDUTime: 39500 * time.Millisecond})
		p := server.dial()
		if n := drip(p, 100); n != 14 {
			t.Errorf("before the bind %d octets went through, want 14", n)
		}
		p = server.dialAs(BindTransmitter)
		p.wantNothing(time.Hour) // between two PDUs it may take its time
		if n := drip(p, 100); n != 40 {
			t.Errorf("bound, %d octets went through, want 40", n)
		}
	})
}

// TestSlowPDUs counts the time of each PDU for itself.
func TestSlowPDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, &Server{Backend: &fake{}, EnquireLink: -1}).dialAs(BindTransmitter)
		one := encode(t, PDU{Sequence: 1, Body: &EnquireLink{}})
		p.write(one[:8])
		for range 10 { // the end of one and the beginning of the next
			time.Sleep(20 * time.Second)
			p.write(append(bytes.Clone(one[8:]), one[:8]...))
			p.want(1, StatusOK, &EnquireLinkResp{})
		}
		p.wantEndAfter(30 * time.Second)
	})
}

// TestEarlyFlood answers a few requests without a bind, and no more.
func TestEarlyFlood(t *testing.T) {
	for name, body := range map[string]Body{"enquire_link": &EnquireLink{}, "submit_sm": text("x"), "a response": &DeliverSMResp{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, &Server{Backend: &fake{}}).dial()
				go func() {
					for range 1000 {
						if _, err := p.conn.Write(encode(t, PDU{Sequence: 1, Body: body})); err != nil {
							return
						}
					}
				}()
				answers := 0
				for {
					if _, err := p.nextOctets(time.Hour); err != nil {
						break
					}
					answers++
				}
				if want := maxEarly; body.CommandID().IsResponse() && answers != 0 || !body.CommandID().IsResponse() && answers != want {
					t.Errorf("%d answers", answers)
				}
				p.conn.Close()
			})
		})
	}
}

// faults is a Backend that hears of binds that can't be read.
type faults struct {
	fake
	seen []string
	says error
}

func (f *faults) BindFault(_ context.Context, s *Session, b *Bind, fault *FieldError) error {
	f.seen = append(f.seen, s.SystemID()+" "+b.SystemID+" "+fault.Field)
	return f.says
}

func TestBindFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := whole(CmdBindTransmitter, 0, 1, []byte("shop\x00a-long-password\x00\x00\x34\x00\x00\x00"))
		backend := &faults{}
		p := serve(t, &Server{Backend: backend}).dial()
		p.write(long)
		p.want(1, StatusInvPaswd, &BindResp{Kind: BindTransmitter})
		p.alive()
		backend.says = fmt.Errorf("%w: %w", ErrHangUp, StatusBindFail)
		p.write(long)
		p.want(1, StatusBindFail, &BindResp{Kind: BindTransmitter})
		p.wantEndAfter(lingerTime)
		if len(backend.seen) != 2 || backend.seen[0] != "shop shop password" {
			t.Errorf("the backend saw %q", backend.seen)
		}
	})
}

// TestHangUp closes the connection of a client that the Backend has had enough of, with its answer.
func TestHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{bind: func(*Session, *Bind) error { return errors.Join(ErrHangUp, StatusBindFail) }}
		p := serve(t, &Server{Backend: backend}).dial()
		p.send(1, &Bind{Kind: BindTransceiver})
		p.want(1, StatusBindFail, &BindResp{Kind: BindTransceiver})
		p.wantEndAfter(lingerTime)
	})
}

// TestWindowAfterBind: before the bind there is room for a few requests only, then for the whole window.
func TestWindowAfterBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tickets := make(chan *ticket, 100)
		backend := &fake{submit: func(*SubmitSM) (Submission, error) {
			ticket := newTicket()
			tickets <- ticket
			return ticket, nil
		}}
		p := serve(t, &Server{Backend: backend, Window: 30}).dialAs(BindTransmitter)
		go func() {
			for i := range uint32(100) {
				p.conn.Write(encode(t, PDU{Sequence: i, Body: text("x")}))
			}
		}()
		synctest.Wait()
		if len(tickets) != 30 {
			t.Errorf("%d requests in work, want the window of 30", len(tickets))
		}
		for i := range uint32(100) {
			(<-tickets).finish("1", nil)
			p.want(i, StatusOK, &SubmitSMResp{MessageID: "1"})
		}
		p.conn.Close()
	})
}

// TestPace lets a session ask a hundred times a second for nothing, and no more. Requests that lead to something are not held
// up by it. (The clock of the first second starts with the hundredth.) Of messages that are refused at once it is a thousand
// a second, each destination of a submit_multi being one.
func TestPace(t *testing.T) {
	for name, row := range map[string]struct {
		body  Body
		takes time.Duration
	}{
		"enquire_link":        {&EnquireLink{}, 8 * time.Second},
		"not to be asked":     {&Bind{Kind: BindReceiver}, 8 * time.Second},
		"unknown":             {&Outbind{}, 8 * time.Second},
		"a refused submit_sm": {text("refused"), 0},
		"an accepted one":     {text("x"), 0},
		"a refused submit_multi": {&SubmitMulti{Destinations: slices.Repeat([]Destination{{Address: Address{Addr: "1"}}}, 10)},
			8 * time.Second},
		"query_sm": {&QuerySM{MessageID: "1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := &fake{submit: func(p *SubmitSM) (Submission, error) {
					if string(p.ShortMessage) == "refused" {
						return nil, StatusInvDstAdr
					}
					return accepted("1"), nil
				}, multi: func(p *SubmitMulti) (MultiSubmission, error) {
					return nil, &MultiRefusal{StatusInvDstAdr, make([]Unsuccessful, len(p.Destinations))}
				}}
				server := serve(t, &Server{Backend: backend, Log: slog.New(slog.DiscardHandler)})
				p := server.dialAs(BindTransmitter)
				began := time.Now()
				go func() {
					for i := range uint32(1000) {
						p.conn.Write(encode(t, PDU{Sequence: i, Body: row.body}))
					}
				}()
				for range 1000 {
					if _, err := p.nextOctets(time.Hour); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took != row.takes {
					t.Errorf("a thousand took %s, want %s", took, row.takes)
				}
			})
		})
	}
}

// TestFailuresInTheLog: when our own side fails for good, the log says so, and not for each request of a client that tries on.
func TestFailuresInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		failed := newTicket()
		failed.finish("", errors.New("the disk is damaged"))
		backend := &fake{
			submit: func(*SubmitSM) (Submission, error) { return nil, errors.New("the file is damaged") },
			data:   func(*DataSM) (Submission, error) { return failed, nil },
		}
		p := serve(t, &Server{Backend: backend, EnquireLink: -1, Log: slog.New(slog.NewTextHandler(&out, nil))}).dialAs(BindTransmitter)
		for range 100 {
			p.send(1, text("x"))
			p.want(1, StatusSysErr, &SubmitSMResp{})
			p.send(2, &DataSM{})
			p.want(2, StatusSysErr, &DataSMResp{})
		}
		time.Sleep(time.Minute)
		p.send(1, text("x"))
		p.want(1, StatusSysErr, &SubmitSMResp{})
		said := out.String()
		if strings.Count(said, "request failed") != 2 || !strings.Contains(said, "the file is damaged") || !strings.Contains(said, "others=199") {
			t.Errorf("the log says\n%s", said)
		}
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b budget
		var mu sync.Mutex
		var order []int
		take := func(n int, octets int64) context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				if b.take(ctx, octets, 100) == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, n)
				}
			}()
			synctest.Wait()
			return cancel
		}
		take(1, 500) // more than all, when nothing is used
		gone := take(2, 80)
		take(3, 10)
		take(4, 90)
		gone()
		synctest.Wait()
		b.give(500)
		synctest.Wait()
		if fmt.Sprint(order) != "[1 3 4]" && fmt.Sprint(order) != "[1 4 3]" || b.used != 100 {
			t.Errorf("granted %v, used %d", order, b.used)
		}
		last := take(5, 200)
		take(6, 1)
		last()
		synctest.Wait()
		if b.used != 100 {
			t.Errorf("used %d, want 100", b.used)
		}
		b.give(100)
		synctest.Wait()
		if b.used != 1 || len(b.waiting) != 0 {
			t.Errorf("used %d, %d waiting", b.used, len(b.waiting))
		}
	})
}

// TestWeight: what a request counts is about what it holds, and not a tenth of it, also when it is made of nothing but empty
// optional parameters.
func TestWeight(t *testing.T) {
	empty := bytes.Repeat([]byte{0x33, 0x33, 0, 0}, 10_000)
	for name, b := range map[string][]byte{
		"submit_sm":  whole(CmdSubmitSM, 0, 1, append(make([]byte, 17), empty...)),
		"data_sm":    whole(CmdDataSM, 0, 1, append(make([]byte, 10), empty...)),
		"replace_sm": whole(CmdReplaceSM, 0, 1, append(make([]byte, 9), empty...)),
	} {
		var kept [20]PDU
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range kept {
			kept[i], _ = Decode(b)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held, counted := (after.HeapAlloc-before.HeapAlloc)/uint64(len(kept)), weight(kept[0].Body, len(b))
		if held < 320_000 || uint64(counted)*5/4 < held {
			t.Errorf("%s holds %d octets, and counts %d", name, held, counted)
		}
		runtime.KeepAlive(kept)
	}
}

// TestMemory has sessions with large requests use up what all share: each goes on with one at a time, one with small requests
// does not notice, and all comes back, also from a session that ends in the middle.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var open []*ticket
		at := func(i int) *ticket { // nil when there are no more
			mu.Lock()
			defer mu.Unlock()
			if i < len(open) {
				return open[i]
			}
			return nil
		}
		backend := &fake{submit: func(p *SubmitSM) (Submission, error) {
			if len(p.TLVs) == 0 {
				return accepted("small"), nil
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, newTicket())
			return open[len(open)-1], nil
		}}
		s := &Server{Backend: backend, Memory: 100_000}
		server := serve(t, s)
		small := server.dialAs(BindTransmitter)
		large := &SubmitSM{Destination: Address{1, 1, "491701"}, TLVs: TLVs{{Tag: TagMessagePayload, Value: make([]byte, 40_000)}}}
		var big []*peer
		for range 5 {
			p := server.dialAs(BindTransmitter)
			big = append(big, p)
			go func() {
				for i := range uint32(10) {
					p.conn.SetWriteDeadline(time.Now().Add(time.Hour))
					p.conn.Write(encode(t, PDU{Sequence: i, Body: large}))
				}
			}()
		}
		synctest.Wait()
		if at(6) == nil || at(7) != nil { // one each, and two more from what all share
			t.Errorf("not 7 large requests in work")
		}
		for i := range uint32(100) {
			small.send(i, text("x"))
			small.want(i, StatusOK, &SubmitSMResp{MessageID: "small"})
		}
		big[0].conn.Close()
		var answered atomic.Int32
		for _, p := range big[1:] {
			go func() {
				for i := range uint32(10) {
					p.want(i, StatusOK, &SubmitSMResp{MessageID: "large"})
					answered.Add(1)
				}
			}()
		}
		for done := 0; at(done) != nil; done++ {
			at(done).finish("large", nil)
			synctest.Wait()
		}
		if answered.Load() != 40 {
			t.Errorf("%d large requests answered, want 40", answered.Load())
		}
		if s.memory.used != 0 || len(s.memory.waiting) != 0 {
			t.Errorf("%d octets are not given back, %d wait", s.memory.used, len(s.memory.waiting))
		}
	})
}

// TestLengthBombs are lengths that no PDU can have, before and after the bind: an answer, and the end.
func TestLengthBombs(t *testing.T) {
	for _, length := range []uint32{0, 1, 15, 66_001, 1 << 31, 0xFFFFFFFF} {
		for _, bound := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				server := serve(t, &Server{Backend: &fake{}})
				p := server.dial()
				if bound {
					p = server.dialAs(BindTransmitter)
				}
				b := whole(CmdSubmitSM, 0, 9, nil)
				b[0], b[1], b[2], b[3] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
				p.write(b)
				sequence := uint32(9)
				if length < headerLength {
					sequence = 0 // such a PDU has none
				}
				p.want(sequence, StatusInvCmdLen, &GenericNack{})
				p.wantEnd()
			})
		}
	}
}

// TestFrameReaderBelievesNoLength: room grows with what came, and goes when nothing is held any more.
func TestFrameReaderBelievesNoLength(t *testing.T) {
	pdu := whole(CmdSubmitSM, 0, 1, make([]byte, 60_000))
	f := NewFrameReader(bytes.NewReader(pdu[:3000]), 66_000)
	for f.partial() || f.to == 0 {
		if _, err := f.Next(); err != nil {
			break
		}
	}
	if len(f.buf) > 8<<10 {
		t.Errorf("%d octets of room for 3000", len(f.buf))
	}
	f = NewFrameReader(bytes.NewReader(pdu), 66_000)
	if b, err := f.Next(); err != nil || len(b) != len(pdu) {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	if f.shrink(); len(f.buf) != smallFrames || f.partial() {
		t.Errorf("%d octets of room when nothing is held", len(f.buf))
	}
}
