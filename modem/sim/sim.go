package sim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"smsgateway/sms"
)

// Config says what the modem, its SIM and its network are like. An empty string or a zero size is a default, given behind
// the field; a zero duration is none at all, except where it says otherwise. Two modems that one program tells apart by
// SIM or IMEI need two ICCIDs and IMEIs.
type Config struct {
	Manufacturer string // "smsgateway"
	Model        string // "simulated modem"
	Revision     string // "1.0"
	IMEI         string // "490154203237518"
	IMSI         string // "262011234567890"; its first 5 digits are the network's number
	ICCID        string // "8949010000123456789"
	Number       string // of the SIM, "+491760000001"; in a network of several the next one that is free
	Operator     string // "SimNet"
	SMSC         string // service centre on the SIM, "+491710760000"
	PIN          string // 4 to 8 digits; "": the SIM asks for none
	PUK          string // "12345678"

	StorageSize int // texts that fit into each of the memories SM, ME and SR: 20

	Latency       time.Duration // from Ctrl-Z to +CMGS, and from AT+CUSD to its answer
	Late          time.Duration // what the late answer of 99904 takes beyond 3 Latency: 3 min, longer than drivers wait
	ReportDelay   time.Duration // from +CMGS to the status report, and from a report to the next
	ReportFirst   bool          // the report comes just before the +CMGS of its text, as some networks manage
	NoReports     bool          // the network gives no status reports
	RefuseReports bool          // the modem can't pass them on: it refuses an AT+CNMI that asks for them
	Validity      Validity      // which forms of TP-VP the network takes: all
	RegisterAfter time.Duration // from power-on, or from the PIN, to the network
	SIMBusy       time.Duration // from power-on, or from the PIN, to the end of "SIM busy"
	BootTime      time.Duration // how long a restart takes: 500 ms

	Network *Network // of which the SIM is; nil: one of its own
	Timing  Timings  // how long things take, with jitter; what is zero in it is as the durations above say
	Quirks  Quirks   // what sets the modem apart from others; see Like
	USSD    USSD     // how it writes what AT+CUSD answers
	Script  []Step   // faults that strike by themselves
	Chaos   *Chaos   // random faults; nil for none

	Log *slog.Logger // nil: none. Debug lines alone, but for faults

	// OnText is called for each part that a phone receives, in order, from Serve's goroutine: to block there stops the
	// modem. It may call any method of Modem but Serve.
	OnText func(Text)

	// OnFault is called when a fault strikes, whatever brought it about, in the same way. What becomes of the text is not
	// known yet: Modem.Faults tells later.
	OnFault func(Struck)
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		at    *string
		value string
	}{
		{&c.Manufacturer, c.Quirks.Manufacturer},
		{&c.Model, c.Quirks.Model},
		{&c.Manufacturer, "smsgateway"},
		{&c.Model, "simulated modem"},
		{&c.Revision, "1.0"},
		{&c.IMEI, "490154203237518"},
		{&c.IMSI, "262011234567890"},
		{&c.ICCID, "8949010000123456789"},
		{&c.Operator, "SimNet"},
		{&c.SMSC, "+491710760000"},
		{&c.PUK, "12345678"},
	} {
		if *f.at == "" {
			*f.at = f.value
		}
	}
	if c.StorageSize <= 0 {
		c.StorageSize = 20
	}
	if c.Late <= 0 {
		c.Late = 3 * time.Minute
	}
	if c.BootTime <= 0 {
		c.BootTime = 500 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Text is one part of a message as a phone received it.
type Text struct {
	From        sms.Address // the SIM's number
	To          sms.Address
	Text        string // of this part, or, if Whole, of the message; "" for binary ones
	Part, Total int    // Part counts from 1
	TPDU        sms.Submit
	Reference   uint8 // TP-MR, chosen by the modem
	At          time.Time
	Whole       bool // the last part to come, not always the one with the highest number: Text is the whole text
}

// Modem is the modem with its SIM and network. All methods may be called at any time, from any goroutine.
type Modem struct {
	cfg  Config
	wake chan struct{} // there is something new for Serve

	net    *Network
	mu     *sync.Mutex // the network's: guards the rest, and the terminal that Serve works with
	term   *terminal   // nil while nobody serves
	card   card
	stores map[string]*store
	sub    subscriber

	faults    []Fault // injected: each strikes a text, the first the next one
	due       []Fault // injected: they strike the modem as soon as it is on
	struck    []*Struck
	fresh     []Struck // that OnFault has not seen
	script    []Step   // what of it is still to come
	started   time.Time
	submitted int        // texts that got as far as Ctrl-Z
	absence   Fault      // how it was unplugged
	jitter    *rand.Rand // of Config.Timing, and of junk
	chaos     *rand.Rand // of Config.Chaos
}

// New returns a modem that is switched off: Serve switches it on.
func New(cfg Config) *Modem {
	cfg = cfg.withDefaults()
	m := &Modem{
		cfg:    cfg,
		wake:   make(chan struct{}, 1),
		stores: make(map[string]*store),
		sub:    newSubscriber(),
		net:    cfg.Network,
		script: slices.Clone(cfg.Script),
	}
	if m.net == nil {
		m.net = NewNetwork()
	}
	m.mu = &m.net.mu
	m.jitter = m.source(cfg.Timing.Seed)
	if cfg.Chaos != nil {
		m.chaos = m.source(cfg.Chaos.Seed)
	}
	m.card = newCard(cfg, m.draw(cfg.Timing.SIMBusy, max(cfg.SIMBusy, cfg.Quirks.SIMBusy)))
	for _, name := range memories {
		m.stores[name] = newStore(cfg.StorageSize, !cfg.Quirks.FromZero)
	}
	m.net.join(m)
	return m
}

// Texts returns what phones have received so far, the first first; of more than 100,000 the latest. A message of several
// parts is there part by part; that which made it complete has the whole text.
func (m *Modem) Texts() []Text {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Text(nil), m.sub.texts...)
}

