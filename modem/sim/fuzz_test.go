package sim

import (
	"io"
	"strings"
	"testing"
	"time"
)

// FuzzCommandLine types anything at a modem: it must neither panic nor hang, and must answer AT afterwards.
func FuzzCommandLine(f *testing.F) {
	for _, seed := range []string{
		"AT\r", "ATE0V1Q0&F+CMEE=1;+CREG?;^X\r", "\x1b\r\x00AT\r\n", "ATS3?S0=\r", "AT+CPMS=\"SM\",,\"ME\r", "AT+CMGD=1,4\r", "ATD1;\r",
		"AT+CNMI=2,2,0,1\rAT+CSMS=1\rAT+CMGL=4\rAT+CNMA=1,3\r00\x1aAT+CNMA=2\r",
		"AT+CMGS=23\r0011000B916407281553F80000AA0AE8329BFD4697D9EC37\x1a", "AT+CMGS=19\r0031000B912143658709F10000A705E8329BFD06\x1a",
		"AT+CMGS=12\r0001000581999940000000\x1a", "AT+CMGS=13\r00010005819999400000000\x1b", "AT+CMGW=7\r\b\b0\r\x1aAT+CMSS=1,5\r",
		"AT+CFUN=0\rAT+CPIN?\rAT+CFUN=1\rAT+CUSD=1,\"*1#\"\rAT+CSCS=\"UCS2\"\rAT+COPS?\r", "AT+CFUN=1,1\r", "AT=?;=\"\r", "AT+\r", "AT+?\r", "AT&\r",
		"AT+CRSM=176,28483,0,1,1\rAT+CUSD=1,\"*101#\"\rAT+CUSD=1,\"AA180C3602\"\rAT+CCLK?\rAT+CNMA=1\r", "AT^CPIN?;+SPIC;^SPIC;+QPINC\r",
		"AT+CMGS=14\r000100059199994100000161\x1aAT\r", "AT+CPIN=1,2\rAT+CPIN=\r", "\xb5AT\r",
	} {
		f.Add([]byte(seed), false, uint8(0))
		f.Add([]byte(seed), true, uint8(0))
		for i := range profiles() {
			f.Add([]byte(seed), false, uint8(i+1))
		}
	}
	f.Fuzz(func(t *testing.T, typed []byte, locked bool, like uint8) {
		cfg := Config{StorageSize: 2}
		if p := profiles(); int(like) <= len(p) && like > 0 {
			cfg.Quirks = p[like-1].quirks
		}
		if locked {
			cfg.PIN = "1"
		}
		m := New(cfg)
		for _, text := range []string{"a", "b", "c"} {
			if err := m.Receive("+491", text); err != nil {
				t.Fatal(err)
			}
		}
		terminal := newTerminal(m, newOutbox())
		m.term = terminal
		now := time.Now()
		terminal.powerOn(now)
		terminal.pending = append([]byte(nil), typed...)
		for range 20 {
			now = now.Add(time.Minute)
			terminal.work(now)
		}
		if terminal.unplugged {
			return
		}
		out := newOutbox()
		terminal.out = out
		terminal.pending = []byte("\x1b\r\x1b\rATV1Q0\r")
		terminal.work(now)
		out.close()
		var said strings.Builder
		if err := out.drain(&said); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(said.String(), "\r\nOK\r\n") {
			t.Errorf("after %q it does not answer: %q", typed, said.String())
		}
	})
}

// FuzzReceive has anything arrive.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x04, 0x02, 0x81, 0x21, 0x00, 0x00, 0x11, 0x10, 0x10, 0x00, 0x00, 0x00, 0x00, 0x01, 0x61}, "2,2,0,1")
	f.Add([]byte{0x06, 0x07, 0x02, 0x81, 0x21, 0x11, 0x10, 0x10, 0x00, 0x00, 0x00, 0x00, 0x11, 0x10, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00}, "2,1,0,2")
	f.Fuzz(func(t *testing.T, tpdu []byte, cnmi string) {
		m := New(Config{})
		if m.ReceiveTPDU(tpdu) != nil {
			return
		}
		out := newOutbox()
		terminal := newTerminal(m, out)
		terminal.powerOn(time.Now())
		terminal.pending = []byte("AT+CNMI=" + cnmi + "\rAT+CMGL=4\r")
		terminal.work(time.Now())
		out.close()
		if err := out.drain(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
