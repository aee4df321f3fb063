package smpp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// How client and backend behave in FuzzSession: bits of its argument mood.
const (
	deaf       = 1 << iota // the client never reads
	abrupt                 // it closes when its stream ends
	timers                 // the server's patience has its usual ends
	slowDisk               // submissions take a while
	refusing               // the backend refuses every third request
	deliveries             // a deliver_sm goes out as soon as the session is bound
	moods
)

// FuzzSession plays any stream of octets, cut at random, to a live session. Whatever comes: no panic; all that the server
// says are whole PDUs, and its answers those to the requests, in their order; a session whose frame is whole goes on; memory
// stays within what the stream is worth; in the end no goroutine is left, as the bubble sees to.
func FuzzSession(f *testing.F) {
	for i, stream := range sessionSeeds(f) {
		for _, mood := range []uint8{0, timers, deaf, abrupt | slowDisk, slowDisk | deliveries, refusing | deliveries} {
			f.Add(stream, uint64(i), mood)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, mood uint8) {
		if len(stream) > 1<<17 { // room for one of the largest PDUs and more
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		synctest.Test(t, func(t *testing.T) { playSession(t, stream, rand.New(rand.NewPCG(seed, 0)), mood%moods) })
		runtime.ReadMemStats(&after)
		// What a connection costs, and what is made of each PDU of 16 octets or more.
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+100*len(stream)); got > most {
			t.Errorf("%d octets made us allocate %d, at most %d are in order", len(stream), got, most)
		}
	})
}

// sessionSeeds are streams that come far.
func sessionSeeds(t testing.TB) [][]byte {
	bound := func(kind BindKind, more ...[]byte) []byte {
		b, err := PDU{Sequence: 1, Body: &Bind{Kind: kind, SystemID: "shop", Password: "secret", InterfaceVersion: 0x34}}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, bytes.Join(more, nil)...)
	}
	short := whole(CmdSubmitSM, 0, 9, []byte("\x00\x01"))
	all := bytes.Clone(short) // and every kind of PDU but unbind, with a deliver_sm_resp for the first request of the server
	for i, g := range goldens {
		b := g.octets(t)
		binary.BigEndian.PutUint32(b[12:], uint32(i+2))
		switch g.want.CommandID() {
		case CmdUnbind:
			continue
		case CmdDeliverSMResp:
			binary.BigEndian.PutUint32(b[12:], 1)
		}
		all = append(all, b...)
	}
	unbind := whole(CmdUnbind, 0, 99, nil)
	link := whole(CmdEnquireLink, 0, 3, nil)
	return [][]byte{
		bound(BindTransceiver, all, unbind),
		bound(BindTransmitter, all),
		bound(BindReceiver, all),
		all,
		bound(BindTransceiver, link, link, short, link[:7]),
		bound(BindTransceiver, short, []byte("\x00\x00\x00\x0F\x00\x00\x00\x04")),
		bound(BindTransceiver, unbind, all),
		bound(BindTransceiver, []byte("\xFF\xFF\xFF\xFF\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x09"), all),
		bytes.Repeat(whole(CmdBindTransceiver, 0, 1, []byte("who\x00\x00\x00\x34\x00\x00")), 6),
		bound(BindTransceiver, bytes.Repeat(link, 300)),
		bound(BindTransceiver, whole(CmdDeliverSMResp, 0, 1, make([]byte, 2000)), link),
		bound(BindTransceiver, whole(CmdDeliverSMResp, 0, 1, make([]byte, 2000)), []byte("\x00\x00\x00\x0F\x00\x00\x00\x04")),
	}
}

// playSession is one session from its first octet to its end, in a bubble.
func playSession(t *testing.T, stream []byte, random *rand.Rand, mood uint8) {
	server := &Server{SystemID: "gateway", Backend: backendWith(mood), Log: slog.New(slog.DiscardHandler), Window: 8}
	if mood&timers == 0 {
		server.SessionInit, server.EnquireLink = 1000*time.Hour, -1
	}
	ln := newPipes()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	ours, theirs := net.Pipe()
	ln.accepted <- theirs
	c := &octetClient{conn: ours, mood: mood, done: make(chan struct{})}
	c.requests, c.whole = requestsOf(stream)
	go c.listen()
	c.play(stream, random)
	ours.Close()
	<-c.done
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	c.judge(t)
}

// backendWith is a fake with the moods of a backend.
func backendWith(mood uint8) *fake {
	asked := 0
	refuses := func() error {
		if asked++; mood&refusing != 0 && asked%3 == 0 {
			return StatusSysErr
		}
		return nil
	}
	backend := &fake{
		bind:   func(*Session, *Bind) error { return refuses() },
		cancel: func(*CancelSM) error { return refuses() },
	}
	backend.submit = func(*SubmitSM) (Submission, error) {
		if mood&slowDisk == 0 {
			return accepted("1"), refuses()
		}
		ticket := newTicket()
		time.AfterFunc(time.Second, func() { ticket.finish("1", nil) })
		return ticket, refuses()
	}
	if mood&deliveries != 0 {
		backend.bound = func(s *Session) { go s.Deliver(context.Background(), &DeliverSM{ShortMessage: []byte("hi")}) }
	}
	return backend
}

// requestAt is a request in a stream.
type requestAt struct {
	Header
	lost bool // its length cannot be, or may be over the limit: the stream may end here
}

