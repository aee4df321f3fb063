package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"smsgateway/modem"
	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// SendText queues a text as an operator types it, and returns when it is on disk. account is an Account Key, "" the
// built-in one: its limits of queue, day and month hold (*store.LimitError), those of clients, as rate and destinations,
// do not, and for one that is disabled or has expired nothing is queued (*AccountError); to is a number, blanks, hyphens,
// dots and parentheses in it are dropped: people write it so. An *InputError names what is wrong with number or text.
func (g *Gateway) SendText(_ context.Context, account, to, text string) (store.ID, error) {
	number, err := sms.ParseNumber(dialled(to))
	if err != nil {
		return 0, &InputError{"number", fmt.Sprintf("%q can't be dialled: %v", to, err)}
	}
	if text == "" {
		return 0, &InputError{"text", "is empty"}
	}
	var acct store.Account
	if account == "" {
		acct, err = g.operator()
	} else {
		acct, err = g.db.Account(account)
	}
	if err != nil {
		return 0, err
	}
	if err := mayQueue(acct, g.opt.Now()); err != nil {
		return 0, err
	}
	rules := g.textRules(acct)
	e, sent, err := rules.encode(plain(text), 0, true)
	if err != nil {
		why := new(contentError)
		errors.As(err, &why)
		return 0, &AccountError{fmt.Sprintf("text: %s; account %s has such texts refused (account set --unencodable)",
			why.why, acct.Key)}
	}
	if len(e.Parts) > rules.maxParts {
		return 0, &AccountError{fmt.Sprintf("text: needs %d parts in %s; account %s may send %d (account set --max-parts)",
			len(e.Parts), e.Alphabet, acct.Key, rules.maxParts)}
	}
	now := g.opt.Now()
	m := &store.Message{
		Account: acct.Key, Lane: acct.Lane, Destination: number, Accepted: now, Expires: now.Add(g.defaults().Validity),
		Preview: preview(sent), Parts: make([]store.Part, len(e.Parts)),
	}
	if e.Alphabet == sms.UCS2 {
		m.DCS = 0x08
	}
	if elems := e.Shift.Elements(); len(elems) > 0 {
		m.UDH = sms.AppendUDH(nil, elems...)
	}
	for i, data := range e.Parts {
		m.Parts[i].Data = data
	}
	accept := g.db.Enqueue(m)
	<-accept.Done()
	id, err := accept.Result()
	if err != nil {
		return 0, err
	}
	g.logAccepted(g.log.With("system_id", acct.Key), id, m)
	return id, nil
}

// AccountError: an account does not allow what is right in itself, or not now. It is a sentence without its full stop.
type AccountError struct{ Why string }

func (e *AccountError) Error() string { return e.Why }

// mayQueue refuses texts for an account that is barred: they would wait until somebody remembers it, or their validity is
// over, and whoever sent them would not hear of it. Its clients can't submit either.
func mayQueue(acct store.Account, now time.Time) error {
	switch {
	case acct.Disabled:
		return &AccountError{fmt.Sprintf("account %s is disabled, so nothing was queued: the text would not go out; "+
			"see smsgateway account enable", acct.Key)}
	case acct.Expired(now):
		return &AccountError{fmt.Sprintf("account %s expired at %s, so nothing was queued: the text would not go out; "+
			"see smsgateway account set --expires", acct.Key, clock(acct.Expires))}
	}
	return nil
}

// dialled drops what people put between digits.
func dialled(number string) string {
	return strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "").Replace(number)
}

// Message reads any message. Errors as store.DB.Message.
func (g *Gateway) Message(id store.ID) (*store.Message, error) { return g.db.Message(id) }

// Messages lists messages, the newest first.
func (g *Gateway) Messages(f store.Filter) ([]*store.Message, error) { return g.db.Messages(f) }

// SearchMessages is Messages for about that long: see store.SearchMessages.
func (g *Gateway) SearchMessages(f store.Filter, most time.Duration) ([]*store.Message, store.ID, error) {
	return g.db.SearchMessages(f, most)
}

// Counts tells how many messages are in each state, at the same cost however many there are.
func (g *Gateway) Counts() (map[store.State]uint64, error) { return g.db.Counts(0) }

// Disk tells how much room there is on the disk, and in the file.
func (g *Gateway) Disk() (store.DiskRoom, error) { return g.db.Disk() }

// Inbox lists texts from phones, the newest first.
func (g *Gateway) Inbox(f store.InboxFilter) ([]store.Inbound, error) { return g.db.Inbox(f) }

// WaitingTexts lists the long texts from phones that wait for parts, and are not in the inbox yet.
func (g *Gateway) WaitingTexts(limit int) ([]store.WaitingText, error) {
	return g.db.WaitingTexts(limit)
}

// CancelMessage does for the operator what CANCEL_SM does for the account: *store.StateError if it is too late.
func (g *Gateway) CancelMessage(id store.ID) error {
	m, err := g.db.Message(id)
	if err != nil {
		return err
	}
	if err := g.db.Cancel(m.Lane, id, g.opt.Now()); err != nil {
		return err
	}
	g.log.Info("cancelled by the operator", "id", id)
	return nil
}

// Modems tells how each modem is, in the order of the configuration.
func (g *Gateway) Modems() []modem.Status {
	list := make([]modem.Status, len(g.pool.members()))
	for i, x := range g.pool.members() {
		list[i] = x.Status()
	}
	return list
}

