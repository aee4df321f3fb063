package store

import (
	"encoding/binary"
	"time"
)

// Bits of a message's flags on disk.
const (
	flagDuplicate = 1 << iota
	flagReference
	flagDoubted
	flagToldSent
	flagToldTrying
	flagTextless
	flagSuspect
	flagBounded
)

// Bits of the further flags of a message, behind its parts.
const (
	moreHeld = 1 << iota
	moreDueMoment
	moreExpiresMoment
)

// Bits of a part's flags on disk.
const (
	partPredicted = 1 << iota
	partMatched
	partSameLine // Line is the message's, and not repeated
	partBlind
)

// appendMessage appends a message's record without its checksum; the id is the key.
func appendMessage(b []byte, m *Message) []byte {
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint32(b, m.Lane)
	b = append(b, byte(m.State), messageFlags(m), byte(m.in.was), byte(m.in.row), m.in.resends)
	b = binary.BigEndian.AppendUint64(b, uint64(m.in.wake))
	b = appendText(b, m.Account)
	b = appendAddress(b, m.Source)
	b = appendAddress(b, m.Destination)
	b = appendText(b, m.ServiceType)
	b = append(b, m.ESMClass, m.ProtocolID, m.Priority, m.RegisteredDelivery, m.DataCoding, m.DCS)
	if m.UserReference != nil {
		b = binary.BigEndian.AppendUint16(b, *m.UserReference)
	}
	b = appendOctets(b, m.UDH)
	for _, t := range [...]time.Time{m.Accepted, m.Due, m.Expires, m.SentAt, m.EndedAt, m.DoubtEnds} {
		b = appendTime(b, t)
	}
	b = appendText(b, m.Preview)
	b = appendText(b, m.Reason)
	b = binary.BigEndian.AppendUint16(b, m.ErrorCode)
	b = append(b, m.ErrorKind)
	b = binary.BigEndian.AppendUint16(b, uint16(min(m.Refusals, 1<<16-1)))
	b = appendText(b, m.Line)
	b = append(b, byte(len(m.Parts)))
	for i := range m.Parts {
		b = appendPart(b, &m.Parts[i], m.Line)
	}
	return appendMore(b, m)
}

// appendMore writes nothing for a message whose times are no dates of its client, and that no operator touched: so it was
// before format 4.
func appendMore(b []byte, m *Message) []byte {
	flags := bit(m.Held, moreHeld) | bit(m.DueMoment, moreDueMoment) | bit(m.ExpiresMoment, moreExpiresMoment)
	if flags == 0 && len(m.Acts) == 0 {
		return b
	}
	b = append(b, flags, byte(len(m.Acts)))
	for _, a := range m.Acts {
		b = appendText(appendText(appendTime(b, a.At), a.By), a.What)
	}
	return b
}

func messageFlags(m *Message) uint8 {
	return bit(m.Duplicate, flagDuplicate) | bit(m.UserReference != nil, flagReference) | bit(m.in.doubted, flagDoubted) |
		bit(m.in.toldSent, flagToldSent) | bit(m.in.toldTrying, flagToldTrying) | bit(m.in.textless, flagTextless) |
		bit(m.Suspect, flagSuspect) | bit(m.Bounded, flagBounded)
}

func bit(on bool, mask uint8) uint8 {
	if on {
		return mask
	}
	return 0
}

// appendPart leaves out the line where it is the message's: records should hardly grow on their way, as their page was
// filled when they were new.
func appendPart(b []byte, p *Part, line string) []byte {
	same := p.Line == line
	b = append(b, byte(p.State), bit(p.predicted, partPredicted)|bit(p.matched, partMatched)|bit(same, partSameLine)|bit(p.blind, partBlind),
		p.Attempts, p.Ref, p.Status)
	for _, t := range [...]time.Time{p.ClaimedAt, p.SentAt, p.ReportedAt} {
		b = appendTime(b, t)
	}
	b = appendText(b, p.Modem)
	if !same {
		b = appendText(b, p.Line)
	}
	b = appendText(b, p.Reason)
	return appendOctets(b, p.Data)
}

