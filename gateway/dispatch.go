package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/modem"
	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// Rules of the hand-over (delivery-semantics, sections 7 and 8).
const (
	partsInTurn  = 5 // of one message, before other accounts have their turn
	mostRefusals = 5 // counted ones; then the message is undeliverable
)

// holdNext is how long a message is kept ready behind one that the modem does not get done with. Then it goes back, and
// another modem may have it.
const holdNext = 10 * time.Second

// errOtherSIM: the message was picked for one SIM, and by the time of the prompt the modem has another. Status reports
// would look for the message under the wrong one.
var errOtherSIM = errors.New("the SIM was changed meanwhile")

// promptPatience is how long a modem is left at its prompt: some leave it by themselves after a minute. A disk that takes
// longer to make a claim last has the part go back, and nothing is sent.
const promptPatience = 20 * time.Second

// errSlowDisk: the claim was on disk too late, or the outcome of the part before was.
var errSlowDisk = errors.New("the disk took too long")

// errPartBefore: the part before this one did not go, so this one's time has not come.
var errPartBefore = errors.New("the part before it was not sent")

// handover is one part on its way through a modem. While one is on the air, the next waits behind it with everything
// ready but its claim.
type handover struct {
	*turn
	part int
	nth  int    // of its turn, from 1
	line string // the SIM that it was picked for
	form vpForm // how its TP-VP tells the end of validity

	ctx    context.Context
	revoke context.CancelFunc // gives it back, if it has no claim yet
	work   context.Context    // of the dispatch

	claimed chan struct{} // closed when it is on disk that the modem has it
	given   time.Time     // from claimed on: when that was
	late    bool          // the claim is on disk, but came too late
	done    chan struct{} // closed when its outcome is on disk, or it never went
	sent    bool          // from done on: the network took it
	mishap  bool          // from done on: the modem could not even begin
}

// turn holds one message, for as long as parts of it are handed over in a row. The message is as it was picked.
type turn struct {
	msg  *store.Message
	held atomic.Int32 // by the dispatcher, which may go on with it, and each open handover
	free func()
	drop func() // ends the dispatcher's hold; may be called again
}

// newTurn is held by the dispatcher. free is called when nobody holds it any more.
func newTurn(msg *store.Message, free func()) *turn {
	t := &turn{msg: msg, free: free}
	t.hold()
	t.drop = sync.OnceFunc(t.release)
	return t
}

func (t *turn) hold() { t.held.Add(1) }

func (t *turn) release() {
	if t.held.Add(-1) == 0 {
		t.free()
	}
}

// dispatch gives one modem its work for as long as ctx lasts. It keeps one part ready behind that on the air, so that the
// line never waits for us. Its errors are the store's: what can't be written down is not sent.
func (g *Gateway) dispatch(ctx context.Context, x *member) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var open sync.WaitGroup
	var before *handover
	for ctx.Err() == nil {
		h, err := g.pick(ctx, x, before)
		if err != nil {
			stop(err)
			break
		}
		onAir := before
		h.hold()
		open.Go(func() {
			defer h.revoke()
			err := g.handOver(x, h, onAir)
			close(h.done)
			h.release()
			if err != nil {
				stop(err)
			}
		})
		h.underWay(onAir, g.holdNext)
		before = h
	}
	if before != nil {
		before.drop()
	}
	open.Wait()
	return context.Cause(ctx)
}

// pick chooses what the modem is given next: the next part of the message that it has, or another message. It waits
// until there is one, and the modem is ready for it. It ends the hold on the message before, unless it goes on with it.
func (g *Gateway) pick(ctx context.Context, x *member, before *handover) (*handover, error) {
	if before != nil {
		if part, ok := before.next(); ok {
			return newHandover(ctx, before.turn, part, before.nth+1, before.line), nil
		}
		before.drop()
		if before.failed() && sleep(ctx, g.opt.Waits.Mishap) != nil {
			return nil, ctx.Err()
		}
	}
	for {
		who, err := x.Ready(ctx)
		if err != nil {
			return nil, err
		}
		msg, err := g.queue.take(ctx, x, who.Line())
		if errors.Is(err, errOtherSIM) {
			continue
		}
		if err != nil {
			return nil, err
		}
		part := slices.IndexFunc(msg.Parts, func(p store.Part) bool { return p.State == store.PartWaiting })
		t := newTurn(msg, func() { g.queue.putBack(msg) })
		if st := x.Status(); part >= 0 && canSend(st) && st.Line() == who.Line() {
			return newHandover(ctx, t, part, 1, who.Line()), nil
		}
		t.drop()
	}
}

