package sms

import (
	"errors"
	"fmt"
)

// TON is a type of number (TS 23.040 §9.1.2.5). SMPP uses the same values.
type TON uint8

// The types of number. 7 is reserved and passes through untouched.
const (
	TONUnknown         TON = 0 // as dialled: short codes, service numbers, national numbers with their prefix
	TONInternational   TON = 1 // with country code, without prefix
	TONNational        TON = 2
	TONNetworkSpecific TON = 3
	TONSubscriber      TON = 4
	TONAlphanumeric    TON = 5 // a name instead of a number; only senders have one
	TONAbbreviated     TON = 6
)

// NPI is a numbering plan identification (TS 23.040 §9.1.2.5): 0 to 15.
type NPI uint8

// The numbering plans in use with phones.
const (
	NPIUnknown NPI = 0
	NPIISDN    NPI = 1 // E.164, the telephone numbers of the world
)

// maxDigits is the longest number an address field can hold (TS 23.040 §9.1.2.5: 10 octets of semi-octets).
const maxDigits = 20

// Address is one end of a message: a phone, a service, or the message centre. The zero Address stands for none.
type Address struct {
	TON TON
	NPI NPI
	// Number has at most 20 of the digits 0-9 * # a b c, and no '+'. If TON is TONAlphanumeric it is a text of at most
	// 11 septets in the GSM 7 bit alphabet.
	Number string
}

// String is the address as people write it: "+" in front of an international number, the name of an alphanumeric one,
// and "" for one without a number.
func (a Address) String() string {
	if a.TON == TONInternational && a.Number != "" {
		return "+" + a.Number
	}
	return a.Number
}

// ParseNumber reads a number as a person or an ESME writes it: 1 to 20 digits, international with one '+' in front, else
// of unknown type, so that short codes and national numbers are dialled as they stand. Nothing else is allowed, no blanks
// either; the error says which character is wrong and is fit for the person's eyes. It does not repeat the number.
func ParseNumber(s string) (Address, error) {
	a := Address{TON: TONUnknown, NPI: NPIISDN, Number: s}
	if s != "" && s[0] == '+' {
		a.TON, a.Number = TONInternational, s[1:]
	}
	position := 0
	for _, r := range s {
		position++
		if (r < '0' || r > '9') && !(r == '+' && position == 1) {
			return Address{}, fmt.Errorf("character %d of the number is %q: only digits, and one + in front, are allowed", position, r)
		}
	}
	switch {
	case a.Number == "":
		return Address{}, errors.New("the number has no digits: give 1 to 20, with a + in front if it is international")
	case len(a.Number) > maxDigits:
		return Address{}, fmt.Errorf("the number has %d digits: at most %d are possible", len(a.Number), maxDigits)
	}
	return a, nil
}

// comparedDigits is how much of a number survives what networks do to it: country codes and trunk prefixes come and go.
const comparedDigits = 8

// SameNumber tells whether two numbers may belong to one phone, as a status report may name it: it compares the last 8
// digits, or all when there are fewer, and ignores everything that is no digit. A number without digits is nobody's.
func SameNumber(a, b string) bool {
	var lastA, lastB [comparedDigits]byte
	n := lastDigits(&lastA, a)
	return n > 0 && n == lastDigits(&lastB, b) && lastA == lastB
}

// lastDigits fills to with the last digits of number, the very last one first, and returns how many there are.
func lastDigits(to *[comparedDigits]byte, number string) (n int) {
	for i := len(number) - 1; i >= 0 && n < len(to); i-- {
		if c := number[i]; c >= '0' && c <= '9' {
			to[n] = c
			n++
		}
	}
	return n
}
