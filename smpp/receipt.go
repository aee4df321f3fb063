package smpp

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Receipt is the text of a delivery receipt (SMPP 3.4 appendix B), the form that every client reads.
type Receipt struct {
	MessageID            string // byte for byte that of the submit_sm_resp; no blanks
	Submitted, Delivered int    // short messages sent out, and those that arrived: 0 to 999
	SubmitDate, DoneDate time.Time
	State                MessageState
	Err                  int    // of the network: 0 to 999
	Text                 string // the first 20 characters of the message
}

// receiptDate is the form of both dates, in UTC: the specification names no zone.
const receiptDate = "0601021504"

// String is the text for short_message:
//
//	id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:EEE text:...
//
// Numbers keep to their three digits, and text is cut to 20 characters of printable ASCII, a ? in the place of others:
// clients read it with patterns as narrow as that. A zero date is ten zeros.
func (r Receipt) String() string {
	return fmt.Sprintf("id:%s sub:%03d dlvrd:%03d submit date:%s done date:%s stat:%s err:%03d text:%s",
		r.MessageID, threeDigits(r.Submitted), threeDigits(r.Delivered), formatReceiptDate(r.SubmitDate),
		formatReceiptDate(r.DoneDate), r.State.Stat(), threeDigits(r.Err), receiptText(r.Text))
}

func threeDigits(n int) int { return max(0, min(n, 999)) }

func formatReceiptDate(t time.Time) string {
	if t.IsZero() {
		return strings.Repeat("0", len(receiptDate))
	}
	return t.UTC().Format(receiptDate)
}

// receiptText is the first 20 characters of text in printable ASCII.
func receiptText(text string) string {
	var b strings.Builder
	for _, c := range text {
		if b.Len() == 20 {
			break
		}
		if c < ' ' || c > '~' {
			c = '?'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// receiptForm reads a receipt with the freedom that other message centres take: dates of 10 to 12 digits, numbers of any
// length, "Text" as well as "text", and nothing at all for the text.
var receiptForm = regexp.MustCompile(`(?s)^id:(\S+) sub:(\d{1,3}) dlvrd:(\d{1,3}) submit date:(\d{10,12}) done date:(\d{10,12}) ` +
	`stat:([A-Z]{7}) err:(\d{1,3})(?: [tT]ext:(.*))?$`)

// ParseReceipt reads the text of a receipt. Seconds in a date are dropped; a date of zeros is the zero time.
func ParseReceipt(s string) (Receipt, error) {
	m := receiptForm.FindStringSubmatch(s)
	if m == nil {
		return Receipt{}, fmt.Errorf("receipt of %d octets: not in the form of appendix B", len(s))
	}
	state, ok := stateOfStat(m[6])
	if !ok {
		return Receipt{}, fmt.Errorf("receipt: unknown stat %q", m[6])
	}
	r := Receipt{MessageID: m[1], State: state, Text: m[8]}
	r.Submitted, _ = strconv.Atoi(m[2]) // one to three digits: cannot fail
	r.Delivered, _ = strconv.Atoi(m[3])
	r.Err, _ = strconv.Atoi(m[7])
	var err error
	if r.SubmitDate, err = parseReceiptDate(m[4]); err != nil {
		return Receipt{}, fmt.Errorf("receipt: submit date: %w", err)
	}
	if r.DoneDate, err = parseReceiptDate(m[5]); err != nil {
		return Receipt{}, fmt.Errorf("receipt: done date: %w", err)
	}
	return r, nil
}

func parseReceiptDate(s string) (time.Time, error) {
	s = s[:len(receiptDate)]
	if strings.Trim(s, "0") == "" {
		return time.Time{}, nil
	}
	return ParseTime(s+"00000+", time.Time{})
}