func canSend(st modem.Status) bool {
	return st.State == modem.StateReady || st.State == modem.StateSending
}

func newHandover(ctx context.Context, t *turn, part, nth int, line string) *handover {
	h := &handover{turn: t, part: part, nth: nth, line: line, work: ctx, claimed: make(chan struct{}), done: make(chan struct{})}
	h.ctx, h.revoke = context.WithCancel(ctx)
	return h
}

// next is the part of the same message that follows in the same turn.
func (h *handover) next() (part int, ok bool) {
	select {
	case <-h.claimed:
	default:
		return 0, false
	}
	select {
	case <-h.done:
		if !h.sent {
			return 0, false
		}
	default:
	}
	if h.nth == partsInTurn {
		return 0, false
	}
	for part := h.part + 1; part < len(h.msg.Parts); part++ {
		if h.msg.Parts[part].State == store.PartWaiting {
			return part, true
		}
	}
	return 0, false
}

// open tells whether a hand-over has not come to its end; nil is none.
func (h *handover) open() bool {
	if h == nil {
		return false
	}
	select {
	case <-h.done:
		return false
	default:
		return true
	}
}

// failed tells whether the hand-over is over because the modem could not begin.
func (h *handover) failed() bool {
	select {
	case <-h.done:
		return h.mishap
	default:
		return false
	}
}

// underWay waits until the modem has the part, or it certainly will not get it. What has to wait for too long behind
// the one on the air is given back; then nothing is made ready before that one is done.
func (h *handover) underWay(onAir *handover, hold time.Duration) {
	if onAir == nil {
		select {
		case <-h.claimed:
		case <-h.done:
		}
		return
	}
	if onAir.turn == h.turn {
		hold = math.MaxInt64 // no other modem could have it
	}
	late := time.NewTimer(hold)
	defer late.Stop()
	select {
	case <-h.claimed:
		return
	case <-h.done:
	case <-late.C:
		select {
		case <-onAir.done: // it is only the modem that is slow
		default:
			h.revoke()
		}
		select {
		case <-h.claimed:
			return
		case <-h.done:
		}
	}
	h.drop() // others may have it now
	<-onAir.done
}

// handOver gives one part to the modem and writes down what became of it. onAir is the one that the modem was given
// before, nil for none.
func (g *Gateway) handOver(x *member, h, onAir *handover) error {
	log := g.log.With("id", h.msg.ID, "part", h.part+1, "modem", x.Name())
	reports := x.Status().Reports
	now := g.opt.Now()
	round := x.rules().RoundValidity || g.clockDoubted()
	h.form = g.validities.form(h.msg, h.line, round, onAir.open(), now)
	tpdu, err := g.encodeTPDU(h.msg, h.part, reports, h.form, now)
	if err != nil {
		if onAir != nil {
			<-onAir.done
		}
		log.Error("can't be encoded", "err", err)
		err := g.writeDown(h.work, func() error {
			return g.db.Reject(h.msg.ID, "it can't be encoded: "+err.Error(), g.opt.Now())
		})
		if errors.Is(err, store.ErrGone) {
			return nil
		}
		return err
	}
	ref, err := x.Send(h.ctx, tpdu, func() error { return g.claim(x, h, onAir) })
	var notSent *modem.NotSentError
	var refused *modem.RefusedError
	var doubt *modem.UncertainError
	switch {
	case err == nil:
		now := g.opt.Now()
		if err := g.writeDown(h.work, func() error { return g.db.Sent(h.msg.ID, h.part, ref, reports, now) }); err != nil {
			return fmt.Errorf("write down that message %s was sent: %w", h.msg.ID, err)
		}
		h.sent = true
		g.open.known(x.Name())
		g.pool.well(h.line, h.msg.ID)
		g.validities.sent(h.msg.ID, h.line, h.form, log)
		args := []any{"ref", ref}
		if missed := g.pool.standsInFor(x, h.msg); missed != "" {
			args = append(args, "instead_of", missed)
		}
		log.Info("sent", args...)
		return nil
	case errors.As(err, &notSent):
		return g.notSent(x, h, notSent, log)
	case errors.As(err, &refused):
		return g.refused(x, h, refused.Cause, log)
	case errors.As(err, &doubt):
		return g.doubt(x, h, doubt, log)
	}
	return fmt.Errorf("modem %s: send message %s: %w", x.Name(), h.msg.ID, err)
}

