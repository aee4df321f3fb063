package sim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Step is a fault that strikes by itself: After from the first start of the modem, or, if AfterTexts is not 0, once so
// many texts have got as far as the network's answer.
type Step struct {
	After      time.Duration
	AfterTexts int
	Fault      Fault
}

// Chaos has random faults strike. What strikes depends on Seed, on the modem's IMEI and ICCID and on how many AT+CMGS came
// before, and on nothing else.
type Chaos struct {
	Seed  uint64
	Rate  float64     // share of the texts that meet a fault, 0 to 1
	Kinds []FaultKind // of which each is as likely; nil: all that strike a text. Others strike at the AT+CMGS
}

// ParseScript reads steps, one a line: "at 10s unplug 3s rename" or "after 5 refuse 38", the fault as for ParseFault. Empty
// lines and lines that begin with # are skipped. The error has a line for each wrong one: it names the file as given, the
// line, and what to write.
func ParseScript(file string, r io.Reader) (steps []Step, err error) {
	lines := bufio.NewScanner(r)
	n := 0
	var faults []error
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		step, err := parseStep(line)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, n, err))
			continue
		}
		steps = append(steps, step)
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("%s:%d: %w", file, n+1, err))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return steps, nil
}

func parseStep(line string) (s Step, err error) {
	verb, rest, _ := strings.Cut(line, " ")
	when, fault, _ := strings.Cut(strings.TrimSpace(rest), " ")
	switch verb {
	case "at":
		if n, err := strconv.Atoi(when); err == nil && n > 0 {
			return s, needsUnit(when)
		}
		if s.After, err = time.ParseDuration(when); err != nil || s.After < 0 {
			return s, fmt.Errorf("%q is no time: write for example at 10s unplug 3s", when)
		}
	case "after":
		if s.AfterTexts, err = strconv.Atoi(when); err != nil || s.AfterTexts < 1 {
			return s, fmt.Errorf("%q is no number of texts: write for example after 5 refuse 38", when)
		}
	default:
		return s, fmt.Errorf("%q begins no step: write at TIME FAULT or after TEXTS FAULT", verb)
	}
	s.Fault, err = ParseFault(fault)
	return s, err
}

// scripted injects the steps whose time has come, and returns when the next one's comes; zero: there is none.
func (t *terminal) scripted(now time.Time) (next time.Time) {
	m := t.m
	waiting := m.script[:0]
	for _, s := range m.script {
		at := m.started.Add(s.After)
		switch {
		case s.AfterTexts > 0 && s.AfterTexts <= m.submitted, s.AfterTexts == 0 && !at.After(now):
			m.inject(s.Fault)
			continue
		case s.AfterTexts == 0:
			next = sooner(next, at)
		}
		waiting = append(waiting, s)
	}
	m.script = waiting
	return next
}
