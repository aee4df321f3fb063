package modem

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"smsgateway/sms"
)

// report is something that the modem says unasked (a URC) and that calls for an act of ours.
type report struct {
	pdu   []byte    // SCA and TPDU of a +CMT or +CDS; nil: the text is stored
	store string    // where, for +CMTI and +CDSI: "SM", "ME", "SR" ...
	index int       // and at which index there, which may be 0
	at    time.Time // when it came
	from  Identity  // whose it is, as far as that was known then
}

// maxReports bounds the reports that wait while the line is busy. A stored text is found again by its listing, and
// no network delivers so many directly while a single command is open.
const maxReports = 1000

// reports tells what a modem says unasked from the answers, and keeps it in order until the line is free.
type reports struct {
	queue []report
	from  Identity // of the modem and its SIM, as far as it is known on this line

	// A +CMT or +CDS whose PDU has not come yet: its length in octets without SCA, and how many other lines may come
	// between. length 0: there is none.
	length, between int

	ussd []string // what the network said to AT+CUSD: the rest of each +CUSD line, with the lines of its text joined by LF

	stats     map[string]int // last <stat> of "+CREG", "+CGREG", "+CEREG", "+C5GREG"
	simCounts bool           // a +CPIN: that nobody asked for shows a restart: it does once the SIM is unlocked
	restarted bool           // the modem said hello; its settings are gone
	full      bool           // the modem said that a memory for texts is full
}

// greetings are lines by which a modem shows that it has just started or is about to stop (gsm-modem §4). Lines that
// come many seconds after the start, like "SMS Ready", are not among them: a modem that was set up quickly says them
// in the middle of its first text.
var greetings = []string{
	"RDY", "START", "^SYSSTART", "^SYSLOADING", "^SHUTDOWN", "*EMRDY: 1", "+WIND: 1", "+WIND: 3", "+CFUN: 1", "+AT: READY",
	"MODEM:STARTUP", "NORMAL POWER DOWN", "POWERED DOWN", "UNDER-VOLTAGE POWER DOWN", "OVER-VOLTAGE POWER DOWN",
	"UNDER-VOLTAGE WARNNING POWER DOWN",
}

// words are other lines without a sign at their head that modems say unasked. Only a command whose answer is free text
// (AT+CGMI ...) needs them; to all others such a line is a stranger anyway.
var words = []string{
	"RING", "NO CARRIER", "NO ANSWER", "BUSY", "CONNECT", "Call Ready", "SMS Ready", "SMS DONE", "PB DONE",
	"UNDER-VOLTAGE WARNNING",
	"OVER-VOLTAGE WARNNING", "MISSED_CALL:", "VOICE CALL:", "HANGUP:", "NO DIALTONE", "PB Ready", "STIN:",
}

// urcs are the names of what modems are known to say unasked, for the answers of an operator's commands, which may be of
// any form. Beside the standard's they are the vendors' that ModemManager (src/plugins) and gammu (atgen.c) look for.
var urcs = strings.Fields("+CMTI +CDSI +CMT +CDS +CBM +CBMI +CRING +CLIP +CCWA +CSSI +CSSU +CUSD +CIEV +CGEV +CTZV +CTZE +CTZU +CREG " +
	"+CGREG +CEREG +C5GREG +COLP +CDEV +CKEV +CPIN +CUSATP ^RSSI ^RSSILVL ^HRSSILVL ^MODE ^DSFLOWRPT ^NDISSTAT " +
	"^ORIG ^CONF ^CONN ^CEND ^DDTMF ^BOOT ^CSNR ^DSDORMANT ^SIMST ^SRVST ^STIN ^HCSQ ^PDPDEACT ^NDISEND " +
	"^RFSWITCH ^POSITION ^POSEND ^ECCLIST ^LTERSRP ^CSCHANNELINFO ^CCALLSTATE ^EONS ^LWURC ^SMMEMFULL ^THERM " +
	"^SBC ^SCKS ^STN +ZUSIMR +ZPASR +ZDONR +ZPSTM *E2NAP *EMWI *EMRDY *ESTKSMS *ERINFO _OSSYSI _OCTI _OUWCTI " +
	"_OSIGQ _OWANCALL +WIND +QIND +QUSIM +QLWURC +QGPSURC +QTONEDET #QSS +CNSMOD +NITZ %NOTIFYEV %STATCM " +
	"%PCOINFO %IPDPACT +UCALLSTAT +UUDTMFD +UUSIMSTAT +XBIPI +SPERROR")

