package sim

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	maxCommandLine = 1024 // octets of a command line; of a longer one nothing is done
	maxBody        = 512  // octets behind a prompt; the longest PDU has 352
	ctrlZ          = 0x1A
	escape         = 0x1B
)

// terminal is the modem's side of the line from one power-on to the next power-off: what is being typed, what goes on,
// and the settings. Modem.mu guards it.
type terminal struct {
	m   *Modem
	out *outbox
	settings

	pending []byte // received, and not looked at yet
	line    []byte // of the command line that has begun
	tooLong bool   // line has lost octets
	prompt  *prompt

	executing bool     // a command line is being worked through
	busy      bool     // a result will come, and pending waits for it
	info      []string // lines of the answer under way
	held      []string // URCs that wait for the end of a command or prompt
	buffered  []string // URCs that wait for the driver to allow them (+CNMI mode 0)

	tasks     []task
	late      *submission // its +CMGS comes late; nil once another text has swallowed that
	booting   bool
	unplugged bool

	functionality int       // +CFUN
	detached      bool      // AT+COPS=2
	searchUntil   time.Time // the end of RegisterAfter
	shown         int       // the <stat> that URCs have told
	unacked       *arrival  // passed on with +CMT or +CDS, and +CNMA is to come (+CSMS 1)
	settling      time.Time // the end of Quirks.Settling
	noisy         bool      // the storm of Quirks goes on
	asked         bool      // AT+CUSD had a question for an answer

	// What faults leave behind. A new start ends the first four.
	deafUntil        time.Time
	blockedUntil     time.Time
	stormUntil       time.Time
	listHang         time.Duration // for so long the modem says nothing once AT+CMGL comes; 0: it answers
	cnmiRefusedUntil time.Time
	stormNext        time.Time // when the next URC of a storm comes
	gusts            int       // that have been
}

// prompt is the state behind "> ": done gets what was typed up to Ctrl-Z.
type prompt struct {
	body      []byte
	done      func(body string)
	cancelled func() // by ESC; nil: nothing
}

// task is something that happens at its time.
type task struct {
	at time.Time
	do func()
}

func newTerminal(m *Modem, out *outbox) *terminal {
	return &terminal{m: m, out: out}
}

// powerOn brings everything to the state in which a modem starts. The network's time to find it starts here.
func (t *terminal) powerOn(now time.Time) {
	t.settings = defaultSettings()
	t.booting, t.busy, t.executing, t.detached = false, false, false, false
	t.line, t.tooLong, t.prompt = nil, false, nil
	t.info, t.held, t.buffered = nil, nil, nil
	t.late, t.tasks = nil, nil
	t.functionality = 1
	t.asked, t.noisy = false, len(t.m.cfg.Quirks.Storm) > 0
	t.stormNext = now.Add(t.m.cfg.Quirks.StormEvery)
	t.settling = now.Add(t.m.cfg.Quirks.Settling)
	t.m.card.powerOn(now)
	t.search(now)
	t.shown = t.registration(now)
}

// reboot is silence for BootTime, then power-on and what modems say about it. Only the SIM and the network remember.
func (t *terminal) reboot() {
	now := time.Now()
	t.giveBack(now)
	t.cure()
	t.powerOn(now)
	t.pending = nil
	t.booting = true
	t.after(t.m.draw(t.m.cfg.Timing.Boot, t.m.cfg.BootTime), func() {
		t.powerOn(time.Now())
		for _, line := range t.bootWords() {
			t.urc(line)
		}
	})
}

// after has do happen in d.
func (t *terminal) after(d time.Duration, do func()) {
	next := task{at: time.Now().Add(d), do: do}
	i := len(t.tasks)
	for i > 0 && t.tasks[i-1].at.After(next.at) {
		i--
	}
	t.tasks = slices.Insert(t.tasks, i, next)
}

// work does all that can be done now and returns when there is more to do; zero: when something new comes.
func (t *terminal) work(now time.Time) (next time.Time) {
	t.troubles(now)
	for t.step(now) {
	}
	next = t.troubles(now)
	t.tellRegistration(now)
	next = sooner(next, t.m.deliverHeld(now))
	next = sooner(next, t.arrive(now))
	if t.searchUntil.After(now) {
		next = sooner(next, t.searchUntil)
	}
	if len(t.tasks) > 0 {
		next = sooner(next, t.tasks[0].at)
	}
	return next
}

// step does the next thing that is due, if there is one.
func (t *terminal) step(now time.Time) bool {
	switch {
	case t.unplugged:
		return false
	case len(t.m.due) > 0:
		t.strike()
	case len(t.tasks) > 0 && !t.tasks[0].at.After(now):
		do := t.tasks[0].do
		t.tasks = t.tasks[1:]
		do()
	case len(t.pending) > 0 && !t.busy && !t.blockedUntil.After(now):
		c := t.pending[0]
		t.pending = t.pending[1:]
		t.octet(c)
	default:
		return false
	}
	return true
}

