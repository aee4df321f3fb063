package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"smsgateway/sms"
)

// Fault is something that goes wrong, once. Fields that a kind has no use for are ignored.
type Fault struct {
	Kind   FaultKind
	Code   int           // of a refusal; <status> of a report; <rssi>; octets of junk
	For    time.Duration // how long it lasts; 0: as long as the kind says
	Rename bool          // the modem comes back under another pty (an unplugged one, ServePTY alone)
}

// FaultKind is what goes wrong. Its text (String) is what ParseFault reads.
type FaultKind uint8

// The kinds that strike a text: the next AT+CMGS. "Sent" is a text that reaches its phone, "lost" one that does not.
const (
	FaultRefuse FaultKind = iota + 1
	FaultRefuseCME
	FaultRefuseError
	FaultRefuseSent
	FaultRefusePrompt
	FaultRefusePromptCME
	FaultRefusePromptError
	FaultPromptNever
	FaultPromptTwice
	FaultBlocked
	FaultSilentSent
	FaultSilentLost
	FaultSilentUnreported
	FaultLate
	FaultGarbledSent
	FaultGarbledLost
	FaultNoReferenceSent
	FaultNoReferenceLost
	FaultNoOK
	FaultResetPrompt
	FaultResetSent
	FaultResetLost
	FaultResetBetween
	FaultUnplugPrompt
	FaultUnplugSent
	FaultUnplugLost
	FaultUnplugBetween
	FaultReportFirst
	FaultReportNever
	FaultReportTwice
	FaultReportFailed
	FaultReportExpired
	FaultReportInterim
	FaultReportRespelled
	FaultReportSwapped
	FaultPhoneOff

	// The kinds that strike the modem, at once.
	FaultReset
	FaultSilentReset
	FaultBrownOut
	FaultUnplug
	FaultDeaf
	FaultSlow
	FaultJunk
	FaultStorm
	FaultEcho
	FaultForgets
	FaultListHangs
	FaultRefuseCNMI
	FaultNoNetwork
	FaultDenied
	FaultNetworkBack
	FaultSignal
	FaultSIMPulled
	FaultSIMBusy
	FaultSIMPUK
	FaultSIMOK
	FaultMemoryFull
	lastFaultKind = FaultMemoryFull
)

// codeUse is what Fault.Code means for a kind.
type codeUse uint8

const (
	noCode codeUse = iota
	mayCode
	needCode
)

// kindOf describes a kind.
type kindOf struct {
	words  string
	effect string // a line for people
	code   codeUse
	lasts  time.Duration // when Fault.For is zero; 0: it has no length
}

