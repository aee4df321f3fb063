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
	return t.askForSubmit(c, func(r record) {
		s, err := parseSubmit(r)
		if err != nil {
			t.finish(err)
			return
		}
		s.command = "+CMGS"
		t.submit(s)
	})
}

// doCMGW stores what is typed behind the prompt.
func doCMGW(t *terminal, c command) error {
	status := statusUnsent
	if !c.number(1, &status, statusUnread, statusSent) {
		return cmsInvalidPDU
	}
	return t.askForSubmit(c, func(r record) {
		if _, err := parseSubmit(r); err != nil {
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
	t.submit(s)
	return errLater
}

// askForSubmit opens the prompt for a PDU of the length that argument 0 gives, and passes on the octets typed.
func (t *terminal) askForSubmit(c command, do func(record)) error {
	length := 0
	switch {
	case c.form == test:
		return nil
	case c.form != set || !c.has(0) || !c.number(0, &length, minSubmit, maxSubmit):
		return cmsInvalidPDU
	}
	return t.ask(func(typed string) {
		pdu, err := hex.DecodeString(typed)
		if err != nil {
			t.finish(cmsInvalidPDU)
			return
		}
		do(record{pdu: pdu, length: length})
	})
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
func (t *terminal) submit(s *submission) {
	t.late = nil // a late answer to another one is swallowed
	number := s.pdu.Destination.Number
	magic := magicOf(number)
	tried := t.m.network.tried
	switch {
	case s.sca.Number == "" && t.m.card.smsc == "":
		t.finish(cmsNoSMSC)
		return
	case !carries(t.registration(time.Now())):
		t.finish(cmsNoService)
		return
	case magic.once && tried[number]:
		delete(tried, number)
		magic = ordinary
	case magic.once:
		tried[number] = true
		magic.lost = true
	}
	if magic.Suffix != "" {
		t.m.cfg.Log.Info("a magic number was dialled", "number", ".."+magic.Suffix, "effect", magic.Effect)
	}
	switch magic.answer {
	case answerNever:
	case answerLate:
		t.late = s
	default:
		t.busy = true
	}
	t.after(t.m.cfg.Latency, func() { t.settle(s, magic) })
}

// settle is the network's answer.
func (t *terminal) settle(s *submission, magic MagicNumber) {
	t.busy = false
	if magic.refused == cmsSIMBusy {
		t.finish(magic.refused) // not even a reference was taken
		return
	}
	t.m.card.lastRef++
	ref := t.m.card.lastRef
	t.carry(s, ref, magic)
	switch {
	case magic.refused != 0:
		t.finish(magic.refused)
	case magic.answer == answerError:
		t.finish(errPlain)
	case magic.answer == answerOK:
		t.finish(nil)
	case magic.answer == answerRestart:
		t.reboot()
	case magic.answer == answerUnplug:
		t.unplugged = true
	case magic.answer == answerNever:
	case magic.answer == answerLate:
		t.after(2*t.m.cfg.Latency+t.m.cfg.Late, func() {
			if t.late == s {
				t.late = nil
				t.urc(fmt.Sprintf("%s: %d\r\n\r\nOK", s.command, ref))
			}
		})
	default:
		if s.stored != nil {
			s.stored.status = statusSent
		}
		t.say(fmt.Sprintf("%s: %d", s.command, ref))
		t.finish(nil)
	}
}

// carry has the network do what the magic number says with a text that has got as far as the air.
func (t *terminal) carry(s *submission, ref uint8, magic MagicNumber) {
	now := time.Now()
	t.m.cfg.Log.Debug("text", "to", s.pdu.Destination, "ref", ref, "text", s.pdu.Text(), "lost", magic.lost)
	if !magic.lost {
		t.m.network.carry(s.pdu, ref, now)
	}
	if !s.pdu.StatusReport || t.m.cfg.NoReports {
		return
	}
	reports, delay := magic.reports, t.m.cfg.ReportDelay
	if t.m.cfg.ReportFirst && len(reports) > 0 {
		t.m.network.report(s.pdu, ref, reports[:1], now, 0)
		t.arrive(now)
		reports = reports[1:]
	}
	t.m.network.report(s.pdu, ref, reports, now, delay)
}
