package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Finder finds the ports of a gateway's modems, each time before they are opened. A modem is known by its IMEI and its
// SIM, never by the name of a tty: names change when sticks are plugged in, and when they restart. One Finder serves all
// modems of a gateway, so that no two look at a port at a time, and none takes the other's.
type Finder struct {
	Memory Memory       // keeps over restarts which modem is which; nil: known for the life of the Finder
	Log    *slog.Logger // nil: none

	// For tests.
	sys   system
	probe func(ctx context.Context, port string, baud int) (Probed, error)

	once sync.Once
	turn chan struct{} // held by the one who looks at ports

	mu     sync.Mutex
	modems map[string]*wanted // by name
	looks  map[string]look    // what the last look at a tty showed, by its name; of the one who holds turn
	hung   map[string]bool    // lives of ttys, by name and node, in which a look has not come back
}

// Memory keeps on disk which modem goes by a name.
type Memory interface {
	Modem(name string) (Known, bool, error)
	RememberModem(name string, k Known) error
}

// Known is what is remembered of a modem.
type Known struct {
	Identity
	Spec string // what the configuration said then: another port there means another modem
	Port string // where it was last
	Node string // tells this life of the device node from the next; opaque

	// Whom "auto" found first, its IMEI and SIM; one that took its place later is not given its PIN. The last SIM that
	// was in that modem counts.
	HomeIMEI, HomeICCID string
}

// wanted is a modem of the configuration.
type wanted struct {
	name, spec string
	baud       int
	known      Known
	port       PortInfo  // of known.Port; zero before the first success
	holds      bool      // it was given known.Port, and has not asked again since
	opened     int       // times in a row that it was opened again at the same place without a look
	replaced   string    // IMEI of the modem whose place the known one has taken; the caller may not have noticed
	missing    time.Time // since when a known modem is looked for in vain
	stranger   Identity  // another one that was at its port, and was sent away
	works      Identity  // the one that MayWork let work since the port was looked for; known has it some time later
}

// look is what a probe of a tty showed.
type look struct {
	node  string
	at    time.Time
	found Probed
	err   error
	deaf  int // looks before this one, in a row, that got no answer either
}

// How long the results of looks hold, and a known modem is waited for. A stick that restarts is away for 10 to 60 s.
const (
	keepAnswer   = 30 * time.Second
	keepBusy     = 10 * time.Second
	keepDeaf     = 10 * time.Second // doubled each time, to
	keepDeafMost = 5 * time.Minute
	waitForKnown = 2 * time.Minute
	lookAgain    = 5           // openings at the same place, after which it is looked at all the same
	hungAfter    = time.Minute // more than a look takes, and the closing of a port that does not take what was written
	hungAtEnd    = 2 * time.Second
)

// fresh tells whether the look still holds.
func (l look) fresh(node string, now time.Time) bool {
	keep := keepAnswer
	switch {
	case l.err != nil:
		keep = keepBusy
	case !l.found.AnswersAT:
		keep = min(keepDeaf<<min(l.deaf, 10), keepDeafMost)
	}
	return l.node == node && now.Sub(l.at) < keep
}

// Find enters a modem, and returns the function for its Config.Find. spec is the port of the configuration:
//
//   - a path: that port. When it is not there, or leads to another device than last time, the modem is looked for by what
//     is known of it: IMEI, else SIM; at the ports of USB, and at the paths of the other modems.
//   - "auto": any modem that does texts and that no other modem of the gateway uses. It stays with that one; only when it
//     has been missing for two minutes another is taken in its place.
//   - "imei:DIGITS", "iccid:DIGITS": the modem with this IMEI, the modem with this SIM.
//
// The function returns the port, under the name that lasts longest. Its errors are sentences that say what was looked at;
// errors.Is knows ErrPortMissing in them.
func (f *Finder) Find(name, spec string, baud int) func(ctx context.Context, id Identity) (port string, looked bool, err error) {
	f.begin()
	w := &wanted{name: name, spec: spec, baud: baud}
	if f.Memory != nil {
		known, ok, err := f.Memory.Modem(name)
		if err != nil {
			f.Log.Error("it is not known which modem this was", "modem", name, "err", err)
		}
		if ok && known.Spec == spec {
			w.known = known
			w.settle()
		}
	}
	f.mu.Lock()
	f.modems[name] = w
	f.mu.Unlock()
	return func(ctx context.Context, id Identity) (string, bool, error) {
		f.Learn(name, id)
		f.mu.Lock()
		w.holds, w.works = false, Identity{}
		f.mu.Unlock()
		return f.find(ctx, w)
	}
}

