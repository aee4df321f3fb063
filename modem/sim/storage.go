package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The memories: on the SIM, in the modem, and in the modem for status reports.
var memories = []string{"SM", "ME", "SR"}

// <stat> of a stored text (TS 27.005 §3.1).
const (
	statusUnread = iota
	statusRead
	statusUnsent
	statusSent
	statusAll // of +CMGL alone
)

// store is a memory. Its first place has the index base, 1 or 0.
type store struct {
	places []record
	base   int
}

// record is a place; it is free without a pdu.
type record struct {
	status int
	pdu    []byte // SCA and TPDU
	length int    // octets of the TPDU
}

func newStore(size int, fromOne bool) *store {
	s := &store{places: make([]record, size)}
	if fromOne {
		s.base = 1
	}
	return s
}

// add puts r into the first free place. ok is false if there is none.
func (s *store) add(r record) (index int, ok bool) {
	i := slices.IndexFunc(s.places, func(p record) bool { return p.pdu == nil })
	if i < 0 {
		return 0, false
	}
	s.places[i] = r
	return i + s.base, true
}

// at returns what is in a place; nil if nothing is, or there is no such place.
func (s *store) at(index int) *record {
	if !s.has(index) || s.places[index-s.base].pdu == nil {
		return nil
	}
	return &s.places[index-s.base]
}

// has tells whether there is such a place.
func (s *store) has(index int) bool { return index >= s.base && index < s.base+len(s.places) }

func (s *store) used() (n int) {
	for _, p := range s.places {
		if p.pdu != nil {
			n++
		}
	}
	return n
}

// Which memory a command works with: the index of <mem1>, <mem2> and <mem3> of +CPMS.
const (
	reading = iota
	writing
	receiving
)

// doCPMS chooses the memories; with one or two arguments the others stay.
func doCPMS(t *terminal, c command) error {
	usage := func(withName bool) string {
		var fields []string
		for _, name := range t.memory {
			s := t.m.stores[name]
			if withName {
				fields = append(fields, strconv.Quote(name))
			}
			fields = append(fields, strconv.Itoa(s.used()), strconv.Itoa(len(s.places)))
		}
		return "+CPMS: " + strings.Join(fields, ",")
	}
	switch c.form {
	case test:
		t.say(`+CPMS: ("SM","ME","SR"),("SM","ME"),("SM","ME")`)
	case read:
		t.say(usage(true))
	case set:
		chosen := t.memory
		if most := t.m.cfg.Quirks.CPMS; most > 0 && len(c.args) > most {
			return cmsNotAllowed
		}
		for i := range c.args {
			name := strings.ToUpper(c.args[i])
			switch {
			case i >= len(chosen), name != "" && t.m.stores[name] == nil, name == "SR" && i != reading:
				return cmsNotAllowed
			case name != "":
				chosen[i] = name
			}
		}
		t.memory = chosen
		t.say(usage(false))
	default:
		return errPlain
	}
	return nil
}

// doCMGL lists the texts of a status, and marks them as read.
func doCMGL(t *terminal, c command) error {
	status := statusUnread
	switch {
	case c.form == test:
		t.say("+CMGL: (0-4)")
		return nil
	case c.form == read || !c.number(0, &status, statusUnread, statusAll):
		return cmsInvalidPDU
	case t.listHang > 0:
		t.deafUntil = time.Now().Add(t.listHang)
		t.listHang = 0
		return errLater
	}
	s := t.m.stores[t.memory[reading]]
	for i := range s.places {
		r := s.at(i + s.base)
		if r == nil || status != statusAll && r.status != status {
			continue
		}
		t.say(fmt.Sprintf("+CMGL: %d,%d,,%d\r\n%X", i+s.base, r.status, r.length, r.pdu))
		r.seen()
	}
	return nil
}

// doCMGR reads one text, and marks it as read.
func doCMGR(t *terminal, c command) error {
	if c.form == test {
		return nil
	}
	r, err := t.chosen(c, reading)
	if err != nil {
		return err
	}
	t.say(fmt.Sprintf("+CMGR: %d,,%d\r\n%X", r.status, r.length, r.pdu))
	r.seen()
	return nil
}

func (r *record) seen() {
	if r.status == statusUnread {
		r.status = statusRead
	}
}

// chosen returns the text that argument 0 names.
func (t *terminal) chosen(c command, which int) (*record, error) {
	index := 0
	if c.form != set || !c.number(0, &index, 0, 1<<16) {
		return nil, cmsInvalidPDU
	}
	r := t.m.stores[t.memory[which]].at(index)
	if r == nil {
		return nil, cmsInvalidIndex
	}
	return r, nil
}

// doCMGD deletes a text, or all of some statuses (TS 27.005 §3.5.4). A free place may be deleted, as with most modems.
func doCMGD(t *terminal, c command) error {
	s := t.m.stores[t.memory[reading]]
	index, flag := 0, 0
	switch {
	case c.form == test:
		t.say(fmt.Sprintf("+CMGD: (%s),(0-4)", strings.Join(s.indexes(), ",")))
		return nil
	case c.form != set || !c.has(0) || !c.number(0, &index, 0, 1<<16) || !c.number(1, &flag, 0, 4):
		return cmsInvalidPDU
	case flag == 0 && !s.has(index):
		return cmsInvalidIndex
	case flag == 0:
		s.places[index-s.base] = record{}
		return nil
	}
	doomed := [][]int{{}, {statusRead}, {statusRead, statusSent}, {statusRead, statusSent, statusUnsent},
		{statusRead, statusSent, statusUnsent, statusUnread}}[flag]
	for i, p := range s.places {
		if slices.Contains(doomed, p.status) {
			s.places[i] = record{}
		}
	}
	return nil
}

func (s *store) indexes() (used []string) {
	for i, p := range s.places {
		if p.pdu != nil {
			used = append(used, strconv.Itoa(i+s.base))
		}
	}
	return used
}
