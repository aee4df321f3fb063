package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"smsgateway/admin"
)

// meter shows on a terminal how far a long work is, in one line that is written over.
type meter struct {
	w     io.Writer // nil: nobody looks
	shown time.Time
	open  bool
}

// meter is for stderr; where that is no terminal it shows nothing.
func (a *app) meter() *meter {
	if f, ok := a.env.Stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &meter{w: f}
	}
	return &meter{}
}

// show tells how far it is. The first second it keeps quiet.
func (m *meter) show(p admin.Progress) {
	now := time.Now()
	switch {
	case m.w == nil:
		return
	case m.shown.IsZero():
		m.shown = now.Add(time.Second - meterStep)
		return
	case now.Sub(m.shown) < meterStep:
		return
	}
	m.shown, m.open = now, true
	how := fmt.Sprint(p.Done)
	if p.Total > 0 {
		how = fmt.Sprintf("%d %%", 100*p.Done/p.Total)
	}
	fmt.Fprintf(m.w, "\r\x1b[K%s: %s", clean(p.What), how)
}

const meterStep = 200 * time.Millisecond

// end takes the line away.
func (m *meter) end() {
	if m.open {
		fmt.Fprint(m.w, "\r\x1b[K")
		m.open = false
	}
}

// size writes a number of octets for people.
func size(octets int64) string {
	const unit = 1024
	if octets < unit {
		return fmt.Sprintf("%d octets", octets)
	}
	value, name := float64(octets)/unit, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if value < unit {
			break
		}
		value, name = value/unit, next
	}
	return fmt.Sprintf("%.1f %s", value, name)
}
