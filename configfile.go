package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// defaultConfig is read when no --config is given, if it is there.
const defaultConfig = "config.toml"

// loadConfig reads and checks a configuration file. "" is ./config.toml if it is there, else the defaults; a file that
// was asked for must be there. An error names the file and the line of each fault.
//
// Relative paths of the file are taken from the file's directory, so that a command finds the same data from wherever it is
// started.
func loadConfig(path string) (config, error) {
	name := path
	if name == "" {
		name = defaultConfig
	}
	text, err := os.ReadFile(name)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return defaults(), nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return config{}, fmt.Errorf("read the configuration: %w; give the path with --config", err)
	}
	if err != nil {
		return config{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := parseConfig(name, string(text))
	if err != nil {
		return config{}, err
	}
	for _, path := range []*string{&c.DataDir, &c.SMPP.TLSCert, &c.SMPP.TLSKey} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(name), *path)
		}
	}
	return c, nil
}

// namesDataDir finds data_dir in a file that may have faults.
var namesDataDir = regexp.MustCompile(`(?m)^[ \t]*data_dir[ \t]*=[ \t]*["']([^"'\\\n]+)["']`)

// dataDirOf is the data_dir of a file with faults, or the one that was given instead; ok is false if the file can't be read.
func dataDirOf(path, given string) (dir string, ok bool) {
	if given != "" {
		return given, true
	}
	if path == "" {
		path = defaultConfig
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	dir = defaults().DataDir
	if found := namesDataDir.FindSubmatch(text); found != nil {
		dir = string(found[1])
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(path), dir)
	}
	return dir, true
}

// parseConfig makes a configuration of the text of a file. name is for errors.
func parseConfig(name, text string) (config, error) {
	if _, err := toml.Decode(text, new(map[string]any)); err != nil {
		return config{}, syntaxError(name, text, err)
	}
	c, meta, wrong, whole := decode(text)
	if !whole {
		return config{}, atLines(name, text, wrong)
	}
	c.modemDefaults()

	faults := append(wrong, unknownKeys(meta)...)
	invalid := c.Validate()
	if joined, ok := invalid.(interface{ Unwrap() []error }); ok {
		faults = append(faults, joined.Unwrap()...)
	}
	faults = withoutWrong(withoutFollowing(keyLines(text), faults))
	if len(faults) > 0 {
		return config{}, atLines(name, text, faults)
	}
	return c, nil
}

// wrongValue is a value of the wrong kind, as a number where a text belongs.
type wrongValue struct {
	key, message string
	line         int // 0 if not known
}

func (w wrongValue) Error() string { return w.key + ": " + w.message }

// mostWrong is how many of them are looked for: each takes some work.
const mostWrong = 50

// decode reads the text of a file that is TOML. Values of the wrong kind are faults, and left out of what it reads; whole is
// false if it had to stop before the end.
func decode(text string) (c config, meta toml.MetaData, wrong []error, whole bool) {
	for {
		c = defaults()
		meta, err := toml.Decode(text, &c)
		if err == nil {
			return c, meta, wrong, true
		}
		fault, begin, end := findWrong(text, err)
		wrong = append(wrong, fault)
		head := strings.Contains("\n"+text[begin:end], "\n[") // the keys below depend on it
		if begin == end || head || len(wrong) == mostWrong {
			return c, meta, wrong, false
		}
		text = text[:begin] + strings.Repeat("\n", strings.Count(text[begin:end], "\n")) + text[end:]
	}
}

// withoutWrong leaves out what Validate says of keys whose values are of the wrong kind.
func withoutWrong(faults []error) []error {
	keys := map[string]bool{}
	for _, err := range faults {
		if w, ok := err.(wrongValue); ok {
			keys[w.key] = true
		}
	}
	return slices.DeleteFunc(faults, func(err error) bool {
		f, ok := err.(fault)
		return ok && keys[f.key]
	})
}

// unknownKey is a key of the file that config has no field for.
type unknownKey struct {
	key   string
	place int    // which of several keys of that name, from 0
	hint  string // the known key that was probably meant, or ""
}

func (u unknownKey) Error() string {
	if u.hint == "" {
		return fmt.Sprintf("unknown key %q", u.key)
	}
	return fmt.Sprintf("unknown key %q; did you mean %q?", u.key, u.hint)
}

