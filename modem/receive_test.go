package modem

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The TPDUs of cds and cmt.
const (
	cdsTPDU = "065A098136395339F6219011700463802190117004638030"
	cmtTPDU = "040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
)

// TestReceive is what arrives, what the Receiver gets of it, and what is said to the modem afterwards.
func TestReceive(t *testing.T) {
	stored := "\r\n+CMGR: 0,,30\r\n" + cmt + "\r\n\r\nOK\r\n"
	tests := []struct {
		name   string
		change func(*fake)
		say    string
		got    []string
		asked  []string // of AT+CMGR, AT+CMGD, AT+CPMS=, AT+CNMA, AT+CNMI=, AT+CSMS
		stored bool
	}{
		{"stored", func(f *fake) { f.set("AT+CMGR=3", stored) }, "\r\n+CMTI: \"SM\",3\r\n",
			[]string{cmtTPDU}, []string{"AT+CMGR=3", "AT+CMGD=3"}, true},
		{"stored in another memory, then in the first", func(f *fake) { f.set("AT+CMGR=0", stored) }, "\r\n+CMTI: \"ME\",0\r\n\r\n+CMTI: \"SM\",0\r\n",
			[]string{cmtTPDU, cmtTPDU}, []string{`AT+CPMS="ME"`, "AT+CMGR=0", "AT+CMGD=0", `AT+CPMS="SM"`, "AT+CMGR=0", "AT+CMGD=0"}, true},
		{"nothing at that place: 321", func(f *fake) { f.set("AT+CMGR=3", "\r\n+CMS ERROR: 321\r\n") }, "\r\n+CMTI: \"SM\",3\r\n",
			nil, []string{"AT+CMGR=3", `AT+CPMS="ME"`, `AT+CPMS="SM"`}, false},
		{"nothing at that place: length 0", func(f *fake) { f.set("AT+CMGR=3", "\r\n+CMGR: 0,,0\r\n\r\nOK\r\n") }, "\r\n+CMTI: \"SM\",3\r\n",
			nil, []string{"AT+CMGR=3", `AT+CPMS="ME"`, `AT+CPMS="SM"`}, false},
		{"nothing at that place: OK", func(f *fake) { f.set("AT+CMGR=3", "\r\nOK\r\n") }, "\r\n+CMTI: \"SM\",3\r\n",
			nil, []string{"AT+CMGR=3", `AT+CPMS="ME"`, `AT+CPMS="SM"`}, false},
		{"somebody's draft", func(f *fake) { f.set("AT+CMGR=3", strings.Replace(stored, ": 0,", ": 2,", 1)) }, "\r\n+CMTI: \"SM\",3\r\n",
			nil, []string{"AT+CMGR=3", `AT+CPMS="ME"`, `AT+CPMS="SM"`}, false},
		{"a memory that cannot be read", func(f *fake) { f.set(`AT+CPMS="BM"`, "\r\n+CMS ERROR: 302\r\n") }, "\r\n+CDSI: \"BM\",1\r\n",
			nil, []string{`AT+CPMS="BM"`, `AT+CPMS="ME"`, `AT+CPMS="SM"`}, false},
		{"stored report", func(f *fake) { f.set("AT+CMGR=7", "\r\n+CMGR: 0,,24\r\n"+cds+"\r\n\r\nOK\r\n") }, "\r\n+CDSI: \"SR\",7\r\n",
			[]string{cdsTPDU}, []string{`AT+CPMS="SR"`, "AT+CMGR=7", "AT+CMGD=7"}, true},
		{"direct report", func(*fake) {}, "\r\n+CDS: 24\r\n" + cds + "\r\n", []string{cdsTPDU}, nil, false},
		{"direct report, to be acknowledged", func(f *fake) { f.wantsAcks() }, "\r\n+CDS: 24\r\n" + cds + "\r\n", []string{cdsTPDU}, []string{"AT+CNMA=1"}, false},
		{"direct text", func(f *fake) { f.wantsAcks() }, "\r\n+CMT: ,30\r\n" + cmt + "\r\n", []string{cmtTPDU}, []string{"AT+CNMA=1"}, false},
		{"two of them, in order", func(f *fake) { f.wantsAcks() }, "\r\n+CDS: 24\r\n" + cds + "\r\n\r\n+CMT: ,30\r\n" + cmt + "\r\n",
			[]string{cdsTPDU, cmtTPDU}, []string{"AT+CNMA=1", "AT+CNMA=1"}, false},
		{"Quectel's serial modules take it plain (oFono)", func(f *fake) { f.wantsAcks().set("AT+CNMA=1", "\r\nERROR\r\n") },
			strings.Repeat("\r\n+CDS: 24\r\n"+cds+"\r\n", 2), []string{cdsTPDU, cdsTPDU}, []string{"AT+CNMA=1", "AT+CNMA", "AT+CNMA"}, false},
		{"acknowledged too late: its reports are off now (TS 27.005 §3.4.1)", func(f *fake) { f.wantsAcks().set("AT+CNMA=1", "\r\n+CMS ERROR: 340\r\n") },
			"\r\n+CDS: 24\r\n" + cds + "\r\n", []string{cdsTPDU}, []string{"AT+CNMA=1", "AT+CNMI=2,1,0,1,0"}, false},
		{"Novatel takes none (oFono)", func(f *fake) {
			f.wantsAcks().set("AT+CNMA=1", "\r\nERROR\r\n", "AT+CNMA", "\r\nERROR\r\n", "AT+CNMA=0", "\r\n+CMS ERROR: 303\r\n")
		}, strings.Repeat("\r\n+CDS: 24\r\n"+cds+"\r\n", 2), []string{cdsTPDU, cdsTPDU},
			[]string{"AT+CNMA=1", "AT+CNMA", "AT+CNMA=0", "AT+CSMS=0", "AT+CNMI=2,1,0,1,0"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				tt.change(f)
				b := ready(t, f, nil)
				f.say(tt.say)
				synctest.Wait()
				time.Sleep(10 * time.Second)
				if got := b.inbox.pdus(); !reflect.DeepEqual(got, tt.got) {
					t.Errorf("received %q, want %q", got, tt.got)
				}
				asked := aboutTexts(f)
				if !reflect.DeepEqual(asked, tt.asked) {
					t.Errorf("asked %q, want %q", asked, tt.asked)
				}
				for i, in := range b.inbox.got {
					if in.Stored != tt.stored || in.SCA.Number == "" || in.At.IsZero() || b.inbox.from[i].ICCID == "" {
						t.Errorf("received %+v from %+v; want stored %v", in, b.inbox.from[i], tt.stored)
					}
				}
				if n := b.Status().Received; int(n) != len(tt.got) {
					t.Errorf("counted %d, want %d", n, len(tt.got))
				}
			})
		})
	}
}

