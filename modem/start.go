package modem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"smsgateway/sms"
)

// start brings the modem from an open line to the point where only the network may still be missing (gsm-modem §1.2).
// An error means that the line has to be looked after.
func (s *session) start(ctx context.Context) error {
	if err := s.basics(ctx); err != nil {
		return err
	}
	if err := s.identify(ctx); err != nil {
		return err
	}
	if err := s.radio(ctx); err != nil {
		return err
	}
	if err := s.unlock(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		s.format, s.relay, s.centre, s.memory, s.identifySIM, s.indications, s.registrations,
		s.tellLate, // once it is known whether reports will come, and before those that came meanwhile are read
		s.drainAll,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.l.reports.simCounts = true
	if s.m.cfg.Known != nil {
		s.m.cfg.Known(s.m.Status().Identity)
	}
	return nil
}

// basics brings the line in step and the modem to its defaults, restarts it where nothing else has helped, and sees
// to it that errors are numbers.
func (s *session) basics(ctx context.Context) error {
	s.l.echoOff, s.l.reports.simCounts = false, false
	s.dialogue.forms = nil // they go by the alphabet, which may be another now
	if err := s.l.resync(ctx, nil); err != nil {
		return err
	}
	s.l.reports.restarted = false
	if s.m.badStarts >= maxBadStarts && s.m.mayRestart() {
		return s.restart(ctx, "it answers, but does not get to work: "+s.m.Status().LastError)
	}
	if _, err := s.ask(ctx, "ATZ"); err != nil {
		return err
	}
	for range 2 {
		_, err := s.l.command(ctx, "ATE0", s.t.Command)
		if err == nil {
			break
		}
		if !isAnswer(err) && !errors.Is(err, ErrNoAnswer) {
			return err
		}
	}
	if _, err := s.ask(ctx, "AT+CMEE=1"); err != nil {
		return err
	}
	s.l.echoOff = !s.l.echoed
	return nil
}

// identify asks who the modem is. Nothing depends on the answers but what people read, and the line of reports.
func (s *session) identify(ctx context.Context) error {
	id := Identity{Modem: s.m.cfg.Name}
	s.known = false
	for _, q := range []struct {
		text string
		into *string
	}{
		{"AT+CGMI", &id.Manufacturer}, {"AT+CGMM", &id.Model}, {"AT+CGMR", &id.Revision}, {"AT+CGSN", &id.IMEI},
	} {
		info, err := s.ask(ctx, q.text)
		if err != nil {
			return err
		}
		*q.into = plain(info)
	}
	id.IMEI = digitsOf(id.IMEI, 14, 17)
	if strings.Trim(id.IMEI, "0") == "" {
		id.IMEI = "" // some sticks have zeros: nobody's number, by which none is told from another
	}
	s.m.update(func(st *Status) { st.Identity = id })
	if id.IMEI == s.m.who.IMEI { // then it most likely has its SIM still
		id.IMSI, id.ICCID = s.m.who.IMSI, s.m.who.ICCID
	}
	s.m.who, s.l.reports.from = id, id
	return nil
}

// identifySIM asks who the SIM is, which many modems say only once it is unlocked. It comes when the SIM has answered
// what can't be done without it: one that is busy would go by another name until the next start, and its status reports
// would not find their messages.
func (s *session) identifySIM(ctx context.Context) error {
	imsi, err := s.ask(ctx, "AT+CIMI")
	if err != nil {
		return err
	}
	iccid, err := s.iccid(ctx, s.t.SIM)
	if err != nil {
		return err
	}
	s.m.update(func(st *Status) {
		st.IMSI = digitsOf(plain(imsi), 6, 15)
		if was := s.m.who; iccid == "" && st.IMSI == was.IMSI && st.IMSI != "" {
			iccid = was.ICCID // the answer got lost; by another name its budget and its reports would be another SIM's
		}
		st.ICCID = iccid
	})
	who := s.m.Status().Identity
	if s.m.cfg.MayWork != nil {
		if err := s.m.cfg.MayWork(who); err != nil {
			s.m.who = who // by which the search knows that this is another one
			return err
		}
	}
	if s.m.sim != "" && s.m.sim != who.Line() { // another SIM: what was given to the one before is none of its business
		s.m.doubts, s.m.unclear, s.m.lastRef, s.m.since, s.m.refusedAt = nil, nil, -1, 0, -1
	}
	if was := s.m.who; was.IMEI != "" && who.IMEI != "" && was.IMEI != who.IMEI {
		s.log.Warn("another modem is at the port now", "imei", who.IMEI, "was", was.IMEI)
	}
	if s.m.sim != "" && s.m.sim != who.Line() {
		s.log.Warn("another SIM is in the modem now; budget and credit are the SIM's", "sim", who.Line(), "was", s.m.sim)
	}
	s.m.who, s.m.sim, s.known = who, who.Line(), true
	s.l.reports.from = who
	return nil
}

// cardCommands are the ways to ask for the number of the SIM card.
var cardCommands = []string{"AT+CCID", "AT+ICCID", "AT^ICCID?", "AT+QCCID", "AT^SCID"}

// iccid asks for the number of the SIM card, "" when the modem does not say it. A card that is busy is waited for as long
// as patience lasts.
func (s *session) iccid(ctx context.Context, patience time.Duration) (string, error) {
	end := time.Now().Add(patience)
	for _, text := range cardCommands {
		info, err := s.l.command(ctx, text, s.t.Command)
		for isBusy(err) && time.Now().Before(end) {
			if err := s.pause(ctx, s.t.Poll); err != nil {
				return "", err
			}
			info, err = s.l.command(ctx, text, s.t.Command)
		}
		if err != nil && !isAnswer(err) && (!errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrRestarted)) {
			return "", err
		}
		if id := cardIn(plain(info)); id != "" {
			return id, nil
		}
	}
	return "", nil
}

