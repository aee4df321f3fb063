package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// longest is how far ahead a message may be scheduled or valid: SMSCs keep none longer (63 weeks is the most that
// TP-VP can say, TS 23.040 §9.2.3.12.1).
const longest = 63 * 7 * 24 * time.Hour

// Submit takes in one message. It is checked and converted here; the submit_sm_resp goes out when it is on disk.
func (h *handler) Submit(_ context.Context, p *smpp.SubmitSM) (smpp.Submission, error) {
	acct, err := h.entitled()
	if err != nil {
		return nil, err
	}
	if err := h.admit(acct, 1); err != nil {
		return nil, err
	}
	return h.take(acct, p)
}

// entitled gives the account of a session that may still submit.
func (h *handler) entitled() (store.Account, error) {
	if h.barred.Load() {
		return store.Account{}, smpp.StatusInvBndSts
	}
	acct, err := h.account()
	if errors.Is(err, store.ErrNoAccount) { // it is being removed
		return acct, smpp.StatusInvBndSts
	}
	if err != nil {
		return acct, fmt.Errorf("read the account of session %d: %w", h.session.ID(), err)
	}
	if acct.Expired(h.g.opt.Now()) {
		return acct, smpp.StatusInvBndSts // the session is about to be ended
	}
	return acct, nil
}

// take checks a message that the account's rate has let in, and queues it.
func (h *handler) take(acct store.Account, p *smpp.SubmitSM) (smpp.Submission, error) {
	m, err := h.g.permitted(acct, p)
	once := h.g.once(acct, p, smpp.Destination{Address: p.Destination})
	if err == nil {
		return submission{h, m, h.g.enqueue(m, p.ReplaceIfPresentFlag == 1, once)}, nil
	}
	if accept := h.g.known(acct, once); accept != nil {
		return submission{h, nil, accept}, nil
	}
	return nil, h.refuseFor("", err)
}

// permitted makes the record of a submit_sm that the account may send. The errors are smpp.Status values, or hold one.
func (g *Gateway) permitted(acct store.Account, p *smpp.SubmitSM) (*store.Message, error) {
	m, err := g.message(acct, p)
	if err != nil {
		return nil, err
	}
	if err := g.permit(acct, m); err != nil {
		return nil, err
	}
	return m, nil
}

// submission waits for the commit that makes a message accepted.
type submission struct {
	h *handler
	m *store.Message // nil: it was accepted before
	*store.Accept
}

// Result implements smpp.Submission.
func (s submission) Result() (string, error) {
	id, err := s.Accept.Result()
	if err != nil {
		return "", s.h.unstored(err)
	}
	if s.Accept.Again() {
		s.h.log.Info("resubmitted", "id", id)
		return id.String(), nil
	}
	if old := s.Accept.Replaced(); old != 0 {
		s.h.log.Info("replaced", "id", old, "by", id)
	}
	s.h.g.logAccepted(s.h.log, id, s.m)
	return id.String(), nil
}

// unstored is the answer to an error of the store: a smpp.Status if the client can do something about it.
func (h *handler) unstored(err error) error {
	var limit *store.LimitError
	switch {
	case errors.Is(err, store.ErrNoAccount): // it was removed first
		return smpp.StatusInvBndSts
	case errors.Is(err, store.ErrDiskFull):
		h.g.diskFull.error(h.log, h.g.opt.Now(), "the disk is full: submit_sm is refused with ESME_RMSGQFUL until there is room; "+
			"what was accepted goes on")
		return smpp.StatusMsgQFul
	case errors.Is(err, store.ErrInDoubt):
		return answerless(err)
	case errors.Is(err, store.ErrMoved), errors.Is(err, store.ErrFailed):
		return smpp.StatusSysErr // the store has said so in the log
	case errors.As(err, &limit):
		// Kannel puts a text aside and tries it again after this one and ESME_RTHROTTLED, and throws it away after any other
		// status; after ESME_RTHROTTLED it goes on within a second, which helps nobody whose day is used up.
		return h.refuse(limit.Limit, smpp.StatusMsgQFul)
	case errors.Is(err, store.ErrNoIDs):
		h.log.Error("all message ids of ten digits have been given; nothing more can be accepted with this file: begin a new one in another data_dir")
		return smpp.StatusSysErr
	}
	return err
}

// answerless is an error of the store that leaves open whether a request was carried out. The client is told nothing: what
// gets an error must never be sent, and this may be found accepted at the next start.
func answerless(err error) error { return fmt.Errorf("%w: %w", smpp.ErrNoAnswer, err) }

// logAccepted says so, and whether the message waits in vain as the modems are configured.
func (g *Gateway) logAccepted(log *slog.Logger, id store.ID, m *store.Message) {
	args := []any{"id", id, "parts", len(m.Parts)}
	if g.pool.homeless(m) {
		log.Warn("accepted, but no modem is for it; it waits until its validity ends", args...)
		return
	}
	log.Info("accepted", args...)
}

