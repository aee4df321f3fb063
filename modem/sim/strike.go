package sim

import (
	"slices"
	"strings"
	"time"

	"smsgateway/sms"
)

const (
	stormEvery   = 100 * time.Millisecond // between two URCs of FaultStorm
	betweenPause = 50 * time.Millisecond  // between +CMGS and an unplugging that OK does not survive
	junkOctets   = 200
)

// stormLines are URCs of Huawei sticks (ModemManager, plugins/huawei).
var stormLines = []string{
	"^RSSI:18", "^HCSQ:\"WCDMA\",40,39,58",
	"^DSFLOWRPT:0000000A,00000000,00000000,0000000000000000,0000000000000000,00000000,00000000",
	"^MODE:5,4", "^SRVST:2", "^BOOT:20952548,0,0,0,75", "^STIN:1,0,0", "^SIMST:1",
}

// strike has the first fault that is due strike the modem.
func (t *terminal) strike() {
	f := t.m.due[0]
	t.m.due = t.m.due[1:]
	t.m.strikes(f, sms.Address{})
	now := time.Now()
	until := now.Add(f.lasting())
	switch f.Kind {
	case FaultReset:
		t.reboot()
	case FaultSilentReset:
		t.giveBack(now)
		t.cure()
		t.powerOn(now)
	case FaultBrownOut: // as SIMCom spells it (SIM800H hardware design §4.2.2.3)
		t.out.write("\r\nUNDER-VOLTAGE WARNNING\r\n\r\nUNDER-VOLTAGE POWER DOWN\r\n")
		t.reboot()
	case FaultUnplug:
		t.unplug(f)
	case FaultDeaf:
		t.deafUntil = until
		t.out.mute(true)
	case FaultSlow:
		t.out.slowDown(until)
	case FaultJunk:
		t.junk(f.Code)
	case FaultStorm:
		t.stormUntil, t.stormNext = until, now
	case FaultEcho:
		t.echo = true
	case FaultForgets:
		t.cnmi = cnmi{given: t.cnmi.given}
	case FaultListHangs:
		t.listHang = f.lasting()
	case FaultRefuseCNMI:
		t.cnmiRefusedUntil = until
	default:
		t.m.strikeSIM(f, now, until)
	}
}

// strikeSIM is strike for what is about the SIM and the network.
func (m *Modem) strikeSIM(f Fault, now, until time.Time) {
	switch f.Kind {
	case FaultNoNetwork:
		m.sub.outage = outage{2, until}
	case FaultDenied:
		m.sub.outage = outage{3, until}
	case FaultNetworkBack:
		m.sub.outage = outage{}
	case FaultSignal:
		m.sub.signal = f.Code
	case FaultSIMPulled:
		m.card.gone, m.card.backAt = true, until
	case FaultSIMBusy:
		m.card.readyAt = until
	case FaultSIMPUK:
		m.card.tries, m.card.unlocked = 0, false
	case FaultSIMOK:
		m.mendSIM(now)
	case FaultMemoryFull:
		m.fill(now)
	}
}

// mendSIM ends what FaultSIMPulled, FaultSIMBusy and FaultSIMPUK began.
func (m *Modem) mendSIM(now time.Time) {
	c := &m.card
	c.readyAt, c.backAt = now, now // troubles puts a SIM that is gone back
	if c.tries > 0 && c.pukTries > 0 {
		return
	}
	c.tries, c.pukTries, c.unlocked = maxTries, maxPUKTries, c.pin == ""
	if m.term != nil {
		m.term.search(now)
	}
}

// fill puts old texts that were read long ago into the SIM's memory and into the one that receives.
func (m *Modem) fill(now time.Time) {
	names := []string{"SM"}
	if m.term != nil && m.term.incoming() != "SM" {
		names = append(names, m.term.incoming())
	}
	from := sms.Address{TON: sms.TONInternational, NPI: sms.NPIISDN, Number: "491700000000"}
	text, err := sms.EncodeGSM7("an old text")
	if err != nil {
		return // it can be written
	}
	tpdu, err := sms.Deliver{Originator: from, Time: now.AddDate(-1, 0, 0), Data: text}.Append(nil)
	if err != nil {
		return // so can it
	}
	for _, name := range names {
		for full := true; full; {
			_, full = m.stores[name].add(record{status: statusRead, pdu: m.prefixed(tpdu), length: len(tpdu)})
		}
	}
}

