package gateway

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"smsgateway/modem"
	"smsgateway/sms"
	"smsgateway/store"
)

// TestForms: which form of TP-VP is chosen, and what it says.
func TestForms(t *testing.T) {
	for _, tt := range []struct {
		name    string
		left    time.Duration
		bounded bool
		round   bool
		want    vpForm
		until   time.Duration // as the network reads it
	}{
		{"our default", 24 * time.Hour, false, false, vpRelative, 24 * time.Hour},
		{"what is left of our default", 23*time.Hour + 59*time.Minute, false, false, vpRelative, 24 * time.Hour},
		{"5 minutes", 5 * time.Minute, true, false, vpRelative, 5 * time.Minute},
		{"5 minutes, a moment ago", 5*time.Minute - 300*time.Millisecond, true, false, vpRelative, 5 * time.Minute},
		{"a second less", 5*time.Minute - time.Second, true, false, vpAbsolute, 5*time.Minute - time.Second},
		{"10 seconds", 10 * time.Second, true, false, vpAbsolute, 10 * time.Second},
		{"13 hours 7", 13*time.Hour + 7*time.Second, true, false, vpAbsolute, 13*time.Hour + 7*time.Second},
		{"25 hours", 25 * time.Hour, true, false, vpAbsolute, 25 * time.Hour},
		{"30 days", 30 * 24 * time.Hour, true, false, vpRelative, 30 * 24 * time.Hour},
		{"63 weeks", longest, true, false, vpRelative, longest},
		{"tenths of a second", 90*time.Second + 700*time.Millisecond, true, false, vpAbsolute, 90 * time.Second},
		{"rounded as the operator says", 25 * time.Hour, true, true, vpRelative, 48 * time.Hour},
		{"nearly over", 200 * time.Millisecond, true, false, vpAbsolute, time.Second},
	} {
		v := newValidities(func() time.Time { return noon })
		m := &store.Message{Expires: noon.Add(tt.left), Bounded: tt.bounded}
		form := v.form(m, "sim", tt.round, false, noon)
		if form != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, form, tt.want)
		}
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 5*3600+1800), time.FixedZone("", -3*3600)} {
			p := sms.Submit{Destination: sms.Address{Number: "1"}}
			setValidity(&p, form, m.Expires, zone, noon)
			tpdu, err := p.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if p, err = sms.ParseSubmit(tpdu); err != nil || !p.Until(noon).Equal(noon.Add(tt.until)) {
				t.Errorf("%s: until %s, %v, want %s", tt.name, p.Until(noon), err, noon.Add(tt.until))
			}
		}
	}
	p := sms.Submit{}
	if setValidity(&p, vpNone, noon.Add(time.Hour), time.UTC, noon); p.Validity != 0 || p.VPRaw != nil {
		t.Errorf("none is %+v", p)
	}
	if setValidity(&p, vpAbsolute, noon.AddDate(100, 0, 0), time.UTC, noon); p.Validity == 0 {
		t.Errorf("a year that can't be written is %+v", p)
	}
}

