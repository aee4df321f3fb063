package modem

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Probed is what a look at a port showed. A field that the modem did not answer stays zero.
type Probed struct {
	Port      string
	AnswersAT bool // false: nothing else is known
	SMS       bool // it knows the commands for texts in PDU mode
	Identity       // Modem is empty

	SIM      string // as AT+CPIN? says it: "READY", "SIM PIN", "SIM PUK" ...; "" if there is none, or it does not say
	SIMText  string // the same in words
	PINTries int    // tries left for the PIN; -1 it does not say

	Registration     int    // the best <stat> of +CREG, +CGREG and +CEREG (TS 27.007 §7.2); -1 it does not say
	RegistrationText string // the same in words
	Registered       bool   // texts can be sent in it
	Operator         string // name of the network
	Signal           int    // dBm; 0 unknown
	SMSC             string // number of the service centre that the SIM names

	Reports     bool      // it can pass on status reports, says AT+CNMI=?
	KeepsLink   bool      // it has AT+CMMS, which keeps the link open between texts
	Memory      string    // where texts arrive, "SM" or "ME"
	Used, Total int       // texts in it, and room
	Clock       time.Time // the modem's, which comes from the network if that gives it; zero: none
}

// probeTiming are the waits of a probe. A port that says nothing takes 4.2 seconds.
var probeTiming = Timing{
	Command: 3 * time.Second,
	Probe:   600 * time.Millisecond,
	Settle:  100 * time.Millisecond,
	Quiet:   200 * time.Millisecond,
}

// How long a look may take in all: some answers wait for the SIM.
const (
	quickProbe = 15 * time.Second
	fullProbe  = 30 * time.Second
)

// Probe looks who answers on a port. The port must not be in use: it opens and locks it (OpenSerial), ends what a former
// program may have left half written, and asks. What it sets is gone with the next restart of the modem, and no other
// program minds it: no echo, and errors as numbers. It enters no PIN and sends nothing.
//
// A port that opens but does not answer is no error: Probed.AnswersAT is false then.
func Probe(ctx context.Context, port string, baud int) (Probed, error) {
	return prober{open: OpenSerial, timing: probeTiming}.look(ctx, port, baud, true)
}

// prober is how a probe is made; tests have timings of their own.
type prober struct {
	open   func(ctx context.Context, port string, baud int) (Port, error)
	timing Timing
}

// errUnclear is the end of a look at a line that is never quiet, or answers with broken octets alone.
var errUnclear = errors.New("something is said there all the time, but no clear answer to AT")

