package sim

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// magicRow is all that happens with a number, on a modem of 3 s latency.
type magicRow struct {
	number  string
	result  string // 3 s after Ctrl-Z
	later   string // within the 10 s after that
	at      string // what AT gives then
	phone   bool   // the text is there in the end
	reports []sms.Status
}

func magicRows() []magicRow {
	const boot = "\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n\r\nCall Ready\r\n\r\nSMS Ready\r\n"
	received := []sms.Status{sms.StatusReceived}
	return []magicRow{
		{"491700099900", ok("+CMGS: 1"), "", ok(), true, received}, // not magic
		{"491700099901", result("+CMS ERROR: 1"), "", ok(), false, nil},
		{"491700099902", result("+CMS ERROR: 38"), "", ok(), false, nil},
		{"491700099903", "", "", ok(), false, nil},
		{"491700099904", "", ok("+CMGS: 1"), ok(), true, received},
		{"491700099905", "", boot, "AT\r" + ok(), false, nil},
		{"491700099906", "", boot, "AT\r" + ok(), true, received},
		{"491700099907", ok("+CMGS: 1"), "", ok(), true, nil},
		{"491700099908", ok("+CMGS: 1"), "", ok(), false, []sms.Status{0x41}},
		{"491700099909", ok("+CMGS: 1"), "", ok(), false, []sms.Status{0x46}},
		{"491700099910", ok("+CMGS: 1"), "", ok(), true, []sms.Status{0x20, 0x00}},
		{"491700099911", result("+CMS ERROR: 314"), "", ok(), false, nil},
		{"491700099912", result("ERROR"), "", ok(), false, nil},
		{"491700099913", ok(), "", ok(), false, nil},
		{"491700099915", "", "", ok(), true, received},
		{"491700099916", "", "", ok(), true, nil},
		{"491700099917", "\r\n+CM\xc7S\xba 1\r\xca\r\nO\xcb\r\n", "", ok(), true, received},
		{"491700099918", "\r\n+CM\xc7S\xba 1\r\xca\r\nO\xcb\r\n", "", ok(), false, nil},
		{"491700099919", ok(), "", ok(), true, received},
		{"491700099920", result("+CMGS: 1"), "", ok(), true, received},
		{"491700099921", result("+CMGS: 1"), boot, "AT\r" + ok(), true, received},
		{"491700099923", result("+CMS ERROR: 332"), "", ok(), true, received},
		{"491700099925", ok("+CMGS: 1"), "", ok(), true, []sms.Status{0, 0}},
		{"491700099926", ok("+CMGS: 1"), "", ok(), true, received},
		{"491700099927", ok("+CMGS: 1"), "", ok(), true, received},
		{"491700099928", ok("+CMGS: 1"), "", ok(), true, received},
	}
}

// TestMagicNumbers dials each of them, on a modem of 3 s latency, and writes down all that happens.
func TestMagicNumbers(t *testing.T) {
	rows := magicRows()
	for _, tt := range rows {
		t.Run(tt.number, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{Latency: 3 * time.Second, Late: 2 * time.Second, ReportDelay: time.Minute})
				r.want("AT+CNMI=2,1,0,1,0\r", ok())
				if got := r.send(textTo(tt.number, "hello")); got != "" {
					t.Fatalf("%q within no time", got)
				}
				time.Sleep(3 * time.Second)
				r.wantNow("as the result", tt.result)
				time.Sleep(10 * time.Second)
				r.wantNow("after the result", tt.later)
				r.want("AT\r", tt.at)
				r.want("ATE0\r", map[bool]string{true: "ATE0\r" + ok(), false: ok()}[strings.HasPrefix(tt.at, "AT")])
				r.want("AT+CNMI=2,1,0,1,0\r", ok())
				time.Sleep(time.Hour)
				if got := reports(t, r.take()); !slices.Equal(got, tt.reports) {
					t.Errorf("status reports %v, want %v", got, tt.reports)
				}
				texts := r.m.Texts()
				if (len(texts) == 1) != tt.phone || len(texts) > 1 {
					t.Fatalf("phones have %d texts, want it there: %v", len(texts), tt.phone)
				}
				if tt.phone && (texts[0].Text != "hello" || texts[0].Reference != 1 || texts[0].To.String() != "+"+tt.number) {
					t.Errorf("the phone has %+v", texts[0])
				}
			})
		})
	}
	for _, magic := range MagicNumbers() {
		elsewhere := []string{"99914", "99922", "99924"}
		if !slices.Contains(elsewhere, magic.Suffix) && !slices.ContainsFunc(rows, func(r magicRow) bool { return strings.HasSuffix(r.number, magic.Suffix) }) {
			t.Errorf("%s has no test", magic.Suffix)
		}
	}
}

func TestMagicNumbersAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, magic := range MagicNumbers() {
		if !strings.Contains(string(doc), "//\t.."+magic.Suffix+"  ") {
			t.Errorf("%s is not in the table of doc.go", magic.Suffix)
		}
		if magic.Effect == "" {
			t.Errorf("%s has no effect in words", magic.Suffix)
		}
	}
}

func TestUnplugged(t *testing.T) {
	for number, texts := range map[string]int{"99914": 0, "99922": 1} {
		t.Run(number, func(t *testing.T) { testUnplugged(t, number, texts) })
	}
}

func testUnplugged(t *testing.T, number string, texts int) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		if got := r.send(textTo(number, "x")); got != "" {
			t.Fatalf("it said %q", got)
		}
		if err := <-r.ended; !errors.Is(err, io.EOF) {
			t.Fatalf("Serve: %v", err)
		}
		if _, err := r.conn.Write([]byte("AT\r")); err == nil {
			t.Error("the line is still there")
		}
		if got := len(r.m.Texts()); got != texts {
			t.Errorf("phones have %d texts, want %d", got, texts)
		}
		r.plug()
		r.want("AT\r", "AT\r"+ok())
		r.m.Unplug()
		if err := <-r.ended; !errors.Is(err, io.EOF) {
			t.Fatalf("Serve after Unplug: %v", err)
		}
	})
}

// The report is there before the result.
func TestReportBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{ReportDelay: time.Minute})
		r.want("AT+CNMI=2,1,0,1,0\r", ok())
		report, answer, found := strings.Cut(r.send(textTo("99924", "x")), "\r\n+CMGS: 1")
		if !found || answer != "\r\n\r\nOK\r\n" || !slices.Equal(reports(t, report), []sms.Status{0}) {
			t.Errorf("report %q, then %q", report, answer)
		}
		time.Sleep(time.Hour)
		r.wantNow("a second report", "")
	})
}

// The SIM is busy at every odd try to a number, and each number has a count of its own.
func TestSIMBusyFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		busy := result("+CMS ERROR: 314")
		for i, want := range []string{busy, ok("+CMGS: 1"), busy, ok("+CMGS: 2")} {
			if got := r.send(textTo("99911", "x")); got != want {
				t.Errorf("try %d: %q, want %q", i+1, got, want)
			}
		}
		if got := r.send(textTo("4999911", "x")); got != busy {
			t.Errorf("another number: %q, want %q", got, busy)
		}
	})
}

// A late answer comes whatever goes on, but not behind a prompt, and never once another text was sent.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Latency: time.Second, Late: 7 * time.Second})
		r.send(textTo("99904", "first"))
		time.Sleep(9 * time.Second)
		r.want("AT\r", ok())
		time.Sleep(time.Second)
		r.wantNow("10 s after Ctrl-Z", ok("+CMGS: 1"))

		r.send(textTo("99904", "second"))
		time.Sleep(9 * time.Second)
		r.want("AT+CMGW=20\r", "\r\n> ")
		time.Sleep(time.Second)
		r.wantNow("behind a prompt", "")
		r.want("\x1b", ok()+ok("+CMGS: 2"))

		r.send(textTo("99904", "third"))
		time.Sleep(5 * time.Second)
		r.send(textTo("4917", "fourth"))
		time.Sleep(time.Second)
		r.wantNow("after another text", ok("+CMGS: 4"))
		time.Sleep(time.Hour)
		r.wantNow("instead of the late answer", "")
	})
}

// What comes before the result of AT+CMGS waits.
func TestTypedTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Latency: time.Second})
		r.send(textTo("4917", "x"))
		r.want("AT+CMEE?\r", "")
		time.Sleep(time.Second)
		r.wantNow("the result and then the other", ok("+CMGS: 1")+ok("+CMEE: 0"))
	})
}
