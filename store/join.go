package store

import (
	"bytes"

	"smsgateway/sms"
)

// run is a piece of a text that is written in one alphabet, with nothing missing in it.
type run struct {
	alphabet sms.Alphabet
	data     []byte
	gap      bool // no data: parts are missing here
}

// join makes one text of parts in their order, where nil is one that did not come: its UDH is that of the first one there,
// without the concatenation; its time, too. Where parts are missing in words, GapText stands. Words in several alphabets
// become UCS-2. ok is false if none is there.
func join(parts []*Inbound) (whole Inbound, ok bool) {
	var runs []run
	mixed := false
	for _, p := range parts {
		if p == nil {
			if n := len(runs); n == 0 || !runs[n-1].gap {
				runs = append(runs, run{gap: true})
			}
			whole.Missing++
			continue
		}
		a := alphabetOf(p)
		if !ok {
			missing := whole.Missing
			whole, ok = *p, true
			whole.ID, whole.Missing, whole.digests = 0, missing, nil
		}
		mixed = mixed || a != alphabetOf(&whole)
		if p.Received.After(whole.Received) {
			whole.Received, whole.Modem = p.Received, p.Modem
		}
		whole.digests = append(whole.digests, p.digest())
		if n := len(runs); n == 0 || runs[n-1].gap || runs[n-1].alphabet != a {
			runs = append(runs, run{alphabet: a})
		}
		last := &runs[len(runs)-1]
		last.data = append(last.data, p.Data...)
	}
	if !ok {
		return Inbound{}, false
	}
	whole.Parts = len(parts)
	whole.UDH = withoutConcat(whole.UDH)
	if mixed {
		whole.DCS = dcsUCS2
	}
	whole.Data = joinRuns(runs, alphabetOf(&whole), mixed)
	whole.Text = textOf(&whole)
	return whole, true
}

// dcsUCS2 is UCS-2 without a message class (TS 23.038 §4).
const dcsUCS2 = 0x08

// joinRuns writes runs one behind the other in alphabet a.
func joinRuns(runs []run, a sms.Alphabet, mixed bool) (data []byte) {
	for i, r := range runs {
		switch {
		case r.gap:
			data = append(data, gapIn(a)...)
		case mixed:
			data = append(data, sms.EncodeUCS2(textOf(&Inbound{DCS: dcsOf(r.alphabet), Data: r.data}))...)
		case i+1 < len(runs):
			data = append(data, wholeCharacters(r)...)
		default:
			data = append(data, r.data...)
		}
	}
	return data
}

// wholeCharacters takes from the end of a run what needs an octet that is missing: it would swallow what follows.
func wholeCharacters(r run) []byte {
	const escape = 0x1B
	switch r.alphabet {
	case sms.GSM7:
		return bytes.TrimRight(r.data, string(rune(escape)))
	case sms.UCS2:
		return r.data[:len(r.data)&^1]
	}
	return r.data
}

// gapIn writes GapText; octets have no way to say it.
func gapIn(a sms.Alphabet) []byte {
	switch a {
	case sms.UCS2:
		return sms.EncodeUCS2(GapText)
	case sms.GSM7:
		septets, err := sms.EncodeGSM7(GapText)
		if err == nil { // it has these characters
			return septets
		}
	}
	return nil
}

func dcsOf(a sms.Alphabet) uint8 {
	if a == sms.UCS2 {
		return dcsUCS2
	}
	return 0
}

// textOf is the text as people read it; "" of octets.
func textOf(in *Inbound) string { return sms.Deliver{DCS: in.DCS, Data: in.Data}.Text() }

// withoutConcat takes the concatenation out of a UDH; nil if nothing else is in it.
func withoutConcat(udh []byte) []byte {
	elems, err := sms.ParseUDH(udh)
	if err != nil {
		return udh
	}
	var rest []sms.Element
	for _, e := range elems {
		if _, _, _, _, is := sms.ConcatOf([]sms.Element{e}); !is {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return sms.AppendUDH(nil, rest...)
}