// sooner returns the earlier of two times, of which a zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) && !b.IsZero() {
		return b
	}
	return a
}

// octet takes one octet from the line. NUL and other control characters are ignored (some drivers send them), and so is
// the LF that some put behind CR.
func (t *terminal) octet(c byte) {
	if t.booting {
		return
	}
	if t.echo && (c >= ' ' || c == '\b' || c == '\r' && t.prompt == nil) {
		t.out.write(string([]byte{c}))
	}
	if t.prompt != nil {
		t.promptOctet(c)
		return
	}
	switch {
	case c == '\r':
		line, tooLong := string(t.line), t.tooLong
		t.line, t.tooLong = t.line[:0], false
		t.execute(line, tooLong)
	case c == '\b' && len(t.line) > 0:
		t.line = t.line[:len(t.line)-1]
	case c < ' ' || c == 0x7F:
	case len(t.line) == maxCommandLine:
		t.tooLong = true
	default:
		t.line = append(t.line, c)
	}
}

// promptOctet takes one octet of a body (TS 27.005 §3.5.1). What is too much is cut off, and then no PDU any more.
func (t *terminal) promptOctet(c byte) {
	p := t.prompt
	switch {
	case c == ctrlZ:
		t.prompt = nil
		p.done(string(p.body))
		t.release()
	case c == escape:
		t.prompt = nil
		if p.cancelled != nil {
			p.cancelled()
		}
		t.finish(nil)
		t.release()
	case c == '\r':
		t.out.write("\r\n> ")
	case c == '\b' && len(p.body) > 0:
		p.body = p.body[:len(p.body)-1]
	case c <= ' ' || c == 0x7F:
	case len(p.body) < maxBody:
		p.body = append(p.body, c)
	}
}

// ask opens a prompt; done gives the result of its command.
func (t *terminal) ask(done func(body string)) error {
	t.open(&prompt{done: done})
	return errLater
}

// open writes "> ".
func (t *terminal) open(p *prompt) {
	t.flush()
	t.prompt = p
	t.out.write("\r\n> ")
}

// attention is the prefix of a command line (V.250 §5.2.1); what stands before it is noise of the line.
var attention = regexp.MustCompile("[Aa][Tt]")

// execute works through a command line and answers it. A line without AT is noise, and gets no answer.
func (t *terminal) execute(line string, tooLong bool) {
	at := attention.FindStringIndex(line)
	if at == nil {
		return
	}
	t.executing = true
	err := errPlain
	if !tooLong {
		err = t.run(line[at[1]:])
	}
	t.executing = false
	if err != errLater {
		t.finish(err)
	}
	t.release()
}

// run does the commands of a line until one fails (V.250 §5.2.3).
func (t *terminal) run(line string) error {
	cmds, ok := parse(line)
	for _, c := range cmds {
		v, known := t.verbOf(c.name)
		if !known {
			return t.noSuchWord()
		}
		t.hushed(c.name)
		if err := t.allowed(v.need); err != nil {
			return err
		}
		t.m.cfg.Log.Debug("command", "name", c.name)
		if err := v.do(t, c); err != nil {
			return err
		}
	}
	if !ok {
		return errPlain
	}
	return nil
}

// say adds a line to the answer of the command under way.
func (t *terminal) say(line string) { t.info = append(t.info, line) }

// flush writes the answer's lines (V.250 §6.2.6).
func (t *terminal) flush() {
	if len(t.info) == 0 {
		return
	}
	text := strings.Join(t.torn(t.info), "\r\n") + "\r\n"
	if t.verbose {
		text = "\r\n" + text
	}
	t.out.write(text)
	t.info = nil
}

// finish writes the answer's lines and its result code.
func (t *terminal) finish(err error) {
	t.flush()
	if t.quiet {
		return
	}
	text, digit := t.resultOf(err)
	switch {
	case t.verbose:
		t.out.write("\r\n" + text + "\r\n")
	case digit != "":
		t.out.write(digit + "\r")
	default:
		t.out.write(text + "\r")
	}
}

// urc writes a line that nobody asked for, or keeps it: none comes in the middle of a command's answer, or of a prompt.
func (t *terminal) urc(line string) {
	if t.executing || t.prompt != nil {
		t.held = append(t.held, line)
		return
	}
	t.out.write("\r\n" + line + "\r\n")
}

// release lets out the URCs that were kept.
func (t *terminal) release() {
	if t.executing || t.prompt != nil {
		return
	}
	held := t.held
	t.held = nil
	for _, line := range held {
		t.urc(line)
	}
}
