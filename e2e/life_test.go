package e2e

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
)

// TestLife follows one message from submit_sm to its receipt, and asks about it on the way.
func TestLife(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "1s", "--report-delay", "1s")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)

	before := time.Now().Add(-time.Minute) // receipts are exact to the minute
	p := text("4161231234", "your order 1042 is ready")
	p.ServiceType = "CMT"
	p.Source = smpp.Address{TON: 5, Addr: "Shop"}
	p.TLVs = smpp.TLVs{{Tag: smpp.TagUserMessageReference, Value: []byte{0x12, 0x34}}}
	id := e.submit(t, p)
	if n, err := strconv.ParseUint(id, 10, 64); err != nil || len(id) > 10 || n <= 1<<31 {
		t.Errorf("message_id is %q, want at most 10 digits, above 2^31", id)
	}
	e.wantState(t, id, smpp.StateEnroute)
	phones.wantText(t, "4161231234", "your order 1042 is ready")
	wantStatus(t, "cancel_sm after the phone has it", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusCancelFail)
	// The phone's confirmation is a second away.
	e.wantState(t, id, smpp.StateEnroute)

	d, r := e.wantReceipt(t, id, smpp.StateDelivered)
	wantReceiptFields(t, d, id)
	if r.Submitted != 1 || r.Delivered != 1 || r.Err != 0 || r.Text != "your order 1042 is r" {
		t.Errorf("the receipt says %q", d.ShortMessage)
	}
	if r.SubmitDate.Before(before) || r.DoneDate.Before(r.SubmitDate) || r.DoneDate.After(time.Now()) {
		t.Errorf("the receipt's dates are %s and %s; now it is %s", r.SubmitDate, r.DoneDate, time.Now().UTC())
	}
	resp := e.wantState(t, id, smpp.StateDelivered)
	if done, err := smpp.ParseTime(resp.FinalDate, time.Now()); err != nil || done.Before(before) || done.After(time.Now()) {
		t.Errorf("final_date is %q (%v)", resp.FinalDate, err)
	}
	if err := e.Unbind(); err != nil {
		t.Errorf("unbind: %v", err)
	}
	phones.wantCount(t, "4161231234", "your order 1042 is ready", 1)
}

// wantReceiptFields looks at what a receipt has beside its text, for the submit_sm of TestLife.
func wantReceiptFields(t *testing.T, d *smpp.DeliverSM, id string) {
	t.Helper()
	if d.ESMClass != smpp.ESMClassReceipt || d.DataCoding != 0 || d.ServiceType != "CMT" {
		t.Errorf("the receipt has esm_class %#02x, data_coding %d, service_type %q", d.ESMClass, d.DataCoding, d.ServiceType)
	}
	if d.Source.Addr != "4161231234" || d.Destination != (smpp.Address{TON: 5, Addr: "Shop"}) {
		t.Errorf("the receipt comes from %+v for %+v, want the submit_sm's addresses, swapped", d.Source, d.Destination)
	}
	for tag, want := range map[smpp.Tag][]byte{
		smpp.TagReceiptedMessageID:   append([]byte(id), 0),
		smpp.TagMessageState:         {uint8(smpp.StateDelivered)},
		smpp.TagNetworkErrorCode:     {3, 0, 0},
		smpp.TagUserMessageReference: {0x12, 0x34},
	} {
		if got, _ := d.TLVs.Find(tag); !bytes.Equal(got, want) {
			t.Errorf("the receipt's TLV %s is % X, want % X", tag, got, want)
		}
	}
}

// TestRegisteredDelivery wants receipts for those that asked, and only if they asked for this end. The messages reach
// the modem, and end, in the order in which they were submitted.
func TestRegisteredDelivery(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")

	send := func(to string, registered uint8) string {
		return e.submit(t, &smpp.SubmitSM{Destination: smpp.Address{Addr: to}, RegisteredDelivery: registered, ShortMessage: []byte("hello")})
	}
	const works, fails = "4161231234", "41699908"
	silent := []string{send(works, 0), send(works, 2), send(fails, 0)}
	failed := send(fails, 2)
	taken := send(works, 0x10)
	last := send(works, 1)

	e.wantReceipt(t, failed, smpp.StateUndeliverable)
	e.wantTaken(t, taken)
	e.wantReceipt(t, last, smpp.StateDelivered)
	e.wantState(t, silent[0], smpp.StateDelivered)
	e.wantState(t, silent[1], smpp.StateDelivered)
	e.wantState(t, silent[2], smpp.StateUndeliverable)
	e.wantNothing(t)
}

