// Package modem drives one GSM modem through AT commands: it opens the serial line, brings the modem to the state in
// which texts can be sent, hands over TPDUs, and passes on what arrives. It speaks PDU mode alone (TS 27.005, TS 27.007).
//
// A Modem is a value with one blocking method, Run. One goroutine, Run's own, owns the dialogue: every octet written
// to the modem is written by it, and an answer can only belong to the one command that it has open. Send, Ready and
// Status may be called from anywhere.
//
// The layers, from the wire up:
//
//	find.go      which port a modem is on now (search.go); ports.go: what ports there are; hints.go: what USB ids tell
//	probe.go     a look at who answers on a port; doctor.go: what is wrong with it, for people
//	serial.go    a tty behind Port: blocked reads that can be freed, a lost device told from a quiet one; holder.go: who else has it open
//	scan.go      octets to lines and prompts
//	line.go      the line: commands and their answers, reports in between, bringing it back in step
//	reports.go   reports (URCs) told from answers, PDU lines that follow them, the line of registration
//	run.go       one life after the other: open, set up, serve, open again
//	start.go     from an open line to a modem that can send; sim.go: the SIM; pin.go: its PIN
//	serve.go     the modem at work: sends, reports, registration, health
//	send.go      one text: prompt, claim, body, Ctrl-Z, and the three ends of it
//	evidence.go  late answers, and whom they are told; counter.go: the SIM's own count of texts
//	ladder.go    what is done to bring a modem back to work, and the alarm when nothing helps
//	receive.go   texts and status reports: handed over first, acknowledged or deleted afterwards
//	console.go   an operator's own AT commands, between two texts; ussd.go, balance.go: what the SIM has left
//	memory.go    the modem's memories: chosen, listed, emptied when they are full
//	errors.go    +CMS and +CME errors; codes.go: their names; class.go: what they are about
//	status.go    what people see of it
package modem

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/sms"
)

// Config says which modem to drive and how. It is not changed after New.
type Config struct {
	Name string // what people call this modem; unique in a gateway
	Port string // path of the tty, best one below /dev/serial/by-id
	Baud int    // rate of the line; 0: 115200. USB modems ignore it
	PIN  string // of the SIM; "": none is ever entered. Never logged, never part of an error
	SMSC string // number of the service centre, "+49..."; "": what the SIM says

	// PINs remembers over restarts which PIN a SIM has refused; nil: for the life of the Modem only.
	PINs PINMemory

	Log *slog.Logger // nil: none

	// LogTexts lets PDUs, which hold texts and numbers, into the log at level debug; else only their length is there. See
	// SetLogTexts.
	LogTexts bool

	// Open opens the line. nil: OpenSerial.
	Open func(ctx context.Context, port string, baud int) (Port, error)

	// Trace sees every line that crosses the wire, in order, without its line end; a PIN in it is masked. It is called
	// on Run's goroutine and must not block. nil: none.
	Trace func(fromModem bool, line string)

	// Now is the time of day, for what others are told; nil: the machine's. What the driver waits for it measures by itself.
	Now func() time.Time

	// Evidence wants to know what became of texts whose outcome was open. nil: nobody does.
	Evidence Evidence

	// Find tells at which port the modem is now; it is asked before each opening. id is what was known last of the modem
	// and its SIM, empty but for its name at first. looked: it was looked for at the ports that there are; false where it is
	// not doubted where it is. nil: Port is the path of the tty.
	Find func(ctx context.Context, id Identity) (port string, looked bool, err error)

	// Known is told who modem and SIM are, each time that a modem has been set up. nil: nobody is.
	Known func(id Identity)

	// MayWork is asked, once the SIM has said who it is, whether this is the modem that is meant. An error with an
	// ErrPortMissing in it is a sentence for people; the line is closed, and Find asked again. nil: it is.
	MayWork func(id Identity) error

	// MayUnlock is asked before the PIN is entered whether it is meant for this modem, or its SIM if id names it. An error
	// is a sentence for people; with an ErrPortMissing in it the line is closed, and Find asked again. nil: it is.
	MayUnlock func(id Identity) error

	// ResetUSB resets the modem's USB device when nothing else has helped. nil: nothing does.
	ResetUSB func(ctx context.Context, port string, id Identity) error

	Timing Timing
}