// aboutTexts returns the commands that read, delete, acknowledge, or choose how.
func aboutTexts(f *fake) (asked []string) {
	for _, c := range f.asked() {
		for _, p := range []string{"AT+CMGR=", "AT+CMGD=", "AT+CPMS=", "AT+CNMA", "AT+CNMI=", "AT+CSMS"} {
			if strings.HasPrefix(c, p) {
				asked = append(asked, c)
			}
		}
	}
	return asked
}

// TestReportsInsideASend: what comes while a text is open is handled behind it, in order; nothing of it is lost.
func TestReportsInsideASend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake().wantsAcks()
		b := ready(t, f, nil)
		f.set("AT+CMGR=3", "\r\n+CMGR: 0,,30\r\n"+cmt+"\r\n\r\nOK\r\n")
		f.prompt = "\r\n+CDS: 24\r\n" + cds + "\r\n\r\n> "
		f.submit = func(string) string {
			f.later(time.Second, "\r\n+CMTI: \"SM\",3\r\n\r\n+CDS: 24\r\n")
			f.later(2*time.Second, cds+"\r\n\r\n+CMGS: 12\r\n")
			f.later(2100*time.Millisecond, "\r\n+CMT: ,30\r\n"+cmt+"\r\n\r\nOK\r\n")
			return ""
		}
		ref, claims, err := b.send()
		if err != nil || ref != 12 || claims != 1 {
			t.Errorf("ref %d, %d claims, error %v; want 12, 1, nil", ref, claims, err)
		}
		synctest.Wait()
		want := []string{cdsTPDU, cmtTPDU, cdsTPDU, cmtTPDU}
		if got := b.inbox.pdus(); !reflect.DeepEqual(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
		wantAsked := []string{"AT+CMGS=19", "AT+CNMA=1", "AT+CMGR=3", "AT+CMGD=3", "AT+CNMA=1", "AT+CNMA=1"}
		if got := f.asked(); !reflect.DeepEqual(got, wantAsked) {
			t.Errorf("asked %q, want %q", got, wantAsked)
		}
	})
}

