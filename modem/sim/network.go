package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"smsgateway/sms"
)

const (
	maxTexts = 100_000          // texts that are remembered for Modem.Texts
	retry    = 10 * time.Second // after which the network tries again what the modem has not acknowledged
)

// network is the service centre, what it still has for our SIM, and all other phones.
type network struct {
	registration int // <stat> of +CREG
	signal       int // <rssi> of +CSQ

	queue []arrival // for our SIM, in order
	texts []Text
	fresh []Text // for Config.OnText

	partial  map[messageKey]map[uint8]sms.Submit // parts of messages that are not whole
	tried    map[string]bool                     // numbers that were refused once by a magic number
	lastLong uint8                               // reference of the last long message to our SIM
}

// arrival is a TPDU for our SIM.
type arrival struct {
	due  time.Time
	tpdu []byte
}

func (a arrival) isReport() bool { return a.tpdu[0]&3 == sms.MTIStatusReport }

// messageKey is what the parts of one message have in common (TS 23.040 §9.2.3.24.1).
type messageKey struct {
	to    sms.Address
	ref   uint16
	wide  bool
	total uint8
}

func newNetwork() network {
	return network{registration: 1, signal: 21, partial: make(map[messageKey]map[uint8]sms.Submit), tried: make(map[string]bool)}
}

func (n *network) enqueue(a arrival) { n.queue = append(n.queue, a) }

// takeFresh returns the texts that OnText has not seen.
func (n *network) takeFresh() []Text {
	fresh := n.fresh
	n.fresh = nil
	return fresh
}

// carry brings a part to its phone.
func (n *network) carry(p sms.Submit, ref uint8, now time.Time) {
	text := Text{To: p.Destination, Text: p.Text(), Part: 1, Total: 1, TPDU: p, Reference: ref, At: now, Whole: true}
	elements, err := sms.ParseUDH(p.UDH)
	if r, wide, total, seq, ok := sms.ConcatOf(elements); err == nil && len(p.UDH) > 0 && ok {
		text.Part, text.Total = int(seq), int(total)
		text.Text, text.Whole = n.join(messageKey{p.Destination, r, wide, total}, seq, p)
	}
	n.texts = append(n.texts, text)
	if len(n.texts) > maxTexts {
		n.texts = append([]Text(nil), n.texts[1+maxTexts/10:]...)
	}
	n.fresh = append(n.fresh, text)
}

// join adds a part to its message and returns the whole text if that was the last one missing, else the part's.
func (n *network) join(key messageKey, seq uint8, p sms.Submit) (text string, whole bool) {
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
		if seq > 1 && part.DCS != joined.DCS {
			all.WriteString(joined.Text())
			joined.Data = nil
		}
		joined.DCS = part.DCS
		joined.Data = append(joined.Data, part.Data...)
	}
	return all.String() + joined.Text(), true
}

// report has the service centre report what became of a part, each status one delay after the one before.
func (n *network) report(p sms.Submit, ref uint8, statuses []sms.Status, now time.Time, delay time.Duration) {
	due := now
	for _, status := range statuses {
		r := sms.StatusReport{Reference: ref, Recipient: p.Destination, Time: now, Discharge: now, Status: status}
		if tpdu, err := r.Append(nil); err == nil { // the Submit's address has been read, so it can be written
			due = due.Add(delay)
			n.enqueue(arrival{due: due, tpdu: tpdu})
		}
	}
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
func (n *network) compose(from sms.Address, text string, now time.Time) ([][]byte, error) {
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
