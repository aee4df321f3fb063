package e2e

import (
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
)

// TestRefusals sends what submit_sm must not say, and wants the status that names the fault. The box has no modem:
// nothing of this depends on one.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	e := b.bind(t, "shop")

	to := func(number string) smpp.SubmitSM {
		return smpp.SubmitSM{Destination: smpp.Address{Addr: number}, ShortMessage: []byte("x")}
	}
	with := func(change func(*smpp.SubmitSM)) smpp.SubmitSM {
		p := to("4161231234")
		change(&p)
		return p
	}
	for _, row := range []struct {
		name   string
		submit smpp.SubmitSM
		want   smpp.Status
	}{
		{"a number as people write it", to("(416) 123-1234"), smpp.StatusInvDstAdr},
		{"the same in digits", to("4161231234"), smpp.StatusOK},
		{"with a plus", to("+14161231234"), smpp.StatusOK},
		{"two pluses", to("++14161231234"), smpp.StatusInvDstAdr},
		{"a blank behind", to("4161231234 "), smpp.StatusInvDstAdr},
		{"hyphens", to("416-123-1234"), smpp.StatusInvDstAdr},
		{"letters", to("Shop"), smpp.StatusInvDstAdr},
		{"no number", to(""), smpp.StatusInvDstAdr},
		{"a plus alone", to("+"), smpp.StatusInvDstAdr},
		{"20 digits", to(strings.Repeat("1", 20)), smpp.StatusOK},
		{"an alphanumeric TON", with(func(p *smpp.SubmitSM) { p.Destination.TON = 5 }), smpp.StatusInvDstAdr},
		{"a TON that is none", with(func(p *smpp.SubmitSM) { p.Destination.TON = 7 }), smpp.StatusInvDstTON},
		{"transaction mode", with(func(p *smpp.SubmitSM) { p.ESMClass = 2 }), smpp.StatusInvESMClass},
		{"priority 4", with(func(p *smpp.SubmitSM) { p.PriorityFlag = 4 }), smpp.StatusInvPrtFlg},
		{"replace_if_present", with(func(p *smpp.SubmitSM) { p.ReplaceIfPresentFlag = 1 }), smpp.StatusOK},
		{"replace_if_present 2", with(func(p *smpp.SubmitSM) { p.ReplaceIfPresentFlag = 2 }), smpp.StatusInvRepFlag},
		{"a canned message", with(func(p *smpp.SubmitSM) { p.SMDefaultMsgID = 1 }), smpp.StatusInvDftMsgID},
		{"a schedule that is none", with(func(p *smpp.SubmitSM) { p.ScheduleDeliveryTime = "tomorrow, please" }), smpp.StatusInvSched},
		{"a validity that is none", with(func(p *smpp.SubmitSM) { p.ValidityPeriod = "for a long while" }), smpp.StatusInvExpiry},
		{"a validity in the past", with(func(p *smpp.SubmitSM) { p.ValidityPeriod = smpp.FormatTime(time.Now().Add(-time.Hour)) }), smpp.StatusInvExpiry},
		{"a validity before the schedule", with(func(p *smpp.SubmitSM) {
			p.ScheduleDeliveryTime, p.ValidityPeriod = "000000020000000R", "000000010000000R"
		}), smpp.StatusInvExpiry},
		{"short_message and message_payload", with(func(p *smpp.SubmitSM) { p.TLVs = payload([]byte("y")) }), smpp.StatusInvMsgLen},
		{"an impossible sar_segment_seqnum", with(func(p *smpp.SubmitSM) {
			p.TLVs = smpp.TLVs{
				{Tag: smpp.TagSarMsgRefNum, Value: []byte{0, 1}},
				{Tag: smpp.TagSarTotalSegments, Value: []byte{2}},
				{Tag: smpp.TagSarSegmentSeqnum, Value: []byte{3}},
			}
		}), smpp.StatusInvOptParamVal},
		{"a TLV that nobody knows", with(func(p *smpp.SubmitSM) { p.TLVs = smpp.TLVs{{Tag: 0x1501, Value: []byte("x")}} }), smpp.StatusOK},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := e.Submit(&row.submit)
			wantStatus(t, "submit_sm", err, row.want)
		})
	}
	if err := e.EnquireLink(); err != nil {
		t.Errorf("the session did not outlive it: %v", err)
	}
}

// TestValidity lets a message's time run out while no modem is there.
func TestValidity(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	p := text("4161231234", "too late")
	p.ValidityPeriod = "000000000002000R"
	id := e.submit(t, p)
	e.wantState(t, id, smpp.StateEnroute)
	e.wantReceipt(t, id, smpp.StateExpired)
	e.wantState(t, id, smpp.StateExpired)
	wantStatus(t, "cancel_sm of an expired message", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusCancelFail)
}

// TestKeep wants a status for as long as messages.keep says, and ESME_RQUERYFAIL after.
func TestKeep(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port, messages: []string{`keep = "3s"`}})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	id := e.submit(t, text("4161231234", "hello"))
	e.wantReceipt(t, id, smpp.StateDelivered)
	e.wantState(t, id, smpp.StateDelivered)
	eventually(t, "query_sm to be refused", func() (bool, string) {
		resp, err := e.Query(id, smpp.Address{})
		if err == nil {
			return false, resp.MessageState.String()
		}
		wantStatus(t, "query_sm after messages.keep", err, smpp.StatusQueryFail)
		return true, ""
	})
	wantStatus(t, "cancel_sm after messages.keep", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusCancelFail)
}

// TestSchedule sends a message when its hour has come, not before.
func TestSchedule(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	due := time.Now().Add(3 * time.Second)
	p := text("4161231234", "in three seconds")
	p.ScheduleDeliveryTime = "000000000003000R"
	id := e.submit(t, p)
	e.wantReceipt(t, e.submit(t, text("4161231234", "at once")), smpp.StateDelivered)
	e.wantReceipt(t, id, smpp.StateDelivered)
	if m := b.message(t, id); m.Parts[0].Claimed.Before(due.Add(-100 * time.Millisecond)) {
		t.Errorf("it was due at %s and given to the modem at %s", due, m.Parts[0].Claimed)
	}
}