// bareURCs are those without a colon.
var bareURCs = []string{
	"+ZEND", "+PBREADY", "+CUSATEND", "+PACSP0", "+PACSP1", "+SPECC", "+SIM READY", "*PSUTTZ", "^SMMEMFULL",
}

// take decides whether a line is the modem's own, not the answer of the open command (nil: none is open), and keeps
// what is to be done. Final results, echoes and prompts must have been sorted out before.
func (r *reports) take(line string, open *command, now time.Time) bool {
	if r.length > 0 && r.body(line, now) || r.moreUSSD(line, open) {
		return true
	}
	if isGreeting(line) && !open.answeredBy(line) {
		r.restarted = true
		return true
	}
	if !strings.ContainsRune("+^*#$%_", rune(line[0])) {
		for _, w := range words {
			if strings.HasPrefix(line, w) {
				return true
			}
		}
		return !open.takesText(line)
	}
	if open.answeredBy(line) {
		return false
	}
	r.header(line, now)
	return true
}

// isGreeting tells whether a modem that says this has just started, or is about to stop.
func isGreeting(line string) bool {
	for _, g := range greetings {
		if line == g || (len(g) > 4 && g[0] == '^' && strings.HasPrefix(line, g)) {
			return true
		}
	}
	return false
}

// header takes the first line of a report, which in most cases is the whole of it.
func (r *reports) header(line string, now time.Time) {
	name, rest, _ := strings.Cut(line, ":")
	switch name {
	case "+CMTI", "+CDSI":
		store, index, ok := slotOf(rest)
		if ok && len(r.queue) < maxReports {
			r.queue = append(r.queue, report{store: store, index: index, at: now, from: r.from})
		}
	case "+CMT", "+CDS":
		// The length is the last field. Some send no name before it, some the comma alone, ZTE even with +CDS
		// (oFono, drivers/atmodem/sms.c).
		field := rest[strings.LastIndex(rest, ",")+1:]
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err == nil && n > 0 && n <= 255 {
			r.length, r.between = n, 0
		}
	case "+CREG", "+CGREG", "+CEREG", "+C5GREG":
		if stat, ok := statOf(rest, false); ok {
			r.registered(name, stat)
		}
	case "+CUSD":
		if len(r.ussd) < maxReports {
			r.ussd = append(r.ussd, strings.TrimSpace(rest))
		}
	case "^SMMEMFULL": // Huawei
		r.full = true
	case "+CPIN":
		r.restarted = r.restarted || r.simCounts
	}
}

// reportedSince tells whether a status report waits of a text that the service centre took at that time or later, in whole
// seconds.
func (r *reports) reportedSince(claimed time.Time) bool {
	return slices.ContainsFunc(r.queue, func(in report) bool {
		_, tpdu, err := sms.SplitSCA(in.pdu)
		if err != nil {
			return false
		}
		report, err := sms.ParseStatusReport(tpdu)
		return err == nil && !report.Time.Before(claimed.Truncate(time.Second))
	})
}