// TestFormBehind: of a text that waits behind another one nobody knows when the network will count from.
func TestFormBehind(t *testing.T) {
	v := newValidities(func() time.Time { return noon })
	onAir := newHandover(t.Context(), nil, 0, 1, "sim")
	defer onAir.revoke()
	m := &store.Message{Expires: noon.Add(5 * time.Minute), Bounded: true}
	for _, tt := range []struct {
		name  string
		onAir *handover
		round bool
		want  vpForm
	}{
		{"nothing on air", nil, false, vpRelative},
		{"one on air", onAir, false, vpAbsolute},
		{"one on air, rounded as the operator says", onAir, true, vpRelative},
	} {
		if got := v.form(m, "sim", tt.round, tt.onAir.open(), noon); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	close(onAir.done)
	if got := v.form(m, "sim", false, onAir.open(), noon); got != vpRelative {
		t.Errorf("it is done: %s", got)
	}
}

// TestFormsLearnt: what a SIM's network refuses is not offered again, unless something else was at fault.
func TestFormsLearnt(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	bounded := &store.Message{ID: 1, Expires: noon.Add(90 * time.Second), Bounded: true}
	now := noon
	for _, tt := range []struct {
		name string
		do   func(v *validities)
		want vpForm
	}{
		{"nothing", func(*validities) {}, vpAbsolute},
		{"198", func(v *validities) { v.refused(1, "sim", vpAbsolute, fcsNoVPF, log) }, vpRelative},
		{"198, of another SIM", func(v *validities) { v.refused(1, "other", vpAbsolute, fcsNoVPF, log) }, vpAbsolute},
		{"199, then again", func(v *validities) {
			v.refused(1, "sim", vpAbsolute, fcsNoVP, log)
			v.refused(1, "sim", vpRelative, fcsNoVP, log)
		}, vpNone},
		{"198 of two that were on their way", func(v *validities) {
			v.refused(1, "sim", vpAbsolute, fcsNoVPF, log)
			v.refused(2, "sim", vpAbsolute, fcsNoVPF, log)
		}, vpRelative},
		{"304, then sent", func(v *validities) {
			v.refused(1, "sim", vpAbsolute, modem.CMSError(304), log)
			v.sent(1, "sim", vpRelative, log)
		}, vpRelative},
		{"304, then 304", func(v *validities) {
			v.refused(1, "sim", vpAbsolute, modem.CMSError(304), log)
			v.refused(1, "sim", vpRelative, modem.CMSError(304), log)
		}, vpAbsolute},
		{"304, then another one is sent", func(v *validities) {
			v.refused(1, "sim", vpAbsolute, modem.CMSError(304), log)
			v.sent(2, "sim", vpRelative, log)
			now = noon.Add(vpTrial)
		}, vpAbsolute},
		{"ERROR, then sent", func(v *validities) { v.suspect(1, "sim", vpAbsolute); v.sent(1, "sim", vpRelative, log) }, vpRelative},
		{"sent, then ERROR, then sent", func(v *validities) {
			v.sent(5, "sim", vpAbsolute, log)
			v.suspect(1, "sim", vpAbsolute)
			v.sent(1, "sim", vpRelative, log)
		}, vpAbsolute},
		{"sent, then 198", func(v *validities) {
			v.sent(5, "sim", vpAbsolute, log)
			v.refused(1, "sim", vpAbsolute, fcsNoVPF, log)
		}, vpRelative},
		{"ERROR twice", func(v *validities) { v.suspect(1, "sim", vpAbsolute); v.suspect(1, "sim", vpRelative) }, vpAbsolute},
		{"a number that nobody has", func(v *validities) { v.refused(1, "sim", vpAbsolute, modem.CMSError(1), log) }, vpAbsolute},
		{"304 of a relative one", func(v *validities) { v.refused(1, "sim", vpRelative, modem.CMSError(304), log) }, vpAbsolute},
	} {
		now = noon
		v := newValidities(func() time.Time { return now })
		tt.do(v)
		m := *bounded
		m.Expires = now.Add(90 * time.Second)
		if got := v.form(&m, "sim", false, false, now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	v := newValidities(func() time.Time { return noon })
	for _, tt := range []struct {
		form  vpForm
		cause error
		want  bool
	}{
		{vpAbsolute, fcsNoVPF, true}, {vpRelative, fcsNoVP, true}, {vpNone, fcsNoVP, false}, {vpAbsolute, modem.CMSError(69), true},
		{vpRelative, modem.CMSError(69), false}, {vpAbsolute, modem.CMSError(38), false}, {vpAbsolute, errors.New("no code"), false},
	} {
		if got := v.refused(1, "sim", tt.form, tt.cause, log); got != tt.want {
			t.Errorf("%v with the form %s: again %t, want %t", tt.cause, tt.form, got, tt.want)
		}
	}
}

// TestClockSkew: a clock that is wrong, the network's or ours, is told once and keeps to the relative form.
func TestClockSkew(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	v := newValidities(func() time.Time { return noon })
	m := &store.Message{Expires: noon.Add(90 * time.Second), Bounded: true, Parts: []store.Part{
		{Line: "sim", Ref: 6, ClaimedAt: noon.Add(-time.Hour), SentAt: noon.Add(-time.Hour)},
		{Line: "sim", Ref: 7, ClaimedAt: noon.Add(-10 * time.Second), SentAt: noon},
		{Line: "sim", Ref: 8, ClaimedAt: noon.Add(-10 * time.Second), SentAt: noon.Add(5 * time.Hour)},
	}}
	for _, tt := range []struct {
		ref   uint8
		taken time.Time
		want  vpForm
	}{
		{7, noon.Add(-5 * time.Second), vpAbsolute},
		{7, noon.Add(vpSkew), vpAbsolute},
		{7, noon.Add(-10*time.Second - vpSkew), vpAbsolute},
		{7, time.Time{}, vpAbsolute},
		{9, noon.Add(-time.Hour), vpAbsolute},
		{7, noon.Add(-time.Hour), vpRelative},
		{8, noon.Add(5 * time.Hour), vpRelative}, // it was settled by the report itself, which proves nothing
		{7, noon.Add(2 * time.Hour), vpRelative},
		{7, noon.Add(-time.Second), vpAbsolute},
		{6, noon.Add(-time.Hour), vpAbsolute},
	} {
		v.clock(m, "sim", tt.ref, tt.taken, logger)
		if got := v.form(m, "sim", false, false, noon); got != tt.want {
			t.Errorf("after a report of %d from %s: %s, want %s", tt.ref, tt.taken, got, tt.want)
		}
	}
	if n := strings.Count(log.String(), "clock differs"); n != 1 {
		t.Errorf("told %d times", n)
	}
}
