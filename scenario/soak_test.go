package scenario

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// Flags of TestSoak: go test ./scenario -run TestSoak -v -soak 10000
var (
	soakTexts = flag.Int("soak", 400, "messages that TestSoak sends")
	soakSeed  = flag.Uint64("soakseed", 0, "seed of TestSoak; 0: a new one")
)

// soakFaults is the share of texts that meet a fault.
const soakFaults = 0.1

// lies are faults of which no gateway could tell the truth: the modem says no, and the text arrives. They have scenes of
// their own, and so have texts whose status report is lost: nobody knows more of them before their validity is over.
var lies = []sim.FaultKind{sim.FaultRefuseSent, sim.FaultReportNever}

// soakPolicies are the policies, each of an account of its own; the third of the texts is the third's.
var soakPolicies = []store.UncertainPolicy{store.PolicyReport, store.PolicyNever, store.PolicyResend}

// soak is a run of TestSoak.
type soak struct {
	*rig
	seed  uint64
	texts map[string]soaked // by message_id
	asks  map[store.UncertainPolicy]*smpptest.Client
}

// soaked is what was handed in.
type soaked struct {
	text   string
	policy store.UncertainPolicy
}

// TestSoak sends thousands of messages through four modems, with faults at random, of texts and of modems. Nothing may be
// lost, nothing doubled but by policy, each message must end, and each end must be true.
func TestSoak(t *testing.T) {
	s := &soak{seed: *soakSeed, texts: make(map[string]soaked)}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	t.Logf("repeat this run with: go test ./scenario -run TestSoak -v -soak %d -soakseed %d", *soakTexts, s.seed)
	began := time.Now()
	s.rig = start(t, plan{modems: 4, simulated: s.simulated, options: s.hasty, account: gateway.NewAccount{Key: string(soakPolicies[0])}})
	s.asks = map[store.UncertainPolicy]*smpptest.Client{soakPolicies[0]: s.client}
	for _, p := range soakPolicies[1:] {
		s.asks[p] = s.bind(gateway.NewAccount{Key: string(p), Settings: gateway.Settings{"uncertain": string(p)}})
	}
	done := make(chan struct{})
	shaken := s.shake(done)
	s.submitAll()
	s.awaitEnds(validity() + time.Minute)
	close(done)
	shocks := <-shaken
	time.Sleep(500 * time.Millisecond) // for what must not come
	s.check()
	s.tell(time.Since(began), shocks)
}

// simulated gives each modem a network that is quick, and faults of texts from the seed.
func (s *soak) simulated(n int, c *sim.Config) {
	c.ReportDelay = 20 * time.Millisecond
	kinds := slices.DeleteFunc(sim.FaultKinds(), func(k sim.FaultKind) bool { return !k.OfText() || slices.Contains(lies, k) })
	c.Chaos = &sim.Chaos{Seed: s.seed + uint64(n), Rate: soakFaults, Kinds: kinds}
}

// validity is long enough for all messages to be sent. It is when a message ends whose status report was lost with the
// line that it came by.
func validity() time.Duration { return 30*time.Second + time.Duration(*soakTexts)*50*time.Millisecond }

// hasty shortens what a gateway waits between tries, from minutes to fractions of a second.
func (s *soak) hasty(o *gateway.Options) {
	o.UncertainWait, o.Validity, o.ReportGrace = 3*time.Second, validity(), time.Second
	o.Waits = gateway.Waits{
		Refused: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second},
		Mishap:  50 * time.Millisecond, Soon: 200 * time.Millisecond, Barred: 500 * time.Millisecond, BarredMost: 2 * time.Second,
	}
}

// shocks are faults of the modems themselves; the first word that fits is taken at random.
var shocks = []string{"reset", "brown-out", "reset silent", "unplug 200ms", "deaf 500ms", "slow 300ms", "junk", "storm 500ms", "echo",
	"network lost 500ms", "network denied 300ms", "sim busy 500ms", "sim pulled 500ms", "cmgl hangs 500ms", "memory full"}

// shake strikes one of the modems every now and then, until done; then it gives how often.
func (s *soak) shake(done <-chan struct{}) <-chan int {
	n := make(chan int, 1)
	r := rand.New(rand.NewPCG(s.seed, 7))
	go func() {
		for struck := 0; ; struck++ {
			select {
			case <-done:
				n <- struck
				return
			case <-time.After(time.Second + rand.N(2*time.Second)):
				s.modems[r.IntN(len(s.modems))].Inject(parseFault(shocks[r.IntN(len(shocks))]))
			}
		}
	}()
	return n
}

// submitAll hands in all messages, in turn from the accounts, each with a window of 50. One in ten has two parts.
func (s *soak) submitAll() {
	s.t.Helper()
	type open struct {
		resp <-chan smpp.PDU
		soaked
	}
	var window []open
	settle := func() {
		first := window[0]
		window = window[1:]
		resp, ok := <-first.resp
		answer, isResp := resp.Body.(*smpp.SubmitSMResp)
		if !ok || !isResp || resp.Status != smpp.StatusOK {
			s.t.Fatalf("submit_sm of %q: %v", first.text, resp.Status)
		}
		if old, twice := s.texts[answer.MessageID]; twice {
			s.t.Fatalf("message_id %s was given to %q and %q", answer.MessageID, old.text, first.text)
		}
		s.texts[answer.MessageID] = first.soaked
	}
	for n := range *soakTexts {
		text := fmt.Sprintf("text %d of the soak", n)
		if n%10 == 9 {
			text += strings.Repeat(" and so on", 20)
		}
		policy := soakPolicies[n%len(soakPolicies)]
		resp, err := s.asks[policy].Send(&smpp.SubmitSM{Destination: smpp.Address{Addr: fmt.Sprintf("49155%07d", n%5000)}, RegisteredDelivery: 1,
			TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(text)}}})
		if err != nil {
			s.t.Fatal(err)
		}
		window = append(window, open{resp, soaked{text, policy}})
		if len(window) == 50 {
			settle()
		}
	}
	for len(window) > 0 {
		settle()
	}
}

