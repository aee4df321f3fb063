package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"smsgateway/sms"
)

const (
	maxTexts = 100_000          // texts, and faults, that are remembered
	retry    = 10 * time.Second // after which the network tries again what the modem has not acknowledged
)

// Network is the service centre, the phones, and the SIMs of the modems in it. A text to the number of one of these SIMs
// arrives there; all other numbers are phones.
type Network struct {
	mu     sync.Mutex // guards everything in it: its modems, their terminals and SIMs
	modems []*Modem
	texts  []Text
}

// NewNetwork returns a network for Config.Network.
func NewNetwork() *Network { return new(Network) }

// Texts returns what phones have received from all modems so far, the first first; of more than 100,000 the latest.
// What a SIM of the network was sent is not among them: it is in that SIM's modem.
func (n *Network) Texts() []Text {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.texts)
}

// join adds a modem, whose SIM gets the next free number if it has none.
func (n *Network) join(m *Modem) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 1; m.cfg.Number == ""; i++ {
		number := fmt.Sprintf("+49176%07d", i)
		if !slices.ContainsFunc(n.modems, func(other *Modem) bool { return other.cfg.Number == number }) {
			m.cfg.Number = number
		}
	}
	n.modems = append(n.modems, m)
}

// modemOf finds the modem whose SIM has a number; nil if it is a phone's.
func (n *Network) modemOf(to sms.Address) *Modem {
	for _, m := range n.modems {
		if reaches(to, m.cfg.Number) {
			return m
		}
	}
	return nil
}

// minNational is the least number of digits that can be a national number and no short code.
const minNational = 7

// reaches tells whether a dialled number leads to a SIM's: as it is, after 00, or as a national one.
func reaches(dialled sms.Address, own string) bool {
	own = strings.TrimPrefix(own, "+")
	if dialled.TON == sms.TONInternational {
		return dialled.Number == own
	}
	number := strings.TrimLeft(dialled.Number, "0")
	return number == own || len(number) >= minNational && strings.HasSuffix(own, number)
}

// remember adds to a list of at most maxTexts; of more it forgets the oldest tenth.
func remember[T any](list []T, one T) []T {
	list = append(list, one)
	if len(list) > maxTexts {
		list = append([]T(nil), list[1+maxTexts/10:]...)
	}
	return list
}

// subscriber is what the network holds for one SIM.
type subscriber struct {
	registration int // <stat> of +CREG
	signal       int // <rssi> of +CSQ
	outage       outage
	cents        int // of the balance

	queue []arrival  // for the SIM, in order
	held  []heldText // for phones that are off
	texts []Text     // that phones got from it
	fresh []Text     // for Config.OnText

	partial  map[messageKey]map[uint8]sms.Submit // parts of its messages that are not whole
	tried    map[string]bool                     // numbers that were refused once by a magic number
	lastLong uint8                               // reference of the last long message to it
}

// outage is a time in which the network gives another <stat>.
type outage struct {
	stat  int
	until time.Time
}

// arrival is a TPDU for a SIM.
type arrival struct {
	due     time.Time
	tpdu    []byte
	swapped bool      // a report that is to come after that of another text
	origin  *sending  // the text is one of another SIM, which asked for a report
	until   time.Time // it expires then; zero: never
}

func (a arrival) isReport() bool { return a.tpdu[0]&3 == sms.MTIStatusReport }

// sending is a text on its way from one SIM to another.
type sending struct {
	by   *Modem
	pdu  sms.Submit
	ref  uint8
	told bool // that it is still being tried
}

// heldText is a text to a phone that is off.
type heldText struct {
	pdu    sms.Submit
	ref    uint8
	taken  time.Time
	due    time.Time // when the phone is on
	until  time.Time // when it expires; zero: never
	report bool
	struck *Struck // nil: it was expired when it came
}

// deliverHeld brings the texts that waited to phones that are on by now, and reports those that expired before. It returns
// when to look again; zero: after whatever happens next.
func (m *Modem) deliverHeld(now time.Time) (next time.Time) {
	m.sub.held = slices.DeleteFunc(m.sub.held, func(h heldText) bool {
		end, status := h.due, sms.StatusReceived
		if !h.until.IsZero() && !h.until.After(h.due) {
			end, status = h.until, statusExpired
		}
		if end.After(now) {
			next = sooner(next, end)
			return false
		}
		if status == sms.StatusReceived {
			m.toPhone(h.pdu, h.ref, now)
			h.struck.Reached = true
		}
		if h.report {
			delay := m.draw(m.cfg.Timing.Report, m.cfg.ReportDelay)
			m.sub.report(h.pdu, h.ref, reporting{statuses: []sms.Status{status}}, h.taken, max(delay, now.Add(delay).Sub(h.taken)))
			next = sooner(next, now)
		}
		return true
	})
	return next
}

