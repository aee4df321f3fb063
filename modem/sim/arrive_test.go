package sim

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// pduOf is the first PDU that is waiting in the network, as the modem writes it, and its length.
func pduOf(m *Modem) (pdu string, length int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tpdu := m.sub.queue[0].tpdu
	return strings.ToUpper(hex.EncodeToString(m.prefixed(tpdu))), len(tpdu)
}

// TestCNMI has a text of each class and a report arrive in each mode.
func TestCNMI(t *testing.T) {
	plain := sms.Deliver{Originator: sms.Address{Number: "49170", TON: 1, NPI: 1}, Data: []byte("x"), Time: time.Now()}
	class := func(n byte) sms.Deliver {
		d := plain
		d.DCS = 0x10 | n
		return d
	}
	silent := plain
	silent.PID = 0x40
	report := sms.StatusReport{Reference: 7, Recipient: plain.Originator, Time: time.Now(), Discharge: time.Now()}
	for _, tt := range []struct {
		name, cnmi string
		arrives    interface{ Append([]byte) ([]byte, error) }
		want       string // %d is the length, %s the PDU
		stored     string // in which memory
	}{
		{"kept silently", "2,0", plain, "", "SM"},
		{"kept and told", "2,1", plain, "\r\n+CMTI: \"SM\",1\r\n", "SM"},
		{"passed on", "2,2", plain, "\r\n+CMT: ,%d\r\n%s\r\n", ""},
		{"class 2 is for the SIM", "2,2", class(2), "\r\n+CMTI: \"SM\",1\r\n", "SM"},
		{"class 3 is for us", "2,3", class(3), "\r\n+CMT: ,%d\r\n%s\r\n", ""},
		{"only class 3 is", "2,3", plain, "\r\n+CMTI: \"SM\",1\r\n", "SM"},
		{"class 0", "2,2", class(0), "\r\n+CMT: ,%d\r\n%s\r\n", ""},
		{"buffered", "0,2", plain, "", ""},
		{"type 0 is for nobody", "2,1", silent, "", ""},
		{"report thrown away", "2,1,0,0", report, "", ""},
		{"report passed on", "2,1,0,1", report, "\r\n+CDS: %d\r\n%s\r\n", ""},
		{"report kept", "2,1,0,2", report, "\r\n+CDSI: \"SR\",1\r\n", "SR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{})
				r.want("AT+CNMI="+tt.cnmi+"\r", ok())
				tpdu, err := tt.arrives.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				pdu := strings.ToUpper(hex.EncodeToString(r.m.prefixed(tpdu)))
				if err := r.m.ReceiveTPDU(tpdu); err != nil {
					t.Fatal(err)
				}
				want := tt.want
				if strings.Contains(want, "%") {
					want = fmt.Sprintf(want, len(tpdu), pdu)
				}
				r.wantNow("when it arrived", want)
				for _, memory := range memories {
					list := ok()
					if memory == tt.stored {
						list = ok(fmt.Sprintf("+CMGL: 1,0,,%d", len(tpdu)), pdu)
					}
					r.say("AT+CPMS=\"" + memory + "\"\r")
					r.want("AT+CMGL=4\r", list)
				}
			})
		})
	}
}

// TestIndications: no URC comes behind a prompt; mode 1 throws it away, 2 keeps it for afterwards, 0 until the mode changes.
func TestIndications(t *testing.T) {
	for _, tt := range []struct{ name, before, after, switched string }{
		{"1", "AT+CNMI=1,1\r", ok(), ok()},
		{"2", "AT+CNMI=2,1\r", ok() + result(`+CMTI: "SM",1`), ok()},
		{"3", "AT+CNMI=3,1\r", ok() + result(`+CMTI: "SM",1`), ok()},
		{"0 and flush", "AT+CNMI=0,1\r", ok(), ok() + result(`+CMTI: "SM",1`)},
		{"0 and clear", "AT+CNMI=0,1,0,0,1\r", ok(), ok()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{})
				r.want(tt.before, ok())
				r.want("AT+CMGS=20\r", "\r\n> ")
				if err := r.m.Receive("+49170", "hello"); err != nil {
					t.Fatal(err)
				}
				r.wantNow("behind the prompt", "")
				r.want("\x1b", tt.after)
				r.want("AT+CNMI=2\r", tt.switched)
			})
		})
	}
}

func TestReadAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{StorageSize: 3})
		r.stop()
		<-r.ended
		if err := r.m.Receive("Shop", "hello"); err != nil {
			t.Fatal(err)
		}
		pdu, length := pduOf(r.m)
		r.plug()
		r.want("ATE0\r", "ATE0\r"+ok())
		line := func(verb, stat string) string { return fmt.Sprintf("%s: %s,,%d", verb, stat, length) }
		r.want("AT+CPMS?\r", ok(`+CPMS: "SM",1,3,"SM",1,3,"SM",1,3`))
		r.want("AT+CMGL=1\r", ok())
		r.want("AT+CMGR=1\r", ok(line("+CMGR", "0"), pdu))
		r.want("AT+CMGL=1\r", ok(line("+CMGL", "1,1"), pdu))
		r.want("AT+CMGL\r", ok())
		r.want("AT+CMGD=?\r", ok("+CMGD: (1),(0-4)"))
		r.want("AT+CMGD=0,1\r", ok())
		r.want("AT+CMGR=1\r", result("+CMS ERROR: 321"))
	})
}

// A full memory stops texts, not reports; what waited arrives in order when there is room.
func TestFullMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{StorageSize: 2})
		r.want("AT+CNMI=2,1,0,1\r", ok())
		for _, text := range []string{"a", "b", "c", "d"} {
			if err := r.m.Receive("+49170", text); err != nil {
				t.Fatal(err)
			}
		}
		r.wantNow("of four", result(`+CMTI: "SM",1`)+result(`+CMTI: "SM",2`))
		if got := r.send(textTo("4917", "x")); !strings.HasPrefix(got, ok("+CMGS: 1")+"\r\n+CDS:") {
			t.Fatalf("a report beside a full memory: %q", got)
		}
		time.Sleep(time.Hour)
		r.wantNow("while it is full", "")
		r.want("AT+CMGD=2\r", ok()+result(`+CMTI: "SM",2`))
		r.want("AT+CMGD=1,4\r", ok()+result(`+CMTI: "SM",1`))
		if got := r.say("AT+CMGL=4\r"); strings.Count(got, "+CMGL") != 1 || !strings.Contains(got, "0164") { // "d"
			t.Errorf("the last of them is not there: %q", got)
		}
	})
}

// AT+CMGW refuses what is no text, and a full memory refuses AT+CMGW.
func TestWriteIntoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{StorageSize: 1})
		typed, length := submit(t, textTo("4917", "x"))
		for _, e := range []struct{ typed, want string }{
			{"0" + typed[1:4] + "\x1a", result("+CMS ERROR: 304")},
			{typed + "\x1a", ok("+CMGW: 1")},
			{typed + "\x1a", result("+CMS ERROR: 322")},
		} {
			r.want(fmt.Sprintf("AT+CMGW=%d\r", length), "\r\n> ")
			r.want(e.typed, e.want)
		}
		r.say("AT+CNMI=2,1\r")
		if err := r.m.ReceiveTPDU([]byte{0x04, 0x02, 0x81, 0x21, 0, 0, 0x62, 0x11, 0x32, 0, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
		r.wantNow("a text without room", "")
		r.want("AT+CMGR=1\r", ok(fmt.Sprintf("+CMGR: 2,,%d", length), typed))
		r.say("AT+CMGD=1\r")
		r.want("AT+CMSS=1\r", result("+CMS ERROR: 304")) // it is not ours
	})
}

// unacknowledged is a modem with +CSMS 1 that has passed on the first of two texts, and what it said then.
func unacknowledged(t *testing.T) (r *rig, first string) {
	r = start(t, Config{})
	r.want("AT+CSMS=1;+CNMI=2,2,0,1\r", ok("+CSMS: 1,1,1"))
	r.stop()
	<-r.ended
	for _, text := range []string{"a", "b"} {
		if err := r.m.Receive("+49170", text); err != nil {
			t.Fatal(err)
		}
	}
	pdu, length := pduOf(r.m)
	r.m.SetRegistration(3)
	r.plug()
	r.want("ATE0+CSMS=1;+CNMI=2,2,0,1\r", "ATE0+CSMS=1;+CNMI=2,2,0,1\r"+ok("+CSMS: 1,1,1"))
	r.m.SetRegistration(1)
	first = fmt.Sprintf("\r\n+CMT: ,%d\r\n%s\r\n", length, pdu)
	r.wantNow("of two", first)
	return r, first
}