// claim is called at the modem's prompt: the last moment at which a cancel, a pause or the fate of the part before may
// still hold this one back. The outcome of the part before is on disk first: there is one open claim a line at most.
func (g *Gateway) claim(x *member, h, onAir *handover) error {
	asked := time.Now()
	if onAir != nil {
		late := time.NewTimer(promptPatience)
		defer late.Stop()
		select {
		case <-onAir.done:
		case <-h.ctx.Done():
		case <-late.C:
			return errSlowDisk
		}
	}
	x.pausing.Lock() // a pause is told when nothing can begin any more
	defer x.pausing.Unlock()
	now := g.opt.Now()
	switch {
	case h.ctx.Err() != nil:
		return h.ctx.Err()
	case onAir != nil && onAir.turn == h.turn && !onAir.sent:
		return errPartBefore
	case x.Status().Line() != h.line:
		return errOtherSIM
	case g.pool.heldBack(x, h.line, h.nth > 1, now) != "":
		return errHeldBack
	}
	err := g.db.ClaimAsPicked(h.msg, h.part, x.Name(), h.line, x.limits(), now)
	if err != nil {
		return err
	}
	if time.Since(asked) > promptPatience {
		h.late = true
		return errSlowDisk
	}
	h.given = now
	close(h.claimed)
	return nil
}

// notSent: the modem never had the part. If the store refused the claim, somebody cancelled the message or its time was
// over, and there is nothing more to do; if it was held back, it waits as before.
func (g *Gateway) notSent(x *member, h *handover, e *modem.NotSentError, log *slog.Logger) error {
	var state *store.StateError
	var budget *store.BudgetError
	switch {
	case errors.As(e.Cause, &state):
		log.Info("not sent", "reason", state.Error())
		return nil
	case errors.Is(e.Cause, store.ErrFailed):
		return e.Cause
	case errors.Is(e.Cause, errSlowDisk):
		log.Warn("not sent", "reason", errSlowDisk.Error())
		if !h.late {
			return nil
		}
		return g.unclaim(h, errSlowDisk.Error())
	case errors.As(e.Cause, &budget):
		g.pool.spentUntil(x, budget)
		return nil
	case errors.Is(e.Cause, errOtherSIM), errors.Is(e.Cause, errPartBefore), errors.Is(e.Cause, errHeldBack),
		errors.Is(e.Cause, store.ErrDiskFull):
		return nil // it goes back, and is picked when and where it fits
	case !e.Claimed && (h.ctx.Err() != nil || errors.Is(e.Cause, modem.ErrNotReady)):
		return nil // its turn had not come
	}
	h.mishap = true
	g.pool.failed(h.msg.ID)
	reason := modem.Explain(e.Cause)
	log.Info("not sent", "reason", reason)
	if e.Claimed {
		return g.unclaim(h, reason)
	}
	return nil
}

// unclaim writes down that the modem was not given the part after all.
func (g *Gateway) unclaim(h *handover, reason string) error {
	err := g.writeDown(h.work, func() error {
		return g.db.Unclaim(h.msg.ID, h.part, reason, g.opt.Waits.Mishap, g.opt.Now())
	})
	if err != nil {
		return fmt.Errorf("write down that message %s was not sent: %w", h.msg.ID, err)
	}
	return nil
}

