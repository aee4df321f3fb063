package sim

import (
	"encoding/hex"
	"fmt"
	"time"

	"smsgateway/sms"
)

// The lengths of an SMS-SUBMIT in octets (TS 23.040 §9.2.2.2): an address of one digit and no text, and a full one.
const (
	minSubmit = 7
	maxSubmit = 164
)

// submission is an SMS-SUBMIT on its way to the network.
type submission struct {
	command string // "+CMGS" or "+CMSS": the result's name
	sca     sms.Address
	pdu     sms.Submit
	stored  *record // where +CMSS found it
}

// doCMGS sends what is typed behind the prompt.
func doCMGS(t *terminal, c command) error {
	length, err := lengthOf(c)
	if err != nil || length == 0 {
		return err
	}
	e := t.nextEffect()
	if t.booting || t.unplugged {
		return errLater // chaos has struck the modem just now
	}
	return t.prompted(e, func(typed string) {
		r, err := recordOf(typed, length)
		s := &submission{}
		if err == nil {
			s, err = parseSubmit(r)
		}
		if err != nil {
			t.spare(e)
			t.finish(err)
			return
		}
		s.command = "+CMGS"
		t.submit(s, e)
	})
}

// doCMGW stores what is typed behind the prompt.
func doCMGW(t *terminal, c command) error {
	status := statusUnsent
	if !c.number(1, &status, statusUnread, statusSent) {
		return cmsInvalidPDU
	}
	length, err := lengthOf(c)
	if err != nil || length == 0 {
		return err
	}
	return t.ask(func(typed string) {
		r, err := recordOf(typed, length)
		if err == nil {
			_, err = parseSubmit(r)
		}
		if err != nil {
			t.finish(err)
			return
		}
		r.status = status
		index, ok := t.m.stores[t.memory[writing]].add(r)
		if !ok {
			t.finish(cmsMemoryFull)
			return
		}
		t.sayf("+CMGW: %d", index)
		t.finish(nil)
	})
}

// doCMSS sends a stored text, to another number if one is given.
func doCMSS(t *terminal, c command) error {
	if c.form == test {
		return nil
	}
	r, err := t.chosen(c, writing)
	if err != nil {
		return err
	}
	s, err := parseSubmit(*r)
	if err != nil {
		return err
	}
	if c.has(1) {
		if s.pdu.Destination, err = sms.ParseNumber(c.arg(1)); err != nil {
			return cmsInvalidPDU
		}
	}
	s.command, s.stored = "+CMSS", r
	t.submit(s, ordinary())
	return errLater
}

// lengthOf reads argument 0, the octets of the TPDU that is to come; 0: the command only asks whether there is such a one.
func lengthOf(c command) (length int, err error) {
	switch {
	case c.form == test:
		return 0, nil
	case c.form != set || !c.has(0) || !c.number(0, &length, minSubmit, maxSubmit):
		return 0, cmsInvalidPDU
	}
	return length, nil
}

// recordOf reads what was typed behind the prompt.
func recordOf(typed string, length int) (record, error) {
	pdu, err := hex.DecodeString(typed)
	if err != nil {
		return record{}, cmsInvalidPDU
	}
	return record{pdu: pdu, length: length}, nil
}

// parseSubmit reads a PDU of the AT interface that must be an SMS-SUBMIT to somebody, of just the length that was given.
func parseSubmit(r record) (*submission, error) {
	sca, tpdu, err := sms.SplitSCA(r.pdu)
	if err != nil || len(tpdu) != r.length {
		return nil, cmsInvalidPDU
	}
	p, err := sms.ParseSubmit(tpdu)
	if err != nil || !exact(p, tpdu) || p.Destination.Number == "" {
		return nil, cmsInvalidPDU
	}
	return &submission{sca: sca, pdu: p}, nil
}

// exact tells whether a TPDU has no octet too many; a strict modem refuses that.
func exact(p sms.Submit, tpdu []byte) bool {
	b, err := p.Append(nil)
	return err == nil && len(b) == len(tpdu)
}