// faultKinds is the table of the kinds.
var faultKinds = [...]kindOf{
	FaultRefuse:            {"refuse", "+CMS ERROR of that code, and nothing sent", needCode, 0},
	FaultRefuseCME:         {"refuse cme", "+CME ERROR of that code, and nothing sent", needCode, 0},
	FaultRefuseError:       {"refuse error", "a bare ERROR, and nothing sent", noCode, 0},
	FaultRefuseSent:        {"refuse sent", "+CMS ERROR of that code, though the text is sent", needCode, 0},
	FaultRefusePrompt:      {"refuse prompt", "+CMS ERROR of that code instead of the prompt", needCode, 0},
	FaultRefusePromptCME:   {"refuse prompt cme", "+CME ERROR of that code instead of the prompt", needCode, 0},
	FaultRefusePromptError: {"refuse prompt error", "a bare ERROR instead of the prompt", noCode, 0},
	FaultPromptNever:       {"prompt never", "no prompt, and no other answer", noCode, 0},
	FaultPromptTwice:       {"prompt twice", "two prompts", noCode, 0},
	FaultBlocked:           {"blocked", "flow control: the modem reads nothing behind the prompt", noCode, 10 * time.Second},
	FaultSilentSent:        {"silent sent", "sent, but never an answer", noCode, 0},
	FaultSilentLost:        {"silent lost", "never an answer, and nothing sent", noCode, 0},
	FaultSilentUnreported:  {"silent unreported", "sent, but neither an answer nor a status report", noCode, 0},
	FaultLate:              {"late", "sent, but the answer comes that much later (3 minutes)", noCode, 0},
	FaultGarbledSent:       {"garbled sent", "sent, but the answer is garbled", noCode, 0},
	FaultGarbledLost:       {"garbled lost", "a garbled answer, and nothing sent", noCode, 0},
	FaultNoReferenceSent:   {"ok sent", "sent, but OK without a reference", noCode, 0},
	FaultNoReferenceLost:   {"ok lost", "OK without a reference, and nothing sent", noCode, 0},
	FaultNoOK:              {"no ok", "sent, and a reference without OK", noCode, 0},
	FaultResetPrompt:       {"reset prompt", "the modem restarts instead of the prompt", noCode, 0},
	FaultResetSent:         {"reset sent", "sent, but the modem restarts", noCode, 0},
	FaultResetLost:         {"reset lost", "the modem restarts, and nothing is sent", noCode, 0},
	FaultResetBetween:      {"reset between", "sent, and the modem restarts between the reference and OK", noCode, 0},
	FaultUnplugPrompt:      {"unplug prompt", "the modem is unplugged instead of the prompt", noCode, time.Second},
	FaultUnplugSent:        {"unplug sent", "sent, but the modem is unplugged", noCode, time.Second},
	FaultUnplugLost:        {"unplug lost", "the modem is unplugged, and nothing sent", noCode, time.Second},
	FaultUnplugBetween:     {"unplug between", "sent, and unplugged between the reference and OK", noCode, time.Second},
	FaultReportFirst:       {"report first", "the status report comes before the answer", noCode, 0},
	FaultReportNever:       {"report never", "sent, without a status report", noCode, 0},
	FaultReportTwice:       {"report twice", "the status report comes twice", noCode, 0},
	FaultReportFailed:      {"report failed", "accepted, then undeliverable (TP-ST 65, or that one)", mayCode, 0},
	FaultReportExpired:     {"report expired", "accepted, then expired", noCode, 0},
	FaultReportInterim:     {"report interim", "sent at the second attempt: two status reports", noCode, 0},
	FaultReportRespelled:   {"report respelled", "the status report spells the number in another way", noCode, 0},
	FaultReportSwapped:     {"report swapped", "the status report comes after that of the next text", noCode, 0},
	FaultPhoneOff:          {"phone off", "accepted; the phone is off, and gets it then, unless it has expired", noCode, time.Minute},
	FaultReset:             {"reset", "the modem restarts", noCode, 0},
	FaultSilentReset:       {"reset silent", "the modem restarts in no time and does not say so", noCode, 0},
	FaultBrownOut:          {"brown-out", "UNDER-VOLTAGE, and the modem restarts", noCode, 0},
	FaultUnplug:            {"unplug", "the modem is unplugged; rename: it comes back under another pty", noCode, time.Second},
	FaultDeaf:              {"deaf", "the modem swallows everything and says nothing", noCode, 10 * time.Second},
	FaultSlow:              {"slow", "an octet each 5 ms", noCode, 10 * time.Second},
	FaultJunk:              {"junk", "a burst of 200 random octets, or that many", mayCode, 0},
	FaultStorm:             {"storm", "^RSSI and its like, also within answers", noCode, 10 * time.Second},
	FaultEcho:              {"echo", "echo is on again", noCode, 0},
	FaultForgets:           {"forget", "AT+CNMI is 0,0,0,0,0 again", noCode, 0},
	FaultListHangs:         {"cmgl hangs", "no answer to the next AT+CMGL, nor to what follows", noCode, 10 * time.Minute},
	FaultRefuseCNMI:        {"cnmi refused", "each AT+CNMI is refused", noCode, 10 * time.Second},
	FaultNoNetwork:         {"network lost", "the modem searches the network", noCode, 10 * time.Second},
	FaultDenied:            {"network denied", "the network does not want the SIM", noCode, 10 * time.Second},
	FaultNetworkBack:       {"network back", "the end of network lost and network denied", noCode, 0},
	FaultSignal:            {"signal", "AT+CSQ tells that from now on", needCode, 0},
	FaultSIMPulled:         {"sim pulled", "the SIM is out of the modem, then back", noCode, 10 * time.Second},
	FaultSIMBusy:           {"sim busy", "SIM busy", noCode, 10 * time.Second},
	FaultSIMPUK:            {"sim puk", "the SIM wants its PUK", noCode, 0},
	FaultSIMOK:             {"sim ok", "the end of sim pulled, sim busy and sim puk", noCode, 0},
	FaultMemoryFull:        {"memory full", "old texts fill the memory", noCode, 0},
}