// refused writes down a clear no, with what follows from its class for the message and for the SIM.
func (g *Gateway) refused(x *member, h *handover, cause error, log *slog.Logger) error {
	if modem.Classify(cause) == modem.ClassDuplicate {
		return g.duplicate(h, log)
	}
	g.open.known(x.Name())
	r := refusal(cause, h.msg.Refusals, g.opt.Waits)
	if g.validities.refused(h.msg.ID, h.line, h.form, cause, log) {
		r.Final, r.Counted, r.Wait = 0, false, 0
		r.Reason = fmt.Sprintf("%v: its validity is told in another form now", cause)
	} else {
		g.pool.learn(x, h.line, h.msg, cause, &r, g.log)
	}
	if r.Final != 0 && r.Counted && h.msg.PerhapsSent(h.part) { // no refusal was about the try that may have been sent
		r.Final = store.Unknown
	}
	if r.Final != 0 {
		log.Info("refused", "reason", r.Reason, "end", r.Final.String())
	} else {
		log.Info("refused", append([]any{"reason", r.Reason}, g.again(x, h, r.Wait)...)...)
	}
	now := g.opt.Now()
	if err := g.writeDown(h.work, func() error { return g.db.Refused(h.msg.ID, h.part, r, now) }); err != nil {
		return fmt.Errorf("write down that message %s was refused: %w", h.msg.ID, err)
	}
	return nil
}

// again says for the log when a message that has to wait so long may be tried again. If no other modem can take it, that
// is not before its own has been left alone for long enough.
func (g *Gateway) again(x *member, h *handover, wait time.Duration) []any {
	now := g.opt.Now()
	alone := g.pool.alone(h.line, now)
	words := func(d time.Duration) string { return d.Round(time.Second).String() }
	switch {
	case alone <= 0:
		return []any{"again_in", words(wait)}
	case g.pool.elsewhere(x, h.msg, now):
		return []any{"again_in", words(wait), "modem_left_alone_for", words(alone)}
	}
	return []any{"again_in", words(max(wait, alone)), "modem_left_alone_for", words(alone)}
}

// duplicate: the SMSC says that it has this part already (TP-FCS 197). That proves a former try of this part which was
// uncertain; without such a try it proves nothing.
func (g *Gateway) duplicate(h *handover, log *slog.Logger) error {
	const reason = "the network says that it has this message already"
	if err := g.writeDown(h.work, func() error { return g.db.Doubt(h.msg.ID, h.part, reason, g.opt.Now()) }); err != nil {
		return fmt.Errorf("write down that message %s is uncertain: %w", h.msg.ID, err)
	}
	if !h.msg.PerhapsSent(h.part) {
		log.Info("uncertain", "reason", reason)
		return nil
	}
	log.Info("sent", "reason", reason)
	err := g.writeDown(h.work, func() error {
		return g.db.Settle(h.msg.ID, h.part, true, h.msg.Parts[h.part].Ref, reason, g.opt.Now())
	})
	var settled *store.StateError
	if errors.As(err, &settled) { // by a report that had come before
		return nil
	}
	return err
}

// doubt writes down that nobody knows. An error that the modem spoke, but that may hide a sent message ("suspect"), is
// a refusal to accounts that would rather have it sent twice than not at all (delivery-semantics, section 6).
func (g *Gateway) doubt(x *member, h *handover, e *modem.UncertainError, log *slog.Logger) error {
	if e.Suspect {
		acct, err := g.db.AccountOfLane(h.msg.Lane)
		if err != nil {
			return fmt.Errorf("read the policy of message %s: %w", h.msg.ID, err)
		}
		if g.policy(acct) != store.PolicyNever {
			return g.suspect(x, h, e.Cause, log)
		}
	}
	g.open.doubt(x.Name(), openText{h.given, h.msg.ID, h.part})
	log.Warn("uncertain", "reason", e.Reason)
	if err := g.writeDown(h.work, func() error { return g.db.Doubt(h.msg.ID, h.part, e.Reason, g.opt.Now()) }); err != nil {
		return fmt.Errorf("write down that message %s is uncertain: %w", h.msg.ID, err)
	}
	if after, err := g.db.Message(h.msg.ID); err == nil && after.State != store.Uncertain {
		log.Warn("settled by a status report that had come before", "state", after.State.String())
	}
	return nil
}

