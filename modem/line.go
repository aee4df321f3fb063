package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// line is the dialogue over one opening of the port. Everything in it belongs to Run's goroutine, but for the reader,
// which does nothing but hand over octets.
type line struct {
	port   Port
	timing Timing
	log    *slog.Logger
	trace  func(fromModem bool, text string)

	logTexts *atomic.Bool // PDUs may go to the log; nil: they may not

	in      chan []byte // what the reader read; closed when the port ended
	readErr error       // why; set before in is closed

	scan      scanner
	reports   reports
	outOfStep bool // an answer may still be under way, or the modem be at its prompt: resync before the next command
	echoOff   bool // the modem agreed not to echo; an echo now shows that it has lost its settings
	echoed    bool // the last command came back

	unasked  func(text string)  // takes a result that comes while no AT+CMGS is open; nil: only the log does
	resynced func(cause string) // is told that the line is brought back in step; nil: nobody is

	secret string // the PIN while it is entered: hidden from trace and log, in the command and in its echo
}

// newLine starts to read from port. close must be called.
func newLine(port Port, timing Timing, log *slog.Logger, trace func(bool, string)) *line {
	// Room for what a modem writes while we wait for a claim to be on disk.
	l := &line{port: port, timing: timing, log: log, trace: trace, in: make(chan []byte, 256), outOfStep: true}
	go l.reader()
	return l
}

// reader hands over what the port says, until it ends.
func (l *line) reader() {
	defer close(l.in)
	buf := make([]byte, 4096)
	for {
		n, err := l.port.Read(buf)
		if n > 0 {
			l.in <- append([]byte(nil), buf[:n]...) // close takes what nobody else does
		}
		if err != nil {
			l.readErr = err
			return
		}
	}
}

// close ends the line and waits for its reader. What that has read until then is taken: the modem will not say it again.
func (l *line) close() {
	if err := l.port.Close(); err != nil {
		l.log.Debug("close", "err", err)
	}
	for chunk := range l.in { // until the reader closes it
		l.scan.feed(chunk)
	}
	l.idle() // that the line has ended is known
}

// hearOut listens until the modem is silent for a moment, and for longer while it has begun to say something: a line, or a
// report's two. Who opens the port next would not know what to make of the rest.
func (l *line) hearOut() {
	most, silence := time.NewTimer(l.timing.Grace), time.NewTimer(l.timing.Settle)
	defer most.Stop()
	defer silence.Stop()
	for l.idle() == nil {
		select {
		case chunk, ok := <-l.in:
			if !ok {
				return
			}
			l.scan.feed(chunk)
		case <-silence.C:
			if !l.midWord() {
				return
			}
		case <-most.C:
			return
		}
		silence.Reset(l.timing.Settle)
	}
}

// midWord tells whether a line has begun, or the first of a report's two lines has come. A prompt is whole without a line end.
func (l *line) midWord() bool {
	begun := strings.TrimSpace(string(l.scan.line))
	return l.reports.length > 0 || begun != "" && begun != prompt
}

// command is what the modem was asked and has not answered yet. A nil one is none.
type command struct {
	text string // without its CR
	name string // what an answer begins with: "+CSQ" for "AT+CSQ"; "" for basic commands

	// An operator's line: the names of all commands in it. Its answer may be of any form, so that only what is known to
	// be a report is none. nil: a command of ours, of which we know how it is answered.
	names []string
	final string // the final result, as it came
}

// newCommand takes the name of a command out of its text.
func newCommand(text string) *command {
	c := &command{text: text}
	if len(text) > 3 && strings.ContainsRune("+^*#$%_", rune(text[2])) {
		end := strings.IndexAny(text, "=?")
		if end < 0 {
			end = len(text)
		}
		c.name = text[2:end]
	}
	return c
}