// plain returns the text of an answer, which comes with or without the command's name, quotes and blanks, and for some
// in several lines, of which the first says most.
func plain(info []string) string {
	if len(info) == 0 {
		return ""
	}
	text := info[0]
	if strings.ContainsRune("+^", rune(text[0])) {
		if _, rest, ok := strings.Cut(text, ":"); ok {
			text = rest
		}
	}
	return strings.Trim(text, `" `)
}

// digitsOf returns the first run of least to most digits in text, with one hexadecimal filler behind it left off; ""
// when there is none.
func digitsOf(text string, least, most int) string {
	for _, run := range strings.FieldsFunc(text, func(c rune) bool { return c < '0' || c > '9' }) {
		if least <= len(run) && len(run) <= most {
			return run
		}
	}
	return ""
}

// radio switches the modem to full function where it is not.
func (s *session) radio(ctx context.Context) error {
	info, err := s.ask(ctx, "AT+CFUN?")
	if err != nil {
		return err
	}
	if mode := digitsOf(plain(info), 1, 3); mode == "" || mode == "1" {
		return nil
	}
	_, err = s.must(ctx, "AT+CFUN=1", s.t.Long)
	return err
}

// format chooses PDU mode, and that the modem itself acknowledges what comes directly (AT+CSMS=0): with 1 the network
// waits for our AT+CNMA 12 to 20 s at most (TS 24.011, TR2M), and while a text is on its way, which may take three minutes,
// nothing may be written. Too late is refused, and the modem gives no more reports. See indications for the exception.
func (s *session) format(ctx context.Context) error {
	if _, err := s.must(ctx, "AT+CMGF=0", s.t.Command); err != nil {
		return err
	}
	s.acks = false
	_, err := s.ask(ctx, "AT+CSMS=0")
	return err
}

// relay has the modem keep its link to the service centre open between texts, where it can: 2 is a setting that stays,
// 1 one that ends by itself when no text follows within seconds (TS 27.005 §3.5.6).
func (s *session) relay(ctx context.Context) error {
	s.relayEach = false
	info, err := s.ask(ctx, "AT+CMMS=?")
	if err != nil {
		return err
	}
	modes, _ := answer(info, "+CMMS:")
	s.m.update(func(st *Status) { st.KeepsLink = strings.ContainsAny(modes, "12") })
	switch {
	case strings.Contains(modes, "2"): // (0-2) or (0,1,2)
		_, err = s.ask(ctx, "AT+CMMS=2")
	case strings.Contains(modes, "1"):
		s.relayEach = true
	}
	return err
}

// burst is the pause between two texts after which a link that AT+CMMS=1 kept open is closed (TS 27.005 §3.5.6: 1 to 5
// seconds).
const burst = 5 * time.Second

