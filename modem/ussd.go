package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"smsgateway/sms"
)

// USSDReply is what the network answered to a code.
type USSDReply struct {
	Text string // lines are separated by LF; "" when the network said nothing but that it is done
	More bool   // the network waits for an answer, for a minute: the next USSD is it
}

// Ends of USSD, for errors.Is.
var (
	ErrUSSDUnsupported = errors.New("the network does not know USSD, or not this code; many LTE networks have none")
	ErrUSSDTimeout     = errors.New("the network did not answer the USSD code in time")
	ErrUSSDEnded       = errors.New("the network ended the USSD dialogue without an answer")
	ErrUSSDElsewhere   = errors.New("the USSD code was answered to another program on this SIM")
	ErrUSSDCode        = errors.New("not a USSD code: 1 to 182 characters such as *100#, without quotes")
	ErrUSSDSecret      = errors.New("not sent: this code uses or changes a PIN or a password, and wrong ones lock the SIM, or " +
		"bar its calls and texts; put the SIM into a phone for that")
)

// USSD sends a code such as "*100#" to the network and returns its answer; after one with More it sends what the network
// asked for, "1"; a code ends that dialogue. It waits its turn, as Command does.
//
// Errors: those above, a CMEError or ErrError when the modem refuses, ErrLineClosed, ErrNoAnswer, that of ctx.
func (m *Modem) USSD(ctx context.Context, code string) (USSDReply, error) {
	code = strings.TrimSpace(code)
	if strings.HasPrefix(code, "*") || strings.HasPrefix(code, "#") { // a code; an answer may have several words
		code = strings.ReplaceAll(code, " ", "")
	}
	switch {
	case !isUSSD(code):
		return USSDReply{}, ErrUSSDCode
	case isSecret(code):
		return USSDReply{}, ErrUSSDSecret
	}
	var reply USSDReply
	err := m.job(ctx, func(ctx context.Context, s *session) (err error) {
		reply, err = s.ussd(ctx, code)
		return err
	})
	return reply, err
}

// EndUSSD tells the network that no answer comes, if it waits for one. Errors are those of Command.
func (m *Modem) EndUSSD(ctx context.Context) error {
	return m.job(ctx, func(ctx context.Context, s *session) error { return s.endDialogue(ctx, true) })
}

// maxUSSDCode is how many septets fit into a USSD string of 160 octets (TS 23.038 §5).
const maxUSSDCode = 182

// secretCodes are the codes that take a PIN or a password. **04*, **042*, **05* and **052* change PINs (TS 22.030 §6.6);
// *03* and **03* change the password of barring (§6.5.4); the codes of barring themselves take its four digits (annex B):
// wrong ones block it in the end (TS 23.011), the right ones can bar the sending of texts. To ask (*#33#) takes none.
var secretCodes = regexp.MustCompile(`^(\*{1,2}03\*|\*\*0[45]|(\*{1,2}|#{1,2})(33[0-3]?|35[13]?)\*[0-9]{4}(\*[0-9]{1,2})?#)`)

// isUSSD tells whether code has a form that can be sent.
func isUSSD(code string) bool {
	for i := range len(code) {
		if code[i] < ' ' || code[i] > '~' || strings.IndexByte("\"`\\", code[i]) >= 0 {
			return false
		}
	}
	return 0 < len(code) && len(code) <= maxUSSDCode
}

// isSecret tells whether code takes a secret, with blanks in it too: a modem may leave those out.
func isSecret(code string) bool { return secretCodes.MatchString(strings.ReplaceAll(code, " ", "")) }

const (
	ussdWait = 120 * time.Second // for the network's answer (gsm-modem §1.3)
	ussdHold = 60 * time.Second  // for an operator's answer to the network, before it is told that none comes
)

// ussdForm is how a modem wants a code, and gives the answer, where the standard's plain text is not taken.
type ussdForm uint8

const (
	ussdPlain  ussdForm = iota
	ussdPacked          // septets in hexadecimal digits: nearly all of Huawei's (gammu, F_ENCODED_USSD)
	ussdUCS2            // UTF-16 in hexadecimal digits: any that has AT+CSCS="UCS2"
)

