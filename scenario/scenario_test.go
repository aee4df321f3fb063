package scenario

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// The numbers of the two phones, and what they are sent: the fault strikes the first text, and the second one, handed in
// right behind it, must get through whatever became of the first.
const (
	struckPhone, struckText = "4915550001", "the one that the fault strikes"
	nextPhone, nextText     = "4915550002", "the next one"
)

// scene is one fault and everything that must come of it.
type scene struct {
	name   string
	plan   plan
	policy string       // of the account: report, never, resend; "" is report
	faults []string     // as sim.ParseFault reads them; each strikes the next text, or the modem at once
	text   string       // "" is struckText
	after  func(r *rig) // once all is said; nil: nothing
	phone  string       // "" is struckPhone
	alone  bool         // the next text is handed in when all is said of the struck one
	phones int          // how often the struck text is at its phone in the end
	states string       // what query_sm may say of it, in this order, the last for good; UNKNOWN must be seen where it stands
	again  bool         // it is marked as sent again
	told   string       // what its receipts say, in order
	next   string       // what the next text's receipts say; "" is DELIVERED, nothing is that none comes
}

// nothing is what the receipts of a text say whose end nobody will tell for hours: its status report is lost.
const nothing = "nothing"

func scenes() []scene {
	return slices.Concat(refusals(), doubts(), lines(), modems(), reports())
}

