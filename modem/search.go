package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// search is one search for the port of a modem. It has the Finder's turn.
type search struct {
	f     *Finder
	w     *wanted
	known Known // of w, as the search began
	ports []PortInfo

	tried  []string // what was looked at, for people
	looked bool     // it was looked for at ports, not only where it should be
	unseen bool     // the port taken could not be opened for the look: who is there is to be asked the next time
}

// notFoundError is an ErrPortMissing in words of its own.
type notFoundError struct {
	text string
	what string // the part of text that does not change with the other ports that are there; "": text
}

func (e *notFoundError) Error() string { return e.text }

// Unwrap returns ErrPortMissing.
func (e *notFoundError) Unwrap() error { return ErrPortMissing }

// run finds the port. What the look at it showed is empty where none was needed.
func (s *search) run(ctx context.Context) (PortInfo, Probed, error) {
	kind, digits, _ := strings.Cut(s.w.spec, ":")
	switch kind {
	case "imei":
		return s.only(ctx, "no modem with IMEI "+digits, func(p Probed) bool { return sameIMEI(p.IMEI, digits) })
	case "iccid":
		return s.only(ctx, "no modem with the SIM "+digits, func(p Probed) bool { return sameICCID(p.ICCID, digits) })
	case "auto":
		return s.auto(ctx)
	}
	return s.path(ctx)
}

// only takes the modem that fits, and no other.
func (s *search) only(ctx context.Context, none string, fits func(Probed) bool) (PortInfo, Probed, error) {
	p, found, err := s.pick(ctx, func(_ PortInfo, p Probed) bool { return fits(p) })
	if err == nil && p.Path == "" {
		err = s.nothing(none)
	}
	return p, found, err
}

// isKnown tells whether a look showed the modem that w was before, or its SIM in another one. When both are there, each in
// a modem of its own, the modem counts, for it is asked first.
func (s *search) isKnown(p Probed) bool {
	if s.known.IMEI != "" && p.IMEI != "" {
		return sameIMEI(s.known.IMEI, p.IMEI) && !s.isClone(p)
	}
	return sameICCID(s.known.ICCID, p.ICCID)
}

