package e2e

import (
	"testing"

	"smsgateway/smpp"
)

// inAnHour makes a message wait that otherwise a modem would have at once.
const inAnHour = "000000010000000R"

// TestCancel takes back what waits, by id and by addresses, and nothing else.
func TestCancel(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	b.account(t, "rival")
	e, rival := b.bind(t, "shop"), b.bind(t, "rival")

	later := func(e *esme, from, to string) string {
		p := text(to, "nobody will read this")
		p.Source.Addr = from
		p.ScheduleDeliveryTime = inAnHour
		return e.submit(t, p)
	}
	cancel := func(e *esme, id, from, to string) error {
		return e.Cancel(&smpp.CancelSM{MessageID: id, Source: smpp.Address{Addr: from}, Destination: smpp.Address{Addr: to}})
	}

	t.Run("by id", func(t *testing.T) {
		id := later(e, "100", "4161231234")
		e.wantState(t, id, smpp.StateEnroute)
		wantStatus(t, "cancel_sm with another source_addr", cancel(e, id, "101", ""), smpp.StatusInvMsgID)
		wantStatus(t, "query_sm with another source_addr", queryFrom(e, id, "101"), smpp.StatusInvMsgID)
		wantStatus(t, "query_sm with its source_addr", queryFrom(e, id, "100"), smpp.StatusOK)
		wantStatus(t, "cancel_sm", cancel(e, id, "100", ""), smpp.StatusOK)
		e.wantState(t, id, smpp.StateDeleted)
		e.wantReceipt(t, id, smpp.StateDeleted)
		wantStatus(t, "cancel_sm once more", cancel(e, id, "", ""), smpp.StatusOK)
	})
	t.Run("by addresses", func(t *testing.T) {
		hit := []string{later(e, "100", "4161230001"), later(e, "100", "4161230001")}
		miss := []string{later(e, "100", "4161230002"), later(e, "200", "4161230001")}
		others := later(rival, "100", "4161230001")
		wantStatus(t, "cancel_sm", cancel(e, "", "100", "4161230001"), smpp.StatusOK)
		for _, id := range hit {
			e.wantState(t, id, smpp.StateDeleted)
			e.wantReceipt(t, id, smpp.StateDeleted)
		}
		for _, id := range miss {
			e.wantState(t, id, smpp.StateEnroute)
		}
		rival.wantState(t, others, smpp.StateEnroute)
		wantStatus(t, "cancel_sm once more", cancel(e, "", "100", "4161230001"), smpp.StatusCancelFail)
		wantStatus(t, "cancel_sm of nothing", cancel(e, "", "100", "4169999999"), smpp.StatusCancelFail)
	})
	t.Run("another's", func(t *testing.T) {
		id := later(rival, "", "4161231234")
		wantStatus(t, "query_sm", queryFrom(e, id, ""), smpp.StatusInvMsgID)
		wantStatus(t, "cancel_sm", cancel(e, id, "", ""), smpp.StatusInvMsgID)
		rival.wantState(t, id, smpp.StateEnroute)
	})
	t.Run("never issued", func(t *testing.T) {
		for _, id := range []string{"1", "4294967295", "9999999999", "12a", "", "-1", "99999999999999999999"} {
			wantStatus(t, "query_sm of "+id, queryFrom(e, id, ""), smpp.StatusInvMsgID)
			if id != "" {
				wantStatus(t, "cancel_sm of "+id, cancel(e, id, "", ""), smpp.StatusInvMsgID)
			}
		}
	})
	t.Run("too late", func(t *testing.T) {
		id := e.submit(t, text("4161231234", "the phone has this"))
		e.wantReceipt(t, id, smpp.StateDelivered)
		wantStatus(t, "cancel_sm", cancel(e, id, "", ""), smpp.StatusCancelFail)
		e.wantState(t, id, smpp.StateDelivered)
	})
	e.wantNothing(t)
	rival.wantNothing(t)
}

func queryFrom(e *esme, id, from string) error {
	_, err := e.Query(id, smpp.Address{Addr: from})
	return err
}

// TestCancelBehindAnother cancels a message that waits for the modem while that sends another, and one that the modem
// has at that moment.
func TestCancelBehindAnother(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "3s")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)

	first := e.submit(t, text("4161231234", "first"))
	second := e.submit(t, text("4161231234", "second"))
	third := e.submit(t, text("4161231234", "third"))
	b.awaitState(t, first, "claimed")
	wantStatus(t, "cancel_sm of what the modem has", e.Cancel(&smpp.CancelSM{MessageID: first}), smpp.StatusCancelFail)
	wantStatus(t, "cancel_sm of what waits behind it", e.Cancel(&smpp.CancelSM{MessageID: second}), smpp.StatusOK)
	e.wantReceipt(t, second, smpp.StateDeleted)
	e.wantReceipt(t, first, smpp.StateDelivered)
	e.wantReceipt(t, third, smpp.StateDelivered)
	phones.wantCount(t, "4161231234", "first", 1)
	phones.wantCount(t, "4161231234", "second", 0)
	phones.wantCount(t, "4161231234", "third", 1)
}