// decodeMessage reads a record whole: a *DamagedError if it is not what appendMessage and seal wrote.
func decodeMessage(key, value []byte) (*Message, error) {
	f, err := unseal(bMessages, key, value)
	if err != nil {
		return nil, err
	}
	f.check(len(key) == 8, "its key is not an id")
	if f.reason != "" {
		return nil, f.end()
	}
	m := &Message{ID: ID(binary.BigEndian.Uint64(key)), Lane: f.uint32()}
	m.State = State(f.uint8())
	flags := f.uint8()
	m.in.was, m.in.row, m.in.resends = State(f.uint8()), queueRow(f.uint8()), f.uint8()
	m.in.wake = int64(f.uint64())
	m.Account = f.text()
	m.Source, m.Destination = f.address(), f.address()
	m.ServiceType = f.text()
	m.ESMClass, m.ProtocolID, m.Priority = f.uint8(), f.uint8(), f.uint8()
	m.RegisteredDelivery, m.DataCoding, m.DCS = f.uint8(), f.uint8(), f.uint8()
	if flags&flagReference != 0 {
		ref := f.uint16()
		m.UserReference = &ref
	}
	m.UDH = f.octets()
	for _, t := range [...]*time.Time{&m.Accepted, &m.Due, &m.Expires, &m.SentAt, &m.EndedAt, &m.DoubtEnds} {
		*t = f.time()
	}
	m.Preview, m.Reason = f.text(), f.text()
	m.ErrorCode, m.ErrorKind = f.uint16(), f.uint8()
	m.Refusals = int(f.uint16())
	m.Line = f.text()
	m.Duplicate, m.in.doubted = flags&flagDuplicate != 0, flags&flagDoubted != 0
	m.in.toldSent, m.in.toldTrying = flags&flagToldSent != 0, flags&flagToldTrying != 0
	m.in.textless, m.Suspect = flags&flagTextless != 0, flags&flagSuspect != 0
	m.Bounded = flags&flagBounded != 0
	m.Parts = make([]Part, f.uint8())
	for i := range m.Parts {
		m.Parts[i] = decodePart(f, m.Line)
	}
	if f.reason == "" && len(f.rest) > 0 {
		decodeMore(f, m)
	}
	f.check(m.State >= Queued && m.State < numStates, "its state is unknown")
	f.check(m.in.was < numStates && m.in.row <= rowLater, "its rows are unknown")
	f.check(len(m.Parts) > 0, "it has no part")
	return m, f.end()
}

func decodeMore(f *fields, m *Message) {
	flags := f.uint8()
	m.Held, m.DueMoment, m.ExpiresMoment = flags&moreHeld != 0, flags&moreDueMoment != 0, flags&moreExpiresMoment != 0
	for range min(f.uint8(), mostActs+1) {
		m.Acts = append(m.Acts, Act{At: f.time(), By: f.text(), What: f.text()})
	}
	f.check(flags < moreExpiresMoment<<1 && (flags != 0 || len(m.Acts) > 0) && len(m.Acts) <= mostActs, "its further flags make no sense")
}

func decodePart(f *fields, line string) Part {
	p := Part{State: PartState(f.uint8())}
	flags := f.uint8()
	p.predicted, p.matched, p.blind = flags&partPredicted != 0, flags&partMatched != 0, flags&partBlind != 0
	p.Attempts, p.Ref, p.Status = f.uint8(), f.uint8(), f.uint8()
	p.ClaimedAt, p.SentAt, p.ReportedAt = f.time(), f.time(), f.time()
	p.Modem = f.text()
	if p.Line = line; flags&partSameLine == 0 {
		p.Line = f.text()
		f.check(p.Line != line, "a line is there twice")
	}
	p.Reason = f.text()
	p.Data = f.octets()
	f.check(p.State < numPartStates && flags < partBlind<<1, "the state of a part is unknown")
	return p
}

// peekMessage gives lane and state without reading the rest, or checking it.
func peekMessage(value []byte) (lane uint32, s State, ok bool) {
	if len(value) < 6 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(value[1:]), State(value[5]), true
}
