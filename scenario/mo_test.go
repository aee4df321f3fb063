package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// inboundScene is a fault that strikes while phones text the SIM: each text reaches the ESME whole, and once.
type inboundScene struct {
	name  string
	plan  plan
	fault string // strikes between the two texts; "": none
	first string // "" is a short one
}

func inboundScenes() []inboundScene {
	slowNetwork := func(_ int, c *sim.Config) { c.RegisterAfter = 300 * time.Millisecond }
	list := []inboundScene{
		{name: "a short text, and nothing goes wrong"},
		{name: "a long text", first: long()},
		{name: "a long text in UCS-2", first: strings.Repeat("Żółć… ", 40)},
		{name: "texts that came before the modem was ready", plan: plan{simulated: slowNetwork}},
	}
	for _, fault := range []string{"reset", "brown-out", "reset silent", "unplug 300ms", "deaf 1s", "storm 1s", "junk", "slow 1s", "forget",
		"memory full", "network lost 500ms", "sim pulled 500ms", "sim busy 500ms", "cmgl hangs 500ms", "echo", "cnmi refused 500ms"} {
		list = append(list, inboundScene{name: "between two long texts: " + fault, fault: fault, first: long()})
	}
	for _, like := range sim.LikeNames() {
		list = append(list, inboundScene{name: "a modem like " + like, first: long(), plan: plan{simulated: func(_ int, c *sim.Config) {
			quirks, err := sim.Like(like)
			if err != nil {
				panic(err) // a name from LikeNames
			}
			c.Quirks = quirks
		}}})
	}
	return list
}

// TestInboundScenarios has phones text a SIM while its modem meets with faults.
func TestInboundScenarios(t *testing.T) {
	for _, s := range inboundScenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, s.plan)
			first, second := s.first, "the second one, with an ü"
			if first == "" {
				first = "the first one"
			}
			text := func(from, text string) {
				t.Helper()
				if err := r.modems[0].Receive(from, text); err != nil {
					t.Fatal(err)
				}
			}
			text("+4915550009", first)
			if s.fault != "" {
				r.modems[0].Inject(parseFault(s.fault))
			}
			text("SHOP INFO", second)
			r.until("both texts", func() bool {
				got := r.textsFromPhones()
				return slices.Contains(got, "+4915550009: "+first) && slices.Contains(got, "SHOP INFO: "+second)
			})
			time.Sleep(500 * time.Millisecond) // for what must not come
			count := make(map[string]int)
			for _, got := range r.textsFromPhones() {
				if !strings.HasSuffix(got, "old text") { // what filled the memory
					count[got]++
				}
			}
			if len(count) != 2 || count["+4915550009: "+first] != 1 || count["SHOP INFO: "+second] != 1 {
				t.Errorf("the ESME got %v, want %q and %q, once each", count, first, second)
			}
		})
	}
}

// textsFromPhones lists what the ESME got, with the senders.
func (r *rig) textsFromPhones() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.inbound {
		text := d.ShortMessage
		if payload, ok := d.TLVs.Find(smpp.TagMessagePayload); ok {
			text = payload
		}
		from := d.Source.Addr
		if d.Source.TON == 1 {
			from = "+" + from
		}
		list = append(list, from+": "+readText(d.DataCoding, text))
	}
	return list
}

// readText reads what our deliver_sm are written in: UCS-2, or one octet a character.
func readText(dataCoding uint8, b []byte) string {
	var text strings.Builder
	for i := 0; i < len(b); i++ {
		c := rune(b[i])
		if dataCoding == 8 && i+1 < len(b) {
			i++
			c = c<<8 | rune(b[i])
		}
		text.WriteRune(c)
	}
	return text.String()
}

// TestFromSIMToSIM: two modems of one gateway text each other.
func TestFromSIMToSIM(t *testing.T) {
	t.Parallel()
	r := start(t, plan{modems: 2})
	id := r.submit("491760000001", "from one SIM to the other") // the second one's number
	r.until("the receipt and the text", func() bool { return len(r.receiptsOf(id)) == 1 && len(r.textsFromPhones()) == 1 })
	if got := r.textsFromPhones()[0]; !strings.HasSuffix(got, ": from one SIM to the other") {
		t.Errorf("the ESME got %q", got)
	}
	if got := r.receiptsOf(id)[0]; got != "DELIVERED" {
		t.Errorf("the receipt says %s", got)
	}
}

// TestOneOfTwoModems: what one modem cannot do the other does, and nothing is sent twice.
func TestOneOfTwoModems(t *testing.T) {
	const count = 20
	for _, fault := range []string{"unplug 3s", "sim puk", "network denied 5s", "deaf 5s", "sim pulled 5s"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			r := start(t, plan{modems: 2})
			ids := make([]string, count)
			for n := range ids {
				if n == count/4 {
					r.modems[0].Inject(parseFault(fault))
				}
				ids[n] = r.submit(fmt.Sprintf("49155501%02d", n), fmt.Sprintf("text %d", n))
			}
			for n, id := range ids {
				r.until(fmt.Sprintf("an end of text %d", n), func() bool { return len(r.receiptsOf(id)) > 0 })
			}
			unknown := 0
			for n, id := range ids {
				switch got := r.receiptsOf(id); {
				case slices.Equal(got, []string{"DELIVERED"}) && r.arrived()[fmt.Sprintf("text %d", n)] == 1:
				case got[0] == "UNKNOWN" && r.arrived()[fmt.Sprintf("text %d", n)] <= 1:
					unknown++
				default:
					t.Errorf("text %d: receipts %v, %d times at its phone", n, got, r.arrived()[fmt.Sprintf("text %d", n)])
				}
			}
			if unknown > 1 {
				t.Errorf("%d texts are unknown; one modem can have had one at a time", unknown)
			}
		})
	}
}

