package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// BalanceRule says how the credit of a modem's SIM is watched. The zero value: not at all.
type BalanceRule struct {
	Query modem.BalanceQuery
	Every time.Duration // between two readings; default 24 h
	Low   int64         // below so many hundredths of the currency the modem begins no message; 0: it always does
}

// low tells whether a reading is below the limit. A number alone, which may count anything, is never.
func (r BalanceRule) low(s store.ModemState) bool {
	return r.Low > 0 && !s.BalanceAt.IsZero() && s.Balance < r.Low && !r.bare(s)
}

// bare tells whether a reading is a number with neither a currency nor decimals, and no balance_match says that it is
// the right one.
func (r BalanceRule) bare(s store.ModemState) bool {
	return r.Query.Match == nil && !s.BalanceAt.IsZero() && modem.IsBareBalance(s.BalanceText)
}

// short tells whether a SIM has too little credit for another message. The reading of another SIM proves nothing.
func (r BalanceRule) short(s store.ModemState, line string) bool {
	return s.BalanceLine == line && !s.BalanceIgnored && r.low(s)
}

// lowCredit says it to people.
func lowCredit(s store.ModemState) string {
	return fmt.Sprintf("The credit of its SIM is low: %s at %s. It goes on when a later reading is above balance_low.",
		amount(s.Balance, s.BalanceCurrency), clock(s.BalanceAt))
}

// amount writes hundredths of a currency: "2.00 EUR", "-0.50".
func amount(hundredths int64, currency string) string {
	sign := ""
	if hundredths < 0 {
		sign, hundredths = "-", -hundredths
	}
	return strings.TrimSpace(fmt.Sprintf("%s%d.%02d %s", sign, hundredths/100, hundredths%100, currency))
}

// Balance is what is known of the credit of a modem's SIM.
type Balance struct {
	Watched bool
	Amount  string // "12.34 EUR"; "" not known of this SIM
	Text    string // what the network answered
	At      time.Time
	Limit   string // balance_low, "2.00"; "" none
	Low     bool   // Amount is below it
	Ignored bool   // and an operator lets the modem work all the same, until the next reading
	Bare    bool   // Amount is a number alone, without currency and decimals; so it is never low
	Trouble string // why the last try to read it failed, a sentence; "" it did not
}

func (x *member) balance(line string) Balance {
	x.mu.Lock()
	s, trouble := x.paused, x.credit.why
	x.mu.Unlock()
	rule := x.rules().Balance
	b := Balance{Watched: rule.Query.USSD != "", Trouble: trouble}
	if rule.Low > 0 {
		b.Limit = amount(rule.Low, "")
	}
	if s.BalanceAt.IsZero() || s.BalanceLine != line {
		return b
	}
	b.Amount, b.Text, b.At = amount(s.Balance, s.BalanceCurrency), s.BalanceText, s.BalanceAt
	b.Low, b.Ignored, b.Bare = rule.low(s), s.BalanceIgnored, rule.bare(s)
	return b
}

// creditTrouble is a row of failed tries to read the balance.
type creditTrouble struct {
	times int
	why   string
}

// Waits of the readings.
const (
	balanceEvery   = 24 * time.Hour   // BalanceRule.Every's default
	balanceLow     = time.Hour        // between two readings while the credit is low, so that a top-up is seen
	balanceRetry   = time.Minute      // after the first failure; doubled with each further one
	balanceMost    = time.Hour        // up to this
	balanceAnswer  = 60 * time.Second // for the network's answer: texts wait meanwhile
	balanceIdle    = 3 * time.Second  // a modem that was ready for so long has nothing to do
	balancePatient = 5 * time.Minute  // for an idle modem; then it is asked between two texts
)