// Forget takes out a modem that Find had entered, and that is no more. What it found others may have.
func (f *Finder) Forget(name string) {
	f.begin()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.modems, name)
}

// begin makes the zero value usable.
func (f *Finder) begin() {
	f.once.Do(func() {
		f.turn = make(chan struct{}, 1)
		f.modems = make(map[string]*wanted)
		f.looks = make(map[string]look)
		f.hung = make(map[string]bool)
		if f.Log == nil {
			f.Log = slog.New(slog.DiscardHandler)
		}
		if f.probe == nil {
			f.probe = func(ctx context.Context, port string, baud int) (Probed, error) {
				return prober{open: OpenSerial, timing: probeTiming}.look(ctx, port, baud, false)
			}
		}
	})
}

// Learn takes note of what a modem says of itself, once it is open: that is what it is found by when its port has another
// name. What id leaves out stays as it was known.
func (f *Finder) Learn(name string, id Identity) {
	f.begin()
	f.mu.Lock()
	w := f.modems[name]
	if w == nil || id.IMEI == "" && id.ICCID == "" || sameIMEI(w.replaced, id.IMEI) ||
		w.stranger.IMEI == id.IMEI && w.stranger.ICCID == id.ICCID {
		f.mu.Unlock()
		return
	}
	w.stranger = Identity{}
	before := w.known
	if w.known.IMEI != "" && id.IMEI != "" && !sameIMEI(w.known.IMEI, id.IMEI) {
		w.known.Identity = Identity{} // another modem has taken its place
	}
	merge(&w.known.Identity, id)
	w.known.Identity.Modem = ""
	w.settle()
	changed, known := w.known != before, w.known
	f.mu.Unlock()
	if changed {
		f.remember(name, known)
	}
}

// settle notes the modem that was found first, and which SIM it has. It is called with the Finder's mu held.
func (w *wanted) settle() {
	k := &w.known
	if k.HomeIMEI == "" && k.HomeICCID == "" || sameIMEI(k.HomeIMEI, k.IMEI) {
		k.HomeIMEI, k.HomeICCID = cmp.Or(k.IMEI, k.HomeIMEI), cmp.Or(k.ICCID, k.HomeICCID)
	}
}

// MayWork returns the function for a modem's Config.MayWork: with "imei:" and "iccid:" only the modem or the SIM of that
// number works under this name, also when another one has come to its port unnoticed; and no two work with one stick. What a
// modem does not say speaks for it: the search has looked. Find has to be called before.
func (f *Finder) MayWork(name string) func(id Identity) error {
	return f.check(name, func(w *wanted, id Identity) (wrong string, err error) {
		kind, digits, _ := strings.Cut(w.spec, ":")
		switch o := f.rival(w, id); {
		case kind == "imei" && id.IMEI != "" && !sameIMEI(digits, id.IMEI):
			wrong = "not the one with IMEI " + digits
		case kind == "iccid" && id.ICCID != "" && !sameICCID(digits, id.ICCID):
			wrong = "not the one with the SIM " + digits
		case o != nil && o.has():
			wrong = "which " + o.name + " works with already"
		default:
			w.works = id
		}
		return wrong, nil
	})
}

// MayUnlock returns the function for a modem's Config.MayUnlock: its PIN is for the modem or the SIM that the configuration
// names by number, and with "auto" for the modem that was found first, or its SIM in another one. A path stands for
// whatever is there, but for the modem of another name. Find has to be called before.
func (f *Finder) MayUnlock(name string) func(id Identity) error {
	return f.check(name, func(w *wanted, id Identity) (wrong string, err error) {
		const refused = "; pin is not entered in it"
		k := w.known
		kind, digits, _ := strings.Cut(w.spec, ":")
		switch o := f.rival(w, id); {
		case kind == "imei" && !sameIMEI(digits, id.IMEI):
			wrong = "not the one with IMEI " + digits + refused
		// Some say the number of the card only once it is unlocked. Then it is the one that was in this modem last.
		case kind == "iccid" && !sameICCID(digits, id.ICCID) &&
			!(id.ICCID == "" && sameIMEI(k.IMEI, id.IMEI) && sameICCID(digits, k.ICCID)):
			wrong = "not the one with the SIM " + digits + refused
		case kind != "imei" && kind != "iccid" && o != nil:
			wrong = "the modem of " + o.name + refused
		case kind == "auto" && !k.home(id):
			home := who(Identity{IMEI: k.HomeIMEI, ICCID: k.HomeICCID})
			err = fmt.Errorf("another SIM wants a PIN; pin is not entered in it: it is that of %s, and this is %s; "+
				`if it is the PIN of this one too, set port = %q`, home, who(id), cmp.Or(id.Spec(), k.Port)) // the path, where it has no number
		}
		return wrong, err
	})
}

