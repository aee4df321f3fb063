package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"smsgateway/modem"
	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// Rules of the hand-over (delivery-semantics, sections 7 and 8).
const (
	partsInTurn  = 5                // of one message, before other accounts have their turn
	mostRefusals = 5                // counted ones; then the message is undeliverable
	afterMishap  = time.Second      // pause after a hand-over that never began, so that a sick modem is not hammered
	soon         = 5 * time.Second  // a SIM that is busy
	later        = 15 * time.Minute // a SIM that is barred
)

// refusalWaits is how long a message waits after its first, second ... refusal; the last holds for all further ones.
var refusalWaits = [...]time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// errOtherSIM: the message was picked for one SIM, and by the time of the prompt the modem has another. Status reports
// would look for the message under the wrong one.
var errOtherSIM = errors.New("the SIM was changed meanwhile")

// dispatch gives one modem its work for as long as ctx lasts. Its errors are the store's: what can't be written down is
// not sent.
func (g *Gateway) dispatch(ctx context.Context, m *modem.Modem) error {
	for ctx.Err() == nil {
		who, err := m.Ready(ctx)
		if err != nil {
			return ctx.Err()
		}
		msg, err := g.queue.take(ctx, who.Line())
		if err != nil {
			return err
		}
		err = g.turn(ctx, m, who, msg)
		g.queue.putBack(msg)
		var idle *modem.NotSentError
		switch {
		case errors.As(err, &idle):
			if sleep(ctx, afterMishap) != nil {
				return ctx.Err()
			}
		case err != nil:
			return err
		}
	}
	return ctx.Err()
}

// turn hands over parts of one message until it is done, its turn is over or a part did not go. A *modem.NotSentError
// means that the modem did not take part at all; other errors are the store's.
func (g *Gateway) turn(ctx context.Context, m *modem.Modem, who modem.Identity, msg *store.Message) error {
	sent := 0
	for part := range msg.Parts {
		if msg.Parts[part].State != store.PartWaiting {
			continue
		}
		if sent == partsInTurn || ctx.Err() != nil {
			return nil
		}
		ok, err := g.handOver(ctx, m, who, msg, part)
		if err != nil || !ok {
			return err
		}
		sent++
	}
	return nil
}

// handOver gives one part to the modem and writes down what became of it. ok: it was sent, the next may follow.
func (g *Gateway) handOver(ctx context.Context, m *modem.Modem, who modem.Identity, msg *store.Message, part int) (ok bool, err error) {
	log := g.log.With("id", msg.ID, "part", part+1, "modem", m.Name())
	reports := m.Status().Reports
	tpdu, err := encodeTPDU(msg, part, reports, g.opt.Now())
	if err != nil {
		log.Error("can't be encoded", "err", err)
		return false, g.db.Reject(msg.ID, "it can't be encoded: "+err.Error(), g.opt.Now())
	}
	ref, err := m.Send(ctx, tpdu, func() error {
		if m.Status().Line() != who.Line() {
			return errOtherSIM
		}
		return g.db.Claim(msg.ID, part, m.Name(), who.Line(), g.opt.Now())
	})
	var notSent *modem.NotSentError
	var refused *modem.RefusedError
	var doubt *modem.UncertainError
	switch {
	case err == nil:
		if err := g.db.Sent(msg.ID, part, ref, reports, g.opt.Now()); err != nil {
			return false, fmt.Errorf("write down that message %s was sent: %w", msg.ID, err)
		}
		log.Info("sent", "ref", ref)
		return true, nil
	case errors.As(err, &notSent):
		return false, g.notSent(msg, part, notSent, log.Info)
	case errors.As(err, &refused):
		return false, g.refused(msg, part, refused.Cause, log.Info)
	case errors.As(err, &doubt):
		return false, g.doubt(msg, part, doubt, log.Warn)
	}
	return false, fmt.Errorf("modem %s: send message %s: %w", m.Name(), msg.ID, err)
}

// logFunc writes one line of a message's story.
type logFunc func(msg string, args ...any)

// notSent: the modem never had the part. If the store refused the claim, somebody cancelled the message or its time was
// over, and there is nothing more to do.
func (g *Gateway) notSent(msg *store.Message, part int, e *modem.NotSentError, log logFunc) error {
	var state *store.StateError
	switch {
	case errors.As(e.Cause, &state):
		log("not sent", "reason", state.Error())
		return nil
	case errors.Is(e.Cause, store.ErrFailed):
		return e.Cause
	case errors.Is(e.Cause, errOtherSIM):
		return nil // it goes back, and is picked for the SIM that is there
	}
	log("not sent", "reason", modem.Explain(e.Cause))
	if e.Claimed {
		if err := g.db.Unclaim(msg.ID, part, modem.Explain(e.Cause), afterMishap, g.opt.Now()); err != nil {
			return fmt.Errorf("write down that message %s was not sent: %w", msg.ID, err)
		}
	}
	return e
}

