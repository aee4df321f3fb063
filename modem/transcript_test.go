package modem

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A transcript is what a real device said, in testdata/transcripts/*.txt:
//
//	# device: which one      # source: where it was seen, or which program looks for these very lines
//	# unlocked               the SIM has been ready before
//	# atomic                 a text of several lines, into which a modem puts nothing else
//	> AT+CSQ                 what we write; "send" is a text: AT+CMGS, prompt, body, Ctrl-Z
//	< \r\n+CSQ: 9,99\r\n     what the modem says to it, with the escapes of Go; unasked, where it is not behind a >
//	<11s \r\nOK\r\n          the same, so long after the command
//	= +CSQ: 9,99             the lines of the answer, then the final one as it came; else how it ended
//	* SM 3                   what must have been noted in the end, in order: stored texts, PDUs, "ussd 0,...", "+CREG 5"
type transcript struct {
	name             string
	unlocked, atomic bool
	steps            []step
	want             []string // the * lines
}

// step is one command and its answer. answers has one group of octets for each write that ends a line.
type step struct {
	ask     string // "" the modem speaks unasked
	answers []said
	want    []string // the = lines
}

type said struct {
	after time.Duration
	text  string
}

// transcripts reads all of them.
func transcripts(t testing.TB) []transcript {
	t.Helper()
	names, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var list []transcript
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, parseTranscript(t, filepath.Base(name), string(b)))
	}
	return list
}

func parseTranscript(t testing.TB, name, text string) transcript {
	t.Helper()
	tr := transcript{name: name, steps: []step{{}}}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		last := &tr.steps[len(tr.steps)-1]
		switch {
		case line == "":
		case kind == "#":
			tr.unlocked = tr.unlocked || rest == "unlocked"
			tr.atomic = tr.atomic || rest == "atomic"
		case kind == ">":
			tr.steps = append(tr.steps, step{ask: rest})
		case strings.HasPrefix(kind, "<"):
			s := said{text: unescape.Replace(rest)}
			if kind != "<" {
				d, err := time.ParseDuration(kind[1:])
				if err != nil {
					t.Fatalf("%s: %q: %v", name, line, err)
				}
				s.after = d
			}
			if len(last.want) > 0 { // unasked, between two commands
				tr.steps = append(tr.steps, step{})
				last = &tr.steps[len(tr.steps)-1]
			}
			last.answers = append(last.answers, s)
		case kind == "=":
			last.want = append(last.want, rest)
		case kind == "*":
			tr.want = append(tr.want, rest)
		default:
			t.Fatalf("%s: %q is no line of a transcript", name, line)
		}
	}
	if !strings.Contains(text, "# device: ") || !strings.Contains(text, "# source: ") {
		t.Fatalf("%s: does not say which device, and where it was seen", name)
	}
	return tr
}

var unescape = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\x00`, "\x00", `\x1a`, "\x1a", `\x1b`, "\x1b", `\e9`, "\xe9")

// tape is a Port that plays a transcript. It answers the ATs of the line itself.
type tape struct {
	mu     sync.Mutex
	wake   chan struct{}
	chunks [][]byte
	closed bool
	line   []byte
	echo   bool
	cut    func([]byte) [][]byte
	group  int // of all that were said, for mangle
	mangle func(group int, text string) string

	ask     string // the step's command
	answers []said
}

func (p *tape) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		if len(p.chunks) > 0 {
			n := copy(b, p.chunks[0])
			p.chunks = p.chunks[1:]
			p.mu.Unlock()
			return n, nil
		}
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return 0, io.EOF
		}
		<-p.wake
	}
}

func (p *tape) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.signal()
	return nil
}

func (p *tape) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// speak says text; scripted tells whether it is the transcript's, which is mangled and cut.
func (p *tape) speak(text string, scripted bool) {
	if scripted {
		text = p.mangle(p.group, text)
		p.group++
		p.chunks = append(p.chunks, p.cut([]byte(text))...)
	} else {
		p.chunks = append(p.chunks, []byte(text))
	}
	p.signal()
}

func (p *tape) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range b {
		if c != '\r' && c != 0x1A && c != 0x1B {
			p.line = append(p.line, c)
			continue
		}
		text := string(p.line)
		p.line = nil
		scripted := len(p.answers) > 0 && (text == p.ask || c == 0x1A)
		if p.echo && !(scripted && strings.Contains(p.answers[0].text, text)) {
			p.speak(text+string(c), false)
		}
		switch {
		case scripted:
			p.answer()
		case c == '\r' && (text == "AT" || text == "ATQ0V1"):
			p.speak("\r\nOK\r\n", false)
		}
	}
	return len(b), nil
}

// answer says what comes to one write: the next group, and the late ones behind it.
func (p *tape) answer() {
	for i := 0; len(p.answers) > 0 && (i == 0 || p.answers[0].after > 0); i++ {
		next := p.answers[0]
		p.answers = p.answers[1:]
		if next.after == 0 {
			p.speak(next.text, true)
			continue
		}
		time.AfterFunc(next.after, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.speak(next.text, true)
		})
	}
}

func (p *tape) load(s step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask, p.answers = s.ask, slices.Clone(s.answers)
	if s.ask == "send" {
		p.ask = fmt.Sprintf("AT+CMGS=%d", len(hello)/2)
	}
	if s.ask == "" {
		for len(p.answers) > 0 {
			p.answer()
		}
	}
}

// play plays a transcript through a line and returns what came out: the = lines of each step, and the * lines.
func play(t *testing.T, tr transcript, p *tape) (answers [][]string, noted []string) {
	p.wake = make(chan struct{}, 1)
	log := slog.New(slog.DiscardHandler)
	timing := Timing{}.withDefaults()
	l := newLine(p, timing, log, nil)
	defer l.close()
	l.outOfStep = false
	l.reports.simCounts = tr.unlocked
	s := &session{m: New(Config{Name: "tape"}, &inbox{}), l: l, t: timing, log: log}
	for _, st := range tr.steps {
		p.load(st)
		answers = append(answers, playStep(t, s, st))
		if l.reports.restarted {
			noted = append(noted, "restart")
			l.reports.restarted = false
		}
	}
	synctest.Wait()
	if err := l.idle(); err != nil {
		t.Fatal(err)
	}
	if l.reports.restarted {
		noted = append(noted, "restart")
	}
	for {
		r, ok := l.reports.pop()
		if !ok {
			break
		}
		if r.pdu != nil {
			noted = append(noted, strings.ToUpper(hex.EncodeToString(r.pdu)))
			continue
		}
		noted = append(noted, fmt.Sprint(r.store, " ", r.index))
	}
	for _, u := range l.reports.ussd {
		noted = append(noted, "ussd "+strings.ReplaceAll(u, "\n", `\n`))
	}
	for _, name := range slices.Sorted(maps.Keys(l.reports.stats)) {
		noted = append(noted, fmt.Sprint(name, " ", l.reports.stats[name]))
	}
	return answers, noted
}

func playStep(t *testing.T, s *session, st step) []string {
	ctx := t.Context()
	switch {
	case st.ask == "":
		synctest.Wait()
		if err := s.l.idle(); err != nil {
			t.Fatal(err)
		}
		return nil
	case st.ask == "send":
		r := &request{ctx: ctx, tpdu: octets(t, hello), claim: func() error { return nil }}
		ref, err, _ := s.send(ctx, r)
		if err != nil {
			return []string{err.Error()}
		}
		return []string{fmt.Sprint("sent ", ref)}
	}
	c := newCommand(st.ask)
	lines, err := s.l.ask(ctx, c, s.t.Command)
	switch {
	case errors.Is(err, ErrNoAnswer):
		return append(lines, "no answer")
	case errors.Is(err, ErrRestarted):
		return append(lines, "restarted")
	case c.final != "":
		return append(lines, c.final)
	}
	return append(lines, fmt.Sprint(err))
}

func whole(b []byte) [][]byte             { return [][]byte{b} }
func unchanged(_ int, text string) string { return text }

// octetwise cuts into single octets.
func octetwise(b []byte) [][]byte {
	var list [][]byte
	for i := range b {
		list = append(list, b[i:i+1])
	}
	return list
}

func (tr transcript) check(t *testing.T, how string, p *tape) {
	t.Helper()
	answers, noted := play(t, tr, p)
	for i, st := range tr.steps {
		if !slices.Equal(answers[i], st.want) {
			t.Errorf("%s: %q is answered with %q, want %q", how, st.ask, answers[i], st.want)
		}
	}
	if !slices.Equal(noted, tr.want) {
		t.Errorf("%s: noted %q, want %q", how, noted, tr.want)
	}
}

// groups is how many groups of octets a transcript has.
func (tr transcript) groups() (list []string) {
	for _, st := range tr.steps {
		for _, a := range st.answers {
			list = append(list, a.text)
		}
	}
	return list
}

// TestTranscripts: whatever real devices say comes out the same however it is cut, with and without echo, with any line
// end, and with a report between any two lines.
func TestTranscripts(t *testing.T) {
	list := transcripts(t)
	if len(list) < 25 {
		t.Errorf("%d transcripts, want 25 at least", len(list))
	}
	for _, tr := range list {
		t.Run(strings.TrimSuffix(tr.name, ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr.check(t, "as it came", &tape{cut: whole, mangle: unchanged})
				tr.check(t, "by octets", &tape{cut: octetwise, mangle: unchanged})
				tr.check(t, "with echo", &tape{cut: whole, mangle: unchanged, echo: true})
				tr.check(t, "with echo, by octets", &tape{cut: octetwise, mangle: unchanged, echo: true})
				if t.Failed() {
					return
				}
				tr.checkLineEnds(t)
				tr.checkSplits(t)
				tr.checkReports(t)
			})
		})
	}
}

func (tr transcript) checkLineEnds(t *testing.T) {
	for _, end := range []string{"\r", "\n", "\r\r\n", "\r\n\r\n"} {
		mangle := func(_ int, text string) string { return strings.ReplaceAll(text, "\r\n", end) }
		tr.check(t, fmt.Sprintf("line end %q", end), &tape{cut: whole, mangle: mangle})
		tr.check(t, fmt.Sprintf("line end %q, by octets", end), &tape{cut: octetwise, mangle: mangle, echo: true})
	}
}

// checkSplits cuts each group in two at every place.
func (tr transcript) checkSplits(t *testing.T) {
	for group, text := range tr.groups() {
		for at := 1; at < len(text); at++ {
			n := -1
			tr.check(t, fmt.Sprintf("group %d in two at %d", group, at), &tape{mangle: unchanged, cut: func(b []byte) [][]byte {
				if n++; n == group {
					return [][]byte{b[:at], b[at:]}
				}
				return [][]byte{b}
			}})
			if t.Failed() {
				return
			}
		}
	}
}

// checkReports puts a report between any two lines: it must be noted, and nothing else be different.
func (tr transcript) checkReports(t *testing.T) {
	if tr.atomic {
		return
	}
	for group, text := range tr.groups() {
		for _, at := range between(text) {
			for _, urc := range []string{"\r\n^RSSI:19\r\n", "\r\n+CMTI: \"ME\",77\r\n", "RING\r\n"} {
				p := &tape{cut: whole, mangle: func(n int, text string) string {
					if n == group {
						return text[:at] + urc + text[at:]
					}
					return text
				}}
				answers, noted := play(t, tr, p)
				if n := slices.Index(noted, "ME 77"); n >= 0 {
					noted = slices.Delete(slices.Clone(noted), n, n+1)
				} else if strings.Contains(urc, "77") {
					t.Errorf("%q at %d of group %d is lost", urc, at, group)
				}
				for i, st := range tr.steps {
					if !slices.Equal(answers[i], st.want) {
						t.Errorf("%q at %d of group %d: %q is answered with %q, want %q", urc, at, group, st.ask, answers[i], st.want)
					}
				}
				if !slices.Equal(noted, tr.want) {
					t.Errorf("%q at %d of group %d: noted %q, want %q", urc, at, group, noted, tr.want)
				}
				if t.Failed() {
					return
				}
			}
		}
	}
}

// between are the places in text at which a line may begin: at its head, and behind each line end. None is behind a
// prompt, for modems say nothing there before they have the text.
func between(text string) []int {
	list := []int{0}
	for i := 1; i <= len(text); i++ {
		if text[i-1] == '\n' || text[i-1] == '\r' && (i == len(text) || text[i] != '\n' && text[i] != '\r') {
			list = append(list, i)
		}
	}
	return list
}

// FuzzDialogue mixes noise into known answers and cuts them at random: each answer still belongs to its command, and
// each report is noted in its order.
func FuzzDialogue(f *testing.F) {
	list := transcripts(f)
	for i := range list {
		f.Add(uint8(i), []byte{3, 0, 1, 7, 2, 9, 4, 5, 60, 6, 11, 1}, i%2 == 0)
	}
	noise := []string{
		"\r\n^RSSI:19\r\n", "\r\n+CMTI: \"ME\",77\r\n", "RING\r\n", "\r\n+ZUSIMR:2\r\n", "\r\n\r\n", "\r\n_OSIGQ: 3,0\r\n", "\r\n+CIEV: 7,1\r\n",
		"\r\nCall Ready\r\n", "\x00", "\r\n+CMTI: \"ME\",78\r\n", "\r\n^HCSQ:\"WCDMA\",30,30,58\r\r\n", "\r\n+QIND: \"csq\",20,99\r\n",
	}
	f.Fuzz(func(t *testing.T, which uint8, how []byte, echo bool) {
		tr := list[int(which)%len(list)]
		if len(how) > 64 {
			how = how[:64]
		}
		take := func() int { // the next octet of how, round and round
			if len(how) == 0 {
				return 0
			}
			n := int(how[0])
			how = append(how[1:], how[0])
			return n
		}
		var put []string
		mangle := func(_ int, text string) string {
			if tr.atomic {
				return text
			}
			var b strings.Builder
			last := 0
			for _, at := range between(text) {
				b.WriteString(text[last:at])
				last = at
				if n := take(); n%3 == 0 {
					urc := noise[n/3%len(noise)]
					b.WriteString(urc)
					if _, index, ok := strings.Cut(urc, `"ME",`); ok {
						put = append(put, "ME "+strings.TrimSpace(index))
					}
				}
			}
			return b.String() + text[last:]
		}
		cut := func(b []byte) (chunks [][]byte) {
			for len(b) > 0 {
				n := min(len(b), 1+take()%17)
				chunks, b = append(chunks, bytes.Clone(b[:n])), b[n:]
			}
			return chunks
		}
		synctest.Test(t, func(t *testing.T) {
			answers, noted := play(t, tr, &tape{cut: cut, mangle: mangle, echo: echo})
			var mine, theirs []string
			for _, n := range noted {
				if n == "ME 77" || n == "ME 78" {
					mine = append(mine, n)
				} else {
					theirs = append(theirs, n)
				}
			}
			for i, st := range tr.steps {
				if !slices.Equal(answers[i], st.want) {
					t.Errorf("%s: %q is answered with %q, want %q", tr.name, st.ask, answers[i], st.want)
				}
			}
			if !slices.Equal(theirs, tr.want) || !slices.Equal(mine, put) {
				t.Errorf("%s: noted %q and %q, want %q and %q", tr.name, theirs, mine, tr.want, put)
			}
		})
	})
}