// TestReportsInsideALongSend: a modem that does not want acknowledgements gets none, however long a text takes; one that
// wants them gets them too late then, but what it reported is handed over, and it is told to go on reporting.
func TestReportsInsideALongSend(t *testing.T) {
	for _, acks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			want := []string{"AT+CMGS=19"}
			if acks {
				f.wantsAcks().set("AT+CNMA=1", "\r\n+CMS ERROR: 340\r\n")
				want = []string{"AT+CMGS=19", "AT+CNMA=1", "AT+CNMI=2,1,0,1,0", "AT+CNMI?"}
			}
			f.submit = func(string) string {
				f.later(time.Second, "\r\n+CDS: 24\r\n"+cds+"\r\n")
				f.later(100*time.Second, "\r\n+CMGS: 12\r\n\r\nOK\r\n")
				return ""
			}
			b := ready(t, f, nil)
			began := len(f.writes)
			time.AfterFunc(99*time.Second, func() {
				f.change(func() {
					if n := len(f.writes) - began; n != 3 {
						t.Errorf("%d writes while the text was open, want AT+CMGS, the body and Ctrl-Z alone", n)
					}
				})
			})
			if _, _, err := b.send(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{cdsTPDU}) {
				t.Errorf("received %q, want the report", got)
			}
			got := f.asked() // and then the look at its health that was due
			if len(got) < len(want) || !reflect.DeepEqual(got[:len(want)], want) || !acks && f.times("AT+CNMA=1") > 0 {
				t.Errorf("asked %q, want %q", got, want)
			}
		})
	}
}

// TestUnpluggedWithReports: a report that came with its text is handed over even when the modem is gone before the
// line was free.
func TestUnpluggedWithReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.submit = func(string) string {
			f.later(time.Second, "\r\n+CDS: 24\r\n"+cds+"\r\n")
			time.AfterFunc(2*time.Second, f.pull)
			return ""
		}
		_, _, err := b.send()
		mustBe[*UncertainError](t, err)
		synctest.Wait()
		if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{cdsTPDU}) {
			t.Errorf("received %q, want the report", got)
		}
	})
}