// watchBalance reads the credit of a modem's SIM when it is due, for as long as ctx lasts. Its errors are the store's.
func (g *Gateway) watchBalance(ctx context.Context, x *member) error {
	for ctx.Err() == nil {
		changed := x.rulesChanged.wait()
		if x.rules().Balance.Query.USSD == "" {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		who, err := x.Ready(ctx)
		if err != nil {
			return ctx.Err()
		}
		g.tellCredit(x, who.Line(), false)
		if wait := x.balanceDue(who.Line(), g.opt.Now()); wait > 0 {
			if sleep(ctx, min(wait, time.Minute)) != nil { // the SIM or the clock may change meanwhile
				return ctx.Err()
			}
			continue
		}
		if err := awaitIdle(ctx, x.Status); err != nil {
			return err
		}
		asking, cancel := context.WithTimeout(ctx, balanceAnswer)
		err = g.readBalance(asking, x)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrFailed), errors.Is(err, store.ErrClosed):
			return err
		}
		if err := sleep(ctx, g.balanceFailed(x, err)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// ReadBalance has the credit of a modem's SIM read now, as after a top-up; a modem that waits for that goes on. Errors:
// *InputError, ErrNotRunning, those of modem.USSD and modem.ParseBalance.
func (g *Gateway) ReadBalance(ctx context.Context, name string) (Balance, error) {
	x, err := g.configured(name)
	switch {
	case err != nil:
		return Balance{}, err
	case x.rules().Balance.Query.USSD == "":
		return Balance{}, &InputError{"balance", fmt.Sprintf("is not configured for modem %s; set it to a code or a preset, "+
			"or ask by a code once: `smsgateway modem ussd %[1]s CODE`", name)}
	case !g.Running():
		return Balance{}, ErrNotRunning
	}
	if err := g.readBalance(ctx, x); err != nil {
		return Balance{}, g.closed(name, err)
	}
	g.balanceFailed(x, nil)
	return x.balance(x.Status().Line()), nil
}

// balanceDue tells how long it is until the next reading. A time of the last one that lies ahead is none: the clock was
// wrong.
func (x *member) balanceDue(line string, now time.Time) time.Duration {
	x.mu.Lock()
	s := x.paused
	x.mu.Unlock()
	rule := x.rules().Balance
	if s.BalanceAt.IsZero() || s.BalanceLine != line || s.BalanceAt.After(now) {
		return 0
	}
	every := rule.Every
	if every <= 0 {
		every = balanceEvery
	}
	if rule.low(s) {
		every = min(every, balanceLow)
	}
	return s.BalanceAt.Add(every).Sub(now)
}

// awaitIdle waits until a modem has nothing to do, but not for ever.
func awaitIdle(ctx context.Context, status func() modem.Status) error {
	var idle time.Duration
	for waited := time.Duration(0); waited < balancePatient && idle < balanceIdle; waited += time.Second {
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		if idle += time.Second; status().State != modem.StateReady {
			idle = 0
		}
	}
	return nil
}

// errQuestion: the numbers of a menu are no credit, but for one of which that is certain.
var errQuestion = errors.New("the network answered with a question; use a code that answers at once, or set balance_match")

// readBalance asks the network once, and writes down what it said.
func (g *Gateway) readBalance(ctx context.Context, x *member) error {
	line, rule := x.Status().Line(), x.rules().Balance
	if rule.Query.USSD == "" { // since it was decided to ask
		return nil
	}
	reply, err := x.USSD(ctx, rule.Query.USSD)
	if err != nil {
		return err
	}
	match := rule.Query.Match
	var hundredths int64
	var currency string
	switch {
	case !reply.More || match != nil && match.MatchString(reply.Text):
		hundredths, currency, err = modem.ParseBalance(reply.Text, match)
	case match != nil:
		return errQuestion
	default:
		if hundredths, currency, err = modem.ParseMenuBalance(reply.Text); err != nil {
			return errQuestion
		}
	}
	if err != nil {
		g.log.Debug("the answer to the balance code has no amount", "modem", x.Name(), "letters", len(reply.Text))
		return err
	}
	if x.Status().Line() != line {
		return errOtherSIM
	}
	var wasLow bool
	err = g.updateModem(x.Name(), func(s *store.ModemState) error {
		wasLow = s.BalanceLine == line && rule.low(*s)
		s.Balance, s.BalanceCurrency, s.BalanceText = hundredths, currency, reply.Text
		s.BalanceAt, s.BalanceLine, s.BalanceIgnored = g.opt.Now().UTC(), line, false
		return nil
	})
	if err != nil {
		return err
	}
	g.log.Info("balance read", "modem", x.Name(), "balance", amount(hundredths, currency))
	g.tellCredit(x, line, wasLow)
	return nil
}

// tellCredit says in the log that a SIM's credit is low, once until it is enough again, and that it is. It looks at what is
// on file: the modem stops for that, too, after a start or with a higher limit. What an operator lets it do is no alarm.
// wasLow: it was low before the last reading.
func (g *Gateway) tellCredit(x *member, line string, wasLow bool) {
	x.mu.Lock()
	s, told := x.paused, x.lowTold == line
	if s.BalanceAt.IsZero() || s.BalanceLine != line {
		x.mu.Unlock()
		return
	}
	low := x.rules().Balance.low(s)
	if x.lowTold = ""; low {
		x.lowTold = line
	}
	x.mu.Unlock()
	log := g.log.With("modem", x.Name(), "balance", amount(s.Balance, s.BalanceCurrency),
		"balance_low", amount(x.rules().Balance.Low, ""))
	switch {
	case low && !told && !s.BalanceIgnored:
		log.Error("the credit of the SIM is low: the modem begins no message until it is topped up")
	case !low && (told || wasLow):
		log.Info("the credit of the SIM is enough again")
	}
}

// balanceFailed notes how a reading ended, and tells how long to wait before the next look. The reason is logged when it
// is a new one.
func (g *Gateway) balanceFailed(x *member, err error) time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil {
		x.credit = creditTrouble{}
		return time.Second
	}
	why := modem.Explain(err)
	if errors.Is(err, context.DeadlineExceeded) {
		why = modem.ErrUSSDTimeout.Error()
	}
	if why != x.credit.why {
		g.log.Warn("the balance could not be read; it is tried again", "modem", x.Name(), "reason", why)
	}
	wait := min(balanceRetry<<min(x.credit.times, 10), balanceMost)
	x.credit = creditTrouble{times: x.credit.times + 1, why: why}
	return wait
}