// Timing holds the waits of the dialogue. A zero field is its default, given behind it; the sources are the vendors'
// manuals and the layer 3 timers of TS 24.011. Tests shorten them.
type Timing struct {
	Command  time.Duration // 10 s: an ordinary command's answer
	Long     time.Duration // 60 s: the answer of AT+CMGL, AT+CFUN=1 and AT+CPIN=
	Prompt   time.Duration // 10 s: AT+CMGS to its prompt
	Result   time.Duration // 180 s: Ctrl-Z to the result
	Stop     time.Duration // 60 s: the most that is left of Result when Run is told to end
	Grace    time.Duration // 2 s: for an OK behind +CMGS, for the end of an ESC, and for a result in spite of a restart
	Settle   time.Duration // 100 ms: after ESC and after CR, when the line is brought back in step
	Probe    time.Duration // 1 s: the answer of the AT that asks whether the line is in step
	Quiet    time.Duration // 300 ms: the silence that shows that nothing is left over
	Poll     time.Duration // 2 s: between looks at a SIM that is busy and a network that is searched for
	SIM      time.Duration // 60 s: for a SIM to become usable before the line is given up
	Blocked  time.Duration // 15 s: between looks at a SIM that needs a person: none, PUK, wrong PIN
	Loss     time.Duration // 10 s: for a lost registration to come back by itself: cell changes flap
	Health   time.Duration // 60 s: between looks at an idle modem
	RetryMin time.Duration // 1 s: the first wait before the line is opened again
	RetryMax time.Duration // 10 s: the longest one
	Reset    time.Duration // 10 min: the least time between two restarts of the modem, and two of its USB device

	Listen    time.Duration // 20 s: at an opening, for the answer of a text that the modem was given before it
	Second    time.Duration // 30 s, at most what is left of Result: for a second answer, when the first may be an earlier text's
	RetryLong time.Duration // 60 s: between openings of a modem that nothing has helped
	Alarm     time.Duration // 5 min: out of work until people are told
}

// withDefaults fills the zero fields.
func (t Timing) withDefaults() Timing {
	for _, f := range []struct {
		at *time.Duration
		d  time.Duration
	}{
		{&t.Command, 10 * time.Second},
		{&t.Long, 60 * time.Second},
		{&t.Prompt, 10 * time.Second},
		{&t.Result, 180 * time.Second},
		{&t.Stop, 60 * time.Second},
		{&t.Grace, 2 * time.Second},
		{&t.Settle, 100 * time.Millisecond},
		{&t.Probe, time.Second},
		{&t.Quiet, 300 * time.Millisecond},
		{&t.Poll, 2 * time.Second},
		{&t.SIM, 60 * time.Second},
		{&t.Blocked, 15 * time.Second},
		{&t.Loss, 10 * time.Second},
		{&t.Health, 60 * time.Second},
		{&t.RetryMin, time.Second},
		{&t.RetryMax, 10 * time.Second},
		{&t.Reset, 10 * time.Minute},
		{&t.Listen, 20 * time.Second},
		{&t.Second, 30 * time.Second},
		{&t.RetryLong, 60 * time.Second},
		{&t.Alarm, 5 * time.Minute},
	} {
		if *f.at <= 0 {
			*f.at = f.d
		}
	}
	return t
}

// Port is an open line. Read blocks until there is at least one octet or an error; Close frees a blocked Read and
// returns promptly. An error of Read or Write means that the line is gone for good.
type Port interface{ io.ReadWriteCloser }

// PINMemory remembers, on disk, that a SIM has refused a PIN, or that one was entered and its outcome is open, so that no
// restart enters it again: the third wrong PIN locks the SIM. Keys are opaque, 64 hexadecimal digits, made of what is
// known of the SIM and the modem, and the PIN; one PIN has several. Remember returns when the key is on disk. To forget
// one that is not there is no error.
type PINMemory interface {
	Refused(key string) (bool, error)
	Remember(key string) error
	Forget(key string) error
}

// Receiver is where texts and status reports go. To return nil is to acknowledge: only then the modem is told (+CNMA)
// or the text deleted from its memory (+CMGD). An error leaves the text where it is; it is offered again later, so a
// text may be offered twice. ErrRepeated acknowledges as nil does, and says that the text was taken before; it is not
// counted again. Receive is called on Run's goroutine, one at a time, in the order of arrival.
type Receiver interface {
	Receive(ctx context.Context, from Identity, in Incoming) error
}