// body takes the PDU line of a +CMT or +CDS. Right behind the header any PDU will do, for a modem's idea of the length
// may be its own; later, for another report may come between the two lines, only one of the right length.
func (r *reports) body(line string, now time.Time) bool {
	pdu, err := hex.DecodeString(line)
	right := err == nil && len(pdu) > 0 && (len(pdu) == 1+int(pdu[0])+r.length || len(pdu) == r.length)
	if right || err == nil && len(pdu) >= 8 && r.between == 0 {
		r.length = 0
		if len(r.queue) < maxReports {
			r.queue = append(r.queue, report{pdu: pdu, at: now, from: r.from})
		}
		return true
	}
	if r.between++; r.between > 3 {
		r.length = 0
	}
	return false
}

// maxUSSD bounds the text of a +CUSD in octets: 182 characters, each of them four digits, and room for its line ends.
const maxUSSD = 1000

// inUSSD tells whether the text of the last +CUSD has begun and not ended: it stands in quotes, and may have line ends.
func (r *reports) inUSSD() bool {
	if len(r.ussd) == 0 {
		return false
	}
	last := r.ussd[len(r.ussd)-1]
	return strings.Count(last, `"`) == 1 && len(last) < maxUSSD
}

// moreUSSD takes a further line of a USSD text. What can be an answer or a report is none.
func (r *reports) moreUSSD(line string, open *command) bool {
	if !r.inUSSD() {
		return false
	}
	if name, _, header := strings.Cut(line, ":"); open.answeredBy(line) || header && slices.Contains(urcs, name) {
		r.endUSSD()
		return false
	}
	r.ussd[len(r.ussd)-1] += "\n" + line
	return true
}

// endUSSD ends a USSD text of which no more will come.
func (r *reports) endUSSD() {
	if r.inUSSD() {
		r.ussd[len(r.ussd)-1] += `"`
	}
}

// registered keeps the <stat> of one of the registrations.
func (r *reports) registered(name string, stat int) {
	if r.stats == nil {
		r.stats = make(map[string]int)
	}
	r.stats[name] = stat
}

// pop returns the oldest report.
func (r *reports) pop() (report, bool) {
	if len(r.queue) == 0 {
		return report{}, false
	}
	first := r.queue[0]
	r.queue = r.queue[1:]
	return first, true
}

// slotOf reads `"SM",3`, the rest of a +CMTI or +CDSI.
func slotOf(rest string) (store string, index int, ok bool) {
	fields := fieldsOf(rest)
	if len(fields) < 2 || !isWord(fields[0]) {
		return "", 0, false
	}
	index, err := strconv.Atoi(fields[1])
	return fields[0], index, err == nil && index >= 0
}

// statOf reads the rest of a +CREG. Its answer has one field more in front than its report:
//
//	+CREG: <n>,<stat>[,"lac","ci"[,act]]     asked for
//	+CREG: <stat>[,"lac","ci"[,act]]         not asked for
//
// so they differ by the second field: a number of one or two digits, or a location area (in quotes, or four digits).
func statOf(rest string, asked bool) (stat int, ok bool) {
	_, second, more := strings.Cut(rest, ",")
	second, _, _ = strings.Cut(second, ",")
	second = strings.TrimSpace(second)
	n, err := strconv.Atoi(second)
	long := more && err == nil && len(second) <= 2
	if long != asked {
		return 0, false
	}
	if !asked {
		first, _, _ := strings.Cut(rest, ",")
		n, err = strconv.Atoi(strings.TrimSpace(first))
	}
	return n, err == nil && n >= 0
}

// fieldsOf cuts the parameters of a line at its commas and takes the quotes off; a comma in quotes does not cut.
func fieldsOf(rest string) []string {
	var fields []string
	var b strings.Builder
	quoted := false
	for _, c := range strings.TrimSpace(rest) {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			fields = append(fields, strings.TrimSpace(b.String()))
			b.Reset()
		default:
			b.WriteRune(c)
		}
	}
	return append(fields, strings.TrimSpace(b.String()))
}

// isWord tells whether s is one to eight letters and digits: what may be put into a command.
func isWord(s string) bool {
	for _, c := range s {
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 8
}