// TestWrongPIN: a PIN that the SIM refuses is entered once, in this life of the gateway and in the next.
func TestWrongPIN(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var card *sim.Modem
	for life := range 3 {
		t.Run(fmt.Sprintf("life %d", life+1), func(t *testing.T) {
			r := start(t, plan{
				simulated: func(_ int, c *sim.Config) { c.PIN = "1234" },
				modem:     func(_ int, c *modem.Config) { c.PIN = "4321" },
				options:   func(o *gateway.Options) { o.Path = dir + "/gateway.db" },
				card:      card,
			})
			card = r.modems[0]
			r.until("the fault in words", func() bool {
				m := r.g.Modems()[0]
				return m.State == modem.StateSIM && strings.Contains(m.LastError, "refused")
			})
			time.Sleep(time.Second)
			if left := card.PINTries(); left != 2 {
				t.Errorf("%d tries are left, want 2", left)
			}
		})
	}
}

// TestOtherSIM: a SIM whose budget is used up is taken out of an idle modem, and another one put in. What waits goes out
// by that one.
func TestOtherSIM(t *testing.T) {
	t.Parallel()
	var link atomic.Value // of the stick that is plugged in
	// No day ends within the next twelve hours.
	day := func(o *gateway.Options) {
		if o.Zone = time.UTC; time.Now().UTC().Hour() >= 12 {
			o.Zone = time.FixedZone("", -12*3600)
		}
	}
	r := start(t, plan{spare: 1, rules: gateway.ModemRules{PerDay: 1}, options: day, modem: func(_ int, c *modem.Config) {
		link.Store(c.Port)
		c.Open = func(ctx context.Context, _ string, baud int) (modem.Port, error) {
			return modem.OpenSerial(ctx, link.Load().(string), baud)
		}
	}})
	first, second := r.submit(struckPhone, struckText), r.submit(nextPhone, nextText)
	r.until("the receipt of the first", func() bool { return len(r.receiptsOf(first)) == 1 })
	time.Sleep(time.Second) // what waits has been looked at
	link.Store(r.spares[0])
	r.modems[0].Inject(parseFault("unplug 1s"))
	r.until("the receipt of the second", func() bool { return len(r.receiptsOf(second)) == 1 })
	if a, b := r.message(first).Parts[0].Line, r.message(second).Parts[0].Line; a == b {
		t.Errorf("both left by %s", a)
	}
}

// heedful is a line to a modem that sees the AT+CMGD which goes by, and loses it if it is told to.
type heedful struct {
	modem.Port
	deleted func() (lose bool)
}

func (p heedful) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "AT+CMGD=") && p.deleted() {
		return len(b), nil
	}
	return p.Port.Write(b)
}

// TestDeletedWhenStored: a modem is told to forget a text when the text is on disk and no sooner, and one that it gives
// again, as it was not told, reaches the ESME once.
func TestDeletedWhenStored(t *testing.T) {
	t.Parallel()
	var r *rig
	var told, lost atomic.Int32
	ready := make(chan struct{})
	r = start(t, plan{modem: func(_ int, c *modem.Config) {
		c.Open = func(ctx context.Context, path string, baud int) (modem.Port, error) {
			port, err := modem.OpenSerial(ctx, path, baud)
			return heedful{port, func() bool {
				<-ready
				if in, err := r.g.Inbox(store.InboxFilter{}); err != nil || len(in) != 1 {
					t.Errorf("told to delete a text while the inbox has %+v, %v", in, err)
				}
				told.Add(1)
				return lost.Add(1) <= 2
			}}, err
		}
	}})
	close(ready)
	if err := r.modems[0].Receive("+4915550009", "delete me not too soon"); err != nil {
		t.Fatal(err)
	}
	r.until("the text, and the third word that it may go", func() bool { return len(r.textsFromPhones()) > 0 && told.Load() >= 3 })
	time.Sleep(500 * time.Millisecond) // for what must not come
	if got := r.textsFromPhones(); len(got) != 1 {
		t.Errorf("the ESME got %q", got)
	}
}

// TestSameReference: two phones text in parts at the same time, with the same reference and out of order, one part comes
// twice, and nothing gets mixed up.
func TestSameReference(t *testing.T) {
	t.Parallel()
	r := start(t, plan{})
	part := func(from string, seq uint8, words string) []byte {
		tpdu, err := sms.Deliver{Originator: sms.Address{TON: 1, NPI: 1, Number: from}, Time: time.Now(),
			UDH: sms.AppendUDH(nil, sms.Concat(7, false, 2, seq)), Data: []byte(words)}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return tpdu
	}
	for _, tpdu := range [][]byte{
		part("4915550008", 2, "to you"), part("4915550009", 1, "good"), part("4915550009", 1, "good"),
		part("4915550009", 2, "bye"), part("4915550008", 1, "hello "),
	} {
		if err := r.modems[0].ReceiveTPDU(tpdu); err != nil {
			t.Fatal(err)
		}
	}
	r.until("both texts", func() bool { return len(r.textsFromPhones()) >= 2 })
	time.Sleep(500 * time.Millisecond) // for what must not come
	got := r.textsFromPhones()
	slices.Sort(got)
	if want := []string{"+4915550008: hello to you", "+4915550009: goodbye"}; !slices.Equal(got, want) {
		t.Errorf("the ESME got %q, want %q", got, want)
	}
}