// TestNotAcknowledged: what the Receiver does not take is not forgotten by the modem, and is offered again.
func TestNotAcknowledged(t *testing.T) {
	full := errors.New("disk full")
	t.Run("stored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			b := ready(t, f, nil)
			f.set("AT+CMGR=3", "\r\n+CMGR: 0,,30\r\n"+cmt+"\r\n\r\nOK\r\n",
				"AT+CMGL=4", "\r\n+CMGL: 3,1,,30\r\n"+cmt+"\r\n+CMGL: 4,3,,19\r\n00"+hello+"\r\n\r\nOK\r\n",
				"AT+CPMS?", "\r\n+CPMS: \"SM\",1,50,\"SM\",1,50,\"SM\",1,50\r\n\r\nOK\r\n")
			b.inbox.refuse(full)
			f.say("\r\n+CMTI: \"SM\",3\r\n")
			time.Sleep(200 * time.Second)
			if n := f.times("AT+CMGD=3"); n != 0 {
				t.Errorf("deleted %d times before it was taken", n)
			}
			if got := b.Status().LastError; !strings.Contains(got, "disk full") {
				t.Errorf("last error %q", got)
			}
			b.inbox.refuse(nil)
			time.Sleep(time.Minute)
			if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{cmtTPDU}) || f.times("AT+CMGD=3") != 1 || f.times("AT+CMGD=4") != 0 {
				t.Errorf("received %q, asked %q; want the text once, deleted once, and the sent one left alone", got, f.asked())
			}
		})
	})
	t.Run("direct, the network keeps it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake().wantsAcks()
			b := ready(t, f, nil)
			b.inbox.refuse(full)
			f.say("\r\n+CDS: 24\r\n" + cds + "\r\n")
			synctest.Wait()
			want := []string{"AT+CNMA=2", "AT+CNMI=2,1,0,1,0", "AT+CNMI?"}
			if got := f.asked(); !reflect.DeepEqual(got, want) {
				t.Errorf("asked %q, want %q", got, want)
			}
		})
	})
	t.Run("direct, the network thinks that we have it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			b := ready(t, f, nil)
			b.inbox.refuse(full)
			f.say("\r\n+CDS: 24\r\n" + cds + "\r\n")
			time.Sleep(90 * time.Second)
			b.inbox.refuse(nil)
			time.Sleep(time.Minute)
			if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{cdsTPDU}) {
				t.Errorf("received %q, want the report once", got)
			}
		})
	})
}

// TestNotDeleted: a text that cannot be deleted is not received again by every listing.
func TestNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CPMS=?", "\r\n+CPMS: (\"SM\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n")
		b := ready(t, f, nil)
		f.set("AT+CMGL=4", "\r\n+CMGL: 3,1,,30\r\n"+cmt+"\r\n\r\nOK\r\n", "AT+CMGD=3", "\r\n+CMS ERROR: 302\r\n",
			"AT+CPMS?", "\r\n+CPMS: \"SM\",1,50,\"SM\",1,50,\"SM\",1,50\r\n\r\nOK\r\n")
		time.Sleep(10 * time.Minute)
		if got := b.inbox.pdus(); len(got) != 1 || f.times("AT+CMGD=3") < 5 {
			t.Errorf("received %q, deleted %d times; want once, and a try at each look", got, f.times("AT+CMGD=3"))
		}
	})
}

// TestDrain: what arrived while nobody was looking, in all memories, is there before the modem is ready.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CPMS=?", "\r\n+CPMS: (\"SM\",\"ME\",\"SR\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")\r\n\r\nOK\r\n")
		in := map[string]string{
			`AT+CPMS="SM","SM","SM"`: "\r\n+CMGL: 1,0,,30\r\n" + cmt + "\r\n+CMGL: 12,1,\"Bob\",30\r\n" + cmt + "\r\n\r\nOK\r\n",
			`AT+CPMS="ME"`:           "\r\nOK\r\n",
			`AT+CPMS="SR"`:           "\r\n+CMGL: 0,0,,24\r\n" + cds + "\r\n+CMGL: 1,0,,99\r\nnot a PDU\r\n+CMGL: x,0,,24\r\n" + cds + "\r\n\r\nOK\r\n",
			`AT+CPMS="SM"`:           "\r\nOK\r\n",
		}
		for choose, list := range in {
			f.hooks[choose] = func() { f.set("AT+CMGL=4", list) }
		}
		b := start(t, f, nil)
		b.waitReady()
		if got, want := b.inbox.pdus(), []string{cmtTPDU, cmtTPDU, cdsTPDU}; !reflect.DeepEqual(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
		for _, c := range []string{"AT+CMGD=1", "AT+CMGD=12", "AT+CMGD=0"} {
			if f.times(c) != 1 {
				t.Errorf("%s was said %d times, want once", c, f.times(c))
			}
		}
	})
}

