package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"smsgateway/modem"
)

// flagValue is a flag whose value is read by a function of ours, which says what is wrong with it in words of ours. It is a
// pflag.Value.
type flagValue[T any] struct {
	at   *T
	kind string // what --help calls the value
	read func(string) (T, error)
}

func valueOf[T any](at *T, kind string, read func(string) (T, error)) flagValue[T] {
	return flagValue[T]{at, kind, read}
}

func (v flagValue[T]) String() string {
	if v.at == nil { // pflag asks the zero value
		return ""
	}
	return fmt.Sprint(*v.at)
}

func (v flagValue[T]) Type() string { return v.kind }

func (v flagValue[T]) Set(s string) error {
	value, err := v.read(s)
	if err == nil {
		*v.at = value
	}
	return err
}

// timeOf reads a duration, 0 or longer.
func timeOf(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil && d >= 0:
		return d, nil
	case err == nil:
		return 0, errors.New("a time can't be below zero")
	case s != "" && strings.Trim(s, "0123456789.") == "":
		return 0, fmt.Errorf("a time needs its unit, as in %ss", s)
	}
	return 0, errors.New("it is no time: write it as in 500ms, 5s or 2m")
}

// imeiOf reads the IMEI of a simulated modem; "" has one made up. It is one that the port of a [[modem]] takes.
func imeiOf(s string) (string, error) {
	switch {
	case s == "":
	case len(s) != 15 || !digits(s):
		return "", errors.New("an IMEI has 15 digits, as in 356938035643809")
	case !modem.CheckDigitFits(s):
		return "", fmt.Errorf("its last digit does not fit: a typing error? %s%c would do", s[:14], modem.Luhn(s[:14]))
	}
	return s, nil
}

// iccidOf reads the number of a simulated SIM card; "" has one made up.
func iccidOf(s string) (string, error) {
	if s != "" && (len(s) < 18 || len(s) > 20 || !digits(s)) {
		return "", errors.New("the number of a SIM card has 18 to 20 digits, as in 8949010000123456789")
	}
	return s, nil
}

// numberOf reads the number of a simulated SIM; "" is the default.
func numberOf(s string) (string, error) {
	number := strings.TrimPrefix(s, "+")
	if s != "" && (number == "" || len(number) > 20 || !digits(number)) {
		return "", errors.New("a number has 1 to 20 digits and no blanks, as in +491760000001")
	}
	return s, nil
}

// shareOf reads the share of the texts that meet a fault.
func shareOf(s string) (float64, error) {
	share, err := strconv.ParseFloat(s, 64)
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, errors.New("write a share of the texts, 0 to 1, as in 0.1")
	}
	return share, nil
}

// seedOf reads where chance begins.
func seedOf(s string) (uint64, error) {
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("write a whole number, 0 or above, as in 7")
	}
	return seed, nil
}

func yesOrNo(s string) (bool, error) {
	yes, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("write true or false, or the flag alone")
	}
	return yes, nil
}

// goodPIN tells whether a SIM can have this PIN; "" is none.
func goodPIN(pin string) bool { return pin == "" || len(pin) >= 4 && len(pin) <= 8 && digits(pin) }
