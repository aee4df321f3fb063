package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Quirks are what sets a make of modem apart (gsm-modem §2). The zero value is a modem as the specifications have it.
type Quirks struct {
	Manufacturer string // Config's default
	Model        string // Config's default

	Boot       []string      // URCs after a restart, {cpin} is the <code> of +CPIN; nil: those of SIM800
	SIMBusy    time.Duration // Config's default
	Settling   time.Duration // after power-on and AT+CFUN=: +CME ERROR: 515 to all that needs the SIM
	Storm      []string      // URCs that come all the time from power-on
	StormEvery time.Duration // 100 ms at least
	StormStops string        // the command that ends them, such as "^CURC"

	NoOKAfterCPIN bool   // AT+CPIN? has no final result
	PINCounter    string // the command that tells how many tries are left; "": +CPINR
	FromZero      bool   // places in memory count from 0
	Incoming      string // the memory that texts come into, whatever AT+CPMS says; "": that
	Reports       string // the memory that +CDSI names, though they are in SR; "": SR
	CPMS          int    // arguments that AT+CPMS takes at most; 0: three
	CNMI          CNMI
	CNMA          CNMA
	USSD          USSD // Config's default

	Takes      []string // commands that do nothing and get OK
	Refuses    []string // commands that the modem does not have
	NoSuchWord string   // the result of a command that there is not; "": ERROR
}

// CNMI is what AT+CNMI takes; nil: all that the specification has.
type CNMI struct {
	Says              string // what AT+CNMI=? tells; "": the truth
	Mode, MT, DS, BFR []int
}

// CNMA is how AT+CNMA must be written.
type CNMA uint8

const (
	CNMAAny   CNMA = iota
	CNMAOne        // AT+CNMA=1 alone (oFono, drivers/atmodem: Cinterion)
	CNMAPlain      // AT+CNMA alone (oFono, drivers/atmodem: Quectel's serial modules)
)

// Like returns the quirks of a make: huawei, simcom, wavecom, cinterion, quectel or zte.
func Like(name string) (Quirks, error) {
	for _, p := range profiles() {
		if p.name == name {
			return p.quirks, nil
		}
	}
	return Quirks{}, fmt.Errorf("like %q: there is none of that name: write one of %s", name, strings.Join(LikeNames(), ", "))
}

// LikeNames returns what Like takes.
func LikeNames() (names []string) {
	for _, p := range profiles() {
		names = append(names, p.name)
	}
	return names
}

type profile struct {
	name   string
	quirks Quirks
}