// messageKey is what the parts of one message have in common (TS 23.040 §9.2.3.24.1).
type messageKey struct {
	to    sms.Address
	ref   uint16
	wide  bool
	total uint8
}

func newSubscriber() subscriber {
	return subscriber{
		registration: 1, signal: 21, cents: startCents,
		partial: make(map[messageKey]map[uint8]sms.Submit), tried: make(map[string]bool),
	}
}

func (n *subscriber) enqueue(a arrival) { n.queue = append(n.queue, a) }

// takeFresh returns the texts that OnText has not seen.
func (n *subscriber) takeFresh() []Text {
	fresh := n.fresh
	n.fresh = nil
	return fresh
}

// toPhone brings a part to its phone.
func (m *Modem) toPhone(p sms.Submit, ref uint8, now time.Time) {
	n := &m.sub
	text := Text{From: m.own(), To: p.Destination, Text: p.Text(), TPDU: p, Reference: ref, At: now}
	text.Part, text.Total, text.Whole = 1, 1, true
	elements, err := sms.ParseUDH(p.UDH)
	if r, wide, total, seq, ok := sms.ConcatOf(elements); err == nil && len(p.UDH) > 0 && ok {
		text.Part, text.Total = int(seq), int(total)
		text.Text, text.Whole = n.join(messageKey{p.Destination, r, wide, total}, seq, p)
	}
	n.texts = remember(n.texts, text)
	m.net.texts = remember(m.net.texts, text)
	n.fresh = append(n.fresh, text)
}

// own is the number of the SIM.
func (m *Modem) own() sms.Address {
	a, err := sms.ParseNumber(m.cfg.Number)
	if err != nil {
		return sms.Address{}
	}
	return a
}

// toSIM brings a part to another SIM of the network, or to the same one. If the sender is to have a report, it follows
// what happens there: still trying at once if the modem is off or full, received when the modem has taken it.
func (m *Modem) toSIM(to *Modem, p sms.Submit, ref uint8, now, until time.Time, report bool) {
	d := sms.Deliver{Originator: m.own(), PID: p.PID, DCS: p.DCS, Time: now, UDH: p.UDH, Data: p.Data}
	tpdu, err := d.Append(nil)
	if err != nil {
		return // the Submit has been read and has the same parts, so this cannot be
	}
	a := arrival{due: now, tpdu: tpdu, until: until}
	if report {
		a.origin = &sending{by: m, pdu: p, ref: ref}
		if to.term == nil || !carries(to.term.registration(now)) {
			a.origin.tell(statusNoResponse, now)
		}
	}
	to.sub.enqueue(a)
	to.poke()
}

// tell has a report go to the sender, unless it says again what was said before.
func (s *sending) tell(status sms.Status, now time.Time) {
	if s == nil || s.told && status.Fate() == sms.FateTrying {
		return
	}
	s.told = true
	delay := s.by.draw(s.by.cfg.Timing.Report, s.by.cfg.ReportDelay)
	s.by.sub.report(s.pdu, s.ref, reporting{statuses: []sms.Status{status}}, now, delay)
	s.by.poke()
}

// join adds a part to its message and returns the whole text if that was the last one missing, else the part's.
func (n *subscriber) join(key messageKey, seq uint8, p sms.Submit) (text string, whole bool) {
	parts := n.partial[key]
	if parts == nil {
		parts = make(map[uint8]sms.Submit)
		n.partial[key] = parts
	}
	parts[seq] = p
	if len(parts) < int(key.total) {
		return p.Text(), false
	}
	delete(n.partial, key)
	// Some senders cut between the halves of a character, so data are joined before they are read.
	var joined sms.Submit
	var all strings.Builder
	for seq := 1; seq <= int(key.total); seq++ {
		part := parts[uint8(seq)]
		if seq > 1 && (part.DCS != joined.DCS || sms.ShiftIn(part.UDH) != sms.ShiftIn(joined.UDH)) {
			all.WriteString(joined.Text())
			joined.Data = nil
		}
		joined.DCS, joined.UDH = part.DCS, part.UDH
		joined.Data = append(joined.Data, part.Data...)
	}
	return all.String() + joined.Text(), true
}