// look probes a port: fully, or for no more than who it is.
func (p prober) look(ctx context.Context, port string, baud int, full bool) (Probed, error) {
	limit := quickProbe
	if full {
		limit = fullProbe
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := Probed{Port: port, Registration: -1, PINTries: -1}
	if baud == 0 {
		baud = 115200
	}
	tty, err := p.open(ctx, port, baud)
	if err != nil {
		return found, err
	}
	silent := slog.New(slog.DiscardHandler)
	m := New(Config{Port: port, Timing: p.timing}, nil) // its status collects the identity
	l := newLine(tty, m.cfg.Timing, silent, nil)
	defer l.close()
	err = found.ask(ctx, &session{m: m, l: l, t: m.cfg.Timing, log: silent}, full)
	switch {
	case errors.Is(err, errDeaf), errors.Is(err, ErrPortStuck):
		return found, nil
	case errors.Is(err, context.DeadlineExceeded) && found.AnswersAT:
		return found, nil // slow: what it did say counts
	case errors.Is(err, context.DeadlineExceeded):
		return found, errUnclear
	}
	return found, err
}

// ask asks everything. Only an error of the line comes back.
func (p *Probed) ask(ctx context.Context, s *session, full bool) error {
	if err := s.l.resync(ctx, nil); err != nil {
		return err
	}
	p.AnswersAT = true
	s.l.reports.restarted = false // a greeting that lay in wait concerns nobody here
	for _, text := range []string{"ATE0", "AT+CMEE=1"} {
		if _, err := s.ask(ctx, text); err != nil {
			return err
		}
	}
	steps := []func(context.Context, *session) error{p.who, p.sim, p.texts}
	if full {
		steps = append(steps, p.network, p.settings)
	}
	for _, step := range steps {
		if err := step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// who asks who modem and SIM are.
func (p *Probed) who(ctx context.Context, s *session) error {
	err := s.identify(ctx)
	p.Identity = s.m.Status().Identity
	return err
}

// sim asks how the SIM is, and for its number, which many modems say before it is unlocked.
func (p *Probed) sim(ctx context.Context, s *session) error {
	info, err := s.l.command(ctx, "AT+CPIN?", s.t.Command)
	p.SIM, _ = answer(info, "+CPIN:")
	p.SIMText = simText(p.SIM, err)
	if err != nil && !isAnswer(err) && !errors.Is(err, ErrNoAnswer) {
		return err
	}
	if p.ICCID, err = s.iccid(ctx, 0); err != nil {
		return err
	}
	if p.SIM == "SIM PIN" {
		tries, known, err := s.triesLeft(ctx)
		if err != nil {
			return err
		}
		if known {
			p.PINTries = tries
		}
	}
	if !isUnlocked(p.SIM) {
		return nil
	}
	imsi, err := s.ask(ctx, "AT+CIMI")
	p.IMSI = digitsOf(plain(imsi), 6, 15)
	return err
}

// simText says a state of +CPIN in words; err is what came instead.
func simText(state string, err error) string {
	var cme CMEError
	var cms CMSError
	switch {
	case isUnlocked(state):
		return "ready"
	case state == "SIM PIN":
		return "asks for its PIN"
	case state == "SIM PUK":
		return "locked after three wrong PINs: it asks for its PUK"
	case strings.HasPrefix(state, "PH-"):
		return "not accepted by this modem, which is locked to another network or SIM (" + state + ")"
	case state != "":
		return "locked (" + state + ")"
	case errors.As(err, &cme) && cme == 10, errors.As(err, &cms) && cms == 310:
		return "missing"
	case isBusy(err):
		return "busy: it is starting"
	case isAnswer(err):
		return "not usable: " + err.Error()
	}
	return "unknown"
}

// texts finds out whether the modem knows commands for texts. One that is asked before the SIM is unlocked refuses some
// of them with a reason; one that has none says ERROR to all.
func (p *Probed) texts(ctx context.Context, s *session) error {
	for _, q := range []struct{ text, prefix string }{
		{"AT+CMGF=?", "+CMGF:"}, {"AT+CSMS?", "+CSMS:"}, {"AT+CNMI=?", "+CNMI:"},
	} {
		info, err := s.l.command(ctx, q.text, s.t.Command)
		if err != nil && !isAnswer(err) && !errors.Is(err, ErrNoAnswer) {
			return err
		}
		if rest, ok := answer(info, q.prefix); ok {
			switch q.prefix {
			case "+CMGF:":
				p.SMS = p.SMS || holds0(rest)
			case "+CSMS:": // <service>,<mt>,<mo>,<bm>: whether it sends
				fields := fieldsOf(rest)
				p.SMS = p.SMS || len(fields) > 2 && fields[2] == "1"
			case "+CNMI:":
				p.SMS = true
				p.Reports = reportsPossible(rest)
			}
		}
		if err != nil && Classify(err) == ClassSIM {
			p.SMS = true
		}
	}
	return nil
}

// holds0 tells whether a list of values, as in "(0,1)" or "(0-1)", has 0 in it: PDU mode.
func holds0(list string) bool {
	return slices.Contains(valuesOf(strings.Trim(list, "() ")), 0)
}

// reportsPossible tells whether the fourth list of AT+CNMI=? has 1 or 2 in it. It says what is claimed: the setting may be
// refused all the same (gsm-modem §1.7).
func reportsPossible(lists string) bool {
	var each []string
	depth, began := 0, 0
	for i, c := range lists + "," {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			each = append(each, lists[began:i])
			began = i + 1
		}
	}
	if len(each) < 4 {
		return false
	}
	values := valuesOf(strings.Trim(each[3], "() "))
	return slices.Contains(values, 1) || slices.Contains(values, 2)
}

// valuesOf reads "0,1,4" and "0-2,4"; what is no number is left out.
func valuesOf(list string) []int {
	var values []int
	for _, part := range strings.Split(list, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(strings.TrimSpace(low))
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(strings.TrimSpace(high)); err != nil || to-from > 255 {
				continue
			}
		}
		for v := from; v <= to; v++ {
			values = append(values, v)
		}
	}
	return values
}

// network asks for registration, operator, signal and clock.
func (p *Probed) network(ctx context.Context, s *session) error {
	for _, name := range []string{"+CREG", "+CGREG", "+CEREG"} {
		info, err := s.ask(ctx, "AT"+name+"?")
		if err != nil {
			return err
		}
		rest, ok := answer(info, name+":")
		if !ok {
			continue
		}
		if stat, ok := statOf(rest, true); ok {
			if text, sms := registration(stat); p.Registration < 0 || sms && !p.Registered {
				p.Registration, p.RegistrationText, p.Registered = stat, text, sms
			}
		}
	}
	info, err := s.ask(ctx, "AT+COPS?")
	if err != nil {
		return err
	}
	if rest, ok := answer(info, "+COPS:"); ok {
		if fields := fieldsOf(rest); len(fields) > 2 {
			p.Operator = fields[2]
		}
	}
	if info, err = s.ask(ctx, "AT+CSQ"); err != nil {
		return err
	}
	if rest, ok := answer(info, "+CSQ:"); ok {
		if rssi, err := strconv.Atoi(fieldsOf(rest)[0]); err == nil && rssi >= 0 && rssi <= 31 {
			p.Signal = 2*rssi - 113
		}
	}
	if info, err = s.ask(ctx, "AT+CCLK?"); err != nil {
		return err
	}
	if rest, ok := answer(info, "+CCLK:"); ok {
		p.Clock = clockOf(rest)
	}
	return nil
}

// settings asks for the service centre, the memory, and the link between texts.
func (p *Probed) settings(ctx context.Context, s *session) error {
	info, err := s.ask(ctx, "AT+CSCA?")
	if err != nil {
		return err
	}
	if rest, ok := answer(info, "+CSCA:"); ok {
		p.SMSC = numberOf(fieldsOf(rest))
	}
	if info, err = s.ask(ctx, "AT+CPMS?"); err != nil {
		return err
	}
	if rest, ok := answer(info, "+CPMS:"); ok {
		p.Memory, p.Used, p.Total = memoryOf(rest)
	}
	info, err = s.ask(ctx, "AT+CMMS=?")
	_, p.KeepsLink = answer(info, "+CMMS:")
	return err
}

// memoryOf reads AT+CPMS?: name, used and total of each memory; texts arrive in the last.
func memoryOf(rest string) (name string, used, total int) {
	fields := fieldsOf(rest)
	if at := len(fields)/3*3 - 3; at >= 0 {
		u, errUsed := strconv.Atoi(fields[at+1])
		n, errTotal := strconv.Atoi(fields[at+2])
		if _, err := strconv.Atoi(fields[at]); err != nil && errUsed == nil && errTotal == nil && fields[at] != "" {
			return fields[at], u, n
		}
	}
	return "", 0, 0
}

// clockOf reads AT+CCLK?: "yy/MM/dd,hh:mm:ss±zz", zz in quarters of an hour, which some leave out (TS 27.007 §8.15). A
// clock that nobody has set stands in the years 1970 to 2023: that is none.
func clockOf(rest string) time.Time {
	text := strings.Trim(rest, `" `)
	zone := time.UTC
	if i := strings.LastIndexAny(text, "+-"); i > 0 {
		if quarters, err := strconv.Atoi(text[i:]); err == nil && quarters >= -96 && quarters <= 96 {
			zone = time.FixedZone("", quarters*15*60)
		}
		text = text[:i]
	}
	at, err := time.ParseInLocation("06/01/02,15:04:05", text, zone)
	if err != nil || at.Year() < 2024 || at.Year() >= 2060 {
		return time.Time{}
	}
	return at
}
