package gateway_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// referenced is a submit_sm with a user_message_reference.
func referenced(ref uint16, text string) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source: smpp.Address{Addr: "shop"}, Destination: smpp.Address{Addr: "4161231234"}, RegisteredDelivery: 1,
		ShortMessage: []byte(text), TLVs: smpp.TLVs{smpp.TLVUint16(smpp.TagUserMessageReference, ref)},
	}
}

// TestResubmission: the same again has the same id and is sent once; what differs in anything is a message of its own.
func TestResubmission(t *testing.T) {
	t.Parallel()
	log := &lines{}
	path := filepath.Join(t.TempDir(), "gateway.db")
	quiet := func(o *gateway.Options, _ *sim.Config) { o.Log = slog.New(slog.NewTextHandler(log, nil)) }
	b := startBenchOn(t, path, quiet)
	b.account("shop", 0)
	b.account("clinic", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	submit := func(p *smpp.SubmitSM) string {
		t.Helper()
		id, err := c.Submit(p)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := submit(referenced(7, "hello"))
	if again := submit(referenced(7, "hello")); again != first {
		t.Errorf("submitted again: got %s, want %s", again, first)
	}
	if d := b.wantReceipt(c, first, smpp.StateDelivered); d != nil {
		if ref, _ := d.TLVs.FindUint(smpp.TagUserMessageReference); ref != 7 {
			t.Errorf("the receipt has the reference %d", ref)
		}
	}
	recomputed := referenced(7, "hello") // the client makes these anew for each try
	recomputed.ValidityPeriod, recomputed.RegisteredDelivery, recomputed.PriorityFlag = smpp.FormatTime(time.Now().Add(time.Hour)), 0, 1
	if again := submit(recomputed); again != first {
		t.Errorf("submitted again after its delivery: got %s, want %s", again, first)
	}
	if n := strings.Count(log.String(), "resubmitted"); n != 2 {
		t.Errorf("the log tells of %d resubmissions, want 2", n)
	}

	seen := map[string]string{first: "the first"}
	distinct := func(name, id string) {
		t.Helper()
		if was, ok := seen[id]; ok {
			t.Errorf("%s has the id of %s", name, was)
		}
		seen[id] = name
	}
	for name, change := range map[string]func(p *smpp.SubmitSM){
		"another text":      func(p *smpp.SubmitSM) { p.ShortMessage = []byte("Hello") },
		"another reference": func(p *smpp.SubmitSM) { p.TLVs[0].Value = []byte{0, 8} },
		"another number":    func(p *smpp.SubmitSM) { p.Destination.Addr = "4161231235" },
		"another source":    func(p *smpp.SubmitSM) { p.Source.Addr = "office" },
		"flash":             func(p *smpp.SubmitSM) { p.DataCoding = 0x10 },
		"binary":            func(p *smpp.SubmitSM) { p.DataCoding = 4 },
		"with ports":        func(p *smpp.SubmitSM) { p.TLVs = append(p.TLVs, smpp.TLVUint16(smpp.TagDestinationPort, 2948)) },
		"reply path":        func(p *smpp.SubmitSM) { p.ESMClass = 0x80 },
		"for tomorrow":      func(p *smpp.SubmitSM) { p.ScheduleDeliveryTime = "000001000000000R" },
		"no reference":      func(p *smpp.SubmitSM) { p.TLVs = nil },
		"nor there":         func(p *smpp.SubmitSM) { p.TLVs = nil },
	} {
		p := referenced(7, "hello")
		change(p)
		distinct(name, submit(p))
	}
	id, err := b.bind(smpp.BindTransmitter, "clinic").Submit(referenced(7, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	distinct("another account's", id)

	b.stop()
	b = startBenchOn(t, path, quiet)
	c = b.bind(smpp.BindTransceiver, "shop")
	if again := submit(referenced(7, "hello")); again != first {
		t.Errorf("after a restart: got %s, want %s", again, first)
	}
	if _, err := b.SetAccount("shop", gateway.Settings{"resubmit_window": "off"}); err != nil {
		t.Fatal(err)
	}
	off := submit(referenced(7, "hello"))
	distinct("with the window off", off)
	distinct("with the window off, again", submit(referenced(7, "hello")))
}

// TestResubmitCancelled: who submits again what he has cancelled wants it sent.
func TestResubmitCancelled(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	p := referenced(7, "later")
	p.ScheduleDeliveryTime = "000001000000000R"
	first, err := c.Submit(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: first}); err != nil {
		t.Fatal(err)
	}
	second, err := c.Submit(p)
	if err != nil || second == first {
		t.Fatalf("got %s, %v after %s was cancelled", second, err, first)
	}
	wantState(t, c, first, smpp.StateDeleted)
	wantState(t, c, second, smpp.StateEnroute)
}

// TestResubmitOtherWays: data_sm, submit_multi and a message that takes the place of another are known again as well.
func TestResubmitOtherWays(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	tlvs := smpp.TLVs{smpp.TLVUint16(smpp.TagUserMessageReference, 7)}
	data := &smpp.DataSM{Destination: smpp.Address{Addr: "4161231234"},
		TLVs: append(tlvs[:1:1], smpp.TLV{Tag: smpp.TagMessagePayload, Value: []byte("by data_sm")})}
	replacing := referenced(7, "instead")
	replacing.ReplaceIfPresentFlag, replacing.ScheduleDeliveryTime = 1, "000001000000000R"
	several := &smpp.SubmitMulti{ShortMessage: []byte("to several"), TLVs: tlvs}
	for n := range 3 {
		several.Destinations = append(several.Destinations, smpp.Destination{Address: smpp.Address{Addr: fmt.Sprint("416123123", n)}})
	}
	for name, p := range map[string]smpp.Body{"data_sm": data, "replace_if_present": replacing, "submit_multi": several} {
		var ids []string
		for range 2 {
			resp, err := c.Request(p)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch resp := resp.Body.(type) {
			case *smpp.DataSMResp:
				ids = append(ids, resp.MessageID)
			case *smpp.SubmitSMResp:
				ids = append(ids, resp.MessageID)
			case *smpp.SubmitMultiResp:
				ids = append(ids, resp.MessageID)
			}
		}
		if len(ids) != 2 || ids[0] != ids[1] {
			t.Errorf("%s: ids %v", name, ids)
		}
	}
	all, err := b.Messages(store.Filter{})
	if err != nil || len(all) != 5 {
		t.Errorf("%d messages are stored, want 5, %v", len(all), err)
	}
}

// TestResubmitSetting: what the setting takes and gives back.
func TestResubmitSetting(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	if got := b.Defaults()["resubmit_window"]; got != "10m" {
		t.Errorf("the default is %q", got)
	}
	for _, tt := range []struct {
		text, want string
		bad        bool
	}{
		{"off", "off", false}, {"30m", "30m", false}, {"90s", "1m30s", false}, {"24h", "24h", false}, {"1h30m", "90m", false}, {"", "", false}, {"0", "", false},
		{"25h", "", true}, {"10", "", true}, {"-1m", "", true}, {"100ms", "", true}, {"soon", "", true},
	} {
		a, err := b.SetAccount("shop", gateway.Settings{"resubmit_window": tt.text})
		var input *gateway.InputError
		switch {
		case tt.bad && (!errors.As(err, &input) || input.What != "resubmit_window"):
			t.Errorf("%q: got %v, want an InputError", tt.text, err)
		case !tt.bad && (err != nil || b.Settings(a)["resubmit_window"] != tt.want):
			t.Errorf("%q: got %q, %v, want %q", tt.text, b.Settings(a)["resubmit_window"], err, tt.want)
		}
	}
}

// TestNoIDsLeft: at the end of all ids the client hears that it is our fault, and the operator what to do.
func TestNoIDsLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	file, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("messages")).SetSequence(9_999_999_998) }); err != nil {
		t.Fatal(err)
	}
	file.Close()
	log := &lines{}
	b := startBenchOn(t, path, func(o *gateway.Options, _ *sim.Config) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	if id := b.submit(c, "4161231234", "the last"); id != "9999999999" {
		t.Errorf("the last id is %s", id)
	}
	if _, err := c.Submit(referenced(7, "one more")); !errors.Is(err, smpp.StatusSysErr) {
		t.Errorf("one more: %v, want ESME_RSYSERR", err)
	}
	if !strings.Contains(log.String(), "all message ids") {
		t.Error("the log does not say why")
	}
	wantState(t, c, "9999999999", smpp.StateDelivered)
}

// lines is a log that a test reads while others write it.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestResubmitGone: a message that was cancelled, and is past its keeping time, is not said to be queued still.
func TestResubmitGone(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(o *gateway.Options, _ *sim.Config) { o.Keep = time.Second })
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	p := referenced(7, "later")
	p.ScheduleDeliveryTime = "000001000000000R"
	first, err := c.Submit(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: first}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		all, err := b.Messages(store.Filter{})
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d messages are left, %v", len(all), err)
		}
		if len(all) == 0 {
			break
		}
	}
	second, err := c.Submit(p)
	if err != nil || second == first {
		t.Fatalf("got %s, %v after %s was cancelled, and is gone", second, err, first)
	}
	wantState(t, c, second, smpp.StateEnroute)
}