// TestAcknowledge: the network waits for +CNMA, one text at a time.
func TestAcknowledge(t *testing.T) {
	for _, yes := range []string{"AT+CNMA\r", "AT+CNMA=0\r", "AT+CNMA=1\r"} {
		t.Run(yes, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, first := unacknowledged(t)
				if got := r.say(yes); !strings.HasPrefix(got, ok()+"\r\n+CMT: ,") || strings.HasSuffix(got, first) {
					t.Fatalf("the next one does not follow: %q", got)
				}
				r.want(yes, ok())
				r.want(yes, result("+CMS ERROR: 340"))
			})
		})
	}
	t.Run("with a TPDU", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _ := unacknowledged(t)
			r.want("AT+CNMA=1,2\r", "\r\n> ")
			if got := r.say("0000\x1a"); !strings.HasPrefix(got, ok()+"\r\n+CMT: ,") {
				t.Fatalf("the next one does not follow: %q", got)
			}
		})
	})
}

func TestNotAcknowledged(t *testing.T) {
	t.Run("no", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, first := unacknowledged(t)
			r.say("AT+CNMA=2\r")
			r.want("AT+CNMA\r", ok())
			time.Sleep(retry)
			r.wantNow("the network tries again", first)
		})
	})
	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, first := unacknowledged(t)
			time.Sleep(patience)
			r.want("AT+CNMI?\r", ok("+CNMI: 2,0,0,0,0"))
			r.want("AT+CNMA\r", result("+CMS ERROR: 340"))
			r.say("AT+CPMS=\"ME\";+CNMI=2,2,0,1\r")
			time.Sleep(retry)
			r.wantNow("the network tries again", first)
		})
	})
	for _, command := range []string{"ATZE0\r", "AT+CSMS=0\r"} {
		t.Run("service 0 again by "+command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, first := unacknowledged(t)
				r.say(command)
				r.say("AT+CNMI=2,2\r")
				time.Sleep(time.Hour)
				r.want("AT+CNMI?\r", ok("+CNMI: 2,2,0,"+map[bool]string{true: "0", false: "1"}[command[2] == 'Z']+",0"))
				if err := r.m.Receive("+49170", "c"); err != nil {
					t.Fatal(err)
				}
				if got := r.take(); !strings.HasPrefix(got, "\r\n+CMT: ") || got == first {
					t.Errorf("the next text: %q", got)
				}
			})
		})
	}
	t.Run("gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, _ := unacknowledged(t)
			r.stop()
			<-r.ended
			r.plug()
			if got := r.say("ATE0;+CMGL=4\r"); strings.Count(got, "+CMGL: ") != 2 {
				t.Errorf("two texts are to be had, got %q", got)
			}
		})
	})
}

func TestReports(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		ask  bool
		want []string // in order
	}{
		{"after", Config{}, true, []string{"+CMGS: 1", "OK", "+CDS: 24"}},
		{"first", Config{ReportFirst: true}, true, []string{"+CDS: 24", "+CMGS: 1", "OK"}},
		{"none given", Config{NoReports: true}, true, []string{"+CMGS: 1", "OK"}},
		{"none asked for", Config{}, false, []string{"+CMGS: 1", "OK"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tt.cfg)
				r.want("AT+CNMI=2,1,0,1\r", ok())
				text := textTo("4917012345", "x")
				text.StatusReport = tt.ask
				said := strings.FieldsFunc(r.send(text), func(c rune) bool { return c == '\r' || c == '\n' })
				said = slices.DeleteFunc(said, func(line string) bool { return strings.HasPrefix(line, "0791") })
				if !slices.Equal(said, tt.want) {
					t.Errorf("got %q, want %q", said, tt.want)
				}
			})
		})
	}
}

// A report has the reference, the number as dialled, and the time of the text.
func TestReportFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{ReportDelay: time.Minute})
		text := textTo("017012345", "x")
		text.Destination.TON = sms.TONUnknown
		r.send(textTo("1", "x"))
		sent := time.Now()
		r.send(text)
		time.Sleep(time.Hour)
		r.m.mu.Lock()
		defer r.m.mu.Unlock()
		got, err := sms.ParseStatusReport(r.m.sub.queue[1].tpdu) // nobody has set +CNMI, so it waits
		if err != nil || got.Reference != 2 || got.Recipient != text.Destination || !got.Time.Equal(sent) || got.Status != sms.StatusReceived {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
