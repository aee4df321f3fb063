package smpptest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"smsgateway/smpp"
)

// Target is the server that an Attack is made on.
type Target struct {
	Addr string // host:port

	// An account of the attacker's own, for attacks from inside.
	SystemID, Password string
}

// Attack is a way to do a server harm, for tests that see a decent client through it.
type Attack struct {
	Name   string
	Inside bool // bound, as a customer

	// hands is how many do it at a time, each again and again.
	hands int
	once  func(ctx context.Context, at Target, hand int)
}

// Run attacks until ctx ends. What becomes of it is the server's business: no error stops it.
func (a Attack) Run(ctx context.Context, at Target) {
	var all sync.WaitGroup
	for hand := range a.hands {
		all.Go(func() {
			for ctx.Err() == nil {
				a.once(ctx, at, hand)
			}
		})
	}
	all.Wait()
}

// Attacks lists those that we know.
func Attacks() []Attack {
	return []Attack{
		{Name: "2000 half-open connections", hands: 2000, once: halfOpen},
		{Name: "slow-loris", hands: 200, once: slowLoris},
		{Name: "length bombs", hands: 4, once: lengthBombs},
		{Name: "garbage", hands: 4, once: garbage},
		{Name: "resets in mid-PDU", hands: 4, once: resets},
		{Name: "half-closed sockets", hands: 20, once: halfClosed},
		{Name: "requests before the bind", hands: 4, once: earlyFlood},
		{Name: "bind brute force", hands: 8, once: bruteForce},
		{Name: "bind brute force from many addresses", hands: 32, once: bruteForceFromMany},
		{Name: "bad fields and TLVs", Inside: true, hands: 2, once: badFields},
		{Name: "10,000 requests, no answer read", Inside: true, hands: 4, once: neverRead},
		{Name: "enquire_link flood", Inside: true, hands: 2, once: enquireFlood},
		{Name: "query_sm flood", Inside: true, hands: 2, once: queryFlood},
		{Name: "doubled sequence numbers, large payloads", Inside: true, hands: 2, once: largePayloads},
	}
}

// hostile is a connection whose errors are nobody's concern. It ends with the attack.
type hostile struct {
	*net.TCPConn
	forget func() bool
}

// connect is a connection from an address of ours, "" any; nil if there is none.
func connect(ctx context.Context, at Target, from string) *hostile {
	var d net.Dialer
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.DialContext(ctx, "tcp", at.Addr)
	if err != nil {
		sleep(ctx, 10*time.Millisecond)
		return nil
	}
	return &hostile{conn.(*net.TCPConn), context.AfterFunc(ctx, func() { conn.Close() })}
}

// Close ends the connection, which may have ended.
func (h *hostile) Close() error {
	h.forget()
	return h.TCPConn.Close()
}

// drain reads until the end.
func (h *hostile) drain() { io.Copy(io.Discard, h.TCPConn) }

// flood writes the same again and again, and reads what comes, until the connection ends.
func (h *hostile) flood(b []byte) {
	var reading sync.WaitGroup
	defer reading.Wait()
	defer h.Close()
	reading.Go(h.drain)
	for {
		if _, err := h.Write(b); err != nil {
			return
		}
	}
}

// bound is a hostile connection with a transceiver's bind.
func bound(ctx context.Context, at Target) *hostile {
	conn := connect(ctx, at, "")
	if conn == nil {
		return nil
	}
	conn.Write(octetsOf(1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: at.SystemID, Password: at.Password, InterfaceVersion: 0x34}))
	if b, err := smpp.NewFrameReader(conn, maxPDU).Next(); err != nil || binary.BigEndian.Uint32(b[8:]) != 0 {
		conn.Close()
		sleep(ctx, 10*time.Millisecond)
		return nil
	}
	return conn
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func octetsOf(sequence uint32, body smpp.Body) []byte {
	b, err := smpp.PDU{Sequence: sequence, Body: body}.Append(nil)
	if err != nil {
		panic(err) // our own fault
	}
	return b
}

// raw is a PDU with any length in its header and any body.
func raw(length uint32, command smpp.CommandID, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	b = binary.BigEndian.AppendUint32(b, uint32(command))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 7)
	return append(b, body...)
}

func halfOpen(ctx context.Context, at Target, _ int) {
	if conn := connect(ctx, at, ""); conn != nil {
		defer conn.Close()
		conn.drain()
		sleep(ctx, 100*time.Millisecond)
	}
}