// refused writes down a clear no, with what follows from its class.
func (g *Gateway) refused(msg *store.Message, part int, cause error, log logFunc) error {
	if modem.Classify(cause) == modem.ClassDuplicate {
		return g.duplicate(msg, part, log)
	}
	r := refusal(cause, msg.Refusals)
	if r.Final != 0 {
		log("refused", "reason", r.Reason, "end", r.Final.String())
	} else {
		log("refused", "reason", r.Reason, "again_in", r.Wait.Round(time.Second).String())
	}
	if err := g.db.Refused(msg.ID, part, r, g.opt.Now()); err != nil {
		return fmt.Errorf("write down that message %s was refused: %w", msg.ID, err)
	}
	return nil
}

// duplicate: the SMSC says that it has this part already (TP-FCS 197). That proves a former try of ours which was
// uncertain; without such a try it proves nothing.
func (g *Gateway) duplicate(msg *store.Message, part int, log logFunc) error {
	const reason = "the network says that it has this message already"
	if err := g.db.Doubt(msg.ID, part, reason, g.opt.Now()); err != nil {
		return fmt.Errorf("write down that message %s is uncertain: %w", msg.ID, err)
	}
	if !msg.Duplicate {
		log("uncertain", "reason", reason)
		return nil
	}
	log("sent", "reason", reason)
	return g.db.Settle(msg.ID, part, true, msg.Parts[part].Ref, reason, g.opt.Now())
}

// doubt writes down that nobody knows. An error that the modem spoke, but that may hide a sent message ("suspect"), is
// a refusal to accounts that would rather have it sent twice than not at all (delivery-semantics, section 6).
func (g *Gateway) doubt(msg *store.Message, part int, e *modem.UncertainError, log logFunc) error {
	if e.Suspect {
		acct, err := g.db.AccountOfLane(msg.Lane)
		if err != nil {
			return fmt.Errorf("read the policy of message %s: %w", msg.ID, err)
		}
		if g.policy(acct) != store.PolicyNever {
			return g.refused(msg, part, e.Cause, log)
		}
	}
	log("uncertain", "reason", e.Reason)
	if err := g.db.Doubt(msg.ID, part, e.Reason, g.opt.Now()); err != nil {
		return fmt.Errorf("write down that message %s is uncertain: %w", msg.ID, err)
	}
	if after, err := g.db.Message(msg.ID); err == nil && after.State != store.Uncertain {
		log("settled by a status report that had come before", "state", after.State.String())
	}
	return nil
}

// refusal is the rule for each class of error (delivery-semantics, section 7). former is how often the message was
// refused before.
func refusal(cause error, former int) store.Refusal {
	r := store.Refusal{Reason: modem.Explain(cause), Wait: backOff(former)}
	r.ErrorCode, r.ErrorKind = errorCode(cause)
	switch modem.Classify(cause) {
	case modem.ClassDestination:
		r.Final = store.Undeliverable
	case modem.ClassMessage:
		r.Final = store.Rejected
	case modem.ClassBarred:
		r.Wait = later
		var cms modem.CMSError
		r.Counted = errors.As(cause, &cms) && cms == 21 // content filters use it too
	case modem.ClassNoService, modem.ClassSIM, modem.ClassMemory, modem.ClassModem:
		r.Wait = soon
	default: // network, suspect, unknown
		r.Counted = true
	}
	if r.Counted && former+1 >= mostRefusals {
		r.Final = store.Undeliverable
		r.Reason = fmt.Sprintf("refused %d times, the last time because %s", former+1, r.Reason)
	}
	return r
}

// backOff is the wait after one more refusal, ±20 % so that what was refused together does not come back together.
func backOff(former int) time.Duration {
	wait := refusalWaits[min(former, len(refusalWaits)-1)]
	return wait*4/5 + rand.N(wait*2/5)
}

// errorCode is what network_error_code says: network type 3, GSM, and the cause (SMPP 3.4 §5.3.2.31). Codes of the
// modem itself, from 300, are no network's.
func errorCode(cause error) (code uint16, kind uint8) {
	var cms modem.CMSError
	if errors.As(cause, &cms) && cms > 0 && cms < 300 {
		return uint16(cms), 3
	}
	return 0, 0
}

// encodeTPDU makes the SMS-SUBMIT of one part. What is left of the validity goes with it, so that the SMSC gives up when
// we would. The concatenation reference is the message_id's low octet: one higher with each message, and not the same
// again after a restart.
func encodeTPDU(m *store.Message, part int, report bool, now time.Time) ([]byte, error) {
	udh := m.UDH
	if len(m.Parts) > 1 {
		udh = sms.AppendUDH(nil, sms.Concat(uint16(m.ID&0xFF), false, uint8(len(m.Parts)), uint8(part+1)))
	}
	return sms.Submit{
		StatusReport: report,
		ReplyPath:    m.ESMClass&smpp.ESMClassReplyPath != 0,
		Destination:  m.Destination,
		PID:          m.ProtocolID,
		DCS:          m.DCS,
		Validity:     max(m.Expires.Sub(now), time.Minute),
		UDH:          udh,
		Data:         m.Parts[part].Data,
	}.Append(nil)
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