// encode returns code as a modem wants it.
func (f ussdForm) encode(code string) string {
	switch f {
	case ussdPacked:
		septets, err := sms.EncodeGSM7(code)
		if err != nil {
			return code
		}
		if len(septets)%8 == 7 {
			septets = append(septets, '\r') // else the 7 bits left over would read as @ (TS 23.038 §6.1.2.3.1)
		}
		return strings.ToUpper(hex.EncodeToString(sms.Pack(septets, 0)))
	case ussdUCS2:
		return strings.ToUpper(hex.EncodeToString(sms.EncodeUCS2(code)))
	}
	return code
}

// dialogue is what a session knows of USSD.
type dialogue struct {
	forms   []ussdForm // those that this modem may take, the first one first; nil: not known yet
	charset string     // of AT+CSCS, "GSM" where it is not known
	until   time.Time  // until when the network is left waiting for an answer; zero: it does not wait
	over    time.Time  // until when it may say that a dialogue which we ended is over: no answer to the next code
}

// ussd sends a code and waits for the answer. A form that the modem refuses, or the network does not know, is followed
// by the others, and the one that worked is kept.
func (s *session) ussd(ctx context.Context, code string) (USSDReply, error) {
	if isServiceCode(code) { // the balance is asked for whatever an operator has begun
		if err := s.endDialogue(ctx, true); err != nil {
			return USSDReply{}, err
		}
	}
	if wait := time.Until(s.dialogue.over); wait > 0 {
		if err := s.l.pause(ctx, wait, nil); err != nil {
			return USSDReply{}, err
		}
	}
	if s.dialogue.forms == nil {
		if err := s.ussdForms(ctx); err != nil {
			return USSDReply{}, err
		}
	}
	var first error
	for i, form := range s.dialogue.forms {
		if form == ussdPlain && i > 0 && s.dialogue.forms[0] == ussdPacked {
			// Huawei's E1752 takes plain text in this mode alone (python-gsmmodem, HuaweiE1752).
			if _, err := s.ask(ctx, "AT^USSDMODE=0"); err != nil {
				return USSDReply{}, err
			}
		}
		reply, err := s.askUSSD(ctx, code, form)
		if err == nil {
			s.dialogue.forms = []ussdForm{form}
			return reply, nil
		}
		if first == nil {
			first = err
		}
		if !otherForm(err) {
			return USSDReply{}, err
		}
	}
	return USSDReply{}, first
}

// isServiceCode tells codes that begin a dialogue from answers that go on with one (TS 22.030 §6.5.3.2).
func isServiceCode(code string) bool {
	return len(code) > 2 && (code[0] == '*' || code[0] == '#') && code[len(code)-1] == '#'
}

// otherForm tells whether a code that ended so may have been sent in a form that the modem does not take.
func otherForm(err error) bool {
	if errors.Is(err, ErrUSSDUnsupported) {
		return true
	}
	return isAnswer(err) && !isBusy(err) && Classify(err) != ClassNoService && Classify(err) != ClassSIM
}

// ussdForms finds out which forms this modem may take.
func (s *session) ussdForms(ctx context.Context) error {
	info, err := s.ask(ctx, "AT+CSCS?")
	if err != nil {
		return err
	}
	s.dialogue.charset = "GSM"
	if rest, ok := answer(info, "+CSCS:"); ok {
		s.dialogue.charset = strings.ToUpper(fieldsOf(rest)[0])
	}
	switch {
	case s.dialogue.charset == "UCS2":
		s.dialogue.forms = []ussdForm{ussdUCS2, ussdPlain}
	case strings.Contains(strings.ToLower(s.m.Status().Manufacturer), "huawei"):
		s.dialogue.forms = []ussdForm{ussdPacked, ussdPlain}
	default:
		s.dialogue.forms = []ussdForm{ussdPlain, ussdPacked}
	}
	return nil
}

