package sim

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"smsgateway/sms"
)

// patience is how long the modem waits for +CNMA before it refuses the text (TS 24.011, TR2M).
const patience = 15 * time.Second

// arrive takes from the network what is due and has a place to go, and returns when to look again; zero: after whatever
// happens next. What has no place waits, and later ones of its kind behind it.
func (t *terminal) arrive(now time.Time) (next time.Time) {
	if t.booting || t.unplugged || !carries(t.registration(now)) {
		return time.Time{}
	}
	if t.m.card.readyAt.After(now) {
		return t.m.card.readyAt
	}
	if t.deafUntil.After(now) { // one that hangs does not answer the network either
		return t.deafUntil
	}
	if t.allowed(needSMS) != nil {
		return time.Time{}
	}
	n := &t.m.sub
	queue := n.queue
	n.queue = nil // what happens here may add to it
	var waiting []arrival
	full := false
	for _, a := range queue {
		switch {
		case !a.until.IsZero() && !a.until.After(now):
			a.origin.tell(statusExpired, now)
		case a.due.After(now):
			next = sooner(next, a.due)
			waiting = append(waiting, a)
		case t.unacked != nil, full && !a.isReport():
			waiting = append(waiting, a)
		case !t.take(a):
			full = full || !a.isReport()
			a.origin.tell(statusErrorInSME, now)
			waiting = append(waiting, a)
		default:
			if t.unacked == nil {
				a.origin.tell(sms.StatusReceived, now)
			}
		}
	}
	for _, a := range waiting {
		if a.until.After(now) {
			next = sooner(next, a.until)
		}
	}
	n.queue = append(waiting, n.queue...)
	for _, a := range n.queue[len(waiting):] {
		next = sooner(next, a.due)
	}
	return next
}

// take is the modem's answer to the network: true is RP-ACK, false that there is no room (TS 24.011 §7.3).
func (t *terminal) take(a arrival) bool {
	if a.isReport() {
		return t.takeReport(a)
	}
	d, err := sms.ParseDeliver(a.tpdu)
	if err != nil || d.PID == 0x40 { // type 0 is for the modem alone (TS 23.040 §9.2.3.9)
		return true
	}
	class := classOf(d.DCS)
	direct := t.cnmi.mt == 2 && class != 2 || t.cnmi.mt == 3 && class == 3
	if direct {
		t.pass(a, fmt.Sprintf("+CMT: ,%d\r\n%X", len(a.tpdu), t.m.prefixed(a.tpdu)))
		return true
	}
	memory := t.incoming()
	if class == 2 {
		memory = "SM"
	}
	urc := "+CMTI: " + strconv.Quote(memory)
	return t.keep(memory, a, t.cnmi.mt == 1 || t.cnmi.mt == 3 || class == 2 && t.cnmi.mt == 2, urc)
}

func (t *terminal) takeReport(a arrival) bool {
	switch {
	case !t.cnmi.given:
		return false // see the package comment
	case t.cnmi.ds == 1:
		t.pass(a, fmt.Sprintf("+CDS: %d\r\n%X", len(a.tpdu), t.m.prefixed(a.tpdu)))
	case t.cnmi.ds == 2:
		return t.keep("SR", a, true, "+CDSI: "+strconv.Quote(cmp.Or(t.m.cfg.Quirks.Reports, "SR")))
	}
	return true
}

// keep stores a TPDU and says so if told to: urc, and the place.
func (t *terminal) keep(memory string, a arrival, indicate bool, urc string) bool {
	index, ok := t.m.stores[memory].add(record{status: statusUnread, pdu: t.m.prefixed(a.tpdu), length: len(a.tpdu)})
	if ok && indicate {
		t.indicate(fmt.Sprintf("%s,%d", urc, index), true)
	}
	return ok
}

// pass gives a TPDU to the driver, which answers for it if +CSMS says so.
func (t *terminal) pass(a arrival, line string) {
	t.indicate(line, false)
	if t.csms == 0 {
		return
	}
	t.unacked = &a
	mine := t.unacked
	t.after(patience, func() {
		if t.unacked == mine {
			t.refuse()
		}
	})
}

// refuse gives the TPDU that nobody acknowledged back to the network. The modem passes on no more (TS 27.005 §3.4.1).
func (t *terminal) refuse() {
	t.m.sub.enqueue(arrival{due: time.Now().Add(retry), tpdu: t.unacked.tpdu, origin: t.unacked.origin, until: t.unacked.until})
	t.unacked = nil
	t.cnmi.mt, t.cnmi.ds = 0, 0
}

// giveBack is what the network makes of a modem that will not acknowledge any more: it tries again.
func (t *terminal) giveBack(now time.Time) {
	if t.unacked != nil {
		t.m.sub.enqueue(arrival{due: now, tpdu: t.unacked.tpdu, origin: t.unacked.origin, until: t.unacked.until})
		t.unacked = nil
	}
}

// indicate writes a URC about a text as <mode> of +CNMI wants it: kept in the modem (0), or, while the line is taken by a
// prompt, thrown away if it may be (1) or kept until that is over.
func (t *terminal) indicate(line string, spare bool) {
	switch {
	case t.cnmi.mode == 0:
		t.buffered = append(t.buffered, line)
	case t.cnmi.mode == 1 && t.prompt != nil && spare:
	default:
		t.urc(line)
	}
}

// prefixed puts the service centre before a TPDU of the network, as in memory and at the AT interface.
func (m *Modem) prefixed(tpdu []byte) []byte {
	sca, err := sms.ParseNumber(m.cfg.SMSC)
	if err != nil {
		sca = sms.Address{}
	}
	return append(sms.AppendSCA(nil, sca), tpdu...)
}

// classOf returns the message class of a data coding scheme (TS 23.038 §4), or -1 for none.
func classOf(dcs byte) int {
	if dcs>>4 == 0xF || dcs>>7 == 0 && dcs&0x10 != 0 {
		return int(dcs & 3)
	}
	return -1
}

// doCNMA acknowledges what +CMT or +CDS passed on: <n> 0 and 1 for yes, 2 for no. An acknowledgement TPDU may follow, of
// which nothing is made.
func doCNMA(t *terminal, c command) error {
	answer, length := 0, 0
	switch {
	case c.form == test:
		t.say("+CNMA: (0-2)")
		return nil
	case !t.m.cfg.Quirks.CNMA.takes(c):
		return errPlain
	case c.form == read || !c.number(0, &answer, 0, 2) || !c.number(1, &length, 0, 164):
		return cmsInvalidPDU
	case t.unacked == nil:
		return cmsNoCNMAExpected
	}
	settle := func() {
		switch {
		case t.unacked == nil: // the driver took longer than the network waits
		case answer == 2:
			t.m.sub.enqueue(arrival{due: time.Now().Add(retry), tpdu: t.unacked.tpdu, origin: t.unacked.origin, until: t.unacked.until})
		default:
			t.unacked.origin.tell(sms.StatusReceived, time.Now())
		}
		t.unacked = nil
	}
	if length > 0 {
		return t.ask(func(string) {
			settle()
			t.finish(nil)
		})
	}
	settle()
	return nil
}