// TestPhoneTexts has phones text the SIM, and wants each text once, as it was written.
func TestPhoneTexts(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "oldest")
	b.account(t, "other")
	e := b.bind(t, "oldest")
	other := b.bind(t, "other")
	b.ready(t)

	phones.text(t, "+491701234567", "yes, please")
	d := e.wantText(t, "491701234567", "yes, please")
	if d.ESMClass != 0 || d.DataCoding != 0 || d.Source.TON != 1 || d.Source.NPI != 1 || d.RegisteredDelivery != 0 {
		t.Errorf("a text from a phone came as %+v", d)
	}
	phones.text(t, "4161231234", "Größe £5")
	if d := e.wantText(t, "4161231234", "Gr\xF6\xDFe \xA35"); d.DataCoding != 3 {
		t.Errorf("data_coding is %d, want 3 (Latin-1)", d.DataCoding)
	}
	phones.text(t, "4161231234", "😀 да")
	if d := e.wantText(t, "4161231234", "\xD8\x3D\xDE\x00\x00 \x04\x34\x04\x30"); d.DataCoding != 8 {
		t.Errorf("data_coding is %d, want 8 (UCS-2)", d.DataCoding)
	}
	long := string(bytes.Repeat([]byte("0123456789"), 20))
	phones.text(t, "4161231234", long)
	if d := e.wantText(t, "4161231234", long); d.ESMClass != 0 || d.DataCoding != 0 {
		t.Errorf("a long text came as %+v", d)
	}
	b.must(t, "account", "set", "oldest", "--inbound", "parts")
	phones.text(t, "4161231234", long)
	for seq, want := range []string{long[:153], long[153:]} {
		d := e.wantDelivery(t, "a part of the long text", func(d *smpp.DeliverSM) bool { return d.ESMClass == smpp.ESMClassUDHI })
		udh := d.ShortMessage[:6]
		if !bytes.Equal(udh[:3], []byte{5, 0, 3}) || udh[4] != 2 || udh[5] != byte(seq+1) || string(d.ShortMessage[6:]) != want {
			t.Errorf("part %d of the long text came as %q", seq+1, d.ShortMessage)
		}
	}

	list := cliJSON[[]inboxJSON](t, b, "inbox", "list")
	if len(list) != 6 || list[5].Text != "yes, please" || list[5].From != "+491701234567" || list[5].Account != "oldest" || list[3].Text != "😀 да" {
		t.Fatalf("the inbox holds %+v", list)
	}
	if whole, last := list[2], list[0]; whole.Text != long || whole.Parts != 2 || whole.Missing != 0 || last.Part != 2 || last.Parts != 2 {
		t.Errorf("the inbox holds the long text as %+v, and the second part of it as %+v", whole, last)
	}
	e.wantNothing(t)
	other.wantNothing(t)
}

// TestReceiverAndTransmitter uses the two older kinds of bind side by side.
func TestReceiverAndTransmitter(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	tx, rx := b.bindAs(t, smpp.BindTransmitter, "shop"), b.bindAs(t, smpp.BindReceiver, "shop")
	_, err := rx.Submit(text("4161231234", "no"))
	wantStatus(t, "submit_sm of a receiver", err, smpp.StatusInvBndSts)
	_, err = rx.Query("1", smpp.Address{})
	wantStatus(t, "query_sm of a receiver", err, smpp.StatusInvBndSts)

	id := tx.submit(t, text("4161231234", "hello"))
	rx.wantReceipt(t, id, smpp.StateDelivered)
	tx.wantState(t, id, smpp.StateDelivered)
	tx.wantNothing(t)
}

// TestLogPrivacy looks for texts and numbers in the log, as they are and as TPDUs have them: even at level debug they
// are there only if the operator asked for them.
func TestLogPrivacy(t *testing.T) {
	t.Parallel()
	for _, texts := range []bool{false, true} {
		t.Run(fmt.Sprintf("texts=%t", texts), func(t *testing.T) {
			t.Parallel()
			phones := startSimulator(t)
			b := startBox(t, settings{modem: phones.port, log: []string{fmt.Sprintf("texts = %t", texts)}})
			b.account(t, "shop")
			e := b.bind(t, "shop")
			e.wantReceipt(t, e.submit(t, text("4161231234", "a private matter")), smpp.StateDelivered)
			phones.text(t, "4169876543", "a private answer")
			e.wantText(t, "4169876543", "a private answer")
			b.stop(t)
			log := b.log.String()
			for _, private := range []string{
				"4161231234", "4169876543", "a private", // as people write them
				"1416322143", "1496785634", // in semi-octets
				"61105C9EB687", // "a priva" in septets
			} {
				got := strings.Contains(log, private)
				if got && !texts {
					t.Errorf("the log has %q in it", private)
				}
				if !got && texts && private != "a private" { // SMPP bodies may be shown in other ways
					t.Errorf("the log lacks %q, though texts = true", private)
				}
			}
		})
	}
}