// Text gives a message's text as people read it; binary in hexadecimal. A client's own UDH is left out.
func (g *Gateway) Text(m *store.Message) string {
	parts := make([][]byte, len(m.Parts))
	for i := range m.Parts {
		parts[i] = m.Parts[i].Data
	}
	return readText(m.DCS, m.UDH, parts)
}

// Why answers "why is my message not out?" and its like in one sentence or two: where it is, and what happens next.
func (g *Gateway) Why(m *store.Message) string {
	now := g.opt.Now()
	switch m.State {
	case store.Queued, store.Partial:
		return g.whyWaiting(m, now)
	case store.Claimed:
		return whyClaimed(m)
	case store.Uncertain:
		return g.whyUncertain(m)
	case store.Sent:
		if slices.ContainsFunc(m.Parts, func(p store.Part) bool { return p.State == store.PartUnknown }) {
			return "The network took some of its parts; the phone's confirmation of these is awaited. Of the others: " +
				strings.TrimSuffix(m.Reason, ".") + "."
		}
		return "The network took it at " + clock(m.SentAt) + "; the phone's confirmation is awaited."
	case store.Accepted:
		return "The network took it at " + clock(m.SentAt) + ". This modem gives no status reports, so nobody knows whether the phone has it."
	case store.Delivered:
		return "The phone has it since " + clock(m.EndedAt) + "."
	case store.Deleted:
		if by, ok := strings.CutPrefix(m.Reason, store.ReplacedBy); ok {
			return "It was replaced at " + clock(m.EndedAt) + " by message " + by + "."
		}
		return "It was cancelled at " + clock(m.EndedAt) + ", before any modem had it."
	}
	return fmt.Sprintf("It ended as %s at %s: %s.", m.State, clock(m.EndedAt), strings.TrimSuffix(m.Reason, "."))
}

// whyUncertain tells what becomes of a message in doubt, and when.
func (g *Gateway) whyUncertain(m *store.Message) string {
	reason := strings.TrimSuffix(m.Reason, ".")
	if m.Held {
		return fmt.Sprintf("It is held: %s. It is not sent by itself. If no evidence has come by %s, it ends as unknown; before, "+
			"`smsgateway message retry %s` sends it, perhaps a second time, and `smsgateway message close %s --as sent|failed` ends it.",
			reason, clock(m.DoubtEnds), m.ID, m.ID)
	}
	const doubt = "A modem had it and then gave no answer (%s). It may or may not have been sent. " +
		"If no evidence has come by %s, it "
	acct, err := g.db.AccountOfLane(m.Lane)
	policy := g.policy(acct)
	switch again := m.AgainBy(policy, m.DoubtEnds); {
	case err != nil:
		return fmt.Sprintf(doubt+"is for the account's policy to decide.", reason, clock(m.DoubtEnds))
	case again && m.Suspect:
		return "The modem gave it up (" + reason + "). Most likely it was not sent: it is sent again at " + clock(m.DoubtEnds) +
			", unless a status report shows before that it was."
	case again:
		return fmt.Sprintf(doubt+"is sent once more: the account's policy is %s.", reason, clock(m.DoubtEnds), policy)
	}
	return fmt.Sprintf(doubt+"ends as unknown and is not sent again: the account's policy is %s.", reason, clock(m.DoubtEnds), policy)
}

// claimMost is about how long a modem may have a text before the network's answer counts as missing (Timing.Result).
const claimMost = 3 * time.Minute

// whyClaimed tells which modem has a message.
func whyClaimed(m *store.Message) string {
	for _, p := range m.Parts {
		if p.State == store.PartClaimed {
			return fmt.Sprintf("Modem %s has it since %s; its answer is awaited until about %s.", p.Modem, clock(p.ClaimedAt),
				clock(p.ClaimedAt.Add(claimMost)))
		}
	}
	return "A modem has it at this moment; its answer is awaited."
}

func (g *Gateway) whyWaiting(m *store.Message, now time.Time) string {
	until := " The message is given up at " + clock(m.Expires) + "."
	var because string
	if strings.HasPrefix(m.Reason, store.ToBeSentAgain) {
		because = " It is " + strings.TrimSuffix(m.Reason, ".") + "."
	} else if m.Reason != "" {
		because = " The last time: " + strings.TrimSuffix(m.Reason, ".") + "."
	}
	switch acct, err := g.db.AccountOfLane(m.Lane); {
	case err == nil && acct.Disabled:
		return "It waits because account " + acct.Key + " is disabled." + until
	case err == nil && acct.Expired(now):
		return "It waits because account " + acct.Key + " expired at " + clock(acct.Expires) + "." + until
	case m.Due.After(now):
		return "It waits until " + clock(m.Due) + "." + because + until
	case !g.Running():
		return "It waits because no gateway is running; start `smsgateway serve`." + until
	case len(g.pool.members()) == 0:
		return "It waits because no modem is configured; add [[modem]] to the configuration." + until
	case m.State == store.Partial:
		return "Some of its parts are sent; the others wait for the same SIM. " + g.whyNoModem(m) + because + until
	}
	why := g.whyNoModem(m)
	if m.Reason != "" && strings.Contains(why, strings.TrimSuffix(m.Reason, ".")) {
		because = "" // the modem is left alone for the same
	}
	first, _ := g.pool.route(m)
	ready := slices.ContainsFunc(g.pool.members(), func(x *member) bool { return canSend(x.Status()) })
	if len(first) > 0 && !ready {
		return "It waits because no modem is ready; see `smsgateway modem list`. " + why + because + until
	}
	return why + because + until
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

var _ smpp.Backend = (*Gateway)(nil)
