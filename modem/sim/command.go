package sim

import (
	"strconv"
	"strings"
)

// form is how a command is given: AT+X, AT+X?, AT+X=?, AT+X=...
type form uint8

const (
	exec form = iota
	read
	test
	set
)

// command is one of the commands of a line.
type command struct {
	name string // in capitals: "+CMGS", "E", "&F"
	form form
	args []string // of set, without their quotes; an omitted one is empty
}

// has tells whether argument i was given.
func (c command) has(i int) bool { return i < len(c.args) && c.args[i] != "" }

// arg returns argument i; "" if it was omitted.
func (c command) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// number reads argument i, which must lie between low and high. An omitted one leaves *to as it is.
func (c command) number(i int, to *int, low, high int) bool {
	if !c.has(i) {
		return true
	}
	n, err := strconv.Atoi(c.args[i])
	if err != nil || n < low || n > high {
		return false
	}
	*to = n
	return true
}

// parse cuts what stands behind AT into commands (V.250 §5.2). ok is false if the last of it is none.
func parse(line string) (cmds []command, ok bool) {
	for {
		line = strings.TrimLeft(line, " ;")
		if line == "" {
			return cmds, true
		}
		var c command
		switch first := line[0]; {
		case strings.IndexByte("+^*#%$!@", first) >= 0:
			c, line = extended(line)
		case first == '&' && len(line) > 1:
			c, line = basic(line[:2], line[2:])
		case first|0x20 >= 'a' && first|0x20 <= 'z':
			c, line = basic(line[:1], line[1:])
		default:
			return cmds, false
		}
		cmds = append(cmds, c)
	}
}

// basic reads a basic command or an S-parameter (V.250 §5.3.1, §5.3.2). D takes the rest of the line.
func basic(name, rest string) (command, string) {
	c := command{name: strings.ToUpper(name)}
	if c.name == "D" {
		c.form, c.args = set, []string{rest}
		return c, ""
	}
	digits := leading(rest, "0123456789")
	c.args = []string{rest[:digits]}
	rest = rest[digits:]
	switch {
	case c.name != "S":
	case strings.HasPrefix(rest, "?"):
		c.form, rest = read, rest[1:]
	case strings.HasPrefix(rest, "="):
		value := leading(rest[1:], "0123456789")
		c.form, rest = set, rest[1+value:]
	}
	return c, rest
}

// leading counts the octets at the head of s that are among these.
func leading(s, these string) int {
	return len(s) - len(strings.TrimLeft(s, these))
}

// extended reads an extended command, up to a semicolon outside quotes (V.250 §5.4).
func extended(line string) (command, string) {
	end, quoted := 0, false
	for end < len(line) && (quoted || line[end] != ';') {
		if line[end] == '"' {
			quoted = !quoted
		}
		end++
	}
	body, rest := line[:end], line[end:]
	at := strings.IndexAny(body, "=?")
	if at < 0 {
		return command{name: nameOf(body)}, rest
	}
	c := command{name: nameOf(body[:at])}
	switch tail := strings.TrimSpace(body[at:]); {
	case tail == "?":
		c.form = read
	case tail == "=?":
		c.form = test
	case tail[0] == '=':
		c.form, c.args = set, arguments(tail[1:])
	default:
		c.name = "" // nothing goes on behind '?'
	}
	return c, rest
}

func nameOf(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }

// arguments cuts at the commas outside quotes, and takes the quotes off.
func arguments(s string) []string {
	var args []string
	var arg strings.Builder
	quoted := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			args = append(args, arg.String())
			arg.Reset()
		case c == ' ' && !quoted:
		default:
			arg.WriteByte(c)
		}
	}
	return append(args, arg.String())
}
