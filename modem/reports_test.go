package modem

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// cds is a status report, and cmt a text, that modems reported: ModemManager, src/tests/test-modem-helpers.c, and
// gsm-modem §3.1.
const (
	cds = "07914356060013F1065A098136395339F6219011700463802190117004638030"
	cmt = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
)

// TestReports holds which lines are answers and which are the modem's own, command by command.
func TestReports(t *testing.T) {
	tests := []struct {
		name   string
		open   string // "" none
		lines  string // joined by \n
		answer string // those of them that are the answer
		want   string // what is reported: "SM 3", or the digits of a PDU
	}{
		{"answer", "AT+CSQ", "+CSQ: 9,99", "+CSQ: 9,99", ""},
		{"answer of another command", "AT+CSQ", "+COPS: 0", "", ""},
		{"stored text", "AT+CSQ", "+CMTI: \"SM\",3\n+CSQ: 9,99", "+CSQ: 9,99", "SM 3"},
		{"index 0 (Huawei, gammu issue 550)", "", `+CMTI: "ME",0`, "", "ME 0"},
		{"without quotes", "", `+CMTI: SM,12`, "", "SM 12"},
		{"no index", "", `+CMTI: "SM"`, "", ""},
		{"negative index", "", `+CMTI: "SM",-1`, "", ""},
		{"a store that is a command", "", `+CMTI: "SM";+CFUN=0",1`, "", ""},
		{"stored report", "", `+CDSI: "SR",7`, "", "SR 7"},
		{"direct report", "AT+CMGS=19", "+CDS: 24\n" + cds, "", cds},
		{"direct report, ZTE's comma (oFono)", "", "+CDS: ,24\n" + cds, "", cds},
		{"direct text", "AT+CSQ", "+CMT: ,30\n" + cmt + "\n+CSQ: 9,99", "+CSQ: 9,99", cmt},
		{"direct text, with a name", "", "+CMT: \"Bob, the\",30\n" + cmt, "", cmt},
		{"direct text, without the empty field", "", "+CMT: 30\n" + cmt, "", cmt},
		{"a report between its two lines", "", "+CDS: 24\n^RSSI:14\n+CMTI: \"SM\",3\n" + cds, "", "SM 3|" + cds},
		{"PDU of a wrong length, at once", "", "+CDS: 99\n" + cds, "", cds},
		{"PDU of a wrong length, later", "", "+CDS: 99\n^RSSI:14\n" + cds, "", ""},
		{"PDU lost", "AT+CGSN", "+CDS: 24\n356938035643809", "356938035643809", ""},
		{"length is no number", "", "+CDS: x\n" + cds, "", ""},
		{"two at once", "", "+CDS: 24\n" + cds + "\n+CMT: ,30\n" + cmt, "", cds + "|" + cmt},
		{"listing", "AT+CMGL=4", "+CMGL: 1,1,,30\n" + cmt, "+CMGL: 1,1,,30\n" + cmt, ""},
		{"direct text inside a listing", "AT+CMGL=4", "+CMGL: 1,1,,30\n+CDS: 24\n" + cds + "\n" + cmt, "+CMGL: 1,1,,30\n" + cmt, cds},
		{"identity", "AT+CGMI", "huawei\nRING\n^RSSI:14\nRDY x", "huawei\nRDY x", ""},
		{"words in front of a signal", "AT+CSQ", "Call Ready\nhello\n+CSQ: 9,99", "+CSQ: 9,99", ""},
		{"Huawei's storm (ModemManager, plugins/huawei)", "AT^SYSINFO", "^RSSI:14\n^SYSINFO:2,3,0,5,1\n^BOOT:1,0\n^MODE:5,4", "^SYSINFO:2,3,0,5,1", ""},
		{"Option's (smstools)", "AT+CSQ", "_OSIGQ: 3,0\n+CSQ: 9,99", "+CSQ: 9,99", ""},
		{"registration asked for", "AT+CREG?", "+CREG: 2,1,\"5E25\",\"605F\",2", "+CREG: 2,1,\"5E25\",\"605F\",2", ""},
		{"registration not asked for", "AT+CREG?", "+CREG: 5\n+CREG: 1,\"00C3\",\"7F2A\"\n+CREG: 0,1", "+CREG: 0,1", ""},
		{"registration while it is set", "AT+CREG=1", "+CREG: 5", "", ""},
		{"ICCID under its other name", "AT+CCID", "+ICCID: 8949020000012345678", "+ICCID: 8949020000012345678", ""},
		{"PIN state asked for", "AT+CPIN?", "+CPIN: SIM PIN", "+CPIN: SIM PIN", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r reports
			var open *command
			if tt.open != "" {
				open = newCommand(tt.open)
			}
			var answer []string
			for line := range strings.SplitSeq(tt.lines, "\n") {
				if !r.take(line, open, time.Unix(1, 0)) {
					answer = append(answer, line)
				}
			}
			if got := strings.Join(answer, "\n"); got != tt.answer {
				t.Errorf("answer %q, want %q", got, tt.answer)
			}
			if got := drained(&r); got != tt.want {
				t.Errorf("reported %q, want %q", got, tt.want)
			}
			if r.restarted {
				t.Error("taken for a restart")
			}
		})
	}
}