// requestsOf cuts a stream. whole tells that it ends with a whole PDU.
func requestsOf(stream []byte) (all []requestAt, whole bool) {
	for len(stream) >= 4 {
		h := requestAt{Header: Header{Length: binary.BigEndian.Uint32(stream)}}
		if len(stream) >= headerLength {
			h.Header, _ = ParseHeader(stream)
		}
		impossible := h.Length < headerLength || h.Length > 66_000
		h.lost = impossible || h.Length > openLimit
		if uint64(h.Length) > uint64(len(stream)) && !h.lost {
			return all, false
		}
		if h.lost || !h.Command.IsResponse() {
			all = append(all, h)
		}
		if impossible || uint64(h.Length) > uint64(len(stream)) {
			return all, false
		}
		stream = stream[h.Length:]
	}
	return all, len(stream) == 0
}

// octetClient plays a stream and keeps what comes.
type octetClient struct {
	conn     net.Conn
	mood     uint8
	requests []requestAt
	whole    bool
	got      []PDU
	odd      error         // what came is no PDU
	done     chan struct{} // closed when nothing more comes
}

// listen takes all that the server says.
func (c *octetClient) listen() {
	defer close(c.done)
	if c.mood&deaf != 0 {
		return
	}
	frames := NewFrameReader(c.conn, 100_000)
	for {
		b, err := frames.Next()
		if err != nil {
			if !isEnd(err) || errors.Is(err, io.ErrUnexpectedEOF) {
				c.odd = err
			}
			return
		}
		p, err := Decode(b)
		if err != nil {
			c.odd = fmt.Errorf("%x: %w", b, err)
			return
		}
		c.got = append(c.got, p)
	}
}

// lastNumber is the sequence_number of the question at the end of a stream.
const lastNumber = 0x7F00FF07

// play writes the stream in pieces, and a last question behind it.
func (c *octetClient) play(stream []byte, random *rand.Rand) {
	for len(stream) > 0 {
		n := min(1+random.IntN(40), len(stream))
		if random.IntN(8) == 0 {
			n = min(1+random.IntN(4000), len(stream))
		}
		if _, err := c.conn.Write(stream[:n]); err != nil {
			return
		}
		stream = stream[n:]
		if random.IntN(30) == 0 {
			time.Sleep(time.Duration(random.IntN(40)) * time.Second)
		}
	}
	if !c.whole || c.mood&abrupt != 0 {
		return
	}
	last := Header{Length: headerLength, Command: CmdEnquireLink, Sequence: lastNumber}
	c.requests = append(c.requests, requestAt{Header: last})
	c.conn.Write(whole(last.Command, StatusOK, last.Sequence, nil))
	time.Sleep(time.Minute)
}

// judge looks at all that came.
func (c *octetClient) judge(t *testing.T) {
	if c.odd != nil {
		t.Errorf("the server sent what is no PDU: %v", c.odd)
	}
	next, refused, ended := 0, 0, c.mood&(deaf|abrupt|timers) != 0 || !c.whole
	for _, p := range c.got {
		id := p.Body.CommandID()
		if !id.IsResponse() {
			if maySend[id] == 0 || p.Status != StatusOK {
				t.Errorf("the server asks with %s, %s", id, p.Status)
			}
			continue
		}
		if id == CmdGenericNack && p.Status == StatusInvCmdLen {
			c.wantLost(t, next, p.Sequence)
			next, ended = len(c.requests), true
			continue
		}
		next = c.skip(next)
		if next == len(c.requests) {
			t.Fatalf("%s, sequence_number %d, answers nothing", id, p.Sequence)
		}
		asked := c.requests[next]
		next++
		if !strings.HasPrefix(p.Status.String(), "ESME_R") {
			t.Errorf("%s with %s", id, p.Status)
		}
		if id != asked.Command.Response() && (id != CmdGenericNack || p.Status != StatusInvCmdID) || p.Sequence != asked.Sequence {
			t.Fatalf("%s %s, sequence_number %d, for %s, %d", id, p.Status, p.Sequence, asked.Command, asked.Sequence)
		}
		if _, bind := p.Body.(*BindResp); bind && p.Status != StatusOK && p.Status != StatusAlyBnd {
			refused++
		}
		ended = ended || id == CmdUnbindResp || refused >= maxRefused
	}
	if next = c.skip(next); !ended && next < len(c.requests) {
		t.Errorf("%d of %d requests answered, the next is %s, %d", next, len(c.requests), c.requests[next].Command, c.requests[next].Sequence)
	}
}

// wantLost: one of the next PDUs has a length for which the server may give up the stream, and this number.
func (c *octetClient) wantLost(t *testing.T, next int, sequence uint32) {
	for _, r := range c.requests[next:] {
		if r.lost && (sequence == r.Sequence || sequence == 0 && r.Length < headerLength) {
			return
		}
		if !r.lost || !r.Command.IsResponse() {
			break
		}
	}
	t.Errorf("the stream is given up at sequence_number %d", sequence)
}

// skip leaves out responses that were not too long after all: they have no answer.
func (c *octetClient) skip(next int) int {
	for next < len(c.requests) && c.requests[next].lost && c.requests[next].Command.IsResponse() {
		next++
	}
	return next
}