// TestUnreadablePDU: what is no PDU, but comes where one belongs, is handed over as it came.
func TestUnreadablePDU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.say("\r\n+CDS: 8\r\nFF06010203040506\r\n")
		synctest.Wait()
		if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{"FF06010203040506"}) {
			t.Errorf("received %q", got)
		}
	})
}

// TestParkedHasABound: the texts that nobody takes do not eat the memory.
func TestParkedHasABound(t *testing.T) {
	m := New(Config{Name: "sim1"}, &inbox{err: context.Canceled})
	for range maxParked + 10 {
		m.park(report{pdu: []byte{1}})
	}
	if len(m.parked) != maxParked {
		t.Errorf("%d kept, want %d", len(m.parked), maxParked)
	}
	var r reports
	for range maxReports + 10 {
		r.take(`+CMTI: "SM",1`, nil, time.Time{})
	}
	if len(r.queue) != maxReports {
		t.Errorf("%d reports kept, want %d", len(r.queue), maxReports)
	}
}

// TestAstray: a text that is not where the modem says is looked for in all memories.
func TestAstray(t *testing.T) {
	for _, tt := range []struct {
		name, lies string            // the memory in which it is
		say        string            // what the modem says
		empty      string            // what it answers where nothing is
		more       map[string]string // other answers
	}{
		{name: "stored in SR and announced in SM (Quectel EC25: asterisk-chan-quectel, #75)", lies: "SR", say: `+CDSI: "SM",0`, empty: "\r\nOK\r\n"},
		{name: "announced where another program's text lies", lies: "SR", say: `+CDSI: "SM",0`, empty: "\r\n+CMGR: 3,,19\r\n00" + hello + "\r\n\r\nOK\r\n"},
		{name: "announced in SR, where nothing is (SIM7600: python-gsmmodem, #106)", lies: "SM", say: `+CDSI: "SR",8`, empty: "\r\n+CMS ERROR: 321\r\n"},
		{name: "announced in a memory that cannot be read", lies: "ME", say: `+CDSI: "SR",8`, more: map[string]string{`AT+CPMS="SR"`: "\r\n+CMS ERROR: 302\r\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, store, there := newFake(), "SM", false
				f.set("AT+CPMS=?", "\r\n+CPMS: (\"SM\",\"ME\",\"SR\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")\r\n\r\nOK\r\n")
				show := func() {
					list := "\r\nOK\r\n"
					if there && store == tt.lies {
						list = "\r\n+CMGL: 5,0,,24\r\n" + cds + "\r\n\r\nOK\r\n"
					}
					f.set("AT+CMGL=4", list)
				}
				for _, name := range []string{"SM", "ME", "SR"} {
					f.hooks[`AT+CPMS="`+name+`"`] = func() { store = name; show() }
				}
				f.hooks["AT+CMGD=5"] = func() { there = there && store != tt.lies; show() }
				b := ready(t, f, nil)
				f.set("AT+CMGR=0", tt.empty, "AT+CMGR=8", tt.empty)
				for command, answer := range tt.more {
					f.set(command, answer)
				}
				for n := range 3 {
					there = true
					show()
					f.say("\r\n" + tt.say + "\r\n")
					time.Sleep(11 * time.Second)
					synctest.Wait()
					if got := b.inbox.pdus(); len(got) != n+1 || there {
						t.Fatalf("report %d: received %q, want it once, and deleted", n+1, got)
					}
				}
			})
		})
	}
}

