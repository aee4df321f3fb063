package smpp

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// receiptForms are what client libraries read a receipt with, as regular expressions. What a group is called is the same in
// all; a scanf format and index searches are written as what they take.
var receiptForms = []struct{ name, form string }{
	{"Kannel, gw/smsc/smsc_smpp.c, sscanf", // "id:%64[^s] sub:%d dlvrd:%d submit date:%14[0-9] done date:%14[0-9] stat:%15[^t^e] err:%3[^t]"
		`^id:(?P<id>[^s]{1,64}?)\s*sub:\s*(?P<sub>\d+)\s*dlvrd:\s*(?P<dlvrd>\d+)\s*submit\s*date:(?P<submit>[0-9]{1,14})\s*` +
			`done\s*date:(?P<done>[0-9]{1,14})\s*stat:(?P<stat>[^t^e]{1,15}?)\s*err:(?P<err>[^t]{1,3})`},
	{"php-smpp, smppclient.class.php", `(?si)^id:(?P<id>[^ ]+) sub:(?P<sub>\d{1,3}) dlvrd:(?P<dlvrd>\d{3}) submit date:(?P<submit>\d{10,12}) ` +
		`done date:(?P<done>\d{10,12}) stat:(?P<stat>[A-Z ]{7}) err:(?P<err>\d{2,3}) text:(?P<text>.*)$`},
	{"onlinecity cpp-smpp, sms.h", `^id:(?P<id>[^ ]+) sub:(?P<sub>\d{1,3}) dlvrd:(?P<dlvrd>\d{3}) submit date:(?P<submit>\d{10}) ` +
		`done date:(?P<done>\d{10}) stat:(?P<stat>[A-Z]{7}) err:(?P<err>\d{3}) text:(?P<text>.*)$`},
	{"vumi, transports/smpp", `^id:(?P<id>\S{0,65}) +sub:(?P<sub>...) +dlvrd:(?P<dlvrd>...) +submit date:(?P<submit>\d*) ` +
		`+done date:(?P<done>\d*) +stat:(?P<stat>[A-Z]{7}) +err:(?P<err>...) +[Tt]ext:(?P<text>.{0,20}).*`},
	{"jasmin, protocols/smpp/operations.py", `id:(?P<id>[\dA-Za-z_-]+).*?sub:(?P<sub>\d{1,3}).*?dlvrd:(?P<dlvrd>\d{1,3}).*?submit date:(?P<submit>\d+)` +
		`.*?done date:(?P<done>\d+).*?stat:(?P<stat>\w{7}).*?err:(?P<err>\w{1,3}).*?[tT]ext:(?P<text>.*)`},
	{"ruby-smpp, lib/smpp/pdu/deliver_sm.rb, scanf", `^id:(?P<id>\S+)`},
	// jSMPP, DefaultDecomposer.java: up to the next blank behind the first "name:"; dates as yyMMddHHmm.
	{"jSMPP, DefaultDecomposer.java", `^id:(?P<id>[^ ]+).*?sub:(?P<sub>[^ ]+).*?dlvrd:(?P<dlvrd>[^ ]+).*?submit date:(?P<submit>\d{10}) ` +
		`.*?done date:(?P<done>\d{10}) .*?stat:(?P<stat>[^ ]+).*?err:(?P<err>[^ ]+).*?[Tt]ext:(?P<text>.*)$`},
	// cloudhopper, DeliveryReceipt.java: in any case of letters, up to the next of the names, blanks cut off; err at most 3.
	{"cloudhopper, DeliveryReceipt.java", `(?i)^id:(?P<id>.*?) sub:(?P<sub>\d+) dlvrd:(?P<dlvrd>\d+) submit date:(?P<submit>\d{10}|\d{12}) ` +
		`done date:(?P<done>\d{10}|\d{12}) stat:(?P<stat>\w+) err:(?P<err>.{0,3}) text:(?P<text>.*)$`},
}

// TestReceiptForms: what we write each of them reads as we meant it, whatever the text is.
func TestReceiptForms(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 5, 0, 0, time.UTC)
	texts := []string{"Your table is booked", "", "stat:UNDELIV err:999", " id:7 sub:9", "text: text:", "Text:x", "Grüße, 日本", "a\r\nb", "err:test tttt"}
	for state := StateDelivered; state <= StateRejected; state++ {
		for n, text := range texts {
			r := Receipt{MessageID: "2176400001", Submitted: 3, Delivered: n % 4, SubmitDate: at, DoneDate: at.Add(time.Hour), State: state, Err: n * 111 % 256, Text: text}
			line := r.String()
			want := map[string]string{"id": r.MessageID, "sub": "003", "dlvrd": fmt.Sprintf("%03d", r.Delivered), "submit": "2611230905",
				"done": "2611231005", "stat": state.Stat(), "err": fmt.Sprintf("%03d", r.Err), "text": receiptText(text)}
			for _, f := range receiptForms {
				form := regexp.MustCompile(f.form)
				m := form.FindStringSubmatch(line)
				if m == nil {
					t.Errorf("%s can't read %q", f.name, line)
					continue
				}
				for i, name := range form.SubexpNames() {
					if name == "" {
						continue
					}
					// Two look for the first "Text:" in either case of the T; a text with one in it they cut.
					if got := m[i]; got != want[name] && (name != "text" || !strings.HasSuffix(want[name], got)) {
						t.Errorf("%s reads %s of %q as %q", f.name, name, line, got)
					}
				}
			}
		}
	}
}
