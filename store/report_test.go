package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"smsgateway/sms"
)

func asGone(err error, gone **GoneError) bool { return errors.As(err, gone) }

// TestReportMatching: several parts with the same TP-MR wait for reports, sent in the order given; which one is meant?
func TestReportMatching(t *testing.T) {
	type sent struct {
		line, to string
		ref      uint8
		ago      time.Duration // before the report comes
	}
	const other = "4915551230000"
	for _, tt := range []struct {
		name string
		sent []sent
		line string
		r    Report
		ago  time.Duration // SMSC time, before the report comes
		want int           // index of the part, -1 for none
	}{
		{"the only one", []sent{{"line-1", number, 7, 0}}, "line-1", Report{Ref: 7, Recipient: number}, 0, 0},
		{"another TP-MR", []sent{{"line-1", number, 7, 0}}, "line-1", Report{Ref: 8, Recipient: number}, 0, -1},
		{"another SIM", []sent{{"line-1", number, 7, 0}}, "line-2", Report{Ref: 7, Recipient: number}, 0, -1},
		{"another number", []sent{{"line-1", number, 7, 0}}, "line-1", Report{Ref: 7, Recipient: other}, 0, -1},
		{"number in national form", []sent{{"line-1", number, 7, 0}}, "line-1", Report{Ref: 7, Recipient: "01701234567"}, 0, 0},
		{"no number", []sent{{"line-1", number, 7, 0}}, "line-1", Report{Ref: 7}, 0, 0},
		{"by number", []sent{{"line-1", number, 7, time.Hour}, {"line-1", other, 7, 0}}, "line-1", Report{Ref: 7, Recipient: number}, 0, 0},
		{"TP-MR wrapped: the newest", []sent{{"line-1", number, 7, 3 * time.Hour}, {"line-1", number, 7, time.Hour}}, "line-1",
			Report{Ref: 7, Recipient: number}, time.Hour, 1},
		{"TP-MR wrapped: not later than SMSC time", []sent{{"line-1", number, 7, 3 * time.Hour}, {"line-1", number, 7, time.Hour}}, "line-1",
			Report{Ref: 7, Recipient: number}, 2 * time.Hour, 0},
		{"both within the second that the SMSC names: the newest",
			[]sent{{"line-1", number, 7, time.Hour - 100*time.Millisecond}, {"line-1", number, 7, time.Hour - 450*time.Millisecond}}, "line-1",
			Report{Ref: 7, Recipient: number}, time.Hour, 1},
		{"SMSC clock a little behind", []sent{{"line-1", number, 7, time.Hour}}, "line-1", Report{Ref: 7, Recipient: number}, time.Hour + 4*time.Minute, 0},
		{"SMSC clock hours behind: the oldest", []sent{{"line-1", number, 7, 2 * time.Hour}, {"line-1", number, 7, time.Hour}}, "line-1",
			Report{Ref: 7, Recipient: number}, 9 * time.Hour, 0},
		{"from days before: of a text of which we know nothing", []sent{{"line-1", number, 7, time.Hour}}, "line-1", Report{Ref: 7, Recipient: number}, 26 * time.Hour, -1},
		{"no SMSC time: the oldest", []sent{{"line-1", number, 7, 2 * time.Hour}, {"line-1", number, 7, time.Hour}}, "line-1",
			Report{Ref: 7, Recipient: number}, -1, 0},
		{"a line whose name begins alike", []sent{{"line-1", number, 7, 0}}, "line-11", Report{Ref: 7, Recipient: number}, 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			end := b.now.Add(12 * time.Hour)
			var ids []ID
			for _, s := range tt.sent {
				b.pass(end.Add(-s.ago).Sub(b.now))
				m := b.message(1)
				m.Destination.Number = s.to
				id := b.enqueue(m)
				b.ok(b.db.Claim(id, 0, "stick", s.line, b.now))
				b.ok(b.db.Sent(id, 0, s.ref, true, b.now))
				ids = append(ids, id)
			}
			b.pass(end.Sub(b.now))
			if tt.r.Time = b.now.Add(-tt.ago); tt.ago < 0 {
				tt.r.Time = time.Time{}
			}
			m, err := b.db.Report(tt.line, tt.r, b.now)
			b.ok(err)
			got := -1
			if m != nil {
				got = slices.Index(ids, m.ID)
			}
			if got != tt.want {
				t.Errorf("got part %d, want %d", got, tt.want)
			}
			for n, id := range ids {
				want := Sent
				if n == tt.want {
					want = Delivered
				}
				b.wantState(id, want)
			}
		})
	}
}