// unknownKeys lists them; of an unknown table the table alone.
func unknownKeys(meta toml.MetaData) []error {
	var list []error
	known, seen := knownKeys(), map[string]int{}
	for _, k := range meta.Undecoded() {
		key := k.String()
		parent := len(k) > 1 && seen[k[:len(k)-1].String()] > 0
		if !parent {
			list = append(list, unknownKey{key, seen[key], nearest(key, known)})
		}
		seen[key]++
	}
	return list
}

// withoutFollowing leaves out what only follows from a mistyped key: that the key that was meant is missing.
func withoutFollowing(lines []keyLine, faults []error) []error {
	type missing struct {
		key   string
		place int
	}
	meant := map[missing]bool{}
	for _, err := range faults {
		if u, ok := err.(unknownKey); ok && u.hint != "" {
			meant[missing{u.hint, tableOf(lines, u)}] = true
		}
	}
	return slices.DeleteFunc(faults, func(err error) bool {
		f, ok := err.(fault)
		if !ok || !meant[missing{f.key, f.place}] {
			return false
		}
		table, _, _ := strings.Cut(f.key, ".")
		return lineOf(lines, f.key, f.place) == lineOf(lines, table, f.place) // the file does not have it
	})
}

// tableOf is the number of the [[modem]] or [[inbound]] that an unknown key stands in, from 0; 0 of any other table.
func tableOf(lines []keyLine, u unknownKey) int {
	table, _, _ := strings.Cut(u.key, ".")
	heads, seen := -1, 0
	for _, l := range lines {
		switch {
		case strings.EqualFold(l.key, table):
			heads++
		case strings.EqualFold(l.key, u.key):
			if seen == u.place {
				return max(heads, 0)
			}
			seen++
		}
	}
	return 0
}

// knownKeys lists the keys that a file may have, as in "smpp.listen"; tables have their own entry.
func knownKeys() []string {
	var keys []string
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for field := range t.Fields() {
			key := prefix + field.Tag.Get("toml")
			keys = append(keys, key)
			ft := field.Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				walk(key+".", ft)
			}
		}
	}
	walk("", reflect.TypeFor[config]())
	return keys
}