// answeredBy tells whether a line that begins with a sign is part of the answer of c.
func (c *command) answeredBy(line string) bool {
	if c != nil && c.names != nil {
		return c.showsOperator(line)
	}
	if c == nil || c.name == "" {
		return false
	}
	name, rest, _ := strings.Cut(line, ":")
	switch c.name {
	case "+CUSD":
		return name == c.name && strings.HasSuffix(c.text, "?") // what the network says is a report, before the OK or behind it
	case "+CREG", "+CGREG", "+CEREG", "+C5GREG":
		_, asked := statOf(rest, true)
		return name == c.name && asked && strings.HasSuffix(c.text, "?")
	case "+CCID":
		return name == "+CCID" || name == "+ICCID" || name == "^ICCID"
	}
	return name == c.name
}

// takesText tells whether a line without a sign at its head can be part of the answer of c.
func (c *command) takesText(line string) bool {
	switch {
	case c == nil:
		return false
	case c.names != nil:
		return true
	case len(line) == 1 && '0' <= line[0] && line[0] <= '9':
		return false // left over from ATV0, where a digit stands for OK or ERROR
	}
	switch c.name {
	case "+CGMI", "+CGMM", "+CGMR", "+CGSN", "+CIMI", "+CCID":
		return true
	case "+CMGL", "+CMGR":
		return isHex(line)
	}
	return false
}

// canFailSo tells whether a final result can be c's. A +CMS ERROR is about texts: one that comes while something else is
// asked is that of an AT+CMGS that was given up.
func (c *command) canFailSo(line string) bool {
	if _, cms := cutPrefix(line, "+CMS ERROR:"); !cms {
		return true
	}
	if c.names != nil {
		return slices.ContainsFunc(c.names, mayFailCMS)
	}
	return mayFailCMS(c.name)
}

// mayFailCMS tells whether the command of this name can be answered with +CMS ERROR; of most that is not certain.
func mayFailCMS(name string) bool {
	switch name {
	case "+CSQ", "+COPS", "+CREG", "+CGREG", "+CEREG":
		return false
	}
	return len(name) > 1 // a basic command is none
}