// awaitEnds waits until each message has ended; those that have not it names.
func (s *soak) awaitEnds(most time.Duration) {
	s.t.Helper()
	for deadline := time.Now().Add(most); s.open() > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().Before(deadline) {
			continue
		}
		for id := range s.texts {
			if m := s.message(id); !m.State.End() || len(s.receiptsOf(id)) == 0 {
				s.t.Errorf("message %s (%s), %s, receipts %v: %s", id, s.texts[id].policy, m.State, s.receiptsOf(id), s.g.Why(m))
				for n, p := range m.Parts {
					s.t.Logf("part %d: %v, %d tries, modem %s, TP-MR %d, %s", n+1, p.State, p.Attempts, p.Modem, p.Ref, p.Reason)
				}
			}
		}
		for _, m := range s.g.Modems() {
			s.t.Logf("%s: %s, %s, last error %q", m.Name, m.State, m.RegistrationText, m.LastError)
		}
		s.t.FailNow()
	}
}

// open counts the messages that have not ended, or whose receipt has not come.
func (s *soak) open() (n int) {
	s.t.Helper()
	counts, err := s.g.Counts()
	if err != nil {
		s.t.Fatal(err)
	}
	for state, of := range counts {
		if !state.End() {
			n += int(of)
		}
	}
	if n > 0 {
		return n
	}
	for id := range s.texts {
		if len(s.receiptsOf(id)) == 0 {
			n++
		}
	}
	return n
}

// check holds each message against what its phone has. A fault may cost a message, or have it sent again; without one a
// message is delivered, and marked as nothing else.
func (s *soak) check() {
	s.t.Helper()
	arrived, handed := s.arrived(), make(map[string]bool)
	failed, again, faults := 0, 0, 0
	for _, m := range s.modems {
		faults += len(m.Faults())
	}
	for id, in := range s.texts {
		handed[in.text] = true
		m, n := s.message(id), arrived[in.text]
		if m.State != store.Delivered {
			failed++
		}
		if m.Duplicate {
			again++
		}
		wrong := func(format string, args ...any) {
			s.t.Errorf("message %s, policy %s, %s (%s), %d times at its phone: %s", id, in.policy, m.State, m.Reason, n, fmt.Sprintf(format, args...))
		}
		switch m.State {
		case store.Delivered:
			if n == 0 {
				wrong("it is lost")
			}
		case store.Unknown: // nobody knows
		case store.Undeliverable, store.Rejected, store.Expired:
			if n > 0 && len(m.Parts) == 1 && !m.Duplicate { // the end of one sent again is that of its last try
				wrong("it did arrive")
			}
		default:
			wrong("that is no end")
		}
		if n > 1 && !m.Duplicate {
			wrong("it was sent twice behind everybody's back")
		}
		if m.Duplicate && in.policy == store.PolicyNever {
			wrong("it was sent again against the policy")
		}
		s.checkReceipts(id, m, wrong)
	}
	if failed > faults || again > faults {
		s.t.Errorf("%d messages were not delivered, and %d sent again, with %d faults", failed, again, faults)
	}
	for text := range arrived {
		if !handed[text] {
			s.t.Errorf("a phone has %q, which nobody sent", text)
		}
	}
}

// checkReceipts: one for each end, and the last one says what query_sm says.
func (s *soak) checkReceipts(id string, m *store.Message, wrong func(string, ...any)) {
	told := s.receiptsOf(id)
	resp, err := s.asks[s.texts[id].policy].Query(id, smpp.Address{})
	if err != nil {
		wrong("query_sm: %v", err)
		return
	}
	now := resp.MessageState.String()
	if told[len(told)-1] != now {
		wrong("query_sm says %s, the receipts %v", now, told)
	}
	if len(told) > 1 && (len(told) > 2 || told[0] != smpp.StateUnknown.String()) {
		wrong("the receipts say %v", told)
	}
}

// tell prints the figures.
func (s *soak) tell(took time.Duration, shocks int) {
	ends, struck, why, tries := make(map[string]int), make(map[string]int), make(map[string]int), 0
	again := 0
	for id, in := range s.texts {
		m := s.message(id)
		ends[string(in.policy)+" "+m.State.String()]++
		for _, p := range m.Parts {
			if p.Attempts > 1 {
				tries++
			}
		}
		if m.Duplicate {
			again++
		}
		if m.State == store.Unknown {
			why[m.Reason]++
		}
	}
	n := 0
	for _, m := range s.modems {
		for _, f := range m.Faults() {
			struck[f.Fault.Kind.String()]++
			n++
		}
	}
	s.t.Logf("%d messages in %s; %d faults struck, %d of them the modems themselves; %d parts took more than one try", len(s.texts), took.Round(time.Second), n, shocks, tries)
	s.t.Logf("ends: %v", ends)
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		s.t.Logf("%5d unknown: %s", why[reason], reason)
	}
	s.t.Logf("sent again though it may have been sent, and marked so: %d", again)
	for _, kind := range slices.Sorted(maps.Keys(struck)) {
		s.t.Logf("%5d %s", struck[kind], kind)
	}
}