// check makes a function for Config of one that says what is wrong with who is at a modem's port, "" nothing. The modem is
// looked for anew then, whoever else wants the stranger may have it, and it is not taken for the one that was known.
func (f *Finder) check(name string, wrong func(*wanted, Identity) (string, error)) func(id Identity) error {
	return func(id Identity) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		w := f.modems[name]
		if w == nil {
			return nil
		}
		what, err := wrong(w, id)
		w.stranger = Identity{}
		if what != "" {
			err = &notFoundError{text: fmt.Sprintf("%s is now %s, %s", w.known.Port, who(id), what)}
			w.stranger, w.holds, w.known.Node = id, false, ""
		}
		return err
	}
}

// home tells whether id is the modem that was found first, or its SIM; as long as none was, any is.
func (k Known) home(id Identity) bool {
	return k.HomeIMEI == "" && k.HomeICCID == "" || sameIMEI(k.HomeIMEI, id.IMEI) || sameICCID(k.HomeICCID, id.ICCID)
}

// rival gives the other modem of the gateway that id is known to be; nil for none. One that works elsewhere is none, nor one
// with another card: there are sticks that share an IMEI. It is called with mu held.
func (f *Finder) rival(w *wanted, id Identity) *wanted {
	for _, o := range f.modems {
		elsewhere := o.has() && !o.port.sameStick(w.port)
		otherCard := id.ICCID != "" && o.known.ICCID != "" && !sameICCID(id.ICCID, o.known.ICCID)
		if o != w && o.owns(id) && !elsewhere && !otherCard {
			return o
		}
	}
	return nil
}

// owns tells whether id is the modem or the SIM that w is meant to be, or was last. It is called with the Finder's mu held.
func (w *wanted) owns(id Identity) bool {
	kind, digits, _ := strings.Cut(w.spec, ":")
	if kind == "imei" && sameIMEI(digits, id.IMEI) || kind == "iccid" && sameICCID(digits, id.ICCID) {
		return true
	}
	for _, is := range []Identity{w.known.Identity, w.works} {
		if sameIMEI(is.IMEI, id.IMEI) || is.IMEI == "" && sameICCID(is.ICCID, id.ICCID) {
			return true
		}
	}
	return false
}

// merge takes over what is not empty.
func merge(into *Identity, id Identity) {
	for _, field := range []struct {
		into *string
		from string
	}{
		{&into.IMEI, id.IMEI}, {&into.IMSI, id.IMSI}, {&into.ICCID, id.ICCID},
		{&into.Manufacturer, id.Manufacturer}, {&into.Model, id.Model}, {&into.Revision, id.Revision},
	} {
		if field.from != "" {
			*field.into = field.from
		}
	}
}

func (f *Finder) remember(name string, known Known) {
	if f.Memory == nil {
		return
	}
	if err := f.Memory.RememberModem(name, known); err != nil {
		f.Log.Error("which modem this is will not be known after a restart", "modem", name, "err", err)
	}
}

// find gives the port of a modem. looked: it was looked for at the ports that there are.
func (f *Finder) find(ctx context.Context, w *wanted) (port string, looked bool, err error) {
	if port, ok := f.unmoved(w); ok {
		return port, false, nil
	}
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	ports, err := f.sys.ports()
	if err != nil {
		return "", false, err
	}
	s := search{f: f, w: w, ports: ports}
	f.mu.Lock()
	s.known = w.known
	f.mu.Unlock()
	p, found, err := s.run(ctx)
	if err != nil {
		return "", s.looked, err
	}
	f.mu.Lock()
	if s.known.IMEI != "" && found.IMEI != "" && !sameIMEI(s.known.IMEI, found.IMEI) {
		w.known.Identity, w.replaced = Identity{}, s.known.IMEI
	}
	if sameIMEI(w.replaced, found.IMEI) {
		w.replaced = ""
	}
	merge(&w.known.Identity, found.Identity)
	w.port, w.missing, w.opened, w.holds = p, time.Time{}, 0, true
	w.known.Spec, w.known.Port, w.known.Node = w.spec, p.Path, stamp(p.Path)
	if s.unseen {
		w.known.Node = ""
	}
	w.settle()
	known := w.known
	f.mu.Unlock()
	f.remember(w.name, known)
	if found.AnswersAT && s.known.Port != "" && p.Path != s.known.Port {
		f.Log.Info("the modem has another port now", "modem", w.name, "port", p.Path, "before", s.known.Port)
	}
	return p.Path, s.looked, nil
}