// reporting is how the service centre reports a part.
type reporting struct {
	statuses  []sms.Status
	first     bool // the first of them comes before the +CMGS
	swapped   bool // they come after those of the next text, if there is one within swapWait
	respelled bool // the recipient is written in another way
}

// swapWait is how long a report waits for that of another text to overtake it.
const swapWait = 10 * time.Minute

// report has the service centre report what became of a part, each status one delay after the one before.
func (n *subscriber) report(p sms.Submit, ref uint8, r reporting, now time.Time, delay time.Duration) {
	due, recipient := now, p.Destination
	if r.respelled {
		recipient = respelled(recipient)
	}
	for _, status := range r.statuses {
		report := sms.StatusReport{Reference: ref, Recipient: recipient, Time: now, Discharge: now, Status: status}
		tpdu, err := report.Append(nil)
		if err != nil {
			continue // the Submit's address has been read, so it can be written
		}
		due = due.Add(delay)
		if r.swapped {
			n.enqueue(arrival{due: due.Add(swapWait), tpdu: tpdu, swapped: true})
			continue
		}
		n.enqueue(arrival{due: due, tpdu: tpdu})
		n.overtaken(due)
	}
}

// overtaken lets reports go that waited for another one, which is due then.
func (n *subscriber) overtaken(due time.Time) {
	var waited []arrival
	n.queue = slices.DeleteFunc(n.queue, func(a arrival) bool {
		if a.swapped {
			waited = append(waited, arrival{due: due, tpdu: a.tpdu})
		}
		return a.swapped
	})
	n.queue = append(n.queue, waited...)
}

// twoDigits are the zones of the numbering plan (ITU-T E.164) whose country codes have two digits; those of 1 and 7 have
// one, all others three.
const twoDigits = " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 " +
	"65 66 81 82 84 86 90 91 92 93 94 95 98 "

// respelled writes an international number as a national one and any other as an international one, as networks do in
// the TP-RA of a report (gsm-modem §3.6). A number too short for that stays.
func respelled(a sms.Address) sms.Address {
	digits := a.Number
	switch {
	case len(digits) < minNational || a.TON == sms.TONAlphanumeric:
	case a.TON != sms.TONInternational:
		a.TON, a.Number = sms.TONInternational, "49"+strings.TrimLeft(digits, "0")
	case digits[0] == '1' || digits[0] == '7':
		a.TON, a.Number = sms.TONUnknown, "0"+digits[1:]
	case strings.Contains(twoDigits, " "+digits[:2]+" "):
		a.TON, a.Number = sms.TONUnknown, "0"+digits[2:]
	default:
		a.TON, a.Number = sms.TONUnknown, "0"+digits[3:]
	}
	return a
}

// maxName is the longest alphanumeric originator in characters (TS 23.040 §9.1.2.5).
const maxName = 11

// originatorOf reads a number or a name.
func originatorOf(from string) (sms.Address, error) {
	a, err := sms.ParseNumber(from)
	if err == nil {
		return a, nil
	}
	septets, nameErr := sms.EncodeGSM7(from)
	switch {
	case from == "" || strings.Trim(from, "+0123456789") == "":
		return sms.Address{}, err
	case nameErr != nil:
		return sms.Address{}, nameErr
	case len(septets) > maxName:
		return sms.Address{}, fmt.Errorf("a name of %d characters: at most %d are possible", len(septets), maxName)
	}
	return sms.Address{TON: sms.TONAlphanumeric, Number: from}, nil
}

// compose writes a text as SMS-DELIVERs.
func (n *subscriber) compose(from sms.Address, text string, now time.Time) ([][]byte, error) {
	alphabet, dcs := sms.GSM7, uint8(0x00)
	data, err := sms.EncodeGSM7(text)
	if err != nil {
		alphabet, dcs, data = sms.UCS2, 0x08, sms.EncodeUCS2(text)
	}
	parts := sms.Split(data, alphabet, false)
	if len(parts) > 255 {
		return nil, errors.New("it takes more than 255 parts: shorten it")
	}
	if len(parts) > 1 {
		n.lastLong++
	}
	tpdus := make([][]byte, 0, len(parts))
	for i, part := range parts {
		d := sms.Deliver{MoreMessages: i+1 < len(parts), Originator: from, DCS: dcs, Time: now, Data: part}
		if len(parts) > 1 {
			d.UDH = sms.AppendUDH(nil, sms.Concat(uint16(n.lastLong), false, uint8(len(parts)), uint8(i+1)))
		}
		tpdu, err := d.Append(nil)
		if err != nil {
			return nil, err
		}
		tpdus = append(tpdus, tpdu)
	}
	return tpdus, nil
}
