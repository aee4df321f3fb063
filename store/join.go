package store

import (
	"bytes"
	"slices"

	"smsgateway/sms"
)

// script is how words are written: in which alphabet, and septets by which tables.
type script struct {
	alphabet sms.Alphabet
	shift    sms.Shift
}

func scriptOf(in *Inbound) script {
	s := script{alphabet: alphabetOf(in)}
	if s.alphabet == sms.GSM7 {
		s.shift = sms.ShiftIn(in.UDH) // each part names its own (TS 23.038 §6.2.1.2)
	}
	return s
}

// read gives the words; "" of octets.
func (s script) read(data []byte) string {
	switch s.alphabet {
	case sms.GSM7:
		return s.shift.Decode(data)
	case sms.UCS2:
		return sms.DecodeUCS2(data)
	}
	return ""
}

// run is a piece of a text that is written in one way, with nothing missing in it.
type run struct {
	script
	data []byte
	gap  bool // no data: parts are missing here
}

// join makes one text of parts in their order, where nil is one that did not come: its UDH is that of the first one there,
// without the concatenation; its time, too. Where parts are missing in words, GapText stands. Words in several alphabets
// or by several tables become UCS-2. Words and octets, which fragmentsDigest keeps apart, would become octets, as they came:
// no alphabet could hold them. ok is false if none is there.
func join(parts []*Inbound) (whole Inbound, ok bool) {
	var runs []run
	mixed, octets := false, false
	for _, p := range parts {
		if p == nil {
			if n := len(runs); n == 0 || !runs[n-1].gap {
				runs = append(runs, run{gap: true})
			}
			whole.Missing++
			continue
		}
		script := scriptOf(p)
		if !ok {
			missing := whole.Missing
			whole, ok = *p, true
			whole.ID, whole.Missing, whole.digests = 0, missing, nil
		}
		mixed = mixed || script != scriptOf(&whole)
		octets = octets || script.alphabet == sms.Binary
		if p.Received.After(whole.Received) {
			whole.Received, whole.Modem = p.Received, p.Modem
		}
		whole.digests = append(whole.digests, p.digest())
		if n := len(runs); n == 0 || runs[n-1].gap || runs[n-1].script != script {
			runs = append(runs, run{script: script})
		}
		last := &runs[len(runs)-1]
		last.data = append(last.data, p.Data...)
	}
	if !ok {
		return Inbound{}, false
	}
	whole.Parts = len(parts)
	whole.UDH = without(whole.UDH, isConcat)
	if mixed {
		whole.DCS = dcsUCS2
		if octets {
			whole.DCS = dcsOctets
		}
		whole.UDH = without(whole.UDH, isShift)
	}
	whole.Data = joinRuns(runs, scriptOf(&whole), mixed)
	whole.Text = textOf(&whole)
	return whole, true
}

// dcsUCS2 is UCS-2 without a message class, dcsOctets 8 bit data (TS 23.038 §4).
const dcsOctets, dcsUCS2 = 0x04, 0x08

// joinRuns writes runs one behind the other in the script of the whole.
func joinRuns(runs []run, whole script, mixed bool) (data []byte) {
	for i, r := range runs {
		switch {
		case r.gap:
			data = append(data, gapIn(whole)...)
		case whole.alphabet == sms.Binary:
			data = append(data, r.data...)
		case mixed:
			data = append(data, sms.EncodeUCS2(r.read(r.data))...)
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
func gapIn(s script) []byte {
	switch s.alphabet {
	case sms.UCS2:
		return sms.EncodeUCS2(GapText)
	case sms.GSM7:
		septets, err := s.shift.Encode(GapText)
		if err == nil { // all tables have these characters
			return septets
		}
	}
	return nil
}

// textOf is the text as people read it; "" of octets.
func textOf(in *Inbound) string { return sms.Text(in.DCS, in.UDH, in.Data) }

// without takes elements out of a UDH; nil if nothing else is in it.
func without(udh []byte, is func(sms.Element) bool) []byte {
	elems, err := sms.ParseUDH(udh)
	if err != nil {
		return udh
	}
	if elems = slices.DeleteFunc(elems, is); len(elems) == 0 {
		return nil
	}
	return sms.AppendUDH(nil, elems...)
}

func isConcat(e sms.Element) bool {
	_, _, _, _, is := sms.ConcatOf([]sms.Element{e})
	return is
}

func isShift(e sms.Element) bool { return len(sms.WithoutShift([]sms.Element{e})) == 0 }