// TestRepeatedReports: the same report once more is no news, and is not taken for that of an older text with the same
// TP-MR.
func TestRepeatedReports(t *testing.T) {
	b := newBox(t, Options{})
	old, fresh := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.send(old, 0, 7)
	b.pass(6 * time.Hour)
	b.send(fresh, 0, 7)
	for range 3 {
		b.report(7, 0x00)
	}
	b.wantState(fresh, Delivered)
	b.wantState(old, Sent)
	if got, want := b.receipts(), []string{"sent...", "sent...", "delivered"}; !slices.Equal(got, want) {
		t.Errorf("receipts: got %v, want %v", got, want)
	}
}

// TestSlowSMSC: an SMSC whose clock is far behind reports on a new text, and an old one with the same TP-MR has had its
// report: the new one is meant.
func TestSlowSMSC(t *testing.T) {
	b := newBox(t, Options{})
	old := b.enqueue(b.message(1))
	b.send(old, 0, 7)
	b.report(7, 0x00)
	b.pass(6 * time.Hour)
	fresh := b.enqueue(b.message(1))
	b.send(fresh, 0, 7)
	m, err := b.db.Report("line-1", Report{Ref: 7, Recipient: number, Time: b.now.Add(-2 * time.Hour)}, b.now)
	b.ok(err)
	if m == nil || m.ID != fresh || m.State != Delivered {
		t.Errorf("got %+v", m)
	}
}

// TestReportFates: what each kind of TP-ST makes of a message, and what the receipt says.
func TestReportFates(t *testing.T) {
	for _, tt := range []struct {
		status sms.Status
		want   State
		code   uint16
		told   []string
	}{
		{0x00, Delivered, 0, []string{"sent...", "delivered"}},
		{0x01, Delivered, 1, []string{"sent...", "delivered"}},
		{0x20, Sent, 0x20, []string{"sent...", "sent..."}},
		{0x41, Undeliverable, 0x41, []string{"sent...", "undeliverable"}},
		{0x46, Expired, 0x46, []string{"sent...", "expired"}},
		{0x48, Undeliverable, 0x48, []string{"sent...", "undeliverable"}}, // deleted by the SMSC; Deleted is for our cancels
		{0x49, Unknown, 0x49, []string{"sent...", "unknown"}},
		{0x61, Undeliverable, 0x61, []string{"sent...", "undeliverable"}},
		{0xFF, Undeliverable, 0xFF, []string{"sent...", "undeliverable"}},
	} {
		t.Run(fmt.Sprintf("%#02x", uint8(tt.status)), func(t *testing.T) {
			b := newBox(t, Options{})
			id := b.enqueue(b.message(1))
			b.send(id, 0, 7)
			b.pass(time.Minute)
			m := b.report(7, tt.status)
			kind := uint8(0)
			if tt.code != 0 {
				kind = 3
			}
			if m.State != tt.want || m.ErrorCode != tt.code || m.ErrorKind != kind || m.Parts[0].Status != uint8(tt.status) {
				t.Errorf("got %s, code %d of kind %d, want %s, %d", m.State, m.ErrorCode, m.ErrorKind, tt.want, tt.code)
			}
			if reason := tt.status.String(); m.Parts[0].Reason != reason || m.State != Delivered && m.Reason != reason {
				t.Errorf("the reason is %q, and of the part %q, want %q", m.Reason, m.Parts[0].Reason, reason)
			}
			if got := b.receipts(); !slices.Equal(got, tt.told) {
				t.Errorf("told %v, want %v", got, tt.told)
			}
			b.report(7, tt.status)
			if got := b.receipts(); !slices.Equal(got, tt.told) {
				t.Errorf("told %v after the same report again, want %v", got, tt.told)
			}
		})
	}
}