// isHex tells whether line is octets in hexadecimal digits.
func isHex(line string) bool {
	for i := range len(line) {
		c := line[i]
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'F' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return len(line)%2 == 0
}

// next waits for the next line or, if it is wanted, prompt. Errors: ErrNoAnswer when timeout fires, that of ctx, and
// ErrPortGone.
func (l *line) next(ctx context.Context, timeout <-chan time.Time, wantPrompt bool) (string, error) {
	for {
		if text, ok := l.scan.next(wantPrompt); ok {
			l.show(true, text)
			return text, nil
		}
		select {
		case chunk, ok := <-l.in:
			if !ok {
				return "", l.gone()
			}
			l.scan.feed(chunk)
		case <-timeout:
			return "", ErrNoAnswer
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// gone is the error of a line that has ended.
func (l *line) gone() error {
	if l.readErr == nil || errors.Is(l.readErr, io.EOF) || errors.Is(l.readErr, ErrPortGone) {
		return ErrPortGone
	}
	return fmt.Errorf("%w (%w)", ErrPortGone, l.readErr)
}

// write sends octets to the modem as one write.
func (l *line) write(b string) error {
	if _, err := io.WriteString(l.port, b); err != nil {
		if errors.Is(err, ErrPortStuck) || errors.Is(err, ErrPortGone) {
			return err
		}
		return fmt.Errorf("%w (%w)", ErrPortGone, err)
	}
	l.show(false, strings.TrimSuffix(b, "\r"))
	return nil
}

// show passes a line to the trace and, where that is wanted, to the log.
func (l *line) show(fromModem bool, text string) {
	ctx := context.Background()
	debug := l.log.Enabled(ctx, slog.LevelDebug)
	if l.trace == nil && !debug {
		return
	}
	text = l.hide(text)
	if l.trace != nil {
		l.trace(fromModem, text)
	}
	if debug {
		message := "to modem"
		if fromModem {
			message = "from modem"
		}
		switch {
		case l.logTexts != nil && l.logTexts.Load():
		case l.reports.inUSSD():
			text = fmt.Sprintf("(%d characters)", len(text))
		default:
			text = private(text)
		}
		l.log.Debug(message, "line", text)
	}
}

// private takes out of a line what may be a text or a number of a phone: PDUs, and what calls and USSD tell.
func private(text string) string {
	for _, prefix := range []string{"+CUSD:", "AT+CUSD=", "+CLIP:", "+CNUM:"} {
		if strings.HasPrefix(text, prefix) {
			return fmt.Sprintf("%s (%d characters)", prefix, len(text)-len(prefix))
		}
	}
	const shortest = 16 // digits of the least PDU with a number in it
	digits := strings.TrimRight(text, "\x1a")
	if len(digits) >= shortest && strings.Trim(digits, "0123456789ABCDEFabcdef") == "" {
		return fmt.Sprintf("(%d hexadecimal digits)", len(digits))
	}
	return text
}

// pinCommands have a PIN or a password behind them.
var pinCommands = []string{"+CPIN=", "+CPIN2=", "+CLCK=", "+CPWD=", "^CPIN=", "^CPIN2=", "*EPIN=", "+EPIN=", "%PIN=", "+UPIN="}

// hide takes the PIN out of a text: the one being entered, and whatever stands where a PIN is entered.
func (l *line) hide(text string) string {
	if l.secret != "" {
		text = strings.ReplaceAll(text, l.secret, "****")
	}
	upper := strings.ToUpper(text) // as long as text, but for what is not ASCII
	for _, name := range pinCommands {
		i := strings.Index(upper, name)
		if i < 0 || len(upper) != len(text) {
			continue
		}
		i += len(name)
		switch rest := text[i:]; {
		case rest == "?":
		case strings.HasPrefix(rest, `"`):
			return text[:i] + `"****"`
		default:
			return text[:i] + "****"
		}
	}
	return text
}

// command asks the modem, and returns the lines of its answer without the final one, for which the error stands: nil
// for OK, else a CMSError, a CMEError or ErrError. Other errors mean that there was no whole answer, if any; the line
// is brought back in step before the next command. Reports that come in between are kept.
func (l *line) command(ctx context.Context, text string, timeout time.Duration) ([]string, error) {
	return l.ask(ctx, newCommand(text), timeout)
}

// ask is command for one that is taken apart already.
func (l *line) ask(ctx context.Context, open *command, timeout time.Duration) ([]string, error) {
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	l.reports.endUSSD()
	text := open.text
	if err := l.write(text + "\r"); err != nil {
		return nil, fmt.Errorf("%s: %w", l.hide(text), err)
	}
	l.echoed = false
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var info []string
	late := false // an AT+CMGS that was given up is being answered now: the next OK is its own
	for {
		s, err := l.next(ctx, timer.C, false)
		switch {
		case err != nil:
		case isResult(s), late && s == "OK", !open.canFailSo(s):
			late = isResult(s)
			l.stray(s, nil)
		case isFinal(s):
			open.final = s
			if err = finalError(s); err == nil {
				return info, nil
			}
			return info, fmt.Errorf("%s: %w", l.hide(text), err)
		case l.echo(s, text), l.reports.take(s, open, time.Now()):
		default:
			info = append(info, s)
		}
		if err == nil && l.reports.restarted {
			err = ErrRestarted
		}
		if err != nil {
			l.outOfStep = true
			return info, fmt.Errorf("%s: %w", l.hide(text), err)
		}
	}
}

// echo tells whether a line is what we wrote ourselves, possibly behind junk. An echo where we had switched it off
// shows that the modem has restarted in silence, and with it that it may be in text mode now.
func (l *line) echo(line, sent string) bool {
	if !strings.HasSuffix(line, sent) {
		return false
	}
	l.echoed = true
	if l.echoOff {
		l.reports.restarted = true
	}
	return true
}

// ready brings the line in step where it is not, and looks at all that has come since the last command: nothing that
// is there before a command is written can be its answer.
func (l *line) ready(ctx context.Context) error {
	if l.outOfStep {
		if l.resynced != nil {
			l.resynced("the answers of the modem were out of step with the commands")
		}
		if err := l.resync(ctx, nil); err != nil {
			return err
		}
	}
	if err := l.idle(); err != nil {
		return err
	}
	if l.reports.restarted {
		return ErrRestarted
	}
	return nil
}

// idle looks at what has come, without waiting.
func (l *line) idle() error {
	return l.sift(func(text string) { l.stray(text, nil) })
}

// unseen tells whether something has been read that nobody has looked at, or was reported and not dealt with.
func (l *line) unseen() bool { return len(l.scan.in) > 0 || len(l.reports.queue) > 0 }

// sift passes the lines that have come to each, without waiting. The end of the line is an error once all have passed.
func (l *line) sift(each func(text string)) error {
	var gone error
	for waiting := true; waiting; {
		select {
		case chunk, ok := <-l.in:
			if !ok {
				gone, waiting = l.gone(), false
				break
			}
			l.scan.feed(chunk)
		default:
			waiting = false
		}
	}
	for {
		text, ok := l.scan.next(false)
		if !ok {
			return gone
		}
		l.show(true, text)
		each(text)
	}
}

// stray takes a line that came while no command was open. late, if there is one, gets what can only be the answer of
// an AT+CMGS that was given up.
func (l *line) stray(text string, late func(string)) {
	_, result := cutPrefix(text, "+CMGS:")
	switch {
	case text == prompt:
	case result || isFinal(text):
		switch {
		case late != nil:
			late(text)
		case result && l.unasked != nil:
			l.unasked(text)
		case result:
			l.log.Warn("an answer came too late", "line", text)
		}
	default:
		l.reports.take(text, nil, time.Now())
	}
}

// pause waits for d and takes what the modem says meanwhile.
func (l *line) pause(ctx context.Context, d time.Duration, late func(string)) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		text, err := l.next(ctx, timer.C, false)
		if errors.Is(err, ErrNoAnswer) {
			return nil
		}
		if err != nil {
			return err
		}
		l.stray(text, late)
	}
}

// resync brings the line back in step: ESC in case the modem is at its prompt, where anything else would become part
// of a text and Ctrl-Z would send it; CR to end what it may have of a command; AT until it answers. The first OK may
// still be that of a command given up, so after a silence a second AT must give exactly one. late gets what settles
// the fate of an AT+CMGS that was given up; nil: there is none.
func (l *line) resync(ctx context.Context, late func(string)) error {
	l.outOfStep = true
	for _, b := range []string{"\x1b", "\r"} {
		if err := l.write(b); err != nil {
			return err
		}
		if err := l.pause(ctx, l.timing.Settle, late); err != nil {
			return err
		}
	}
	for try := range 6 {
		ask := "AT"
		if try == 3 {
			ask = "ATQ0V1" // it may be configured to answer in digits, or not at all
		}
		n, err := l.probe(ctx, ask, late)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if err := l.quiet(ctx, late); err != nil {
			return err
		}
		if n, err = l.probe(ctx, "AT", late); err != nil {
			return err
		}
		if n == 1 {
			l.outOfStep = false
			return nil
		}
	}
	return errDeaf
}

// errDeaf: the modem does not even react to AT. It ends the opening, unlike one command that got no answer.
var errDeaf = errors.New("the modem does not react to AT")

// probe asks with a command that is answered with OK alone, and counts the OKs that come until shortly after the first.
func (l *line) probe(ctx context.Context, ask string, late func(string)) (n int, err error) {
	if err := l.write(ask + "\r"); err != nil {
		return 0, err
	}
	timer := time.NewTimer(l.timing.Probe)
	defer timer.Stop()
	for {
		text, err := l.next(ctx, timer.C, false)
		switch {
		case errors.Is(err, ErrNoAnswer):
			return n, nil
		case err != nil:
			return n, err
		case text == "OK":
			n++
			timer.Reset(l.timing.Settle)
		case strings.HasSuffix(text, ask):
		default:
			l.stray(text, late)
		}
	}
}

// quiet waits until nothing has come for a while; a modem that never stops to talk is given up.
func (l *line) quiet(ctx context.Context, late func(string)) error {
	timer := time.NewTimer(l.timing.Quiet)
	defer timer.Stop()
	for range 1000 {
		text, err := l.next(ctx, timer.C, false)
		if errors.Is(err, ErrNoAnswer) {
			return nil
		}
		if err != nil {
			return err
		}
		l.stray(text, late)
		timer.Reset(l.timing.Quiet)
	}
	return fmt.Errorf("the line does not become quiet: %w", errDeaf)
}
