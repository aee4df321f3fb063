package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// Limits of accounts that are looked at here; those of the queue are the store's. Each is named as its setting is.
const (
	limitRate         = "rate"
	limitDestinations = "destinations"
	limitSources      = "sources"
)

// Rate is how many messages a client may submit in a time. The zero value is any number.
type Rate struct {
	N   int
	Per time.Duration // a second, a minute or an hour
}

// ParseRate reads "10/s", "30/min" or "500/h"; "" is any number.
func ParseRate(s string) (Rate, error) {
	if s == "" {
		return Rate{}, nil
	}
	count, per, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	r := Rate{N: n}
	switch strings.TrimSpace(per) {
	case "s":
		r.Per = time.Second
	case "min":
		r.Per = time.Minute
	case "h":
		r.Per = time.Hour
	}
	if err != nil || n < 1 || n > 1_000_000 || r.Per == 0 {
		return Rate{}, fmt.Errorf(`%q is no rate; write it as "10/s", "30/min" or "500/h", with a whole number from 1 to 1000000`, s)
	}
	return r, nil
}

// String is the form that ParseRate reads.
func (r Rate) String() string {
	switch r.Per {
	case time.Second:
		return fmt.Sprintf("%d/s", r.N)
	case time.Minute:
		return fmt.Sprintf("%d/min", r.N)
	case time.Hour:
		return fmt.Sprintf("%d/h", r.N)
	}
	return ""
}

// perSecond is the rate as a number.
func (r Rate) perSecond() float64 { return float64(r.N) / r.Per.Seconds() }

// burst is how many messages may come at once after a pause: what comes in a second, and one at least.
func (r Rate) burst() float64 { return max(1, r.perSecond()) }

// limiter holds a token bucket for each account with a rate, so that a client gains nothing by connecting again.
type limiter struct {
	mu     sync.Mutex
	byLane map[uint32]*tokens
}

// tokens are what an account may submit at the moment; below 0 after a message to many destinations.
type tokens struct {
	n  float64
	at time.Time
}

// take lets n messages in, or none. One token will do for all of them, and the rest is owed: a submit_multi of 254
// destinations must be possible at 10 a second.
func (l *limiter) take(lane uint32, r Rate, n int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.byLane[lane]
	if t == nil {
		t = &tokens{n: r.burst(), at: now}
		l.byLane[lane] = t
	}
	if passed := now.Sub(t.at); passed > 0 {
		t.n += passed.Seconds() * r.perSecond()
	}
	t.n, t.at = min(t.n, r.burst()), now
	if t.n < 1-1e-6 { // sums of fractions
		return false
	}
	t.n -= float64(n)
	return true
}

func (l *limiter) forget(lane uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byLane, lane)
}

// admit asks the account's rate whether n more messages, or destinations of one, may come in, and counts them. It is
// called once for each PDU that submits, before anything else is done for it. The error is ESME_RTHROTTLED.
func (h *handler) admit(a store.Account, n int) error {
	text := a.Rate
	if text == "" {
		text = h.g.defaults().Rate
	}
	if text == "" {
		return nil
	}
	rate, err := ParseRate(text)
	if err != nil {
		return fmt.Errorf("read the rate of account %s: %w", a.Key, err)
	}
	if h.g.limiter.take(h.lane, rate, n, h.g.opt.Now()) {
		return nil
	}
	return h.refuse(limitRate, smpp.StatusThrottled)
}

// limitError is a status, and the account's limit that it is for.
type limitError struct {
	limit  string
	status smpp.Status
}

func (e *limitError) Error() string { return e.status.Error() + ": " + e.limit }
func (e *limitError) Unwrap() error { return e.status }

// permit looks whether the account may send to a message's destination, and from its source. The errors are of type
// *limitError.
func (g *Gateway) permit(a store.Account, m *store.Message) error {
	destinations := a.Destinations
	if destinations == "" {
		destinations = g.defaults().Destinations
	}
	switch {
	case !mayReach(destinations, m.Destination):
		return &limitError{limitDestinations, smpp.StatusInvDstAdr}
	case !mayBeFrom(a.Sources, m.Source):
		return &limitError{limitSources, smpp.StatusInvSrcAdr}
	}
	return nil
}

// refuse counts a refusal for the operator, logs it with args if it is not one of many, and gives the status to answer with.
// What names the limit, or the request where it submits nothing.
func (h *handler) refuse(what string, status smpp.Status, args ...any) error {
	h.g.rejected.note(h.log, h.lane, what, status, h.g.opt.Now(), args...)
	return status
}

// refuseFor counts an error of permitted, which holds a status, under what; if that is "" under its limit, else the status.
func (h *handler) refuseFor(what string, err error, args ...any) error {
	var status smpp.Status
	if limit := new(limitError); errors.As(err, &limit) {
		what = cmp.Or(what, limit.limit)
	}
	if errors.As(err, &status) {
		return h.refuse(cmp.Or(what, status.String()), status, args...)
	}
	return err
}

// mayReach looks for a number in a list of prefixes as parseDestinations made it. The longest prefix that fits decides;
// of a number that none fits, that the list only bars.
func mayReach(list string, to sms.Address) bool {
	longest, allowed, bars := -1, false, true
	for item := range strings.SplitSeq(list, ",") {
		prefix, barred := strings.CutPrefix(item, "-")
		if item != "" && !barred {
			bars = false
		}
		if item == "" || !beginsNumber(prefix, to) {
			continue
		}
		if n := len(strings.Trim(prefix, "+*")); n > longest || n == longest && barred {
			longest, allowed = n, !barred
		}
	}
	if longest < 0 {
		return bars
	}
	return allowed
}