// TestEarlyReport: the report overtakes the modem's answer.
func TestEarlyReport(t *testing.T) {
	b := newBox(t, Options{})
	if m := b.report(7, 0x41); m != nil {
		t.Fatalf("a report about nothing is about %s", m.ID)
	}
	b.pass(time.Second)
	id := b.enqueue(b.message(1))
	b.claim(id, 0)
	b.pass(time.Second)
	if m := b.report(7, 0x00); m != nil {
		t.Fatalf("before its TP-MR is known the report is about %s", m.ID)
	}
	b.ok(b.db.Sent(id, 0, 7, true, b.now))
	b.wantState(id, Delivered) // and not undeliverable, by the report from before the claim
	b.pass(26 * time.Hour)
	b.tick()
	b.ok(b.db.view(func(v *reader) error {
		if n := len(v.keys(bOrphans, nil)); n != 0 {
			t.Errorf("%d old reports are kept", n)
		}
		return nil
	}))
}

// TestOrphansAreBounded: reports about somebody else's texts don't pile up.
func TestOrphansAreBounded(t *testing.T) {
	b := newBox(t, Options{})
	for range 50 {
		b.report(9, 0x00)
	}
	b.ok(b.db.view(func(v *reader) error {
		if n := len(v.keys(bOrphans, nil)); n != orphansOfRef {
			t.Errorf("%d are kept, want %d", n, orphansOfRef)
		}
		return nil
	}))
}

// TestReportSettlesDoubt: the TP-MR that comes next on a line is known, so a report can prove that an uncertain part was
// sent: while the doubt lasts, when the report came first, and after it ended as Unknown.
func TestReportSettlesDoubt(t *testing.T) {
	doubt := func(b *box) ID {
		b.send(b.enqueue(b.message(1)), 0, 255)
		id := b.enqueue(b.message(1))
		b.pass(time.Minute)
		b.claim(id, 0)
		return id
	}
	t.Run("while it lasts", func(t *testing.T) {
		b := newBox(t, Options{})
		id := doubt(b)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		b.pass(time.Minute)
		b.report(0, 0x20)
		b.wantState(id, Sent)
		b.report(0, 0x00)
		b.wantState(id, Delivered)
		next := b.enqueue(b.message(1))
		b.claim(next, 0)
		if ref := b.get(next).Parts[0].Ref; ref != 1 {
			t.Errorf("after that the line's next TP-MR is %d, want 1", ref)
		}
	})
	t.Run("the report first", func(t *testing.T) {
		b := newBox(t, Options{})
		id := doubt(b)
		b.report(0, 0x00)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		b.wantState(id, Delivered)
	})
	t.Run("after the end", func(t *testing.T) {
		b := newBox(t, Options{})
		id := doubt(b)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		b.pass(time.Hour)
		b.tick()
		b.wantState(id, Unknown)
		m, err := b.db.Report("line-1", Report{Ref: 0, Recipient: number, Time: b.now.Add(-time.Hour)}, b.now)
		b.ok(err)
		if m == nil || m.ID != id || m.State != Delivered || !m.EndedAt.Equal(b.now) {
			t.Errorf("got %+v", m)
		}
		if got := b.receipts(); !slices.Equal(got[1:], []string{"unknown", "delivered"}) {
			t.Errorf("told %v", got)
		}
	})
	t.Run("not by an older text's report", func(t *testing.T) {
		b := newBox(t, Options{})
		id := doubt(b)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		m, err := b.db.Report("line-1", Report{Ref: 0, Recipient: number, Time: b.now.Add(-2 * time.Hour)}, b.now)
		b.ok(err)
		if m != nil {
			t.Errorf("a report on a text of two hours ago is about %s", m.ID)
		}
		b.wantState(id, Uncertain)
	})
}

// TestNoReport: a message whose report never comes ends as Unknown, two hours after its validity; its text goes earlier.
func TestNoReport(t *testing.T) {
	b := newBox(t, Options{Keep: time.Hour})
	id := b.enqueue(b.message(1))
	b.send(id, 0, 7)
	b.pass(time.Hour)
	b.tick()
	if m := b.get(id); m.State != Sent || m.Parts[0].Data != nil || m.Answerable(b.now, time.Hour) {
		t.Errorf("after its keeping time: %+v", m)
	}
	b.pass(24*time.Hour + 59*time.Minute)
	b.tick()
	b.wantState(id, Sent)
	b.pass(time.Minute)
	b.tick()
	b.wantState(id, Unknown)
	if got := b.receipts(); !slices.Equal(got, []string{"sent...", "unknown"}) {
		t.Errorf("told %v", got)
	}
}