// isClone tells whether a look showed another modem of the gateway that only has the IMEI of w: its card says so.
func (s *search) isClone(p Probed) bool {
	if sameICCID(s.known.ICCID, p.ICCID) {
		return false
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, o := range s.f.modems {
		if o != s.w && sameIMEI(o.known.IMEI, p.IMEI) && sameICCID(o.known.ICCID, p.ICCID) {
			return true
		}
	}
	return false
}

// pickKnown looks for the modem by its IMEI, then for its SIM.
func (s *search) pickKnown(ctx context.Context) (PortInfo, Probed, error) {
	p, found, err := s.pick(ctx, func(_ PortInfo, p Probed) bool { return s.isKnown(p) })
	if err != nil || p.Path != "" || s.known.ICCID == "" {
		return p, found, err
	}
	return s.pick(ctx, func(at PortInfo, p Probed) bool {
		return sameICCID(s.known.ICCID, p.ICCID) && s.ownerOf(at, p) == ""
	})
}

// isNew tells whether nothing is known of the modem yet.
func (s *search) isNew() bool { return s.known.IMEI == "" && s.known.ICCID == "" }

// auto takes the modem that it was before, else any that nobody wants.
func (s *search) auto(ctx context.Context) (PortInfo, Probed, error) {
	if !s.isNew() {
		p, found, err := s.pickKnown(ctx)
		if err != nil || p.Path != "" {
			return p, found, err
		}
		if s.w.missing.IsZero() {
			s.w.missing = time.Now()
		}
		if time.Since(s.w.missing) < waitForKnown {
			return p, found, s.nothing(fmt.Sprintf("the modem of this name (%s) is not there", who(s.known.Identity)))
		}
	}
	p, found, err := s.pick(ctx, func(p PortInfo, found Probed) bool {
		return found.SMS && s.ownerOf(p, found) == "" && !s.reserved(p)
	})
	if err == nil && p.Path == "" {
		err = s.nothing("no free modem that does texts")
	}
	if err == nil && !s.isNew() {
		s.f.Log.Warn("another modem takes its place", "modem", s.w.name, "was", who(s.known.Identity), "is", who(found.Identity))
	}
	return p, found, err
}

// path takes the port that the configuration names, unless it leads to another device than before and the modem is found
// elsewhere.
func (s *search) path(ctx context.Context) (PortInfo, Probed, error) {
	spec := s.w.spec
	here, err := s.f.sys.info(spec)
	there := err == nil
	here.Path = spec
	if there && s.isNew() {
		return here, Probed{}, nil
	}
	if s.isNew() {
		return here, Probed{}, s.nothing(spec + ": no such device")
	}
	s.f.mu.Lock()
	taken := ""
	if there {
		taken = s.f.claimed(s.w, spec)
	}
	s.f.mu.Unlock()
	var seen look
	if there && taken == "" {
		s.looked = true
		if seen, err = s.f.look(ctx, here, s.w.baud); err != nil {
			return here, Probed{}, err
		}
		if seen.found.AnswersAT && s.isKnown(seen.found) {
			return here, seen.found, nil
		}
	}
	s.ports = append(s.ports, s.configured()...)
	p, found, err := s.pickKnown(ctx)
	if err != nil || p.Path != "" {
		return p, found, err
	}
	nowhere := ", and the modem that was there (" + who(s.known.Identity) + ") is nowhere else"
	switch owner := s.ownerOf(here, seen.found); {
	case !there:
		return here, Probed{}, s.nothing(spec + " is not there" + nowhere)
	case taken != "":
		return here, Probed{}, s.nothing(spec + " is the port of " + taken + " now" + nowhere)
	case owner != "":
		return here, Probed{}, s.nothing(spec + " leads to the modem of " + owner + " now" + nowhere)
	}
	// Deaf, or exchanged for another: what the configuration says counts, and the opening will tell.
	s.unseen = seen.err != nil
	return here, seen.found, nil
}

// configured gives the ports that the configuration names by a path and that are not among those to look at already: those
// of the machine itself, pseudo-terminals. Modems at them may have changed places.
func (s *search) configured() (list []PortInfo) {
	s.f.mu.Lock()
	var specs []string
	for _, o := range s.f.modems {
		if filepath.IsAbs(o.spec) {
			specs = append(specs, o.spec)
		}
	}
	s.f.mu.Unlock()
	slices.Sort(specs)
	for _, spec := range slices.Compact(specs) {
		p, err := s.f.sys.info(spec)
		if err != nil || slices.ContainsFunc(slices.Concat(s.ports, list), func(q PortInfo) bool { return q.Device == p.Device }) {
			continue
		}
		p.Path = spec
		list = append(list, p)
	}
	return list
}

// pick looks at the ports in their order, and returns the first that fits; a PortInfo without Path if none does. Of each
// stick it takes the first port that answers and does texts.
func (s *search) pick(ctx context.Context, fits func(PortInfo, Probed) bool) (PortInfo, Probed, error) {
	s.tried, s.looked = nil, true
	settled := make(map[string]bool)
	for _, p := range s.ports {
		if p.usb != "" && settled[p.usb] {
			continue
		}
		s.f.mu.Lock()
		owner := s.f.claimed(s.w, p.Device)
		s.f.mu.Unlock()
		if owner != "" {
			settled[p.usb] = oneModem(p)
			s.tried = append(s.tried, p.Device+" (in use by "+owner+")")
			continue
		}
		if s.w.spec == "auto" && s.isNew() && s.reserved(p) {
			continue
		}
		l, err := s.f.look(ctx, p, s.w.baud)
		if err != nil {
			return PortInfo{}, Probed{}, err
		}
		s.tried = append(s.tried, p.Device+" ("+l.words()+")")
		if l.err != nil || !l.found.AnswersAT {
			continue
		}
		// A second port of the stick may be better, where this one does not know texts.
		if fits(p, l.found) && l.found.SMS {
			return p, l.found, nil
		}
		settled[p.usb] = l.found.SMS && oneModem(p)
	}
	return PortInfo{}, Probed{}, nil
}

// oneModem tells whether all ports of a USB device lead to one modem, as with sticks. One that is of no maker of modems may
// be an adapter with a modem at each of its ports.
func oneModem(p PortInfo) bool { return p.usb != "" && stranger(p) == 0 }

// words says what a look showed.
func (l look) words() string {
	var held *heldError
	switch {
	case errors.As(l.err, &held):
		return "in use by " + held.program
	case errors.Is(l.err, ErrPortBusy):
		return "in use by another program"
	case l.err != nil:
		return "could not be opened: " + l.err.Error()
	case !l.found.AnswersAT:
		return "does not answer AT"
	case !l.found.SMS:
		return who(l.found.Identity) + ", does no texts"
	}
	return who(l.found.Identity)
}

// who names a modem for people.
func who(id Identity) string {
	name := strings.TrimSpace(id.Manufacturer + " " + id.Model)
	facts := []string{cmp.Or(name, "a modem")}
	if id.IMEI != "" {
		facts = append(facts, "IMEI "+id.IMEI)
	}
	if id.ICCID != "" {
		facts = append(facts, "SIM "+id.ICCID)
	}
	return strings.Join(facts, ", ")
}

// ownerOf names another modem of the configuration to which the modem that a look at a port showed belongs; "" for none. One
// that works at another stick is none: there are sticks that share an IMEI.
func (s *search) ownerOf(at PortInfo, p Probed) string {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, o := range s.f.modems {
		elsewhere := o.has() && o.port.usb != "" && at.usb != "" && !o.port.sameStick(at)
		otherCard := p.ICCID != "" && o.known.ICCID != "" && !sameICCID(p.ICCID, o.known.ICCID)
		if o != s.w && o.owns(p.Identity) && !(elsewhere && otherCard) {
			return o.name
		}
	}
	return ""
}

// reserved tells whether the configuration gives a port, or another one of the same stick, to another modem by its path.
func (s *search) reserved(p PortInfo) bool {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, o := range s.f.modems {
		if o == s.w || !filepath.IsAbs(o.spec) {
			continue
		}
		real, err := filepath.EvalSymlinks(o.spec)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(s.ports, func(q PortInfo) bool {
			at, err := filepath.EvalSymlinks(q.Device)
			return err == nil && at == real && (q.Device == p.Device || q.sameStick(p) && oneModem(p))
		}) {
			return true
		}
	}
	return false
}

// nothing is the error of a search: what was looked for, and what is there instead.
func (s *search) nothing(what string) error {
	var b strings.Builder
	b.WriteString(what)
	if len(s.tried) == 0 && len(s.ports) > 0 {
		for _, p := range s.ports {
			s.tried = append(s.tried, p.String())
		}
		b.WriteString("; there are: " + strings.Join(s.tried, ", "))
	} else if len(s.tried) > 0 {
		b.WriteString(" among: " + strings.Join(s.tried, ", "))
	} else {
		b.WriteString("; no port of a modem is there")
	}
	sticks, err := s.f.sys.sticks()
	if err == nil {
		for _, st := range sticks {
			b.WriteString("; " + st.What + ": " + st.Cure)
		}
	}
	return &notFoundError{b.String(), what}
}