// beginsNumber tells whether a number begins with a prefix: by its digits, as the modems' prefixes are compared, whatever
// type it is given, so that "+49" fits 49170... as well. 0049170... is that number, too. A prefix with a plus is none of a
// short code, which is dialled as it stands.
func beginsNumber(prefix string, to sms.Address) bool {
	number, international := strings.CutPrefix(to.Number, "00")
	if !international {
		number = to.Number
	}
	short := to.TON != sms.TONInternational && len(to.Number) <= shortCode
	digits, plus := strings.CutPrefix(prefix, "+")
	switch {
	case prefix == "*":
		return true
	case plus && short:
		return false
	}
	return strings.HasPrefix(number, digits)
}

// numberWithBlank is "+49 171": as two prefixes it would let through all of +49.
var numberWithBlank = regexp.MustCompile(`[+\-!]*[0-9]+ +[0-9]+`)

// parseDestinations reads a list such as "+49,+43,-+4990": prefixes that may be sent to, and with a hyphen or an
// exclamation mark those that may not; "*" fits every number. The list that it gives is what mayReach reads.
func parseDestinations(text string) (string, error) {
	if found := numberWithBlank.FindString(text); found != "" {
		return "", fmt.Errorf("%q has a blank; write a prefix without, and a comma between two", found)
	}
	return eachItem(text, func(item string) (string, error) {
		prefix := strings.TrimLeft(item, "-!")
		barred := ""
		if len(prefix) < len(item) {
			barred = "-"
		}
		digits := strings.TrimPrefix(prefix, "+")
		if prefix != "*" && (len(item)-len(prefix) > 1 || len(digits) < 1 || len(digits) > 20 ||
			strings.Trim(digits, "0123456789") != "") {
			return "", fmt.Errorf(`%q is no prefix of numbers; write +49, 11 for short codes, -+4990 for what is barred, or *`, item)
		}
		return barred + prefix, nil
	})
}

// Destinations joins a list that CheckSetting has passed, for Options.
func Destinations(prefixes []string) string {
	list, _ := parseDestinations(strings.Join(prefixes, ","))
	return list
}

// mayBeFrom looks for a source_addr in a list as parseSources made it. None at all is always allowed: the SIM's number is
// the sender anyway.
func mayBeFrom(list string, from sms.Address) bool {
	if list == "" || from.Number == "" {
		return true
	}
	number := digitsOf(from.Number)
	for item := range strings.SplitSeq(list, ",") {
		item = digitsOf(item)
		if prefix, any := strings.CutSuffix(item, "*"); item == number || any && strings.HasPrefix(number, prefix) {
			return true
		}
	}
	return false
}

// parseSources reads a list such as "Shop,+4917*": whole addresses, or their beginnings.
func parseSources(text string) (string, error) {
	return eachItem(text, func(item string) (string, error) {
		if len(item) > 21 || strings.ContainsFunc(item, func(r rune) bool { return r <= ' ' || r > '~' }) ||
			strings.Contains(strings.TrimSuffix(item, "*"), "*") {
			return "", fmt.Errorf("%q is no source address: up to 20 characters, or their beginning and a *", item)
		}
		return item, nil
	})
}

// mayComeFrom looks for a client's address in a list as parseAddresses made it; an empty one has all.
func mayComeFrom(list string, client net.Addr) bool {
	if list == "" {
		return true
	}
	at, err := netip.ParseAddrPort(client.String())
	if err != nil {
		return false
	}
	addr := at.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(strings.Split(list, ","), func(item string) bool {
		p, err := parsePrefix(item)
		return err == nil && p.Contains(addr)
	})
}

// parseAddresses reads a list such as "192.168.1.5,10.0.0.0/8,2001:db8::/32".
func parseAddresses(text string) (string, error) {
	return eachItem(text, func(item string) (string, error) {
		p, err := parsePrefix(item)
		switch {
		case err != nil:
			return "", fmt.Errorf("%q is no address and no network; write 192.168.1.5, 10.0.0.0/8 or 2001:db8::/32", item)
		case p.IsSingleIP():
			return p.Addr().String(), nil
		}
		return p.String(), nil
	})
}

// parsePrefix reads an address or a network. IPv4 within IPv6 is IPv4, as clients' addresses are.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || !p.Addr().Is4In6():
	case p.Bits() < 96: // it would fit no client
		return p, errors.New("more than all addresses of IPv4")
	default:
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}

// mostList is how long a list may be: it is read with each message.
const mostList = 4000

// eachItem reads a list whose items stand between commas or blanks, and writes it anew.
func eachItem(text string, read func(string) (string, error)) (string, error) {
	if len(text) > mostList {
		return "", fmt.Errorf("is longer than %d characters", mostList)
	}
	var items []string
	for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		good, err := read(item)
		if err != nil {
			return "", err
		}
		if !slices.Contains(items, good) {
			items = append(items, good)
		}
	}
	if len(items) == 0 && text != "" {
		return "", fmt.Errorf(`%q names nothing; "" is unset`, text)
	}
	return strings.Join(items, ","), nil
}