// Receive has somebody text our SIM: from is a number, or a name of at most 11 characters. The text goes out in as many
// parts as it needs, in UCS-2 if the GSM alphabet cannot write it, and reaches the SIM as soon as the modem is switched
// on, registered, and has room. The error says what no network would carry.
func (m *Modem) Receive(from, text string) error {
	originator, err := originatorOf(from)
	if err != nil {
		return fmt.Errorf("text from %q: %w", from, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tpdus, err := m.sub.compose(originator, text, time.Now())
	if err != nil {
		return fmt.Errorf("text from %q: %w", from, err)
	}
	for _, tpdu := range tpdus {
		m.sub.enqueue(arrival{due: time.Now(), tpdu: tpdu})
	}
	m.poke()
	return nil
}

// ReceiveTPDU has an SMS-DELIVER or an SMS-STATUS-REPORT of the caller's own making reach the SIM. What no phone could
// read is an error.
func (m *Modem) ReceiveTPDU(tpdu []byte) error {
	mti, err := sms.MessageType(tpdu)
	if err != nil {
		return fmt.Errorf("TPDU to receive: %w", err)
	}
	if mti == sms.MTIStatusReport {
		_, err = sms.ParseStatusReport(tpdu)
	} else {
		_, err = sms.ParseDeliver(tpdu)
	}
	if err != nil {
		return fmt.Errorf("TPDU to receive: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sub.enqueue(arrival{due: time.Now(), tpdu: append([]byte(nil), tpdu...)})
	m.poke()
	return nil
}

// PINTries is how often the SIM's PIN may still be entered wrong.
func (m *Modem) PINTries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.card.tries
}

// SetRegistration is what the network says to the modem from now on: <stat> of +CREG (TS 27.007 §7.2), 1 home, 2
// searching, 3 denied, 5 roaming... Texts pass in 1, 5, 6, 7, 9 and 10.
func (m *Modem) SetRegistration(stat int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sub.registration = stat
	m.poke()
}

// SetSignal is <rssi> of +CSQ from now on: 0 to 31, 99 for unknown.
func (m *Modem) SetSignal(rssi int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sub.signal = rssi
}

// Reset restarts the modem as if its power had failed for a moment. A modem that is off stays off.
func (m *Modem) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.term != nil {
		m.term.reboot()
		m.poke()
	}
}

// Unplug pulls the modem out of its socket: Serve returns io.EOF, and ServePTY makes another line a second later.
func (m *Modem) Unplug() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.term != nil {
		m.term.unplug(Fault{Kind: FaultUnplug})
		m.poke()
	}
}

// poke has Serve look at what is new.
func (m *Modem) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