// message makes the record of a submit_sm. The errors are smpp.Status values.
func (g *Gateway) message(acct store.Account, p *smpp.SubmitSM) (*store.Message, error) {
	if err := checkFields(p); err != nil {
		return nil, err
	}
	destination, err := destination(p.Destination)
	if err != nil {
		return nil, err
	}
	now := g.opt.Now()
	due, expires, err := g.times(p, now)
	if err != nil {
		return nil, err
	}
	rules := g.textRules(acct)
	c, err := convert(p, rules)
	g.hints.look(acct, rules.alphabet, p.DataCoding, c.raw, g.log)
	if err != nil {
		return nil, err
	}
	m := &store.Message{
		Account:            acct.Key,
		Lane:               acct.Lane,
		Source:             sms.Address{TON: sms.TON(p.Source.TON), NPI: sms.NPI(p.Source.NPI), Number: p.Source.Addr},
		Destination:        destination,
		ServiceType:        p.ServiceType,
		ESMClass:           p.ESMClass,
		ProtocolID:         p.ProtocolID,
		Priority:           p.PriorityFlag,
		RegisteredDelivery: p.RegisteredDelivery,
		DataCoding:         p.DataCoding,
		DCS:                c.dcs,
		UDH:                c.udh,
		Accepted:           now,
		Due:                due,
		Expires:            expires,
		Bounded:            p.ValidityPeriod != "",
		DueMoment:          moment(p.ScheduleDeliveryTime),
		ExpiresMoment:      moment(cmp.Or(p.ValidityPeriod, p.ScheduleDeliveryTime)),
		Preview:            c.preview,
		UserReference:      userReference(p.TLVs),
	}
	m.Parts = make([]store.Part, len(c.parts))
	for i, data := range c.parts {
		m.Parts[i].Data = data
	}
	return m, nil
}

// serviceUSSD is the service_type of a USSD dialogue (SMPP 3.4 §5.2.11). As a text it would reach the wrong thing.
const serviceUSSD = "USSD"

// checkFields refuses what the fields and optional parameters must not say (SMPP 3.4 §5.2).
func checkFields(p *smpp.SubmitSM) error {
	switch {
	case p.ServiceType == serviceUSSD:
		return smpp.StatusInvSerTyp
	case checkClass(p.ESMClass) != nil:
		return checkClass(p.ESMClass)
	case p.PriorityFlag > 3:
		return smpp.StatusInvPrtFlg
	case p.ReplaceIfPresentFlag > 1:
		return smpp.StatusInvRepFlag
	case p.SMDefaultMsgID != 0: // we have no canned texts
		return smpp.StatusInvDftMsgID
	case len(p.ShortMessage) > 254:
		return smpp.StatusInvMsgLen
	}
	return checkTLVs(p.TLVs)
}

// checkClass refuses modes and types of esm_class that a client must not give. The error holds ESME_RINVESMCLASS.
func checkClass(class uint8) error {
	switch {
	case class&smpp.ESMClassModeMask == smpp.ESMClassTransaction: // forward (transaction) mode is for data_sm
		return refuseText(smpp.StatusInvESMClass, "esm_class asks for transaction mode; there is store and forward only")
	case fromMC(class):
		return refuseText(smpp.StatusInvESMClass, "the type in esm_class is one that only a message centre gives")
	}
	return nil
}

// fromMC tells whether the type in esm_class is one that a message centre alone may give (SMPP 3.4 §5.2.12): a receipt that
// some program sends on to where it came from is not to be paid for as a text. Acknowledgements by the ESME, and types that
// do not exist, are texts as any other.
func fromMC(class uint8) bool {
	switch class & smpp.ESMClassTypeMask {
	case smpp.ESMClassReceipt, smpp.ESMClassIntermediate, smpp.ESMClassAbort:
		return true
	}
	return false
}

// shortCode is how many digits a short code has at most.
const shortCode = 6

// destination reads destination_addr: digits, and nothing else but a leading plus. TON 1 means international where the
// number can be one: clients that say 1/1 for everything also send short codes, which must go out as dialled.
func destination(a smpp.Address) (sms.Address, error) {
	number, err := sms.ParseNumber(a.Addr)
	if err != nil {
		return sms.Address{}, smpp.StatusInvDstAdr
	}
	if a.TON > 6 {
		return sms.Address{}, smpp.StatusInvDstTON
	}
	if a.TON == uint8(sms.TONAlphanumeric) {
		return sms.Address{}, smpp.StatusInvDstAdr
	}
	if a.TON == uint8(sms.TONInternational) && len(number.Number) > shortCode {
		number.TON, number.NPI = sms.TONInternational, sms.NPIISDN
	}
	return number, nil
}

// times reads schedule_delivery_time and validity_period. A schedule in the past means now (sheet section 10).
func (g *Gateway) times(p *smpp.SubmitSM, now time.Time) (due, expires time.Time, err error) {
	due, err = smpp.ParseTime(p.ScheduleDeliveryTime, now)
	if err != nil || due.After(now.Add(longest)) {
		return due, expires, smpp.StatusInvSched
	}
	if !due.After(now) {
		due = time.Time{}
	}
	expires, err = smpp.ParseTime(p.ValidityPeriod, now)
	if err != nil || expires.After(now.Add(longest)) {
		return due, expires, smpp.StatusInvExpiry
	}
	if expires.IsZero() {
		from := now
		if !due.IsZero() {
			from = due
		}
		return due, from.Add(g.defaults().Validity), nil
	}
	if !expires.After(now) || !due.IsZero() && !expires.After(due) {
		return due, expires, smpp.StatusInvExpiry
	}
	return due, expires, nil
}

// moment tells whether a time of a client is a date, not so long from now: it stays when our clock is set right.
func moment(s string) bool { return s != "" && !strings.HasSuffix(s, "R") }

func (g *Gateway) maxParts(a store.Account) int {
	if a.MaxParts != 0 {
		return a.MaxParts
	}
	return g.defaults().MaxParts
}

func (g *Gateway) alphabet(a store.Account) string {
	if a.Alphabet != "" {
		return a.Alphabet
	}
	return g.defaults().Alphabet
}

func (g *Gateway) policy(a store.Account) store.UncertainPolicy {
	if a.Uncertain != "" {
		return a.Uncertain
	}
	return store.UncertainPolicy(g.defaults().Uncertain)
}