// unmoved gives the port where the modem was, if the device there is the same as then: to look at it would only take
// time, and could catch an answer that the modem owes to the text before. Now and then it is looked at all the same, for
// an opening that does not help.
func (f *Finder) unmoved(w *wanted) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.known.Node == "" || stamp(w.known.Port) != w.known.Node || w.opened >= lookAgain {
		return "", false
	}
	switch kind, digits, _ := strings.Cut(w.spec, ":"); {
	case kind == "imei" && !sameIMEI(w.known.IMEI, digits), kind == "iccid" && !sameICCID(w.known.ICCID, digits):
		return "", false
	}
	if f.claimed(w, w.known.Port) != "" {
		return "", false
	}
	w.opened++
	w.holds = true
	if w.port.Path != w.known.Port {
		// From before a restart of ours. ResetUSB wants to know the USB device.
		if p, err := f.sys.info(w.known.Port); err == nil {
			w.port = p
			w.port.Path = w.known.Port
		}
	}
	return w.known.Port, true
}

// claimed names the modem, other than w, that has a port; "" for none. It is called with mu held.
func (f *Finder) claimed(w *wanted, port string) string {
	real, err := filepath.EvalSymlinks(port)
	if err != nil {
		return ""
	}
	for _, o := range f.modems {
		if o == w || !o.has() {
			continue
		}
		if at, err := filepath.EvalSymlinks(o.device()); err == nil && at == real {
			return o.name
		}
	}
	return ""
}

// has tells whether a modem has the port that it was given, for all we know: it has not asked for another, and the device
// is still the same. It is called with the Finder's mu held.
func (w *wanted) has() bool { return w.holds && stamp(w.device()) == w.known.Node }

// device is the tty behind known.Port as it was given: the name may be a link that leads elsewhere by now, while the line is
// open. It is called with the Finder's mu held.
func (w *wanted) device() string {
	if w.port.Path == w.known.Port && w.port.Device != "" {
		return w.port.Device
	}
	return w.known.Port
}

// look gives what a look at a port shows: the last one, or a new one.
func (f *Finder) look(ctx context.Context, p PortInfo, baud int) (look, error) {
	node, last := stamp(p.Device), f.looks[p.Device]
	if last.fresh(node, time.Now()) {
		return last, nil
	}
	found, err := f.probed(ctx, p.Device, node, baud)
	if ctx.Err() != nil {
		return look{}, ctx.Err()
	}
	l := look{node: node, at: time.Now(), found: found, err: err}
	if last.node == node && !last.at.IsZero() && last.err == nil && !last.found.AnswersAT {
		l.deaf = last.deaf + 1
	}
	f.looks[p.Device] = l
	return l, nil
}

// errHung is what a look at a port showed that did not come back.
var errHung = errors.New("its driver does not answer; unplug the device, wait ten seconds, plug it in again")

// probed is probe with an end: a driver that hangs in open or close, which nothing can interrupt, must not keep the other
// modems from being found. What hangs is left behind, once for each life of a tty, and ends when the driver does.
func (f *Finder) probed(ctx context.Context, tty, node string, baud int) (Probed, error) {
	f.mu.Lock()
	hung := f.hung[tty+" "+node]
	f.mu.Unlock()
	if hung {
		return Probed{}, errHung
	}
	var found Probed
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		found, err = f.probe(ctx, tty, baud)
	}()
	timer := time.NewTimer(hungAfter)
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { timer.Reset(hungAtEnd) })()
	select {
	case <-done:
		return found, err
	case <-timer.C:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung[tty+" "+node] = true
	return Probed{}, errHung
}