func slowLoris(ctx context.Context, at Target, hand int) {
	conn := connect(ctx, at, "")
	if conn == nil {
		return
	}
	defer conn.Close()
	bind := octetsOf(1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: "loris", Password: fmt.Sprint(hand)})
	for i := range bind {
		if _, err := conn.Write(bind[i : i+1]); err != nil {
			return
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

func lengthBombs(ctx context.Context, at Target, _ int) {
	for _, length := range []uint32{0, 1, 15, 66_001, 1 << 31, 0xFFFFFFFF} {
		if conn := connect(ctx, at, ""); conn != nil {
			conn.Write(raw(length, smpp.CmdBindTransceiver, make([]byte, 100)))
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			conn.drain()
			conn.Close()
		}
	}
}

func garbage(ctx context.Context, at Target, _ int) {
	conn := connect(ctx, at, "")
	if conn == nil {
		return
	}
	defer conn.Close()
	b := make([]byte, rand.IntN(5000))
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	if len(b) > 16 && rand.IntN(2) == 0 { // half of them with a length that is believed
		copy(b, raw(uint32(16+rand.IntN(300)), smpp.CommandID(rand.IntN(16)), nil))
	}
	conn.Write(b)
	conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	conn.drain()
}

func resets(ctx context.Context, at Target, _ int) {
	if conn := connect(ctx, at, ""); conn != nil {
		conn.Write(raw(60, smpp.CmdBindTransceiver, []byte("half of it")))
		conn.SetLinger(0)
		conn.Close()
	}
}

func halfClosed(ctx context.Context, at Target, _ int) {
	if conn := connect(ctx, at, ""); conn != nil {
		defer conn.Close()
		conn.Write(octetsOf(1, &smpp.EnquireLink{}))
		conn.CloseWrite()
		conn.drain()
	}
}

func earlyFlood(ctx context.Context, at Target, _ int) {
	conn := connect(ctx, at, "")
	if conn == nil {
		return
	}
	defer conn.Close()
	var flood []byte
	for i := range uint32(1000) {
		flood = append(flood, octetsOf(i, &smpp.SubmitSM{Destination: smpp.Address{Addr: "4917012345"}, ShortMessage: []byte("x")})...)
	}
	for {
		if _, err := conn.Write(flood); err != nil {
			return
		}
	}
}

func bruteForce(ctx context.Context, at Target, _ int) { guess(ctx, at, "") }

func bruteForceFromMany(ctx context.Context, at Target, hand int) {
	guess(ctx, at, fmt.Sprintf("127.0.%d.%d", 1+hand, 1+rand.IntN(250)))
}

// guess tries passwords of the account on one connection for as long as it lasts.
func guess(ctx context.Context, at Target, from string) {
	conn := connect(ctx, at, from)
	if conn == nil {
		return
	}
	defer conn.Close()
	frames := smpp.NewFrameReader(conn, maxPDU)
	for {
		password := fmt.Sprintf("%08x", rand.Uint32())
		if _, err := conn.Write(octetsOf(1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: at.SystemID, Password: password})); err != nil {
			return
		}
		if _, err := frames.Next(); err != nil {
			return
		}
	}
}

func badFields(ctx context.Context, at Target, _ int) {
	conn := bound(ctx, at)
	if conn == nil {
		return
	}
	good := octetsOf(7, &smpp.SubmitSM{Destination: smpp.Address{Addr: "4917012345"}, ShortMessage: []byte("x")})[16:]
	bodies := [][]byte{
		nil, {0}, make([]byte, 3), good[:len(good)/2],
		append(append([]byte(nil), good...), 0x04, 0x24, 0xFF, 0xFF, 1), // a TLV that is longer than the PDU
		append(append([]byte(nil), good...), 0x02),                      // half a TLV
		append(append([]byte(nil), good...), 0x02, 0x04, 0, 0),          // an empty user_message_reference
		[]byte("a service_type without an end, and longer than it may be"),
	}
	var all []byte
	for _, command := range []smpp.CommandID{smpp.CmdSubmitSM, smpp.CmdQuerySM, smpp.CmdCancelSM, smpp.CmdDataSM, 0x1234} {
		for _, body := range bodies {
			all = append(all, raw(uint32(16+len(body)), command, body)...)
		}
	}
	conn.flood(all)
}

func neverRead(ctx context.Context, at Target, _ int) {
	conn := bound(ctx, at)
	if conn == nil {
		return
	}
	defer conn.Close()
	conn.SetReadBuffer(4096)
	var flood []byte
	for i := range uint32(10_000) {
		flood = append(flood, octetsOf(i+1, &smpp.QuerySM{MessageID: "1"})...)
	}
	for {
		if _, err := conn.Write(flood); err != nil {
			return
		}
	}
}

func enquireFlood(ctx context.Context, at Target, _ int) {
	floodWith(ctx, at, octetsOf(7, &smpp.EnquireLink{}))
}

func queryFlood(ctx context.Context, at Target, _ int) {
	floodWith(ctx, at, octetsOf(7, &smpp.QuerySM{MessageID: "1"}))
}

// largePayloads asks for what can't be sent, so that nothing stays of it.
func largePayloads(ctx context.Context, at Target, _ int) {
	floodWith(ctx, at, octetsOf(7, &smpp.SubmitSM{
		Destination: smpp.Address{Addr: "no number"}, TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: make([]byte, 64_000)}},
	}))
}

// floodWith sends one request again and again, and reads the answers.
func floodWith(ctx context.Context, at Target, pdu []byte) {
	conn := bound(ctx, at)
	if conn == nil {
		return
	}
	var flood []byte
	for len(flood) < 64<<10 {
		flood = append(flood, pdu...)
	}
	conn.flood(flood)
}