// askUSSD sends a code in one form and waits for the answer, which comes before the OK or long after it.
func (s *session) askUSSD(ctx context.Context, code string, form ussdForm) (USSDReply, error) {
	if err := s.l.ready(ctx); err != nil {
		return USSDReply{}, err
	}
	s.l.reports.ussd = nil
	_, err := s.l.command(ctx, fmt.Sprintf(`AT+CUSD=1,"%s",15`, form.encode(code)), s.t.Long)
	if err != nil && !(isAnswer(err) && len(s.l.reports.ussd) > 0) {
		if !isAnswer(err) {
			s.l.reports.ussd = nil
		}
		return USSDReply{}, err
	}
	rest, err := s.awaitUSSD(ctx)
	s.l.reports.ussd = nil
	if err != nil {
		if errors.Is(err, ErrUSSDTimeout) || ctx.Err() != nil {
			s.dialogue.until = time.Now() // the next thing on the line is to say that we do not wait any more
		}
		return USSDReply{}, err
	}
	mode, text := parseUSSD(rest, s.dialogue.charset, form == ussdPacked)
	s.dialogue.until = time.Time{}
	switch {
	case mode == 1:
		s.dialogue.until = time.Now().Add(ussdHold)
	case mode == 2 && text == "":
		return USSDReply{}, ErrUSSDEnded
	case mode == 3:
		return USSDReply{}, ErrUSSDElsewhere
	case mode == 4:
		return USSDReply{}, ErrUSSDUnsupported
	case mode == 5:
		return USSDReply{}, ErrUSSDTimeout
	}
	return USSDReply{Text: text, More: mode == 1}, nil
}

// awaitUSSD waits until a +CUSD has come with all lines of its text, and returns the rest of it. One that says that the
// dialogue is over is waited behind for a moment: some devices say that of the one before, or before the answer
// (python-gsmmodem issue 14).
func (s *session) awaitUSSD(ctx context.Context) (string, error) {
	r := &s.l.reports
	timer := time.NewTimer(ussdWait)
	defer timer.Stop()
	for {
		begun := len(r.ussd)
		switch {
		case r.restarted:
			return "", ErrRestarted
		case begun > 0 && !r.inUSSD() && !strings.HasPrefix(r.ussd[begun-1], "2") && !strings.HasPrefix(r.ussd[begun-1], "3"):
			return r.ussd[begun-1], nil
		case begun > 0:
			timer.Reset(s.t.Grace) // for the next line of it
		}
		text, err := s.l.next(ctx, timer.C, false)
		switch {
		case errors.Is(err, ErrNoAnswer) && begun > 0:
			r.endUSSD()
			return r.ussd[begun-1], nil
		case errors.Is(err, ErrNoAnswer):
			return "", ErrUSSDTimeout
		case err != nil:
			return "", err
		default:
			s.l.stray(text, nil)
		}
	}
}

// endDialogue tells the network that no answer comes, if it waits for one: at once when now is set, as before a text,
// else when it has waited long enough.
func (s *session) endDialogue(ctx context.Context, now bool) error {
	if s.dialogue.until.IsZero() || !now && time.Now().Before(s.dialogue.until) {
		return nil
	}
	s.dialogue.until = time.Time{}
	_, err := s.ask(ctx, "AT+CUSD=2")
	s.dialogue.over = time.Now().Add(s.t.Grace)
	return err
}

// parseUSSD reads what follows +CUSD: <m>[,<str>[,<dcs>]] (TS 27.007 §7.15). The text comes in quotes or without.
func parseUSSD(rest, charset string, packed bool) (mode int, text string) {
	head, tail, more := strings.Cut(rest, ",")
	mode, err := strconv.Atoi(strings.TrimSpace(head))
	if err != nil || mode < 0 || mode > 5 {
		mode = 0
	}
	if !more {
		return mode, ""
	}
	tail = strings.TrimSpace(tail)
	dcs := 15
	if i := strings.LastIndexByte(tail, ','); i >= 0 && strings.Count(tail[i:], `"`) != 1 {
		if n, err := strconv.Atoi(strings.TrimSpace(tail[i+1:])); err == nil && n >= 0 && n <= 255 {
			dcs, tail = n, strings.TrimSpace(tail[:i])
		}
	}
	if strings.HasPrefix(tail, `"`) {
		tail = strings.TrimSuffix(tail[1:], `"`)
	}
	return mode, decodeUSSD(tail, byte(dcs), charset, packed)
}