// ResetUSB is for Config.ResetUSB: RebindUSB for the device on which the modem, told by id.Modem, was found last, also when
// its tty is gone and nothing but the USB device is left. What has the name of its port now may be another device, and is
// left alone; so is one that another modem of the gateway or another program uses too.
func (f *Finder) ResetUSB(ctx context.Context, port string, id Identity) error {
	f.begin()
	f.mu.Lock()
	var p PortInfo
	if w := f.modems[id.Modem]; w != nil {
		p = w.port
	}
	var others []string
	for name, o := range f.modems {
		if name != id.Modem && o.port.sameStick(p) && o.has() {
			others = append(others, name)
		}
	}
	f.mu.Unlock()
	switch {
	case p.Path == "":
		return fmt.Errorf("re-bind %s: the modem was not found since the start: %w", port, ErrPortMissing)
	case p.usb == "":
		return fmt.Errorf("re-bind %s: it belongs to no USB device", p.Path)
	case len(others) > 0:
		return fmt.Errorf("re-bind %s: its USB device is also that of %s, which works", p.Path, strings.Join(others, ", "))
	}
	if now, err := f.sys.info(p.Path); err == nil && now.sameStick(p) {
		if pid, program, ok := f.sys.holder(p.Path); ok {
			return fmt.Errorf("re-bind %s: %w", p.Path, &heldError{pid: pid, program: program, port: p.Path})
		}
	}
	return rebind(ctx, p)
}

// sameIMEI compares the 14 digits that name the device: behind them stands a check digit, or the version of the software,
// or nothing (TS 23.003 §6.2). All zeros, as some sticks have it, is nobody's.
func sameIMEI(a, b string) bool {
	return len(a) >= 14 && len(b) >= 14 && a[:14] == b[:14] && strings.Trim(a[:14], "0") != ""
}

// Spec is the port of a configuration that finds the modem by its IMEI wherever it is plugged in; "" where that is none, or
// zeros, which several may share. Behind the 14 digits that count a modem may tell anything: the check digit, 0 in its place
// (Motorola, Fibocom), a version. A 15th digit that would pass for a typing error is left off.
func (i Identity) Spec() string {
	imei := i.IMEI
	switch {
	case len(imei) < 14 || strings.Trim(imei[:14], "0") == "":
		return ""
	case len(imei) == 15 && !CheckDigitFits(imei), len(imei) > 16:
		imei = imei[:14]
	}
	return "imei:" + imei
}

// CheckDigitFits tells whether the last of an IMEI's 15 digits is the Luhn digit of the others (TS 23.003 annex B), or 0:
// that is what a modem sends in its place (§6.2.1), and some tell it to AT+CGSN as well.
func CheckDigitFits(imei string) bool { return imei[14] == '0' || imei[14] == Luhn(imei[:14]) }

// Luhn is the check digit that goes behind digits.
func Luhn(digits string) byte {
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			n = n*2/10 + n*2%10
		}
		sum += n
	}
	return byte('0' + (10-sum%10)%10)
}

// sameICCID compares the numbers of SIM cards: 18 to 20 digits, the last of which, a check digit, some modems leave out,
// as some fill up with F; some swap the digits of each octet, as they are on the card (ITU-T E.118, TS 102 221 §13.2).
func sameICCID(a, b string) bool {
	a, b = cardNumber(a), cardNumber(b)
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= 18 && len(b)-len(a) <= 1 && strings.HasPrefix(b, a)
}

// cardNumber brings the number of a SIM card into the form that is printed on it: they all begin with 89, telecom.
func cardNumber(s string) string {
	if strings.HasPrefix(s, "98") {
		swapped := []byte(s)
		for i := 0; i+1 < len(swapped); i += 2 {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		}
		s = string(swapped)
	}
	return strings.TrimRight(s, "Ff")
}

// cardIn returns the number of a SIM card out of a modem's answer, in the form that is printed on it: 18 to 22 digits; ""
// when there is none. All modems give one card one name so, by which its budget goes and its status reports are found. Of
// 19 digits that are swapped the last stands behind the F that fills the octet up.
func cardIn(text string) string {
	isNumber := func(c rune) bool { return '0' <= c && c <= '9' || c == 'F' || c == 'f' }
	for _, run := range strings.FieldsFunc(text, func(c rune) bool { return !isNumber(c) }) {
		if number := cardNumber(run); number != "" && digitsOf(number, 18, 22) == number {
			return number
		}
	}
	return cardNumber(digitsOf(text, 18, 22))
}
