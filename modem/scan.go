package modem

import "strings"

// maxLine bounds a line in octets; a longer one comes in pieces. The longest that we ask for is a PDU of 176 octets,
// 352 digits; AT+CPMS=? and USSD texts stay below 1000.
const maxLine = 2048

// prompt is the token by which a modem asks for the body of AT+CMGS.
const prompt = ">"

// scanner cuts what a modem writes into lines and prompts. It knows nothing of commands. Lines come without their
// ends and without blanks around them; empty ones, of which devices send any number, are left out.
type scanner struct {
	in   []byte // not looked at yet
	line []byte // the line that has begun
}

// feed appends what was read; the scanner keeps no reference to it.
func (s *scanner) feed(b []byte) { s.in = append(s.in, b...) }

// next returns the next line. With wantPrompt a '>' at the head of a line is a token of its own, for no line end
// follows it (TS 27.005 §3.5.1: CR LF > SP); some devices send it without the blank, some with CR LF behind it. ok is
// false when nothing whole is left.
//
// Ctrl-Z and ESC end a line too: where a modem echoes a PDU, they stand between the echo and the answer.
func (s *scanner) next(wantPrompt bool) (line string, ok bool) {
	for i, c := range s.in {
		switch {
		case c == '\r' || c == '\n' || c == 0x1A || c == 0x1B:
			if text := s.take(); text != "" {
				s.in = s.in[i+1:]
				return text, true
			}
			continue
		case c == '\t':
			c = ' '
		case c < ' ' || c == 0x7F:
			continue // NUL and other noise of a line that has just been opened
		}
		s.line = append(s.line, c)
		atPrompt := wantPrompt && c == '>' && strings.TrimSpace(string(s.line)) == prompt
		if atPrompt || len(s.line) == maxLine {
			if text := s.take(); text != "" {
				s.in = s.in[i+1:]
				return text, true
			}
		}
	}
	s.in = nil
	return "", false
}

// take ends the line that has begun, and returns it.
func (s *scanner) take() string {
	text := strings.TrimSpace(string(s.line))
	s.line = s.line[:0]
	return text
}