// Incoming is one TPDU that the modem received.
type Incoming struct {
	TPDU   []byte      // message type indicator 0: SMS-DELIVER, 2: SMS-STATUS-REPORT; not checked
	SCA    sms.Address // service centre that it came through; zero when the modem did not say
	Stored bool        // it comes from the modem's memory, and is deleted there once it is acknowledged
	At     time.Time   // when we got it from the modem
}

// Identity is what a modem says of itself and its SIM; a field is empty as long as the modem did not say it.
type Identity struct {
	Modem        string // Config.Name
	IMEI         string
	IMSI         string
	ICCID        string // as it is printed on the card, however the modem gives it
	Manufacturer string
	Model        string
	Revision     string
}

// Line is what status reports are matched by: the SIM if it is known, else the modem, else its name.
func (i Identity) Line() string {
	switch {
	case i.ICCID != "":
		return i.ICCID
	case i.IMSI != "":
		return i.IMSI
	case i.IMEI != "":
		return i.IMEI
	}
	return "modem:" + i.Modem
}

// Modem drives one modem. Its zero value is not usable; see New.
type Modem struct {
	cfg      Config
	receiver Receiver
	requests chan *request
	jobs     chan *job // of operators, see Command
	logTexts atomic.Bool

	mu     sync.Mutex
	status Status
	up     chan struct{} // closed while a send may start
	down   chan struct{} // closed while none may
	closed chan struct{} // closed while the line is

	// Run's own; they outlive an opening of the line.
	pins       pinMap    // what is in PINs of this life, and all of it without one
	pinTry     pinTry    // the last time that the PIN was entered
	plainAcks  bool      // AT+CNMA does not work here: stay with AT+CSMS=0
	lastReset  time.Time // of the last restart by us
	lastUSB    time.Time // of the last reset of its USB device
	parked     []report  // texts that nobody has but us, for the Receiver did not take them
	badStarts  int       // how often in a row it was set up without getting to work
	unprompted int       // texts in a row for which it had no prompt
	failures   int       // openings in a row without a modem that works
	served     time.Time // since when the modem worked on this opening, or on the last on which it did
	flaps      int       // openings in a row on which it did not work for long
	failing    failing   // texts in a row that failed
	outage     outage    // for a network
	cardless   outage    // for a SIM that can be read
	who        Identity  // what was known last, of the SIM too
	sim        string    // Identity.Line of the SIM that said last who it is; "": none has

	doubts    []*doubt            // the last texts that were given to it, newest last, while their outcome is open
	unclear   []verdict           // answers to them of which it is not known whose they are, in order
	gave      bool                // a text was given to it since New
	lastRef   int                 // the last TP-MR that is known to be used; -1: none is
	since     int                 // texts since, each of which may have used one
	uncounted bool                // lastRef is the last text's, and not compared with the SIM's counter yet
	refusedAt int                 // TP-MR before the last text, which the network refused; -1: it did not, or that is compared
	counters  map[string]*counter // by Identity.Line
	late      []late              // what is to be told to Config.Evidence
}

// New returns a Modem that hands what arrives to r. Nothing happens before Run.
func New(cfg Config, r Receiver) *Modem {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Open == nil {
		cfg.Open = OpenSerial
	}
	if cfg.Baud == 0 {
		cfg.Baud = 115200
	}
	cfg.Timing = cfg.Timing.withDefaults()
	m := &Modem{
		cfg:      cfg,
		receiver: r,
		requests: make(chan *request),
		jobs:     make(chan *job),
		closed:   make(chan struct{}),
		up:       make(chan struct{}),
		down:     make(chan struct{}),
		who:      Identity{Modem: cfg.Name},
		lastRef:  -1, refusedAt: -1,
		counters: make(map[string]*counter),
	}
	m.logTexts.Store(cfg.LogTexts)
	close(m.down)
	close(m.closed)
	m.status = Status{Name: cfg.Name, Port: cfg.Port, State: StateStopped, Since: cfg.Now(), Identity: Identity{Modem: cfg.Name}}
	return m
}

// Name returns Config.Name.
func (m *Modem) Name() string { return m.cfg.Name }

// SetLogTexts is Config.LogTexts from now on.
func (m *Modem) SetLogTexts(on bool) { m.logTexts.Store(on) }