// refusals: a clear no before or after Ctrl-Z.
func refusals() []scene {
	return []scene{
		{name: "nothing goes wrong", phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "unassigned number", faults: []string{"refuse 1"}, phones: 0, states: "ENROUTE UNDELIVERABLE", told: "UNDELIVERABLE"},
		{name: "our PDU is not understood", faults: []string{"refuse 304"}, phones: 0, states: "ENROUTE REJECTED", told: "REJECTED"},
		{name: "network out of order, once", faults: []string{"refuse 38"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "network out of order, five times", phone: "4915599902", phones: 0, states: "ENROUTE UNDELIVERABLE", told: "UNDELIVERABLE"},
		{name: "SIM busy", faults: []string{"refuse 314"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "no network service, said by +CME", faults: []string{"refuse cme 30"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "refused before the prompt", faults: []string{"refuse prompt 500"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "ERROR before the prompt", faults: []string{"refuse prompt error"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "no prompt", faults: []string{"prompt never"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "two prompts", faults: []string{"prompt twice"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "a restart instead of the prompt", faults: []string{"reset prompt"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "unplugged instead of the prompt", faults: []string{"unplug prompt 300ms"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "a bare ERROR after Ctrl-Z", faults: []string{"refuse error"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED", again: true},
		{name: "a bare ERROR after Ctrl-Z", policy: "never", faults: []string{"refuse error"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "network time-out (332)", faults: []string{"refuse 332"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED", again: true},
		{name: "network time-out (332)", policy: "never", faults: []string{"refuse 332"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "network time-out (332), though it was sent: its report proves it", plan: plan{options: unhurried}, faults: []string{"refuse sent 332"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "network time-out (332), though it was sent, without a report in time", plan: plan{simulated: tooLate}, faults: []string{"refuse sent 332"}, phones: 2, states: "ENROUTE DELIVERED", told: "DELIVERED", again: true},
		{name: "network time-out (332), though it was sent", policy: "never", plan: plan{simulated: slowly}, faults: []string{"refuse sent 332"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
	}
}

// doubts: Ctrl-Z, and no credible answer.
func doubts() []scene {
	unreported := func(_ int, c *sim.Config) { c.NoReports = true }
	list := []scene{
		{name: "silence, and it was sent: its report proves it", faults: []string{"silent sent"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "silence, and it was sent: its report proves it", policy: "resend", faults: []string{"silent sent"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "silence, and it was lost", faults: []string{"silent lost"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "silence, and it was lost", policy: "never", faults: []string{"silent lost"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "silence, and it was lost", policy: "resend", faults: []string{"silent lost"}, phones: 1, states: "ENROUTE UNKNOWN ENROUTE DELIVERED", told: "DELIVERED", again: true},
		{name: "silence, sent, and no report ever", faults: []string{"silent unreported"}, phones: 1, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "silence, sent, and no report ever", policy: "resend", faults: []string{"silent unreported"}, phones: 2, states: "ENROUTE UNKNOWN ENROUTE DELIVERED", told: "DELIVERED", again: true},
		{name: "silence, sent, on a network without reports", plan: plan{simulated: unreported}, faults: []string{"silent sent"}, phones: 1, states: "ENROUTE UNKNOWN", told: "UNKNOWN", next: nothing},
		{name: "the answer comes too late, and behind that of the next text", faults: []string{"late 3s"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "the answer comes too late, from a modem without reports", plan: plan{simulated: func(_ int, c *sim.Config) { c.RefuseReports = true }},
			faults: []string{"late 3s"}, alone: true, phones: 1, states: "ENROUTE UNKNOWN ACCEPTED", told: "ACCEPTED", next: "ACCEPTED"},
		{name: "the answer is garbled, and it was sent", faults: []string{"garbled sent"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "the answer is garbled, and it was lost", faults: []string{"garbled lost"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "OK without a reference, and it was sent", faults: []string{"ok sent"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "OK without a reference, and it was lost", faults: []string{"ok lost"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "a reference without OK", faults: []string{"no ok"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "a restart after Ctrl-Z, and it was sent", faults: []string{"reset sent"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "a restart after Ctrl-Z, and it was lost", faults: []string{"reset lost"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "a restart after Ctrl-Z, and it was lost", policy: "resend", faults: []string{"reset lost"}, phones: 1, states: "ENROUTE UNKNOWN ENROUTE DELIVERED", told: "DELIVERED", again: true},
		{name: "a restart between reference and OK", faults: []string{"reset between"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "unplugged after Ctrl-Z, and it was sent", faults: []string{"unplug sent 300ms"}, phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "unplugged after Ctrl-Z, and it was lost", faults: []string{"unplug lost 300ms"}, phones: 0, states: "ENROUTE UNKNOWN", told: "UNKNOWN"},
		{name: "unplugged between reference and OK", faults: []string{"unplug between 300ms"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "the third of three parts: silence, and it was sent", text: long(), plan: thirdPart("silent sent"), phones: 1, states: "ENROUTE UNKNOWN DELIVERED", told: "DELIVERED"},
		{name: "the third of three parts: silence, and it was lost", policy: "resend", text: long(), plan: thirdPart("silent lost"), phones: 1, states: "ENROUTE UNKNOWN ENROUTE DELIVERED", told: "DELIVERED", again: true},
	}
	for n := range list {
		if list[n].plan.simulated == nil {
			list[n].plan.simulated = slowly
		}
	}
	return list
}

// long is a text of three parts.
func long() string { return strings.Repeat("0123456789", 40) }

// thirdPart has a fault strike the third text that the modem is given.
func thirdPart(fault string) plan {
	return plan{simulated: func(_ int, c *sim.Config) {
		c.ReportDelay = slowReport
		c.Script = []sim.Step{{AfterTexts: 2, Fault: parseFault(fault)}}
	}}
}

// parseFault is for the words of this file.
func parseFault(words string) sim.Fault {
	f, err := sim.ParseFault(words)
	if err != nil {
		panic(err)
	}
	return f
}

func tooLate(_ int, c *sim.Config) { c.ReportDelay = 6 * time.Second }

func slowly(_ int, c *sim.Config) { c.ReportDelay = slowReport }

// slowReport is when a status report comes that has to find its text in doubt: the driver gives an answer up after one
// second. longDoubt is how long doubt lasts where evidence is to end it, also on a machine that has much to do.
const (
	slowReport = 4 * time.Second
	longDoubt  = patience
)

// unhurried gives evidence the time to come.
func unhurried(o *gateway.Options) {
	o.UncertainWait = longDoubt
	o.Waits.Refused = []time.Duration{longDoubt}
}

// settled tells whether evidence ends the doubt, and not the policy.
func (s *scene) settled() bool {
	_, end, _ := strings.Cut(s.states, "UNKNOWN ")
	return end == "DELIVERED" || end == "ACCEPTED"
}

// lines: what comes over the wire is not what the book says.
func lines() []scene {
	quiet := scene{phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"}
	var list []scene
	for _, f := range []struct{ name, fault string }{
		{"junk on the line", "junk"},
		{"a storm of ^RSSI and its like", "storm 2s"},
		{"one octet each 5 ms", "slow 2s"},
		{"echo is on again", "echo"},
		{"the modem restarts and does not say so", "reset silent"},
		{"the modem forgets AT+CNMI", "forget"},
		{"UNDER-VOLTAGE, and a restart", "brown-out"},
		{"the modem restarts", "reset"},
		{"AT+CMGL hangs", "cmgl hangs 1s"},
	} {
		s := quiet
		s.name, s.faults = f.name, []string{f.fault}
		if f.fault == "forget" { // the network has passed the reports to a modem that told nobody
			s.states, s.told, s.next = "ENROUTE", "", nothing
			s.after = func(r *rig) { // a look at the modem brings reports back
				time.Sleep(2 * quick().Health)
				id := r.submit(nextPhone, "the third one")
				r.until("the receipt of the third", func() bool { return len(r.receiptsOf(id)) > 0 })
			}
		}
		list = append(list, s)
	}
	for _, like := range sim.LikeNames() {
		s := quiet
		s.name = "a modem like " + like
		s.plan.simulated = func(_ int, c *sim.Config) {
			quirks, err := sim.Like(like)
			if err != nil {
				panic(err) // a name from LikeNames
			}
			c.Quirks = quirks
		}
		list = append(list, s)
	}
	return list
}

// modems: device, SIM and network.
func modems() []scene {
	quiet := scene{phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"}
	var list []scene
	for _, f := range []struct{ name, fault string }{
		{"deaf for a while", "deaf 2s"},
		{"unplugged for a while", "unplug 500ms"},
		{"the network is lost for a while", "network lost 1s"},
		{"the network denies the SIM for a while", "network denied 1s"},
		{"the SIM is pulled out and put back", "sim pulled 1s"},
		{"the SIM is busy for a while", "sim busy 1s"},
		{"the memory is full of old texts", "memory full"},
	} {
		s := quiet
		s.name, s.faults = f.name, []string{f.fault}
		list = append(list, s)
	}
	two := quiet
	two.name, two.plan.modems = "one of two modems wants its PUK", 2
	two.faults = []string{"sim puk"}
	renamed := quiet
	renamed.name = "unplugged, and its link leads to another pty"
	renamed.faults = []string{"unplug 300ms rename"}
	return append(list, two, renamed)
}

// reports: status reports that are not what one would wish.
func reports() []scene {
	return []scene{
		{name: "the report comes before the answer", faults: []string{"report first"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "the report never comes", plan: plan{}, faults: []string{"report never"}, phones: 1, states: "ENROUTE", told: ""},
		{name: "the report comes twice", faults: []string{"report twice"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "the report says failed", faults: []string{"report failed"}, phones: 0, states: "ENROUTE UNDELIVERABLE", told: "UNDELIVERABLE"},
		{name: "the report says expired", faults: []string{"report expired"}, phones: 0, states: "ENROUTE EXPIRED", told: "EXPIRED"},
		{name: "an interim report first", faults: []string{"report interim"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "the report spells the number in another way", faults: []string{"report respelled"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
		{name: "the report comes after that of the next text", faults: []string{"report swapped"}, phones: 1, states: "ENROUTE DELIVERED", told: "DELIVERED"},
	}
}

// TestMain lets many scenes run at a time: nearly all they do is wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// results collects the rows of the table.
var results struct {
	mu   sync.Mutex
	rows []string
}

// TestScenarios runs all scenes. With -v it ends with a table of them.
func TestScenarios(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		for _, s := range scenes() {
			name := s.name
			if s.policy != "" {
				name += ", policy " + s.policy
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.play(t)
			})
		}
	})
	slices.Sort(results.rows)
	if testing.Verbose() {
		fmt.Fprintf(os.Stdout, "| fault | policy | at the phone | query_sm said | receipts |\n|---|---|---|---|---|\n%s\n", strings.Join(results.rows, "\n"))
	}
}

func (s *scene) play(t *testing.T) {
	s.plan.account.Settings = gateway.Settings{"uncertain": s.policy}
	if s.settled() {
		s.plan.options = unhurried
	}
	r := start(t, s.plan)
	r.until("a modem that is ready", func() bool {
		return slices.ContainsFunc(r.g.Modems(), func(m modem.Status) bool { return m.State == modem.StateReady })
	})
	for _, words := range s.faults {
		r.modems[0].Inject(parseFault(words))
	}
	text := s.text
	if text == "" {
		text = struckText
	}
	struck := r.submit(cmp.Or(s.phone, struckPhone), text)
	watch := r.watch(struck)
	var next string
	if !s.alone {
		next = r.submit(nextPhone, nextText)
	}
	want := strings.Fields(s.states)
	last := want[len(want)-1]
	ended := func() bool {
		return r.state(struck).String() == last && (s.told == "" || len(r.receiptsOf(struck)) > 0)
	}
	if s.alone {
		r.until("the end of the struck text: "+last, ended)
		next = r.submit(nextPhone, nextText)
	}
	r.until("the next text at its phone, with its receipt", func() bool {
		return r.arrived()[nextText] > 0 && (s.next == nothing || len(r.receiptsOf(next)) > 0)
	})
	r.until("the end of the struck text: "+last, ended)
	time.Sleep(300 * time.Millisecond) // for what must not come
	seen := watch()
	s.check(t, r, struck, next, text, seen)
	results.mu.Lock()
	defer results.mu.Unlock()
	results.rows = append(results.rows, fmt.Sprintf("| %s | %s | %d | %s | %s |", s.name, s.policy, r.arrived()[text], strings.Join(seen, ", "), strings.Join(r.receiptsOf(struck), ", ")))
}

func (s *scene) check(t *testing.T, r *rig, struck, next, text string, seen []string) {
	t.Helper()
	wantTexts := map[string]int{nextText: 1}
	if s.phones > 0 {
		wantTexts[text] = s.phones
	}
	if got := r.arrived(); fmt.Sprint(got) != fmt.Sprint(wantTexts) {
		t.Errorf("at the phones: %v, want %v", got, wantTexts)
	}
	want := strings.Fields(s.states)
	if !within(seen, want) || seen[len(seen)-1] != want[len(want)-1] || slices.Contains(want, "UNKNOWN") && !slices.Contains(seen, "UNKNOWN") {
		t.Errorf("query_sm said %v, want %v", seen, want)
	}
	if got := strings.Join(r.receiptsOf(struck), " "); got != s.told {
		t.Errorf("the receipts say %q, want %q", got, s.told)
	}
	if got := cmp.Or(strings.Join(r.receiptsOf(next), " "), nothing); got != cmp.Or(s.next, "DELIVERED") {
		t.Errorf("the receipts of the next text say %q", got)
	}
	s.checkStory(t, r, struck)
	if s.after != nil {
		s.after(r)
	}
}

// checkStory: what went out more than once is marked, and an end that nobody knows has its reason in words.
func (s *scene) checkStory(t *testing.T, r *rig, struck string) {
	t.Helper()
	m := r.message(struck)
	if m.Duplicate != s.again {
		t.Errorf("marked as a possible duplicate: %t, want %t", m.Duplicate, s.again)
	}
	if m.State == store.Unknown && m.Reason == "" {
		t.Error("nobody says why it is unknown")
	}
}

// within tells whether seen is want with some of it left out.
func within(seen, want []string) bool {
	n := 0
	for _, s := range seen {
		i := slices.Index(want[n:], s)
		if i < 0 {
			return false
		}
		n += i + 1
	}
	return len(seen) > 0
}

// watch polls query_sm; the function that it gives ends that, and tells the states in the order in which they were seen.
func (r *rig) watch(id string) func() []string {
	end, done := make(chan struct{}), make(chan []string)
	go func() {
		var seen []string
		for {
			if resp, err := r.client.Query(id, smpp.Address{}); err == nil {
				if s := resp.MessageState.String(); len(seen) == 0 || seen[len(seen)-1] != s {
					seen = append(seen, s)
				}
			}
			select {
			case <-end:
				done <- seen
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() []string { close(end); return <-done }
}

func (r *rig) message(id string) *store.Message {
	r.t.Helper()
	n, err := store.ParseID(id)
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := r.g.Message(n)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}
