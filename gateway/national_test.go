package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"smsgateway/gateway"
	"smsgateway/smpp"
)

// TestNationalTexts: the settings of an account on a text's whole way, and what is said of an account whose texts look
// like another alphabet.
func TestNationalTexts(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	for key, set := range map[string]gateway.Settings{
		"turkish": {"national": "tr"}, "plain": {}, "like": {"unencodable": "transliterate"}, "strict": {"unencodable": "reject"},
		"latin": {"alphabet": "latin1"},
	} {
		if _, err := b.AddAccount(gateway.NewAccount{Key: key, Password: "secret", Settings: set}); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Repeat("Işık söndü, çabuk gel! ", 8)
	for key, parts := range map[string]int{"turkish": 2, "plain": 3} {
		id := b.submit(b.bind(smpp.BindTransmitter, key), "4161231234", text)
		if got := b.wantText(text); got.Total != parts {
			t.Errorf("%s: message %s went in %d parts, want %d", key, id, got.Total, parts)
		}
	}
	b.submit(b.bind(smpp.BindTransmitter, "like"), "4161231234", "it’s “fine”…")
	b.wantText(`it's "fine"...`)
	_, err := b.bind(smpp.BindTransmitter, "strict").Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, ShortMessage: []byte("it’s")})
	if !errors.Is(err, smpp.StatusSubmitFail) {
		t.Errorf("reject: %v, want ESME_RSUBMITFAIL", err)
	}
	if _, err := b.SendText(t.Context(), "strict", "4161231234", "it’s"); err == nil ||
		!strings.Contains(err.Error(), "1 of its characters are not in the GSM 7 bit alphabet: U+2019") {
		t.Errorf("reject of an operator's text: %v", err)
	}
	if _, err := b.SendText(t.Context(), "turkish", "4161231234", text); err != nil {
		t.Fatal(err)
	}
	b.wantText(text)

	c := b.bind(smpp.BindTransmitter, "latin")
	for _, text := range []string{"café", "für", "niño"} {
		b.submit(c, "4161231234", text)
		<-b.texts
	}
	acct, err := b.Account("latin")
	if err != nil {
		t.Fatal(err)
	}
	if hints := b.AlphabetHints(acct); len(hints) != 1 || hints[0].Mend != "smsgateway account set latin --alphabet utf8" {
		t.Errorf("hints %+v", hints)
	}
}
