package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// PrintJSON writes v for scripts, in the form that all commands have.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes aligned columns: a head, and a row for each call of the function that it gives f.
func table(w io.Writer, head []string, f func(row func(cells ...any))) error {
	var text strings.Builder // tabwriter aligns a column only as long as no row ends before it
	tw := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		line := make([]string, len(cells))
		for i, c := range cells {
			line[i] = clean(fmt.Sprint(c))
		}
		fmt.Fprintln(tw, strings.Join(line, "\t"))
	}
	fmt.Fprintln(tw, strings.Join(head, "\t"))
	f(row)
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// fields writes a name and a value to a line; a pair with an empty value is left out.
func fields(w io.Writer, pairs ...any) error { return fieldsAt(w, 0, pairs...) }

// fieldsAt is fields with the values at a column, so that several lists of them stand in line.
func fieldsAt(w io.Writer, column int, pairs ...any) error {
	tw := tabwriter.NewWriter(w, column, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := clean(fmt.Sprint(pairs[i+1])); v != "" {
			fmt.Fprintf(tw, "%v\t%s\n", pairs[i], v)
		}
	}
	return tw.Flush()
}

// clean makes a text safe to print: names and texts come from clients and phones, and a control character could make
// the terminal do things. Line ends become blanks, so that a table stays one.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != 0x200D: // ZWJ holds emoji together
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// short cuts a text to n characters.
func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// wrapped breaks a text between words into lines of at most n characters, unless a word is longer. There is at least one.
func wrapped(s string, n int) []string {
	lines, room := []string{""}, n
	for word := range strings.FieldsSeq(s) {
		last, length := &lines[len(lines)-1], utf8.RuneCountInString(word)
		switch {
		case *last == "":
			*last = word
			room -= length
		case length+1 <= room:
			*last += " " + word
			room -= length + 1
		default:
			lines = append(lines, word)
			room = n - length
		}
	}
	return lines
}

// clock writes a time for people; "" for none.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
