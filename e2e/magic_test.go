package e2e

import (
	"fmt"
	"strings"
	"testing"

	"smsgateway/smpp"
)

// fault is a number that rehearses one, and what must come of a message to it.
type fault struct {
	suffix string
	what   string
	want   smpp.MessageState // at the end; ENROUTE: it has none yet
	state  string            // as the operator sees it
	why    string            // a word of the operator's explanation
	phone  int               // texts at the phone
}

// TestMagicNumbers rehearses the faults of docs/simulator.md that show within seconds, several after each other on one
// modem, which has to be well again after each. Those of a modem that falls silent take three minutes each, so package
// modem tests them in a bubble.
func TestMagicNumbers(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]fault{
		"answers": {
			{"99901", "unassigned number", smpp.StateUndeliverable, "undeliverable", "unassigned", 0},
			{"99902", "network out of order", smpp.StateEnroute, "queued", "The last time: ", 0},
			{"99911", "SIM busy at first", smpp.StateDelivered, "delivered", "", 1},
			{"99912", "a bare ERROR", smpp.StateEnroute, "uncertain", "Most likely it was not sent", 0},
		},
		"reports": {
			{"99907", "no report", smpp.StateEnroute, "sent", "confirmation is awaited", 1},
			{"99908", "undeliverable", smpp.StateUndeliverable, "undeliverable", "", 0},
			{"99909", "expired", smpp.StateExpired, "expired", "", 0},
			{"99910", "still trying, then delivered", smpp.StateDelivered, "delivered", "", 1},
		},
		"doubts": {
			{"99905", "the modem restarts, nothing sent", smpp.StateUnknown, "unknown", "", 0},
			{"99906", "the modem restarts, but has sent it", smpp.StateDelivered, "delivered", "", 1},
			{"99913", "OK without a reference", smpp.StateUnknown, "unknown", "", 0},
			{"99914", "unplugged in mid-send", smpp.StateUnknown, "unknown", "", 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			phones := startSimulator(t)
			b := startBox(t, settings{modem: phones.port, messages: []string{`uncertain_wait = "3s"`}})
			b.account(t, "shop")
			e := b.bind(t, "shop")
			for _, f := range faults {
				t.Run(f.suffix+" "+f.what, func(t *testing.T) { f.rehearse(t, b, e, phones) })
			}
			e.wantNothing(t)
		})
	}
}

func (f fault) rehearse(t *testing.T, b *box, e *esme, phones *simulator) {
	const prefix = "416123"
	to, body := prefix+f.suffix, "rehearsal of "+f.suffix
	id := e.submit(t, text(to, body))
	m := b.awaitState(t, id, f.state)
	if f.state == "queued" {
		eventually(t, "the first refusal", func() (bool, string) {
			m = b.message(t, id)
			return m.Reason != "", fmt.Sprintf("%+v", m)
		})
		if m.State != "queued" || m.Parts[0].Attempts != 1 {
			t.Errorf("the message is %+v, want it queued after one attempt", m)
		}
	}
	if !strings.Contains(m.Why, f.why) {
		t.Errorf("message show explains: %s; want a word about %q", m.Why, f.why)
	}
	e.wantState(t, id, f.want)
	if f.want != smpp.StateEnroute {
		e.wantReceipt(t, id, f.want)
	}
	// The modem is well again, and sends nothing twice: the next message is a sentinel.
	e.wantReceipt(t, e.submit(t, text(prefix+"1234", "after "+f.suffix)), smpp.StateDelivered)
	phones.wantCount(t, to, body, f.phone)
	phones.wantCount(t, prefix+"1234", "after "+f.suffix, 1)
}

// TestPolicies rehearses what accounts choose for a message that was perhaps sent, with numbers for which the modem
// leaves it open.
func TestPolicies(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port, messages: []string{`uncertain_wait = "2s"`}})
	for _, policy := range []string{"report", "never", "resend"} {
		b.account(t, policy, "--uncertain", policy)
	}
	t.Run("report, an error that usually means not sent", func(t *testing.T) {
		id := b.bind(t, "report").submit(t, text("416999912", "hello"))
		eventually(t, "a try that is counted, and will be repeated", func() (bool, string) {
			m := b.message(t, id)
			return m.State == "uncertain" && m.Refusals == 1 && strings.Contains(m.Why, "it is sent again"), fmt.Sprintf("%+v", m)
		})
	})
	t.Run("never, an error that usually means not sent", func(t *testing.T) {
		e := b.bind(t, "never")
		id := e.submit(t, text("416999912", "hello"))
		e.wantReceipt(t, id, smpp.StateUnknown)
	})
	t.Run("resend, OK without a reference", func(t *testing.T) {
		id := b.bind(t, "resend").submit(t, text("416999913", "hello"))
		eventually(t, "a second attempt", func() (bool, string) {
			m := b.message(t, id)
			return m.Parts[0].Attempts >= 2 && m.PossibleDuplicate, fmt.Sprintf("%+v", m)
		})
	})
}