// drained returns what is reported, "SM 3" or the digits of a PDU, joined by bars.
func drained(r *reports) string {
	var got []string
	for {
		q, ok := r.pop()
		switch {
		case !ok:
			return strings.Join(got, "|")
		case q.pdu == nil:
			got = append(got, fmt.Sprint(q.store, " ", q.index))
		default:
			got = append(got, strings.ToUpper(hex.EncodeToString(q.pdu)))
		}
	}
}

func TestGreetings(t *testing.T) {
	tests := []struct {
		line, open string
		unlocked   bool
		want       bool
	}{
		{"RDY", "", false, true},
		{"RDY", "AT+CGMI", false, true},
		{"^SYSSTART", "AT+CMGS=19", false, true},
		{"^SYSSTART AIRPLANE MODE", "", false, true},
		{"*EMRDY: 1", "", false, true},
		{"NORMAL POWER DOWN", "", false, true},
		{"+CFUN: 1", "", false, true},
		{"+CFUN: 1", "AT+CFUN?", false, false},
		{"+CPIN: READY", "", false, false},
		{"+CPIN: READY", "", true, true},
		{"+CPIN: READY", "AT+CPIN?", true, false},
		{"SMS Ready", "", true, false},
		{"+WIND: 4", "", true, false},
		{"+WIND: 3", "", true, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.line, " ", tt.open, tt.unlocked), func(t *testing.T) {
			r := reports{simCounts: tt.unlocked}
			var open *command
			if tt.open != "" {
				open = newCommand(tt.open)
			}
			if r.take(tt.line, open, time.Time{}); r.restarted != tt.want {
				t.Errorf("restarted %v, want %v", r.restarted, tt.want)
			}
		})
	}
}

// TestStat has the answers that gammu keeps in tests/at-creg and tests/at-creg-corner.
func TestStat(t *testing.T) {
	tests := []struct {
		rest  string
		asked bool
		stat  int
		ok    bool
	}{
		{` 2,1,4CA,81DE445`, true, 1, true},
		{` 0,0`, true, 0, true},
		{` 0,1,"5E25","605F",2`, true, 1, true},
		{` 2,1,"","605F"`, true, 1, true},
		{` 2,1,"0B,"0100701",7`, true, 1, true},
		{` 2,1,"5E25`, true, 1, true},
		{` 2,1, FFFE, 323301, 7`, true, 1, true}, // smstools forum, topic 1597
		{`0,10`, true, 10, true},
		{` 1`, true, 0, false},
		{` 1,"5E25","605F"`, true, 0, false},
		{` 1,5E25,605F`, true, 0, false},
		{``, true, 0, false},
		{` 5`, false, 5, true},
		{` 5,"5E25","605F"`, false, 5, true},
		{` 5,0012,605F`, false, 5, true},
		{` 2,1`, false, 0, false},
		{` x`, false, 0, false},
		{``, false, 0, false},
	}
	for _, tt := range tests {
		if stat, ok := statOf(tt.rest, tt.asked); stat != tt.stat || ok != tt.ok {
			t.Errorf("statOf(%q, %v) = %d, %v; want %d, %v", tt.rest, tt.asked, stat, ok, tt.stat, tt.ok)
		}
	}
}

func TestRegistration(t *testing.T) {
	for stat := -1; stat <= 11; stat++ {
		text, sms := registration(stat)
		want := stat == 1 || stat >= 5 && stat <= 7 || stat == 9 || stat == 10
		if text == "" || sms != want {
			t.Errorf("registration(%d) = %q, %v; want a text, %v (TS 27.007 §7.2)", stat, text, sms, want)
		}
	}
}

func TestFields(t *testing.T) {
	got := fieldsOf(` "SM",3, "a,b" ,,x`)
	if want := []string{"SM", "3", "a,b", "", "x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