// submit gives a text to the network. The modem hears nothing from the line until the network has answered.
func (t *terminal) submit(s *submission, e effect) {
	t.late = nil // a late answer to another one is swallowed
	switch {
	case s.sca.Number == "" && t.m.card.smsc == "":
		t.spare(e)
		t.finish(cmsNoSMSC)
		return
	case !carries(t.registration(time.Now())):
		t.spare(e)
		t.finish(cmsNoService)
		return
	}
	switch refused := t.m.cfg.Validity.refuses(s.pdu); {
	case refused != nil:
		t.spare(e)
		e = effect{refused: refused, lost: true}
	case e.fault.Kind == 0:
		e = t.m.magic(s.pdu.Destination.Number)
	}
	if e.fault.Kind != 0 {
		e.struck = t.m.strikes(e.fault, s.pdu.Destination)
	}
	latency := t.m.draw(t.m.cfg.Timing.Send, t.m.cfg.Latency)
	switch e.answer {
	case answerNever:
	case answerLate:
		t.late = s
	default:
		t.busy = true
	}
	t.after(latency, func() { t.settle(s, e, latency) })
}

// magic is what a text meets because of its number.
func (m *Modem) magic(number string) effect {
	magic, tried := magicOf(number), m.sub.tried
	switch {
	case magic.Suffix == "":
		return ordinary()
	case magic.once && tried[number]:
		delete(tried, number)
		return ordinary()
	case magic.once:
		tried[number] = true
	}
	return effectOf(magic.fault)
}

// settle is the network's answer.
func (t *terminal) settle(s *submission, e effect, latency time.Duration) {
	t.busy = false
	t.m.submitted++
	if local(e.refused) && e.lost {
		t.finish(e.refused) // not even a reference was taken
		return
	}
	t.m.card.lastRef++
	ref := t.m.card.lastRef
	t.carry(s, ref, e)
	result := fmt.Sprintf("%s: %d", s.command, ref)
	switch e.answer {
	case answerNever:
	case answerGarbled:
		t.out.write(fmt.Sprintf("\r\n+CM\xc7S\xba %d\r\xca\r\nO\xcb\r\n", ref))
	case answerOK:
		t.finish(nil)
	case answerRestart:
		t.reboot()
	case answerUnplug:
		t.unplug(e.fault)
	case answerNoOK, answerBetweenRestart, answerBetweenUnplug:
		t.say(result)
		t.flush()
		t.between(e)
	case answerLate:
		late := t.m.cfg.Late
		if e.fault.For > 0 {
			late = e.fault.For
		}
		t.after(2*latency+late, func() {
			if t.late == s {
				t.late = nil
				t.urc(result + "\r\n\r\nOK")
			}
		})
	default:
		if e.refused != nil {
			t.finish(e.refused)
			return
		}
		if s.stored != nil {
			s.stored.status = statusSent
		}
		t.say(result)
		t.finish(nil)
	}
}

// between is what follows +CMGS instead of OK.
func (t *terminal) between(e effect) {
	switch e.answer {
	case answerBetweenRestart:
		t.reboot()
	case answerBetweenUnplug:
		t.busy = true
		t.after(betweenPause, func() { t.unplug(e.fault) }) // what was written is to arrive
	}
}

// carry has the network do what the effect says with a text that has got as far as the air.
func (t *terminal) carry(s *submission, ref uint8, e effect) {
	m, now := t.m, time.Now()
	until := s.pdu.Until(now)
	m.cfg.Log.Debug("text", "to", s.pdu.Destination, "ref", ref, "text", s.pdu.Text(), "lost", e.lost)
	if e.struck != nil {
		e.struck.Reference, e.struck.Reached = ref, !e.lost
	}
	wanted := s.pdu.StatusReport && !m.cfg.NoReports
	if over := !until.IsZero() && !until.After(now); over || e.held > 0 {
		m.sub.charge()
		if e.struck != nil {
			e.struck.Reached = false // not yet
		}
		m.sub.held = append(m.sub.held, heldText{s.pdu, ref, now, now.Add(e.held), until, wanted, e.struck})
		return
	}
	if !e.lost {
		m.sub.charge()
		if to := m.net.modemOf(s.pdu.Destination); to != nil {
			plain := e.reports.plain()
			m.toSIM(to, s.pdu, ref, now, until, wanted && plain)
			wanted = wanted && !plain // what becomes of it there is reported then
		} else {
			m.toPhone(s.pdu, ref, now)
		}
	}
	if !wanted {
		return
	}
	reports, delay := e.reports, m.draw(m.cfg.Timing.Report, m.cfg.ReportDelay)
	if (m.cfg.ReportFirst || reports.first) && len(reports.statuses) > 0 {
		first := reports
		first.statuses = reports.statuses[:1]
		m.sub.report(s.pdu, ref, first, now, 0)
		t.arrive(now)
		reports.statuses = reports.statuses[1:]
	}
	m.sub.report(s.pdu, ref, reports, now, delay)
}