// keepRelay asks for the link to be kept open at the first text of a burst, of a modem that has no lasting setting.
func (s *session) keepRelay(ctx context.Context) error {
	if !s.relayEach || time.Since(s.lastText) <= burst {
		return nil
	}
	_, err := s.ask(ctx, "AT+CMMS=1")
	return err
}

// centre sees to the number of the service centre: the configured one, else what the SIM says.
func (s *session) centre(ctx context.Context) error {
	info, err := s.must(ctx, "AT+CSCA?", s.t.Command)
	if err != nil && !isAnswer(err) {
		return err
	}
	have := ""
	if rest, ok := answer(info, "+CSCA:"); ok {
		have = numberOf(fieldsOf(rest))
	}
	want := s.m.cfg.SMSC
	if want != "" && want != have {
		if _, err := sms.ParseNumber(want); err != nil {
			return fmt.Errorf("smsc: %w", err)
		}
		toa := 129
		if want[0] == '+' {
			toa = 145
		}
		if _, err := s.must(ctx, fmt.Sprintf("AT+CSCA=%q,%d", want, toa), s.t.Command); err != nil {
			return err
		}
		have = want
	}
	if have == "" {
		s.m.trouble(errNoCentre)
		s.log.Warn("no service centre", "err", errNoCentre)
	}
	s.m.update(func(st *Status) { st.SMSC = have })
	return nil
}

var errNoCentre = errors.New(`the SIM does not name its service centre, without which nothing can be sent; set smsc = "+..."`)

// numberOf returns a number and its type of address, the fields of a +CSCA, as people write it.
func numberOf(fields []string) string {
	number := fields[0]
	if len(fields) > 1 && fields[1] == "145" && number != "" && number[0] != '+' {
		return "+" + number
	}
	return number
}

// answer returns what follows prefix in the first line that begins with it.
func answer(info []string, prefix string) (rest string, ok bool) {
	for _, line := range info {
		if rest, ok := cutPrefix(line, prefix); ok {
			return rest, true
		}
	}
	return "", false
}

// memory chooses the memory in which texts arrive, and notes all others in which some may be: firmware does not always
// put them where it was told to (gsm-modem §1.7).
func (s *session) memory(ctx context.Context) error {
	info, err := s.must(ctx, "AT+CPMS=?", s.t.Command)
	if err != nil && !isAnswer(err) && !errors.Is(err, ErrNoAnswer) {
		return err
	}
	rest, _ := answer(info, "+CPMS:")
	known := rest != ""                      // Samsung's J700 says +CPMS: and nothing (gammu, tests/at-cpms)
	readable, _, _ := strings.Cut(rest, ")") // mem1's list is the first one
	s.store, s.home, s.stores = "", "", nil
	for _, store := range []string{"SM", "ME", "SR"} {
		if !known && store != "SR" || strings.Contains(readable, strconv.Quote(store)) {
			s.stores = append(s.stores, store)
		}
	}
	for _, store := range []string{"SM", "ME", "MT"} {
		if known && !strings.Contains(readable, strconv.Quote(store)) {
			continue
		}
		for _, form := range []string{`AT+CPMS="%[1]s","%[1]s","%[1]s"`, `AT+CPMS="%[1]s","%[1]s"`, `AT+CPMS="%[1]s"`} {
			_, err := s.must(ctx, fmt.Sprintf(form, store), s.t.Command)
			if err == nil {
				s.store, s.home = store, store
				if !slices.Contains(s.stores, store) {
					s.stores = append(s.stores, store)
				}
				return nil
			}
			if !isAnswer(err) {
				return err
			}
		}
	}
	return nil // then the modem's own choice has to do
}

// The settings of AT+CNMI in the order in which they are tried: stored texts with direct reports, then with stored ones;
// and those without reports. What a modem says that it can is not what it can (gsm-modem §1.7).
var (
	reportModes = []string{
		"2,1,0,1,0", "1,1,0,1,0", "2,1,0,1,1", "1,1,0,1,1",
		"2,1,0,2,0", "1,1,0,2,0", "2,1,0,2,1", "1,1,0,2,1", "3,1,0,2,1",
	}
	silentModes = []string{"2,1,0,0,0", "2,1,0,0,1", "2,1", "1,1", "1,1,0,0,1"}
)

