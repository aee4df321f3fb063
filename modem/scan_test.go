package modem

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// scanAll feeds the chunks and returns all lines.
func scanAll(wantPrompt bool, chunks ...string) (lines []string) {
	var s scanner
	for _, c := range chunks {
		s.feed([]byte(c))
		for {
			line, ok := s.next(wantPrompt)
			if !ok {
				break
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestScanner(t *testing.T) {
	tests := []struct {
		name   string
		prompt bool
		in     string
		want   []string
	}{
		{"as the standard has it", false, "\r\n+CSQ: 9,99\r\n\r\nOK\r\n", []string{"+CSQ: 9,99", "OK"}},
		{"echo, doubled CR (Huawei E1752, gammu issue 138)", false, "AT+CPMS=\"SM\",\"SM\"\r\r\n+CPMS: 0,50,0,50,0,50\r\n\r\nOK\r\n",
			[]string{`AT+CPMS="SM","SM"`, "+CPMS: 0,50,0,50,0,50", "OK"}},
		{"LF alone, CR alone, blanks", false, "\nRING\n\r  OK  \r", []string{"RING", "OK"}},
		{"noise of an opened line", false, "\x00\x00\x07OK\x00\r\n", []string{"OK"}},
		{"octets above 7F stay", false, "+COPS: 0,0,\"T\xe9l\xe9\"\r\n", []string{"+COPS: 0,0,\"T\xe9l\xe9\""}},
		{"begun", false, "\r\n+CM", nil},
		{"prompt", true, "\r\n> ", []string{">"}},
		{"prompt behind a report", true, "\r\n+CMTI: \"SM\",3\r\n\r\n>", []string{`+CMTI: "SM",3`, ">"}},
		{"prompt only at the head", true, "a>b\r\n", []string{"a>b"}},
		{"none wanted", false, "\r\n> \r\n", []string{">"}},
		{"echo of a text ends at Ctrl-Z", false, "0031000B91\x1a\r\n+CMGS: 5\r\n", []string{"0031000B91", "+CMGS: 5"}},
		{"echo of ESC", false, "\x1b\rAT\rOK\r", []string{"AT", "OK"}},
		{"too long comes in pieces", false, strings.Repeat("x", maxLine+3) + "\r", []string{strings.Repeat("x", maxLine), "xxx"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := scanAll(tt.prompt, tt.in); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzLines: however the octets arrive, the lines are the same; they have no end, no control character and a bound;
// and no line makes the layers above fall over.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"\r\n+CMTI: \"SM\",3\r\n\r\n> ", "AT\r\r\nOK\r\n", "\r\n+CDS: 24\r\n07914356060013F1065A098136395339F6219011700463802190117004638030\r\n",
		"+CREG: 2,1,\"0B,\"0100701\",7\r\n", "\x00\x1b\x1a>", "+CMT: ,255\r\n\r\n+CMGS: 2\r\n", "+CMGL: 1,1,,\r\n", "+:\r\n", "^\r",
		"+CMS ERROR: SIM busy\r\n", "+CPIN: READY\r\n", ",,\"\",\r",
	} {
		f.Add([]byte(s), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8, wantPrompt bool) {
		whole := scanAll(wantPrompt, string(in))
		var chunks []string
		for rest := string(in); rest != ""; {
			n := min(len(rest), 1+int(step))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		if got := scanAll(wantPrompt, chunks...); !reflect.DeepEqual(got, whole) {
			t.Errorf("in pieces of %d: %q, as a whole: %q", 1+int(step), got, whole)
		}
		var r reports
		for _, line := range whole {
			if line == "" || len(line) > maxLine || strings.ContainsAny(line, "\r\n\x00\x1a\x1b") || strings.TrimSpace(line) != line {
				t.Errorf("line %q", line)
			}
			for _, ask := range []string{"AT+CREG?", "AT+CMGL=4", "AT+CGMI", "AT"} {
				r.take(line, newCommand(ask), time.Time{})
			}
			r.take(line, nil, time.Time{})
			if isFinal(line) && line != "OK" && finalError(line) == nil {
				t.Errorf("%q is an error, and is not", line)
			}
			var v verdict
			v.result(line)
			v.late(line)
			plain([]string{line})
			decibels(line)
			numberOf(fieldsOf(line))
			for _, q := range pinCounters {
				q.count([]string{line})
			}
		}
		for _, q := range r.queue {
			if q.pdu == nil && (q.index < 0 || !isWord(q.store)) {
				t.Errorf("report %+v: not a place in a memory", q)
			}
		}
	})
}