// suspect writes down that the modem gave the part up. Before it is tried again a status report has time to say that it
// was sent all the same, whatever the error is about; after the last try it is in doubt like any other.
func (g *Gateway) suspect(x *member, h *handover, cause error, log *slog.Logger) error {
	r := refusal(cause, h.msg.Refusals, g.opt.Waits)
	g.pool.learn(x, h.line, h.msg, cause, &r, g.log)
	g.validities.suspect(h.msg.ID, h.line, h.form)
	r.Wait = max(r.Wait, g.opt.Waits.backOff(h.msg.Refusals))
	g.open.doubt(x.Name(), openText{h.given, h.msg.ID, h.part})
	if r.Final != 0 {
		log.Warn("uncertain", "reason", r.Reason)
	} else {
		log.Info("probably not sent", append([]any{"reason", r.Reason}, g.again(x, h, r.Wait)...)...)
	}
	now := g.opt.Now()
	err := g.writeDown(h.work, func() error {
		if r.Final != 0 {
			return g.db.Doubt(h.msg.ID, h.part, r.Reason, now)
		}
		return g.db.Suspect(h.msg.ID, h.part, r, now)
	})
	if err != nil {
		return fmt.Errorf("write down that message %s is uncertain: %w", h.msg.ID, err)
	}
	return nil
}

// refusal is the rule for each class of error (delivery-semantics, section 7). former is how often the message was
// refused before.
func refusal(cause error, former int, waits Waits) store.Refusal {
	r := store.Refusal{Reason: modem.Explain(cause), Wait: waits.backOff(former)}
	r.ErrorCode, r.ErrorKind = errorCode(cause)
	class := modem.Classify(cause)
	r.Untaken = class != modem.ClassSuspect && class != modem.ClassUnknown
	switch class {
	case modem.ClassDestination:
		r.Final = store.Undeliverable
	case modem.ClassMessage:
		r.Final = store.Rejected
	case modem.ClassBarred:
		r.Wait = waits.Barred
		var cms modem.CMSError
		r.Counted = errors.As(cause, &cms) && cms == 21 // content filters use it too
	case modem.ClassNoService, modem.ClassSIM, modem.ClassMemory, modem.ClassModem:
		r.Wait = waits.Soon
	default: // network, suspect, unknown
		r.Counted = true
	}
	if r.Counted && former+1 >= mostRefusals {
		r.Final = store.Undeliverable
		r.Reason = fmt.Sprintf("refused %d times, the last time because %s", former+1, r.Reason)
	}
	return r
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
func (g *Gateway) encodeTPDU(m *store.Message, part int, report bool, form vpForm, now time.Time) ([]byte, error) {
	udh, err := partHeader(m, part)
	if err != nil {
		return nil, err
	}
	p := sms.Submit{
		StatusReport: report,
		ReplyPath:    m.ESMClass&smpp.ESMClassReplyPath != 0,
		Destination:  m.Destination,
		PID:          m.ProtocolID,
		DCS:          m.DCS,
		UDH:          udh,
		Data:         m.Parts[part].Data,
	}
	setValidity(&p, form, m.Expires, g.opt.Zone, now)
	return p.Append(nil)
}

// partHeader is the header of one part: what all have in common, behind the concatenation if there are several.
func partHeader(m *store.Message, part int) ([]byte, error) {
	if len(m.Parts) == 1 {
		return m.UDH, nil
	}
	elems := []sms.Element{sms.Concat(uint16(m.ID&0xFF), false, uint8(len(m.Parts)), uint8(part+1))}
	if len(m.UDH) > 0 {
		common, err := sms.ParseUDH(m.UDH)
		if err != nil {
			return nil, err
		}
		elems = append(elems, common...)
	}
	return sms.AppendUDH(nil, elems...), nil
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