// FaultKinds returns all kinds.
func FaultKinds() (kinds []FaultKind) {
	for k := FaultKind(1); k <= lastFaultKind; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// String is the kind in the words of ParseFault.
func (k FaultKind) String() string {
	if k == 0 || k > lastFaultKind {
		return fmt.Sprintf("FaultKind(%d)", uint8(k))
	}
	return faultKinds[k].words
}

// Effect is a line for people: what happens.
func (k FaultKind) Effect() string {
	if k > lastFaultKind {
		return ""
	}
	return faultKinds[k].effect
}

// OfText tells whether the kind strikes a text, and not the modem at once.
func (k FaultKind) OfText() bool { return k >= FaultRefuse && k < FaultReset }

// renames tells whether Fault.Rename has a meaning.
func (k FaultKind) renames() bool {
	return k == FaultUnplug || k >= FaultUnplugPrompt && k <= FaultUnplugBetween
}

// lasting is how long the fault lasts.
func (f Fault) lasting() time.Duration {
	if f.For > 0 || f.Kind > lastFaultKind {
		return f.For
	}
	return faultKinds[f.Kind].lasts
}

// String is the fault in the words of ParseFault.
func (f Fault) String() string {
	s := f.Kind.String()
	if f.Kind <= lastFaultKind && (faultKinds[f.Kind].code == needCode || faultKinds[f.Kind].code == mayCode && f.Code != 0) {
		s += " " + strconv.Itoa(f.Code)
	}
	if f.For > 0 {
		s += " " + f.For.String()
	}
	if f.Rename {
		s += " rename"
	}
	return s
}

// ParseFault reads a fault: the words of a kind, then, where it has such, its code, how long it lasts, and "rename", as in
// "refuse 38", "silent sent", "unplug 2s rename". The error says what to write instead.
func ParseFault(text string) (Fault, error) {
	words := strings.Fields(strings.ToLower(text))
	kind, used := kindIn(words)
	if kind == 0 {
		return Fault{}, unknownKind(text, words)
	}
	f := Fault{Kind: kind}
	of, coded := faultKinds[kind], false
	for _, word := range words[used:] {
		n, notNumber := strconv.Atoi(word)
		d, notSpan := time.ParseDuration(word)
		switch {
		case word == "rename" && kind.renames():
			f.Rename = true
		case notNumber == nil && of.code != noCode && !coded:
			if n < 0 || n > 999 || n == 0 && of.code == mayCode {
				return Fault{}, fmt.Errorf("fault %q: %d: write a number of 0 to 999", text, n)
			}
			f.Code, coded = n, true
		case notNumber != nil && notSpan == nil && d > 0 && (of.lasts > 0 || kind == FaultLate):
			f.For = d
		case notNumber == nil && (of.lasts > 0 || kind == FaultLate):
			return Fault{}, fmt.Errorf("fault %q: %w", text, needsUnit(word))
		default:
			return Fault{}, fmt.Errorf("fault %q: %q does not belong there: write %s", text, word, usageOf(kind))
		}
	}
	if of.code == needCode && !coded {
		return Fault{}, fmt.Errorf("fault %q: a number is missing: write %s", text, usageOf(kind))
	}
	if kind == FaultReportFailed && f.Code > 255 {
		return Fault{}, fmt.Errorf("fault %q: %d is no TP-ST: write a number of 1 to 255", text, f.Code)
	}
	return f, nil
}

// needsUnit is the error for a time that is a mere number.
func needsUnit(number string) error { return fmt.Errorf("a time needs its unit, as in %ss", number) }

// kindIn finds the kind of which most words stand at the head.
func kindIn(words []string) (kind FaultKind, used int) {
	for used = min(3, len(words)); used > 0; used-- {
		head := strings.Join(words[:used], " ")
		for _, k := range FaultKinds() {
			if faultKinds[k].words == head {
				return k, used
			}
		}
	}
	return 0, 0
}

// unknownKind is the error for what names no kind.
func unknownKind(text string, words []string) error {
	var near []string
	for _, k := range FaultKinds() {
		if len(words) > 0 && strings.HasPrefix(faultKinds[k].words, words[0]+" ") {
			near = append(near, usageOf(k))
		}
	}
	if len(near) > 0 {
		return fmt.Errorf("fault %q: write one of: %s", text, strings.Join(near, ", "))
	}
	return fmt.Errorf("fault %q: there is none of that name: write for example refuse 38, silent sent, unplug 2s", text)
}

// usageOf is how a kind is written.
func usageOf(k FaultKind) string {
	of := faultKinds[k]
	s := of.words
	switch of.code {
	case needCode:
		s += " NUMBER"
	case mayCode:
		s += " [NUMBER]"
	}
	if of.lasts > 0 || k == FaultLate {
		s += " [TIME]"
	}
	if k.renames() {
		s += " [rename]"
	}
	return s
}

// Usage is how the kind is written for ParseFault, with what is optional in brackets.
func (k FaultKind) Usage() string {
	if k == 0 || k > lastFaultKind {
		return k.String()
	}
	return usageOf(k)
}

// Struck tells of a fault that has struck.
type Struck struct {
	At        time.Time
	Fault     Fault
	To        sms.Address // of the text; the zero one if there was none, or none yet at the prompt
	Reference uint8       // TP-MR of the text, 0 if it got none
	Reached   bool        // the text is at its phone, or waits in the network for its SIM
}

// Inject has a fault strike: a text, by the next AT+CMGS that no other one waits for, or the modem, at once or as soon as
// it is switched on. A text that is cancelled at the prompt, or is no PDU, leaves the fault to the next one.
func (m *Modem) Inject(f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inject(f)
	m.poke()
}

func (m *Modem) inject(f Fault) {
	switch {
	case f.Kind == 0 || f.Kind > lastFaultKind:
	case f.Kind.OfText():
		m.faults = append(m.faults, f)
	default:
		m.due = append(m.due, f)
	}
}

// Faults returns what has struck so far, also by magic numbers and Config.Chaos, in order; of more than 100,000 the latest.
func (m *Modem) Faults() []Struck {
	m.mu.Lock()
	defer m.mu.Unlock()
	struck := make([]Struck, len(m.struck))
	for i, s := range m.struck {
		struck[i] = *s
	}
	return struck
}

// strikes writes a fault down and returns what may be completed.
func (m *Modem) strikes(f Fault, to sms.Address) *Struck {
	m.cfg.Log.Info("a fault strikes", "fault", f.String(), "effect", f.Kind.Effect())
	s := &Struck{At: time.Now(), Fault: f, To: to}
	m.struck = remember(m.struck, s)
	if m.cfg.OnFault != nil {
		m.fresh = append(m.fresh, *s)
	}
	return s
}
