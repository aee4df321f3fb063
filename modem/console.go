package modem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// job is work that an operator wants done on the line, between two texts.
type job struct {
	ctx  context.Context // the operator's: its end ends the job, not the line
	do   func(context.Context, *session) error
	done chan error // takes one value
}

// errSetUpAgain: an operator's command may have changed how the modem was set up. It counts as no trouble of the modem.
var errSetUpAgain = errors.New("an operator's command may have changed the modem's settings")

// CommandError says why Command did not send a command, or which of several.
type CommandError struct {
	Name   string // "+CMGS", "D"; never its parameters, which may be a PIN. "" when the whole line is at fault
	Reason string // a sentence without its full stop
}

func (e *CommandError) Error() string {
	if e.Name == "" {
		return "not sent to the modem: " + e.Reason
	}
	return fmt.Sprintf("AT%s was not sent to the modem: %s", e.Name, e.Reason)
}

// Command sends one line of AT commands for an operator and returns the lines of the answer, the final one last: OK,
// ERROR, +CME ERROR: 14 ... It waits its turn, never while a text is on its way, and works in every state in which the
// line is open: with a locked SIM and without a network too. What may have changed a setting is followed by setting the
// modem up again.
//
// Errors: *CommandError for what would send a text behind the queue's back, use up tries of a PIN or take the line away;
// ErrLineClosed; ErrNoAnswer after 60 s (180 s for +CFUN and +COPS), with the lines that came; ErrRestarted; that of ctx.
func (m *Modem) Command(ctx context.Context, text string) ([]string, error) {
	text = strings.TrimSpace(text)
	list, err := parseLine(text)
	if err != nil {
		return nil, err
	}
	var lines []string
	var answer error
	err = m.job(ctx, func(ctx context.Context, s *session) error {
		lines, answer = s.l.console(ctx, text, list)
		if harmless(list) || needsRecovery(answer) {
			return answer
		}
		return errSetUpAgain // also when no answer came, or nobody waits for it any more: it may be done all the same
	})
	if errors.Is(err, errSetUpAgain) {
		if err = answer; errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	return lines, err
}

// Restart restarts the modem by AT+CFUN=1,1, for an operator. It returns when the modem has taken the command; the line
// is opened again afterwards and the modem set up as at the start. Errors are those of Command, and what the modem
// answered.
func (m *Modem) Restart(ctx context.Context) error {
	err := m.job(ctx, func(ctx context.Context, s *session) error {
		_, err := s.l.command(ctx, "AT+CFUN=1,1", s.t.Long)
		switch {
		case isAnswer(err), ctx.Err() != nil:
			return err
		case err == nil, errors.Is(err, ErrNoAnswer), errors.Is(err, ErrRestarted), errors.Is(err, ErrPortGone):
			s.m.restarted()
			s.m.update(func(st *Status) { st.Restarted = s.m.cfg.Now() })
			s.log.Info("modem restarted by the operator; it is set up again when it is back")
			return errRestartedForOperator // many go down without an OK
		}
		return err
	})
	if errors.Is(err, errRestartedForOperator) {
		return nil
	}
	return err
}

// restartedError ends the line of a modem that was told to restart. It is an ErrPortGone.
type restartedError struct{ text string }

func (e *restartedError) Error() string { return e.text }

// Unwrap returns ErrPortGone.
func (e *restartedError) Unwrap() error { return ErrPortGone }

var errRestartedForOperator = &restartedError{"the modem was restarted for an operator"}

// job has do done on Run's goroutine, and returns its error. A job that has begun is waited for until it ends, which it
// does soon after ctx ends.
func (m *Modem) job(ctx context.Context, do func(context.Context, *session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	closed, state := m.closed, m.status.State
	m.mu.Unlock()
	gone := fmt.Errorf("%w (state %s)", ErrLineClosed, state)
	j := &job{ctx: ctx, do: do, done: make(chan error, 1)}
	select {
	case <-closed:
		return gone
	default:
	}
	select {
	case m.jobs <- j:
		return <-j.done
	case <-closed:
		return gone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lineOpen lets jobs in; what it returns sends them away again.
func (m *Modem) lineOpen() (closeLine func()) {
	closed := make(chan struct{})
	m.mu.Lock()
	m.closed = closed
	m.mu.Unlock()
	return func() { close(closed) }
}

// runJob does a job and tells the operator how it ended. What comes back is for the line: nil if it is as it was.
func (s *session) runJob(ctx context.Context, j *job) error {
	if err := j.ctx.Err(); err != nil {
		j.done <- err
		return nil
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(j.ctx, cancel)()
	err := j.do(both, s)
	answer := err
	if j.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		answer = j.ctx.Err()
	}
	j.done <- answer
	if needsRecovery(err) || errors.Is(err, errSetUpAgain) {
		return err
	}
	return nil
}

// needsRecovery tells whether a job's error is one of the line, which has to be looked after.
func needsRecovery(err error) bool {
	return errors.Is(err, ErrPortGone) || errors.Is(err, ErrPortStuck) || errors.Is(err, ErrRestarted) ||
		errors.Is(err, errDeaf)
}

// pause waits for d, takes what the modem says meanwhile, and does the jobs of operators.
func (s *session) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		if err := s.l.idle(); err != nil {
			return err
		}
		select {
		case chunk, ok := <-s.l.in:
			if !ok {
				return s.l.gone()
			}
			s.l.scan.feed(chunk)
		case j := <-s.m.jobs:
			if err := s.runJob(ctx, j); err != nil {
				return err
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxCommand is the longest line that an operator may send, in characters.
const maxCommand = 255

// parseLine cuts an operator's line into its commands: "+CSQ", "+CREG?", "E0". A *CommandError says why it is not sent.
func parseLine(text string) ([]string, error) {
	switch {
	case len(text) > maxCommand:
		return nil, &CommandError{Reason: fmt.Sprintf("it is longer than %d characters", maxCommand)}
	case len(text) < 2 || !strings.EqualFold(text[:2], "AT"):
		return nil, &CommandError{Reason: "a command begins with AT"}
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return nil, &CommandError{Reason: "it has a control character, or one that is not ASCII"}
		}
	}
	list := commandsOf(text[2:])
	for _, c := range list {
		if !isCommand(c) {
			return nil, &CommandError{Reason: "it is not one AT command, or several with semicolons between them"}
		}
		if reason := refusal(c); reason != "" {
			return nil, &CommandError{Name: nameOf(c), Reason: reason}
		}
	}
	return list, nil
}

// commandsOf cuts the body of a command line (V.250 §5.2.1). An extended command, which begins with a sign, goes to the
// next semicolon; a basic one is a letter, or & and a letter, and what follows it up to the next letter or sign; D takes
// the rest. They come in capitals, but for what is in quotes, and without blanks.
func commandsOf(body string) []string {
	var clean strings.Builder
	quoted := false
	for _, c := range body {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ' ':
			continue
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		clean.WriteRune(c)
	}
	var list []string
	for rest := clean.String(); rest != ""; {
		n := lengthOf(rest)
		if c := strings.TrimRight(rest[:n], ";"); c != "" {
			list = append(list, c)
		}
		rest = rest[n:]
	}
	return list
}

// signs are what the name of an extended command may begin with.
const signs = "+^*#$%_"

// isCommand tells whether c can only be one command: it begins as one, and none is hidden behind its name. Basic commands
// take no text in quotes, but for D: behind a lone quote the next command would stand as it was typed.
func isCommand(c string) bool {
	basic := isLetter(c[0]) || c == "/" || len(c) > 1 && (c[0] == '&' || c[0] == '\\') && isLetter(c[1])
	if basic || strings.IndexByte(signs, c[0]) < 0 {
		return basic && (c[0] == 'D' || !strings.Contains(c, `"`))
	}
	quoted := false
	for i := 1; i < len(c); i++ {
		switch {
		case c[i] == '"':
			quoted = !quoted
		case !quoted && i+1 < len(c) && strings.IndexByte(signs, c[i]) >= 0 && isLetter(c[i+1]):
			return false
		}
	}
	return !quoted && !strings.Contains(nameOf(c), `"`)
}

// lengthOf is how long the first command of a line is, with the semicolon behind it.
func lengthOf(rest string) int {
	first := rest[0]
	letter := 'A' <= first && first <= 'Z'
	switch {
	case first == 'D':
		return len(rest)
	case first != '&' && first != '\\' && first != '%' && !letter || first == '%' && len(rest) > 2 && isLetter(rest[2]):
		quoted := false
		for i := range len(rest) {
			switch {
			case rest[i] == '"':
				quoted = !quoted
			case rest[i] == ';' && !quoted:
				return i + 1
			}
		}
		return len(rest)
	}
	i := 1
	if !letter {
		i = 2 // & and its letter
	}
	for i = min(i, len(rest)); i < len(rest) && !isLetter(rest[i]) && !strings.ContainsRune(`+^*#$%_&\`, rune(rest[i])); i++ {
	}
	return i
}

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' }

// nameOf returns what stands before the parameters of a command.
func nameOf(c string) string {
	if isLetter(c[0]) {
		return c[:1]
	}
	if c[0] == '&' {
		return c[:2]
	}
	if i := strings.IndexAny(c, "=?"); i >= 0 {
		return c[:i]
	}
	return c
}

// asks tells whether a command is a question, and nothing but that: S7?, +CPIN? and +CPIN=?, not +CPIN=1234?. Other basic
// commands can't be asked about: a modem may do Z? or &F? before it stumbles over the question mark.
func asks(c string) bool {
	if strings.IndexByte(signs, c[0]) < 0 {
		return c[0] == 'S' && strings.HasSuffix(c, "?") && strings.Trim(c[1:len(c)-1], "0123456789") == ""
	}
	return c == nameOf(c)+"?" || c == nameOf(c)+"=?"
}

// Why an operator's command is not sent.
const (
	refusedRegister = "the registers hold how lines end; the gateway could not read the answers any more"
	refusedCard     = "it would write to the SIM"

	refusedText  = "it would send a text behind the queue's back; use smsgateway send"
	refusedPIN   = "it could use up the tries of a PIN, and lock the SIM; put the SIM into a phone for that"
	refusedData  = "it would take the line away from AT commands"
	refusedPorts = "it would change the ports that the stick shows, and they may be gone for good"
	refusedAck   = "what arrives is acknowledged by the gateway itself, once it is stored"
	refusedPower = "it would switch the modem off, and nothing but a hand switches it on again; use smsgateway modem reset"
	refusedStore = "it would store settings that outlast a restart of the modem"
	refusedErase = "it could erase a text that nobody has yet; texts are deleted by the gateway itself, once they are stored"
	refusedDial  = "a code such as *100# is no number to call; use smsgateway modem ussd"
	refusedUSSD  = "it would ask the network, and nobody would wait for the answer; use smsgateway modem ussd"
)

// forbidden names the commands that no operator may send. Those that only ask (NAME? and NAME=?) are free. The vendors'
// PIN commands are those of oFono (drivers/atmodem/sim.c) and ModemManager (src/plugins); +CPOWD is SIMCom's (SIM800 Series
// AT Command Manual §6.2.2), $OFF Enfora's (GSM1308 AT Command Set Reference). What is under refusedPorts makes another USB
// device of a stick, also after a restart: Huawei's, ZTE's, SIMCom's, Telit's and Fibocom's.
var forbidden = forbid(map[string]string{
	refusedText: "+CMGS +CMSS +CMGC +CMGW #CMGS #CMGW ^SMGS ^SCML +CMGSEX +QCMGS",
	refusedPIN: "+CPIN +CPIN2 +CPWD +CLCK ^CPIN ^CPIN2 ^CARDLOCK ^CARDUNLOCK ^SPWD ^SLCK *EPIN *EPINE +ZPINPUK +ZNCK +XPIN " +
		"+EPIN %PIN +UPIN +CSIM +CGLA +CRLA +CPUC +CACM +CAMM",
	refusedData:  "D A O / +CGDATA +CMUX +IPR +ICF +IFC +FCLASS ^SCFG ^SETPORT",
	refusedPorts: "^U2DIAG +ZCDRUN +CUSBPIDSWITCH #USBCFG #PORTCFG +GTUSBMODE",
	refusedPower: "+CPOF +CPOWD +CPWROFF ^SMSO +QPOWD $QCPWRDN $OFF #SHDN",
	refusedStore: "&W &Y",
	refusedAck:   "+CNMA",
	refusedErase: "+CMGD +CMGDA +QMGDA #CMGD",
})

// forbid turns lists of names round.
func forbid(lists map[string]string) map[string]string {
	reasons := make(map[string]string)
	for reason, names := range lists {
		for name := range strings.FieldsSeq(names) {
			reasons[name] = reason
		}
	}
	return reasons
}

// refusal says why a command is not sent, "" when it may be.
func refusal(c string) string {
	name := nameOf(c)
	switch {
	case asks(c):
		return ""
	case name == "S" && strings.Contains(c, "="):
		return refusedRegister
	case strings.HasPrefix(c, "D*") && !strings.HasPrefix(c, "D*9"), strings.HasPrefix(c, "D#"): // *99# and *98# dial for data
		return refusedDial
	case name == "+CRSM" && !readsSIM(c):
		return refusedCard
	case name == "+CUSD" && strings.Contains(c, ","): // with a code, which may change a PIN
		return refusedUSSD
	case strings.Contains(name, "PIN") && strings.Contains(c, "=") && !slices.Contains(reads, name):
		return refusedPIN // whoever's it is
	}
	return forbidden[name]
}

// readsSIM tells whether a +CRSM only reads (TS 27.007 §8.18): READ BINARY, READ RECORD, GET RESPONSE, STATUS,
// RETRIEVE DATA.
func readsSIM(c string) bool {
	rest, _ := strings.CutPrefix(c, "+CRSM=")
	command, _, _ := strings.Cut(rest, ",")
	return slices.Contains([]string{"176", "178", "192", "242", "203"}, command)
}

// reads are the commands, beside those that only ask, that are known to change nothing.
var reads = strings.Fields("I +CSQ +CESQ +CGMI +CGMM +CGMR +CGSN +GMI +GMM +GMR +GSN +CIMI +CCID +ICCID +QCCID ^ICCID ^SCID " +
	"#CCID #CIMI +CNUM +GCAP +CLAC +CPAS +CEER +CPINR +QPINC +UPINCNT +SPIC ^SPIC #PCT &V +CMGL +CMGR ^SYSINFO " +
	"^SYSINFOEX ^HCSQ +QNWINFO +QENG +QCSQ #RFSTS #SERVINFO ^SMONI ^MONI +CPSI *EPINR ^HVER ^VERSION")

// harmless tells whether no command of a line changes how the modem was set up.
func harmless(list []string) bool {
	for _, c := range list {
		if !asks(c) && !slices.Contains(reads, nameOf(c)) && !slices.Contains(reads, c) {
			return false
		}
	}
	return true
}

// patienceOf is how long the answer of an operator's line may take (gsm-modem §1.3).
func patienceOf(list []string) time.Duration {
	for _, c := range list {
		if n := nameOf(c); n == "+CFUN" || n == "+COPS" {
			return 180 * time.Second
		}
	}
	return 60 * time.Second
}

// console sends a line for an operator and returns all that is not known to be a report, with the final line.
func (l *line) console(ctx context.Context, text string, list []string) ([]string, error) {
	c := newCommand(text)
	c.names = make([]string, 0, len(list))
	for _, each := range list {
		c.names = append(c.names, nameOf(each))
	}
	lines, err := l.ask(ctx, c, patienceOf(list))
	if c.final != "" && (err == nil || isAnswer(err)) {
		return append(lines, c.final), nil
	}
	return lines, err
}

// showsOperator tells whether a line that begins with a sign belongs to the answer of an operator's line c.
func (c *command) showsOperator(line string) bool {
	name, rest, more := strings.Cut(line, ":")
	asked := slices.Contains(c.names, name)
	if !more {
		return asked || !slices.Contains(bareURCs, line)
	}
	switch name {
	case "+CREG", "+CGREG", "+CEREG", "+C5GREG":
		_, long := statOf(rest, true)
		return asked && long
	case "+CUSD":
		return asked && strings.Contains(c.text, "?")
	}
	return asked || !slices.Contains(urcs, name)
}

// operatorsTurn does one job of an operator, if one waits, before the next text; and ends a USSD dialogue that was left.
func (s *session) operatorsTurn(ctx context.Context) error {
	if err := s.endDialogue(ctx, false); err != nil {
		return err
	}
	select {
	case j := <-s.m.jobs:
		return s.runJob(ctx, j)
	default:
		return nil
	}
}