// TestReportAfterRestart: a modem that was restarted counts its TP-MRs anew, and the report of the next text comes before
// its answer. It is not taken for a repetition of the one that an earlier text with that TP-MR had.
func TestReportAfterRestart(t *testing.T) {
	b := newBox(t, Options{})
	one := b.enqueue(b.message(1))
	b.send(one, 0, 1)
	b.report(1, 0)
	b.wantState(one, Delivered)
	b.pass(40 * time.Minute)
	two := b.enqueue(b.message(1))
	b.claim(two, 0)
	if m := b.report(1, 0); m != nil {
		t.Errorf("it was taken for one of message %s", m.ID)
	}
	b.ok(b.db.Sent(two, 0, 1, true, b.now))
	b.wantState(two, Delivered)
}

// TestQuickWrap: TP-MR has come round within the time that the SMSC's clock may be behind. A late report on the old text says
// nothing of the new one, and one on the new text is not taken for one on the old.
func TestQuickWrap(t *testing.T) {
	for _, doubted := range []bool{true, false} {
		for _, tt := range []struct {
			name     string
			at       time.Duration // SMSC time, after the old text's claim; the new one's is 256 s later
			reported bool          // the old text has had its report
			want     int           // 0: the old one
		}{
			{"the old text's", 4 * time.Second, false, 0},
			{"the old text's again", 4 * time.Second, true, 0},
			{"the new text's", 260 * time.Second, false, 1},
			{"the new text's, the clock is a little behind", 226 * time.Second, false, 1},
			{"the new text's, the clock is a little behind, and the old one's had come", 226 * time.Second, true, 1},
		} {
			b := newBox(t, Options{})
			began := b.now
			text := func() ID {
				id := b.enqueue(b.message(1))
				b.claim(id, 0)
				return id
			}
			ids := []ID{text()}
			b.ok(b.db.Sent(ids[0], 0, 13, true, b.now))
			if tt.reported {
				b.report(13, 0)
			}
			b.pass(255 * time.Second)
			b.ok(b.db.Sent(text(), 0, 12, true, b.now))
			b.pass(time.Second)
			ids = append(ids, text())
			if doubted {
				b.ok(b.db.Doubt(ids[1], 0, "silence", b.now))
			} else {
				b.ok(b.db.Sent(ids[1], 0, 13, true, b.now))
			}
			b.pass(time.Minute)
			m, err := b.db.Report("line-1", Report{Ref: 13, Recipient: number, Time: began.Add(tt.at)}, b.now)
			if err != nil || m == nil || m.ID != ids[tt.want] {
				t.Errorf("%s, the new one in doubt %t: %v, %v", tt.name, doubted, m, err)
			}
		}
	}
}

// TestConfirmedReference: one text of which nobody knows was expected to have the TP-MR that the next one to that number
// got. So it had none, and a report is about the next one, though the SMSC's clock is behind.
func TestConfirmedReference(t *testing.T) {
	const skew = 8 * time.Second
	for _, tt := range []struct {
		name  string
		apart time.Duration // the claims of both
		at    time.Duration // SMSC time, after the first claim
		want  int
	}{
		{"the clock is right", 10 * time.Second, 11 * time.Second, 1},
		{"the clock is seconds behind", 10 * time.Second, 11*time.Second - skew, 1},
		{"the clock is minutes behind", time.Minute, 2 * time.Second, 1},
		{"TP-MR may have come round in between", 4 * time.Minute, 2 * time.Second, 0},
	} {
		for _, ended := range []bool{false, true} {
			b := newBox(t, Options{UncertainWait: time.Second})
			b.send(b.enqueue(b.message(1)), 0, 6)
			b.pass(time.Minute)
			began := b.now
			ids := []ID{b.enqueue(b.message(1)), b.enqueue(b.message(1))}
			b.claim(ids[0], 0)
			b.ok(b.db.Doubt(ids[0], 0, "silence", b.now))
			if ended {
				b.pass(2 * time.Second)
				b.tick()
				b.wantState(ids[0], Unknown)
			}
			b.pass(began.Add(tt.apart).Sub(b.now))
			b.send(ids[1], 0, 7)
			b.pass(5 * time.Minute)
			m, err := b.db.Report("line-1", Report{Ref: 7, Recipient: number, Time: began.Add(tt.at)}, b.now)
			if err != nil || m == nil || m.ID != ids[tt.want] {
				t.Errorf("%s, the doubt ended %t: %v, %v", tt.name, ended, m, err)
			}
		}
	}
}