// profiles is the table of Like.
func profiles() []profile {
	// Modems of Qualcomm's MSM family tell of modes that they refuse (oFono, drivers/atmodem; ModemManager).
	qualcomm := CNMI{Says: "(0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)", Mode: []int{0, 1}, DS: []int{0, 2}}
	return []profile{
		{"huawei", Quirks{ // ModemManager, plugins/huawei; gammu, F_ENCODED_USSD and issue 550; smstools, memory_start=0
			Manufacturer: "huawei", Model: "E173",
			Boot:  []string{"^SYSSTART", "^SIMST:1", "^SRVST:2", "^MODE:5,4", "^RSSI:18"},
			Storm: stormLines, StormEvery: 5 * time.Second, StormStops: "^CURC", Takes: []string{"^CURC", "^PORTSEL"},
			SIMBusy: 3 * time.Second, PINCounter: "^CPIN", FromZero: true, Incoming: "ME", CPMS: 2, CNMI: qualcomm,
			USSD: USSDPacked, NoSuchWord: "COMMAND NOT SUPPORT",
		}},
		{"simcom", Quirks{ // SIM800 Series AT Command Manual 1.09; oFono, drivers/atmodem/sim.c
			Manufacturer: "SIMCOM_Ltd", Model: "SIMCOM_SIM800L",
			Boot:       []string{"RDY", "+CFUN: 1", "+CPIN: {cpin}", "Call Ready", "SMS Ready"},
			SIMBusy:    8 * time.Second,
			PINCounter: "+SPIC",
		}},
		{"wavecom", Quirks{ // gammu, F_CPIN_NO_OK and issue 93; pygsm, the Wavecom profile
			Manufacturer: " WAVECOM MODEM", Model: " MULTIBAND  900E  1800",
			Boot: []string{"+WIND: 1", "+WIND: 7", "+WIND: 4"}, Settling: 4 * time.Second,
			NoOKAfterCPIN: true, Takes: []string{"+WIND"}, Refuses: []string{"+CEREG", "+CPINR"},
		}},
		{"cinterion", Quirks{ // kannel, modems.conf; gammu FAQ; oFono, drivers/atmodem
			Manufacturer: "Cinterion", Model: "MC55i",
			Boot: []string{"^SYSSTART"}, PINCounter: "^SPIC", CNMA: CNMAOne,
			CNMI:    CNMI{DS: []int{0, 2}, BFR: []int{1}},
			Refuses: []string{"+CMMS", "+CEREG"},
		}},
		{"quectel", Quirks{ // ModemManager, plugins/quectel; oFono, plugins/quectel.c; asterisk-chan-quectel, #75: Reports
			Manufacturer: "Quectel", Model: "M35",
			Boot:       []string{"RDY", "+CFUN: 1", "+CPIN: {cpin}", "+QUSIM: 1", "+QIND: SMS DONE"},
			PINCounter: "+QPINC", CNMI: qualcomm, CNMA: CNMAPlain, Reports: "SM", Takes: []string{"+QURCCFG"},
		}},
		{"zte", Quirks{ // ModemManager, plugins/zte: it floods until AT+CPMS? is asked
			Manufacturer: "ZTE INCORPORATED", Model: "MF190",
			Boot:  []string{"+ZDONR: \"SimNet\",262,1,\"CS_PS\",\"ROAM_OFF\"", "+ZPASR: \"UMTS\""},
			Storm: []string{"+ZUSIMR:2"}, StormEvery: time.Second, StormStops: "+CPMS", CNMI: qualcomm,
			Takes: []string{"+ZOPRT", "+ZCDRUN"}, Refuses: []string{"+CPINR"},
		}},
	}
}

// bootWords are the URCs after a restart.
func (t *terminal) bootWords() (lines []string) {
	words := t.m.cfg.Quirks.Boot
	if words == nil {
		words = []string{"RDY", "+CFUN: 1", "+CPIN: {cpin}", "Call Ready", "SMS Ready"}
	}
	for _, w := range words {
		lines = append(lines, strings.ReplaceAll(w, "{cpin}", t.m.card.state()))
	}
	return lines
}

// verbOf finds a command; ok is false if this make of modem has none of that name.
func (t *terminal) verbOf(name string) (v verb, ok bool) {
	q := &t.m.cfg.Quirks
	if slices.Contains(q.Takes, name) {
		return verb{needNothing, accepted}, true
	}
	counter := q.PINCounter
	if counter == "" {
		counter = "+CPINR"
	}
	if slices.Contains(q.Refuses, name) || slices.Contains(pinCounters, name) && name != counter {
		return verb{}, false
	}
	v, ok = commands[name]
	return v, ok
}

// noSuchWord is the result of a command that the modem does not have.
func (t *terminal) noSuchWord() error {
	if word := t.m.cfg.Quirks.NoSuchWord; word != "" {
		return wordError(word)
	}
	return errPlain
}

// wordError is a result that only one make has.
type wordError string

func (e wordError) Error() string { return string(e) }

// hushed ends the storm of a make by the command that does so.
func (t *terminal) hushed(name string) {
	if t.noisy && name == t.m.cfg.Quirks.StormStops {
		t.noisy = false
	}
}

// incoming is the memory for texts that arrive.
func (t *terminal) incoming() string {
	if q := t.m.cfg.Quirks.Incoming; q != "" {
		return q
	}
	return t.memory[receiving]
}

// takes tells whether the modem has these modes.
func (q CNMI) takes(n cnmi) bool {
	for _, of := range []struct {
		list []int
		n    int
	}{{q.Mode, n.mode}, {q.MT, n.mt}, {q.DS, n.ds}, {q.BFR, n.bfr}} {
		if of.list != nil && !slices.Contains(of.list, of.n) {
			return false
		}
	}
	return true
}