// nearest picks the known key that a mistyped one was probably meant to be: a few letters away, or the same word, or nearly
// so, in another table. "" if there is none.
func nearest(key string, known []string) string {
	best, least := "", 4
	for _, k := range known {
		if d := distance(key, k); d < least && d < len(key)/2+1 {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	word := lastWord(key)
	for _, k := range known {
		if lastWord(k) == word {
			return k
		}
	}
	least = len(word)/4 + 1
	for _, k := range known {
		if d := distance(word, lastWord(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

func lastWord(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance counts the letters to put in, take out or change to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// keyLine says in which line a key of the file begins.
type keyLine struct {
	key  string
	line int // from 1
}

// statement is one entry of a file: a key with its value, or a table's head. A value may go over several lines.
type statement struct {
	line int // where it begins, from 1
	end  int // octets of the text up to its end
	keys []toml.Key
}

// statements cuts the text of a good file. The toml package keeps the lines of keys to itself; but a statement is
// complete as soon as it parses by itself.
func statements(text string) []statement {
	var list []statement
	start, begin, end := 0, 1, 0
	for i, line := range strings.SplitAfter(text, "\n") {
		end += len(line)
		meta, err := toml.Decode(text[start:end], new(map[string]any))
		if err != nil {
			continue // goes on in the next line
		}
		if keys := meta.Keys(); len(keys) > 0 {
			list = append(list, statement{begin, end, keys})
		}
		start, begin = end, i+2
	}
	return list
}

// keyLines lists the keys of a good file in their order, with the full name of each.
func keyLines(text string) []keyLine {
	var list []keyLine
	meta, err := toml.Decode(text, new(map[string]any))
	if err != nil {
		return nil
	}
	all := meta.Keys()
	for _, s := range statements(text) {
		for range s.keys {
			if len(list) < len(all) {
				list = append(list, keyLine{all[len(list)].String(), s.line})
			}
		}
	}
	return list
}

// atLines joins the faults into one error, each with the line of its key, in the order of the file.
func atLines(name, text string, faults []error) error {
	type located struct {
		line int
		err  error
	}
	lines := keyLines(text)
	list := make([]located, 0, len(faults))
	for _, err := range faults {
		line := 0
		switch f := err.(type) {
		case fault:
			line = lineOf(lines, f.key, f.place)
		case unknownKey:
			line = nthLine(lines, f.key, f.place)
		case wrongValue:
			line = f.line
		}
		list = append(list, located{line, err})
	}
	slices.SortStableFunc(list, func(a, b located) int { return cmp.Compare(a.line, b.line) })
	errs := make([]error, 0, len(list))
	for _, l := range list {
		errs = append(errs, faultAt{name, l.line, l.err})
	}
	return errors.Join(errs...)
}

// faultAt is a fault and its place. line 0: that of a key that is not in the file, whose default does not fit, or not known.
type faultAt struct {
	file string
	line int
	err  error
}

func (f faultAt) Error() string {
	if f.line == 0 {
		return fmt.Sprintf("%s: %v", f.file, f.err)
	}
	return fmt.Sprintf("%s:%d: %v", f.file, f.line, f.err)
}

func (f faultAt) Unwrap() error { return f.err }

// key is the one at fault, "" if it is none in particular.
func (f faultAt) key() string {
	switch err := f.err.(type) {
	case fault:
		return err.key
	case unknownKey:
		return err.key
	case wrongValue:
		return err.key
	}
	return ""
}

// lineOf finds the line of a known key: of a modem's key behind the place-th [[modem]], and that line itself if the
// modem leaves the key out; of an [[inbound]] likewise. 0 if the file has no such key.
func lineOf(lines []keyLine, key string, place int) int {
	table, _, _ := strings.Cut(key, ".")
	if table != "modem" && table != "inbound" {
		return nthLine(lines, key, 0)
	}
	head, number := 0, -1
	for _, l := range lines {
		switch {
		case strings.EqualFold(l.key, table):
			if number++; number == place {
				head = l.line
			}
		case number == place && strings.EqualFold(l.key, key):
			return l.line
		}
	}
	return head
}

func nthLine(lines []keyLine, key string, n int) int {
	for _, l := range lines {
		if strings.EqualFold(l.key, key) {
			if n == 0 {
				return l.line
			}
			n--
		}
	}
	return 0
}

// namesPIN finds a place where a line of the file may hold a PIN.
var namesPIN = regexp.MustCompile(`(?i)pin`)

// syntaxError says where the file is no TOML and shows the place, unless that shows a PIN. For a few faults the toml
// package knows no place (and its ErrorWithPosition panics): then the message has to do.
func syntaxError(name, text string, err error) error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return faultAt{name, 0, errors.New(strings.TrimPrefix(err.Error(), "toml: "))}
	}
	line, lines := parse.Position.Line, strings.Split(text, "\n")
	known := line >= 1 && line <= len(lines) && parse.Position.Col >= 1 && parse.Position.Len >= 0
	at, shown := 0, lines
	if known {
		at, shown = line, lines[max(0, line-3):line]
	}
	var what string
	switch {
	case namesPIN.MatchString(strings.Join(shown, "\n")):
		what = "can't be read, here or up to two lines before (not shown, as there is a PIN); " +
			"a PIN is written in quotes, as in pin = \"...\""
	case !known:
		what = parse.Message
	case strings.ContainsFunc(strings.Join(shown, ""), noText):
		what = strings.TrimSpace(parse.Message) + " (the place is not shown, as it is no text)"
	default:
		what = strings.TrimRight(strings.TrimPrefix(parse.ErrorWithPosition(), "toml: error: "), "\n")
	}
	return faultAt{name, at, errors.New(what)}
}

// noText tells of characters that must not get to a terminal.
func noText(r rune) bool {
	return r == utf8.RuneError || r != '\t' && r != '\r' && unicode.IsControl(r)
}

// placeOfError is how the toml package begins an error of a value.
var placeOfError = regexp.MustCompile(`^toml: (line \d+ )?(\(last key "([^"]*)"\): )?`)

// findWrong says which key has the first value of the wrong kind, and where its statement is in the text; from 0 to 0 if
// that is not known. The toml package knows the line too, but of several modems takes the last; so look for the first
// statement with which the file stops being good.
func findWrong(text string, err error) (fault wrongValue, begin, end int) {
	list := statements(text)
	i := sort.Search(len(list), func(i int) bool {
		c := defaults()
		_, err := toml.Decode(text[:list[i].end], &c)
		return err != nil
	})
	var message, key string
	var parse toml.ParseError
	if i < len(list) {
		c := defaults()
		_, err = toml.Decode(text[:list[i].end], &c)
	}
	if errors.As(err, &parse) {
		message, key = parse.Message, parse.LastKey
	} else {
		found := placeOfError.FindStringSubmatch(err.Error())
		key = found[3]
		source := ""
		if i < len(list) {
			source = strings.Split(text, "\n")[list[i].line-1]
		}
		message = wrongKind(key, strings.TrimPrefix(err.Error(), found[0]), source)
	}
	if namesPIN.MatchString(key) {
		message = `must be in quotes, as in pin = "..."`
	}
	if i == len(list) {
		return wrongValue{key, message, 0}, 0, 0
	}
	if i > 0 {
		begin = list[i-1].end
	}
	return wrongValue{key, message, list[i].line}, begin, list[i].end
}

// What a value is, and what it must be, in plainer words than Go's and TOML's.
var (
	isKind = map[string]string{
		"map[string]any": "a table", "[]any": "a list", "int64": "a number", "float64": "a number with a point",
		"string": "text in quotes", "bool": "true or false", "time.Time": "a date or a time",
	}
	mustBe = map[string]string{
		"integer": "a whole number, as in 60", "string": aText, "primitive (string-like)": aText,
		"boolean": "true or false", "slice": `a list, as in ["a", "b"]`,
	}
)

const aText = "text in quotes"

// wrongKind says what a value is, and what it must be. message is the toml package's, source the line of the file.
func wrongKind(key, message, source string) string {
	if strings.HasPrefix(message, "type mismatch") {
		return "must be a table, as in [smpp]"
	}
	has, wants, _ := strings.Cut(strings.TrimPrefix(message, "incompatible types: TOML value has type "), "; destination has type ")
	is, must := cmp.Or(isKind[has], has), cmp.Or(mustBe[wants], wants)
	switch {
	case wants == "":
		return message
	case key == "modem" || key == "inbound": // the slices of tables
		if is == "a table" {
			return fmt.Sprintf("takes two brackets, as there may be several: write [[%s]]", key)
		}
		return fmt.Sprintf("is %s, and must be a table: write [[%s]]", is, key)
	case key == "modem.quiet" && is == "a list":
		return `is a list, and must be text, one span only: quiet = "22:00-07:00"`
	case wants == "slice":
		if line := inList(source); line != "" {
			must = "a list: " + line
		}
	case must == aText && is == "a number" && isTime.MatchString(key):
		must += `, with its unit, as in "10m"`
	case must == aText:
		if line := inQuotes(source); line != "" {
			must += ": " + line
		}
	}
	return fmt.Sprintf("is %s, and must be %s", is, must)
}

// isTime fits the keys of times, where a number in quotes would lack its unit.
var isTime = regexp.MustCompile(`(\.|_)(session_init|enquire_link|response|inactivity|keep|validity|wait|after|every)$`)

// textLine is a line with a text in quotes.
var textLine = regexp.MustCompile(`^\s*([A-Za-z0-9_-]+)\s*=\s*(?:"([^"\\]*)"|'([^'"\\]*)')\s*(#.*)?$`)

// inList is the line of a file with its value as a list, cut at commas; "" if it has none that can be one.
func inList(line string) string {
	if quoted := inQuotes(line); quoted != "" {
		line = quoted
	}
	found := textLine.FindStringSubmatch(line)
	if found == nil {
		return ""
	}
	var items []string
	for item := range strings.SplitSeq(found[2]+found[3], ",") {
		items = append(items, `"`+strings.TrimSpace(item)+`"`)
	}
	return fmt.Sprintf("%s = [%s]", found[1], strings.Join(items, ", "))
}

// A line with a bare value, or with a list of such, and a bare value.
var (
	bareLine = regexp.MustCompile(`^\s*([A-Za-z0-9_-]+)\s*=\s*([^\s"'\[\]{}#]+|\[[^"'\[\]{}#]+\])\s*(#.*)?$`)
	bare     = regexp.MustCompile(`[^\s,\[\]]+`)
)

// inQuotes is the line of a file with its bare value in quotes, "" if it has none.
func inQuotes(line string) string {
	found := bareLine.FindStringSubmatch(line)
	if found == nil {
		return ""
	}
	return found[1] + " = " + bare.ReplaceAllString(found[2], `"$0"`)
}