// junk writes random octets, as a bad line or a wrong baud rate do.
func (t *terminal) junk(octets int) {
	if octets == 0 {
		octets = junkOctets
	}
	b := make([]byte, octets)
	for i := range b {
		b[i] = byte(t.m.jitter.IntN(256))
	}
	t.out.write(string(b))
}

// unplug ends the line. f says for how long.
func (t *terminal) unplug(f Fault) {
	t.unplugged = true
	t.m.absence = f
}

// cure ends what a new start ends.
func (t *terminal) cure() {
	t.deafUntil, t.blockedUntil, t.stormUntil = time.Time{}, time.Time{}, time.Time{}
	t.listHang = 0
}

// troubles begins and ends what lasts for a time, and returns when to look again; zero: after whatever happens next.
func (t *terminal) troubles(now time.Time) (next time.Time) {
	m := t.m
	next = t.scripted(now)
	if c := &m.card; c.gone && !c.backAt.After(now) {
		c.gone = false
		c.powerOn(now)
		t.search(now)
	}
	t.out.mute(t.deafUntil.After(now))
	if t.deafUntil.After(now) {
		t.pending = nil
	}
	t.storm(now)
	for _, at := range []time.Time{t.deafUntil, t.blockedUntil, t.stormNext, m.sub.outage.until, m.card.backAt} {
		if at.After(now) {
			next = sooner(next, at)
		}
	}
	return next
}

// stormy tells whether URCs come all the time.
func (t *terminal) stormy(now time.Time) bool { return t.stormUntil.After(now) || t.noisy }

// storm writes the next URC of a storm. While the line is taken there is none.
func (t *terminal) storm(now time.Time) {
	if !t.stormy(now) || t.booting || t.stormNext.After(now) {
		return
	}
	if t.prompt == nil && !t.executing && !t.busy {
		t.urc(t.gust())
	}
	if t.stormUntil.After(now) {
		t.stormNext = now.Add(stormEvery)
	} else {
		t.stormNext = now.Add(max(t.m.cfg.Quirks.StormEvery, stormEvery))
	}
}

// gust is one line of the storm.
func (t *terminal) gust() string {
	lines := stormLines
	if t.noisy && !t.stormUntil.After(time.Now()) {
		lines = t.m.cfg.Quirks.Storm
	}
	t.gusts++
	return lines[t.gusts%len(lines)]
}

// torn is an answer's lines with those of a storm between them: of FaultStorm even between a header and its PDU, of a
// noisy modem between two entries.
func (t *terminal) torn(info []string) []string {
	now := time.Now()
	if !t.stormy(now) {
		return info
	}
	lines := info
	if t.stormUntil.After(now) {
		lines = strings.Split(strings.Join(info, "\r\n"), "\r\n")
	}
	for i := len(lines) - 1; i > 0; i-- {
		lines = slices.Insert(lines, i, "\r\n"+t.gust()+"\r\n")
	}
	return lines
}

// draws lets chaos choose what the next text meets.
func (m *Modem) draws() {
	c := m.cfg.Chaos
	if c == nil || m.chaos.Float64() >= c.Rate {
		return
	}
	kinds := c.Kinds
	if len(kinds) == 0 {
		kinds = textKinds()
	}
	f := Fault{Kind: kinds[m.chaos.IntN(len(kinds))]}
	switch f.Kind {
	case FaultRefuse, FaultRefuseSent, FaultRefusePrompt:
		f.Code = chaosCMS[m.chaos.IntN(len(chaosCMS))]
	case FaultRefuseCME, FaultRefusePromptCME:
		f.Code = chaosCME[m.chaos.IntN(len(chaosCME))]
	case FaultSignal:
		f.Code = m.chaos.IntN(32)
	}
	m.inject(f)
}

// The codes of which chaos takes one (gsm-modem §1.11).
var (
	chaosCMS = []int{1, 21, 28, 30, 38, 41, 42, 47, 69, 98, 111, 127, 192, 300, 301, 302, 314, 331, 332, 500, 515, 521}
	chaosCME = []int{3, 14, 30, 31, 100, 515}
)

// textKinds are those that strike a text, but for the one that is no fault: a phone may be off.
func textKinds() []FaultKind {
	return slices.DeleteFunc(FaultKinds(), func(k FaultKind) bool { return !k.OfText() || k == FaultPhoneOff })
}