// says is the answer to AT+CNMI=?.
func (q CNMI) says(noReports bool) string {
	if q.Says != "" {
		return q.Says
	}
	list := func(own []int, otherwise string) string {
		if own == nil {
			return otherwise
		}
		return "(" + strings.Trim(strings.ReplaceAll(fmt.Sprint(own), " ", ","), "[]") + ")"
	}
	reports := list(q.DS, "(0-2)")
	if noReports {
		reports = "(0)"
	}
	return list(q.Mode, "(0-3)") + "," + list(q.MT, "(0-3)") + ",(0,2)," + reports + "," + list(q.BFR, "(0,1)")
}

// takes tells whether the modem knows AT+CNMA in this form.
func (q CNMA) takes(c command) bool {
	switch q {
	case CNMAOne:
		return c.form == set && c.arg(0) == "1"
	case CNMAPlain:
		return c.form == exec
	}
	return true
}

// pinCounters are the commands that tell how many tries are left (gsm-modem §1.4).
var pinCounters = []string{"+CPINR", "^CPIN", "+SPIC", "^SPIC", "+QPINC"}

// doCounter tells how many tries are left as a maker's command does. The SIM's second PIN has them all.
func doCounter(t *terminal, c command) error {
	card := &t.m.card
	switch {
	case c.form == test:
		return nil
	case card.gone:
		return cmeNoSIM
	}
	switch c.name {
	case "^CPIN":
		state := card.state()
		t.sayf("^CPIN: %s,%d,%d,%d,%d,%d", state, map[bool]int{true: card.pukTries, false: card.tries}[state == "SIM PUK"],
			card.pukTries, card.tries, maxPUKTries, maxTries)
	case "+SPIC":
		t.sayf("+SPIC: %d,%d,%d,%d", card.tries, card.pukTries, maxTries, maxPUKTries)
	case "^SPIC":
		t.sayf("^SPIC: %d", map[bool]int{true: card.pukTries, false: card.tries}[card.tries == 0])
	case "+QPINC":
		t.sayf("+QPINC: \"SC\",%d,%d\r\n+QPINC: \"P2\",%d,%d", card.tries, card.pukTries, maxTries, maxPUKTries)
	}
	return nil
}

// efSMSS is the file of the SIM that keeps the last TP-MR, and whether its memory is full (TS 31.102 §4.2.28).
const efSMSS = 28483

// doCRSM reads a file of the SIM (TS 27.007 §8.18); the modem gives efSMSS alone, by READ BINARY (176).
func doCRSM(t *terminal, c command) error {
	command, file, high, low, length := 0, 0, 0, 0, 0
	switch {
	case c.form == test:
		return nil
	case c.form != set || !c.has(0) || !c.number(0, &command, 0, 255) || !c.number(1, &file, 0, 1<<16) ||
		!c.number(2, &high, 0, 255) || !c.number(3, &low, 0, 255) || !c.number(4, &length, 0, 255):
		return cmeIncorrect
	case command != 176:
		t.say("+CRSM: 109,0") // 6D 00: instruction not supported (TS 102 221 §10.2.1)
	case file != efSMSS:
		t.say("+CRSM: 106,130") // 6A 82: file not found
	case high > 0 || low+length > 2:
		t.say("+CRSM: 103,0") // 67 00: wrong length
	default:
		flag := byte(0xFF)
		if s := t.m.stores["SM"]; s.used() == len(s.places) {
			flag = 0xFE
		}
		octets := []byte{t.m.card.lastRef, flag}[low:]
		if length > 0 {
			octets = octets[:length]
		}
		t.sayf(`+CRSM: 144,0,"%X"`, octets)
	}
	return nil
}

// doCCLK tells the network's time (TS 27.007 §8.15). To set it has no effect.
func doCCLK(t *terminal, c command) error {
	if c.form == read {
		now := time.Now()
		_, offset := now.Zone()
		t.sayf("+CCLK: \"%s%+03d\"", now.Format("06/01/02,15:04:05"), offset/900)
	}
	return nil
}