// decodeUSSD turns the text of a +CUSD into what people read. What it is, the data coding scheme tells only on paper:
// devices say 15 and give UTF-16 (Quectel M35, gammu issue 358), or give septets packed in digits (Huawei).
func decodeUSSD(text string, dcs byte, charset string, packed bool) string {
	alphabet, language := cbsAlphabet(dcs)
	octets, err := hex.DecodeString(text)
	if err != nil || len(octets) == 0 {
		return tidy(plainUSSD(text, charset))
	}
	switch {
	case alphabet == sms.UCS2:
		if language && len(octets) > 2 {
			octets = octets[2:] // two letters, packed (TS 23.038 §5)
		}
		text = sms.DecodeUCS2(octets)
	case alphabet == sms.Binary:
		text = sms.DecodeLatin1(octets)
	case looksUCS2(octets):
		text = sms.DecodeUCS2(octets)
	case packed, len(text) >= 10 && strings.ContainsAny(text, "ABCDEFabcdef") && isReadable(unpackUSSD(octets)):
		text = unpackUSSD(octets)
		if language && len(text) > 3 && text[2] == '\r' {
			text = text[3:]
		}
	default:
		text = plainUSSD(text, charset)
	}
	text, _, _ = strings.Cut(text, "\x00") // Telit's HE910 goes on with what its memory holds (gammu issue 377)
	return tidy(text)
}

// cbsAlphabet is the alphabet of a data coding scheme of cell broadcast and USSD, and whether two letters that name a
// language stand before the text (TS 23.038 §5).
func cbsAlphabet(dcs byte) (a sms.Alphabet, language bool) {
	switch {
	case dcs == 0x10:
		return sms.GSM7, true
	case dcs == 0x11:
		return sms.UCS2, true
	case dcs>>6 == 1, dcs>>4 == 9: // general data coding, and the same with a user data header
		switch dcs >> 2 & 3 {
		case 1:
			return sms.Binary, false
		case 2:
			return sms.UCS2, false
		}
	case dcs>>4 == 15 && dcs&4 != 0:
		return sms.Binary, false
	}
	return sms.GSM7, false
}

// looksUCS2 tells whether octets that should be septets are UTF-16 of an alphabet: all first octets are small, which
// those of packed letters never are.
func looksUCS2(octets []byte) bool {
	if len(octets)%2 != 0 || len(octets) == 2 && octets[0] != 0 {
		return false
	}
	for i := 0; i < len(octets); i += 2 {
		high := octets[i]
		if high > 0x10 && high != 0x1E && (high < 0x20 || high > 0x22) && high < 0xFE {
			return false
		}
	}
	return true
}

// unpackUSSD reads packed septets. A CR that only fills the last octet is left off (TS 23.038 §6.1.2.3.1), and so is the
// @ as which firmware that leaves it empty reads.
func unpackUSSD(octets []byte) string {
	septets := sms.Unpack(octets, len(octets)*8/7, 0)
	if n := len(septets); n > 0 && n%8 == 0 && (septets[n-1] == '\r' || septets[n-1] == 0) {
		septets = septets[:n-1]
	}
	return sms.DecodeGSM7(septets)
}

// isReadable tells whether a text has no more strange characters than words have.
func isReadable(text string) bool {
	strange, n := 0, 0
	for _, r := range text {
		n++
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) && !strings.ContainsRune(".,:;!?*#-+/()'%&", r) {
			strange++
		}
	}
	return n > 0 && strange*8 <= n
}

// nationals are the places of the GSM alphabet in which ASCII has other characters, and which a text of the network
// uses: "Bitte w{hlen Sie". $ and @ stay: there a modem that means ASCII is more likely.
var nationals = map[rune]rune{
	'[': 'Ä', '\\': 'Ö', ']': 'Ñ', '^': 'Ü', '`': '¿', '{': 'ä', '|': 'ö', '}': 'ñ', '~': 'ü',
}

// plainUSSD is a text as the modem's character set has it.
func plainUSSD(text, charset string) string {
	if !utf8.ValidString(text) {
		return sms.DecodeLatin1([]byte(text))
	}
	if charset != "GSM" {
		return text
	}
	return strings.Map(func(r rune) rune {
		if n, ok := nationals[r]; ok {
			return n
		}
		return r
	}, text)
}

// tidy leaves lines that end in LF, and nothing that moves a terminal.
func tidy(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, text)
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	return strings.Join(lines, "\n")
}