// TestAstrayOnSlowModem: the search for what was read before, by a listing, does not take most of a slow modem's time.
func TestAstrayOnSlowModem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.set("AT+CMGL=4", "", "AT+CMGR=3", "\r\n+CMS ERROR: 321\r\n")
		listing := 6 * time.Second
		f.hooks["AT+CMGL=4"] = func() { f.later(listing, "\r\nOK\r\n") }
		f.forget()
		const during = 10 * time.Minute
		for begun := time.Now(); time.Since(begun) < during; time.Sleep(3 * time.Second) {
			f.say("\r\n+CMTI: \"SM\",3\r\n")
		}
		if n := f.times("AT+CMGL=4"); n < 2 || time.Duration(n)*listing > during/5 {
			t.Errorf("the memories were listed %d times in %s", n, during)
		}
		if _, _, err := b.send(); err != nil {
			t.Error(err)
		}
	})
}

// TestListingRefused: a modem that does not list in PDU mode (Quectel's EP06-A) is read place by place.
func TestListingRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CMGL=4", "\r\n+CMS ERROR: 303\r\n", "AT+CMGR=3", "\r\n+CMGR: 0,,30\r\n"+cmt+"\r\n\r\nOK\r\n",
			"AT+CPMS=?", "\r\n+CPMS: (\"SM\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n", "AT+CPMS?", "\r\n+CPMS: \"SM\",1,5,\"SM\",1,5,\"SM\",1,5\r\n\r\nOK\r\n")
		for _, place := range []string{"0", "1", "2", "4", "5"} {
			f.set("AT+CMGR="+place, "\r\n+CMS ERROR: 321\r\n")
		}
		f.hooks["AT+CMGD=3"] = func() {
			f.set("AT+CMGR=3", "\r\n+CMS ERROR: 321\r\n", "AT+CPMS?", "\r\n+CPMS: \"SM\",0,5,\"SM\",0,5,\"SM\",0,5\r\n\r\nOK\r\n")
		}
		b := start(t, f, nil)
		b.waitReady()
		if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{cmtTPDU}) {
			t.Errorf("received %q, want the text that lay there", got)
		}
	})
}

// TestUnsaidElsewhere: a text of which nobody said anything is found in any memory within some minutes: Huawei's sticks put
// texts into ME whatever AT+CPMS says, and with mode 1 of AT+CNMI the word of it gets lost while the line is in use.
func TestUnsaidElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		in := func(store string, used int, list string) func() {
			usage := fmt.Sprintf("\r\n+CPMS: %q,%d,50,\"SM\",0,50,\"SM\",0,50\r\n\r\nOK\r\n", store, used)
			return func() { f.set("AT+CMGL=4", list+"\r\nOK\r\n", "AT+CPMS?", usage) }
		}
		f.change(func() {
			f.hooks[`AT+CPMS="ME"`] = in("ME", 1, "\r\n+CMGL: 5,0,,30\r\n"+cmt+"\r\n")
			f.hooks[`AT+CPMS="SM"`] = in("SM", 0, "")
			f.hooks["AT+CMGD=5"] = func() { f.change(func() { f.hooks[`AT+CPMS="ME"`] = in("ME", 0, "") }) }
		})
		time.Sleep(15 * time.Minute)
		if got := b.inbox.pdus(); !reflect.DeepEqual(got, []string{cmtTPDU}) || f.times("AT+CMGD=5") != 1 {
			t.Errorf("received %q, want the text that lay there, once", got)
		}
	})
}

// TestReceivedBefore: a text that the Receiver has already is acknowledged, and not counted again.
func TestReceivedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake().wantsAcks()
		b := ready(t, f, nil)
		before := b.Status()
		b.inbox.refuse(fmt.Errorf("kept: %w", ErrRepeated))
		f.say("\r\n+CDS: 25\r\n" + cds + "\r\n")
		time.Sleep(time.Second)
		synctest.Wait()
		st := b.Status()
		if n := f.times("AT+CNMA=1"); n != 1 || st.Received != before.Received || st.Texts != before.Texts || st.LastError != "" {
			t.Errorf("acknowledged %d times, %d received, last error %q", n, st.Received, st.LastError)
		}
	})
}
