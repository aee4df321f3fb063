package sim

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"smsgateway/sms"
)

// USSD is how a modem writes the texts of AT+CUSD (gsm-modem §1.10).
type USSD uint8

const (
	USSDPlain  USSD = iota // in the character set of +CSCS
	USSDPacked             // packed septets in hex, both ways (Huawei sticks: gammu, F_ENCODED_USSD)
	USSDUCS2               // UCS-2 in hex, dcs 72
)

const (
	startCents = 1234 // of the balance
	textCents  = 9    // that a text costs
)

// doCUSD asks the network by a code (TS 27.007 §7.15). The answer is a URC, Latency later: *100# tells the balance, *101#
// asks back, and anything else is not supported (4).
func doCUSD(t *terminal, c command) error {
	level := t.cusd
	switch {
	case c.form == test:
		t.say("+CUSD: (0-2)")
		return nil
	case c.form == read:
		t.sayf("+CUSD: %d", t.cusd)
		return nil
	case c.form != set || !c.number(0, &level, 0, 2):
		return cmeIncorrect
	case level == 2:
		t.asked = false
		return nil
	case c.has(1) && !carries(t.registration(time.Now())):
		return cmeNoNetwork
	}
	code, ok := t.fromUSSD(c.arg(1))
	if !ok {
		return cmeIncorrect
	}
	t.cusd = level
	if !c.has(1) {
		return nil
	}
	t.after(t.m.draw(t.m.cfg.Timing.Send, t.m.cfg.Latency), func() { t.urc(t.ussdAnswer(code)) })
	return nil
}

// ussdAnswer is what the network says to a code, or to the answer of its own question.
func (t *terminal) ussdAnswer(code string) string {
	balance := fmt.Sprintf("Your balance is %d.%02d EUR.", t.m.sub.cents/100, t.m.sub.cents%100)
	switch asked := t.asked; {
	case code == "*100#", asked && code == "1":
		t.asked = false
		return t.ussd(0, balance)
	case code == "*101#":
		t.asked = true
		return t.ussd(1, "1 Balance 2 Number")
	case asked && code == "2":
		t.asked = false
		return t.ussd(0, "Your number is "+t.m.cfg.Number+".")
	case asked:
		return t.ussd(1, "Answer 1 or 2")
	}
	return "+CUSD: 4"
}

// ussd writes a +CUSD line.
func (t *terminal) ussd(mode int, text string) string {
	switch t.m.cfg.ussd() {
	case USSDPacked:
		septets, err := sms.EncodeGSM7(text)
		if err != nil {
			return "+CUSD: 4" // all texts here can be written
		}
		return fmt.Sprintf("+CUSD: %d,\"%X\",15", mode, sms.Pack(septets, 0))
	case USSDUCS2:
		return fmt.Sprintf("+CUSD: %d,\"%X\",72", mode, sms.EncodeUCS2(text))
	}
	return fmt.Sprintf("+CUSD: %d,%s,15", mode, t.quoted(text))
}

// fromUSSD reads a code as the driver must write it; ok is false if it is written in another way.
func (t *terminal) fromUSSD(s string) (code string, ok bool) {
	if t.m.cfg.ussd() != USSDPacked {
		return t.plain(s), true
	}
	octets, err := hex.DecodeString(s)
	if err != nil {
		return "", false
	}
	// A last septet of padding reads as @, or as CR where the standard's padding was used (TS 23.038 §6.1.2.3.1).
	return strings.TrimRight(sms.DecodeGSM7(sms.Unpack(octets, len(octets)*8/7, 0)), "@\r"), true
}

// ussd is how the modem writes USSD, which is its own choice or that of its quirks.
func (c Config) ussd() USSD {
	if c.USSD == USSDPlain {
		return c.Quirks.USSD
	}
	return c.USSD
}

// charge takes the price of a text from the balance.
func (n *subscriber) charge() { n.cents = max(0, n.cents-textCents) }
