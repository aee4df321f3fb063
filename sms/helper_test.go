package sms

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// unhex reads octets as they stand in the tests: hexadecimal, blanks where they help, the name of a field behind #.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			digits.WriteString(word)
		}
	}
	octets, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("the test's own octets: %v", err)
	}
	return octets
}

// septets is text in the GSM alphabet, for tests whose text surely fits.
func septets(t testing.TB, text string) []byte {
	t.Helper()
	s, err := EncodeGSM7(text)
	if err != nil {
		t.Fatalf("the test's own text %q: %v", text, err)
	}
	return s
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// wantField wants err to be a *FieldError of that field, somewhere within n octets.
func wantField(t testing.TB, err error, field string, n int) {
	t.Helper()
	var fault *FieldError
	switch {
	case !errors.As(err, &fault):
		t.Errorf("got error %v, want a *FieldError of %s", err, field)
	case fault.Field != field || fault.Offset < 0 || fault.Offset > n || fault.Reason == "":
		t.Errorf("got %+v, want one of %s within %d octets", fault, field, n)
	}
}

// at is a time in a zone so many quarters of an hour east of Greenwich, as a timestamp gives it.
func at(year int, month time.Month, day, hour, minute, second, quarters int) time.Time {
	zone := time.UTC
	if quarters != 0 {
		zone = time.FixedZone("", quarters*15*60)
	}
	return time.Date(year, month, day, hour, minute, second, 0, zone)
}

// international and friends build the addresses of the tests.
func international(number string) Address { return Address{TONInternational, NPIISDN, number} }
func unknown(number string) Address       { return Address{TONUnknown, NPIISDN, number} }
func name(text string) Address            { return Address{TONAlphanumeric, NPIUnknown, text} }