// indications has the modem tell us what arrives. A modem that gives reports only to those who acknowledge them gets
// AT+CSMS=1; better late acknowledgements than no report at all.
func (s *session) indications(ctx context.Context) error {
	done, err := s.indicate(ctx, reportModes)
	if !done && err == nil && !s.acks && !s.m.plainAcks {
		_, err = s.l.command(ctx, "AT+CSMS=1", s.t.Command)
		switch {
		case err == nil:
			s.acks = true
			done, err = s.indicate(ctx, reportModes)
		case isAnswer(err), errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted):
			err = nil
		}
	}
	if done || err != nil {
		return err
	}
	if s.acks {
		s.acks = false
		if _, err := s.ask(ctx, "AT+CSMS=0"); err != nil {
			return err
		}
	}
	if done, err = s.indicate(ctx, silentModes); done {
		s.log.Warn("the modem cannot tell us of status reports")
	}
	if !done && err == nil {
		err = errors.New("the modem takes no setting of AT+CNMI, so nothing could be received")
	}
	return err
}

// indicate tries settings of AT+CNMI until the modem takes one, and tells whether it did. One that names reports is not
// taken by a modem that then says that it has none.
func (s *session) indicate(ctx context.Context, modes []string) (done bool, err error) {
	for _, mode := range modes {
		_, err := s.must(ctx, "AT+CNMI="+mode, s.t.Command)
		if err != nil {
			if !isAnswer(err) {
				return false, err
			}
			continue
		}
		set, err := s.indicated(ctx)
		if err != nil {
			return false, err
		}
		wanted := fieldsOf(mode)
		fields := wanted
		if set != "" {
			fields = fieldsOf(set)
		}
		if len(fields) > 1 && fields[1] == "0" {
			continue // it said OK and did not do it
		}
		reports := len(fields) > 3 && fields[3] != "0"
		if !reports && len(wanted) > 3 && wanted[3] != "0" {
			continue
		}
		s.cnmi = set
		s.m.update(func(st *Status) {
			st.Reports, st.ReportsStored, st.Store = reports, reports && fields[3] == "2", s.home
		})
		return true, nil
	}
	return false, nil
}

// indicated asks for the setting of AT+CNMI; "" when the modem does not say it.
func (s *session) indicated(ctx context.Context) (string, error) {
	info, err := s.ask(ctx, "AT+CNMI?")
	if err != nil {
		return "", err
	}
	rest, _ := answer(info, "+CNMI:")
	return strings.ReplaceAll(rest, " ", ""), nil
}

// registrations asks to be told of the network, and which of its registrations the modem knows: packet service and
// LTE carry texts as well as calls' does.
func (s *session) registrations(ctx context.Context) error {
	s.domains = nil
	s.l.reports.stats = nil
	for _, name := range []string{"+CREG", "+CGREG", "+CEREG"} {
		if _, err := s.ask(ctx, "AT"+name+"=1"); err != nil {
			return err
		}
		known, err := s.askRegistration(ctx, name)
		if err != nil {
			return err
		}
		if known {
			s.domains = append(s.domains, name)
		}
	}
	s.registered()
	return nil
}

// askRegistration asks for one registration, and tells whether the modem knows it.
func (s *session) askRegistration(ctx context.Context, name string) (known bool, err error) {
	info, err := s.ask(ctx, "AT"+name+"?")
	if err != nil {
		return false, err
	}
	if rest, ok := answer(info, name+":"); ok {
		if stat, ok := statOf(rest, true); ok {
			s.l.reports.registered(name, stat)
			return true, nil
		}
	}
	return false, nil
}

// registered tells whether texts can be sent in one of the registrations, and puts the best one into the status.
func (s *session) registered() bool {
	best, seen, good := 4, false, false
	for _, name := range []string{"+CREG", "+CGREG", "+CEREG", "+C5GREG"} {
		stat, known := s.l.reports.stats[name]
		if !known {
			continue
		}
		if _, sms := registration(stat); !seen || sms && !good {
			best, seen, good = stat, true, sms
		}
	}
	if !seen {
		good = true // it knows none of them: then a text has to show
	}
	text, _ := registration(best)
	s.m.update(func(st *Status) { st.Registration, st.RegistrationText = best, text })
	return good
}
