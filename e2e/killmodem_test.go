package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/modem/sim"
	"smsgateway/sms"
)

// airSetting says in the environment that the test binary is to be a modem, and which.
const airSetting = "SMSGATEWAY_E2E_MODEM"

// airConfig is a modem of TestKillLoop. Its text form is the value of airSetting.
type airConfig struct {
	Link, IMEI, ICCID, Number string
	Seed                      uint64
}

// airPart is what the network got from a modem: a part of a text. The modem's process prints one a line.
type airPart struct {
	At     time.Time
	SIM    string // its number
	To     string // without the plus
	Text   string // of this part
	All    string // the whole text, at the part that completes it
	Part   int
	Total  int
	Concat int // reference of the concatenation, -1 without
	Ref    uint8
}

// beModem is the life of a modem's process: texts that it gets are printed, and lines on its input have it do things.
func beModem(config string) int {
	var c airConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	out := json.NewEncoder(os.Stdout)
	ms := time.Millisecond
	m := sim.New(sim.Config{
		IMEI: c.IMEI, ICCID: c.ICCID, IMSI: "26201" + c.ICCID[len(c.ICCID)-10:], Number: c.Number,
		BootTime: 200 * ms, StorageSize: 50,
		Timing: sim.Timings{Prompt: sim.Span{Max: 10 * ms}, Send: sim.Span{Min: 20 * ms, Max: 250 * ms},
			Report: sim.Span{Min: 20 * ms, Max: 500 * ms}, Seed: c.Seed},
		OnText: func(t sim.Text) {
			p := airPart{At: t.At, SIM: t.From.Number, To: t.To.Number, Text: t.TPDU.Text(), Part: t.Part, Total: t.Total,
				Concat: -1, Ref: t.Reference}
			if t.Whole {
				p.All = t.Text
			}
			if elements, err := sms.ParseUDH(t.TPDU.UDH); err == nil && t.Total > 1 {
				ref, _, _, _, _ := sms.ConcatOf(elements)
				p.Concat = int(ref)
			}
			out.Encode(p)
		},
	})
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			verb, rest, _ := strings.Cut(lines.Text(), " ")
			number, text, _ := strings.Cut(rest, " ")
			if verb == "text" {
				m.Receive(number, text)
			} else if f, err := sim.ParseFault(rest); err == nil {
				m.Inject(f)
			}
		}
	}()
	err := m.ServePTY(context.Background(), c.Link, func(string) { fmt.Fprintln(os.Stderr, "ready") })
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// air is the network of TestKillLoop: its modems, each a process, and what phones got from them.
type air struct {
	t      *testing.T
	modems []*airModem

	mu    sync.Mutex
	parts []airPart
	lost  []time.Time // when a modem's process was killed
}

// airModem is one modem, over any number of lives of its process.
type airModem struct {
	air    *air
	config airConfig

	mu sync.Mutex
	p  *process

	last time.Time // when it last sent something; air.mu guards it
}

// newAir starts n modems.
func newAir(t *testing.T, n int, seed uint64) *air {
	a := &air{t: t}
	for i := range n {
		m := &airModem{air: a, config: airConfig{
			Link: linkName(t), Seed: seed + uint64(i), Number: fmt.Sprintf("+4917600000%02d", i+1),
			IMEI: []string{"490154203237518", "356938035643809"}[i], ICCID: fmt.Sprintf("89490100001234567%02d", 80+i),
		}}
		m.start()
		a.modems = append(a.modems, m)
	}
	return a
}

// start starts the process, and returns when its port is there.
func (m *airModem) start() {
	t := m.air.t
	t.Helper()
	config, err := json.Marshal(m.config)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := startWith(t, &airReader{m: m}, []string{airSetting + "=" + string(config)}, self)
	m.mu.Lock()
	m.p = p
	m.mu.Unlock()
	p.stderr.await(t, 0, p.ended, "ready")
}

// kill is kill -9, and another process with the same SIM and modem. All that this one knew is lost: what it had not sent,
// texts that it had not passed on, and the status reports of a network that ended with it.
func (m *airModem) kill(pause time.Duration) {
	m.air.mu.Lock()
	m.air.lost = append(m.air.lost, time.Now())
	m.air.mu.Unlock()
	m.p.kill()
	time.Sleep(pause)
	m.start()
}

// sends tells whether it is at work.
func (m *airModem) sends() bool {
	m.air.mu.Lock()
	defer m.air.mu.Unlock()
	return time.Since(m.last) < 400*time.Millisecond
}

// tell types a line.
func (m *airModem) tell(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(m.p.stdin, format+"\n", args...) // an error says that it has just been killed
}

// airReader takes what a modem's process prints.
type airReader struct {
	m    *airModem
	rest []byte
}

func (r *airReader) Write(b []byte) (int, error) {
	r.rest = append(r.rest, b...)
	a := r.m.air
	for {
		end := slices.Index(r.rest, '\n')
		if end < 0 {
			return len(b), nil
		}
		var p airPart
		if err := json.Unmarshal(r.rest[:end], &p); err != nil {
			a.t.Errorf("a modem printed %q: %v", r.rest[:end], err)
		}
		r.rest = r.rest[end+1:]
		a.mu.Lock()
		a.parts, r.m.last = append(a.parts, p), time.Now()
		a.mu.Unlock()
	}
}

// all are the parts that phones have got so far, in the order of time.
func (a *air) all() []airPart {
	a.mu.Lock()
	defer a.mu.Unlock()
	parts := slices.Clone(a.parts)
	slices.SortStableFunc(parts, func(a, b airPart) int { return a.At.Compare(b.At) })
	return parts
}

// lostAt tells when processes of modems were killed.
func (a *air) lostAt() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.lost)
}

// airFaults strike the next text, or the modem at once; the gateway must tell no untruth of any. What can't be told from a
// success, or leaves nothing to be known by, is not among them.
var airFaults = []string{"late 300ms", "late 1s", "refuse 1", "ok sent", "ok lost",
	"no ok", "reset sent", "reset lost", "reset between", "unplug sent 300ms", "unplug lost 300ms rename", "garbled sent", "report first",
	"report twice", "report failed", "reset", "unplug 300ms", "storm 300ms", "deaf 300ms", "echo"}

// slowFaults have a text tried again after half a minute and more: for long runs.
var slowFaults = []string{"refuse 38", "refuse 500", "refuse error", "prompt never"}

// silentFaults have a modem waited for for three minutes, or until the next kill: rare.
var silentFaults = []string{"silent sent", "silent lost"}

// fault has something go wrong.
func (m *airModem) fault(r *rand.Rand, long bool) {
	list := airFaults
	if long {
		list = slices.Concat(list, slowFaults)
	}
	if r.IntN(40) == 0 {
		list = silentFaults
	}
	m.tell("fault %s", list[r.IntN(len(list))])
}

var _ io.Writer = (*airReader)(nil)
