package store

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// stepSlack is how much later than the time of a step something may be that was dated by the wrong time still, or by the
	// right one already.
	stepSlack = 5 * time.Second
	// mostEnded bounds how many messages at their end a step dates anew, the newest first, as all is done in one transaction.
	// Of others only when they go is affected.
	mostEnded = 100_000
)

// step is a change of the time.
type step struct {
	since, until, now time.Time // from when to when the wrong time was; now is the right one
	by                time.Duration
	old               time.Time // the wrong one
}

// wrong tells whether a time is of the wrong clock: it lies between the begin of that and now; or ahead of what is now right,
// where nothing that happened can lie.
func (s *step) wrong(at time.Time) bool {
	if at.IsZero() || at.After(s.until) || !at.Before(s.now) && !at.After(s.now.Add(stepSlack)) {
		return false
	}
	return !at.Before(s.since) || s.by < 0 && at.After(s.now)
}

// right changes a time of the wrong clock. It tells whether it did.
func (s *step) right(at *time.Time) bool {
	if !s.wrong(*at) {
		return false
	}
	s.shift(at)
	return true
}

// Step says that the time was wrong: it is later by so much, or earlier. now is the old time, and since when it was wrong; zero
// for ever. It is called when nobody dates anything by the old time any more, within seconds. What happened since then is dated anew, and with it all that ends a certain time after it: validity, doubt,
// keeping and the like; but no date that a client gave. It tells how many messages that were. Budgets and quotas go on as they
// are: no step gives one twice.
func (db *DB) Step(since, now time.Time, by time.Duration) (messages int, err error) {
	s := &step{since: since, until: now.Add(stepSlack), now: now.Add(by), by: by, old: now}
	if s.now.Before(fromMilli(1)) {
		s.now, s.by = fromMilli(1), fromMilli(1).Sub(now)
	}
	err = db.w.do(func(t *txn) error {
		if messages, err = t.stepMessages(s); err != nil {
			return err
		}
		for _, part := range []func(*step) error{
			t.stepClaims, t.stepLines, t.stepOutbox, t.stepInbox, t.stepSeen, t.stepFragments, t.stepResubmits, t.stepBudgets,
			t.stepOrphans, // the last: a report that is known now goes by the rest
		} {
			if err := part(s); err != nil {
				return err
			}
		}
		c := &t.w.clock
		*c = clock{high: milli(s.now), stored: c.stored, opened: c.opened, known: true, base: milli(s.now), at: db.opt.Monotonic()}
		t.w.doubtful.Store(false)
		t.w.soonest, t.wake = math.MaxInt64, 1 // Tick has to look
		t.change.Queue = true
		return t.saveClock()
	})
	if err == nil {
		db.highest.Store(milli(s.now))
		recovered := fromMilli(db.recovered.Load())
		if s.right(&recovered) {
			db.recovered.Store(milli(recovered))
		}
	}
	return messages, err
}

// stepMessages dates messages anew, the newest first.
func (t *txn) stepMessages(s *step) (n int, err error) {
	var ids []ID
	ended := 0
	c := t.bucket(bMessages).Cursor()
	for k, value := c.Last(); k != nil; k, value = c.Prev() {
		m, err := decodeMessage(k, value)
		if err != nil {
			continue // who needs it says so in the log
		}
		if !s.message(m, t.w.db.settings().UncertainWait) {
			continue
		}
		if m.State.End() {
			if ended++; ended > mostEnded {
				continue
			}
		}
		ids = append(ids, m.ID)
	}
	// The oldest first: bbolt splits a page only when it commits, and to put each row in front of all before it would move
	// these each time.
	for _, id := range slices.Backward(ids) {
		if err := t.stepMessage(s, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

func (t *txn) stepMessage(s *step, id ID) error {
	m, err := t.message(id)
	if err != nil {
		return err
	}
	type row struct{ matched, blind bool }
	rows := make([]row, len(m.Parts))
	for i := range m.Parts {
		p := &m.Parts[i]
		rows[i] = row{p.matched, p.blind}
		if err := t.deleteMatch(m, p); err != nil {
			return err
		}
	}
	s.message(m, t.w.db.settings().UncertainWait)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.blind = rows[i].blind; !rows[i].matched {
			continue
		}
		if err := t.putMatch(m, p); err != nil {
			return err
		}
	}
	return t.save(m, s.now)
}

// message dates one anew. A message that was accepted before, and given to a modem since, has its validity from then on: the
// network was told how long it has left.
func (s *step) message(m *Message, wait time.Duration) (changed bool) {
	was := *m
	claimed, tried := false, false
	for i := range m.Parts {
		p := &m.Parts[i]
		tried = tried || p.Attempts > 0
		claimed = s.right(&p.ClaimedAt) || claimed
		changed = s.right(&p.SentAt) || changed
		changed = s.right(&p.ReportedAt) || changed
	}
	accepted := s.right(&m.Accepted)
	sent, ended := s.right(&m.SentAt), s.right(&m.EndedAt)
	if claimed || !m.DueMoment && (accepted && !tried || tried && s.by < 0 && m.Due.After(s.now)) {
		s.shift(&m.Due)
	}
	if (accepted || claimed) && !m.ExpiresMoment {
		s.shift(&m.Expires)
	}
	switch {
	case m.State != Uncertain:
	case was.DoubtEnds.Equal(was.Expires): // with its validity
		m.DoubtEnds = m.Expires
	case claimed || s.doubt(m.DoubtEnds, wait):
		if s.shift(&m.DoubtEnds); m.DoubtEnds.After(m.Expires) {
			m.DoubtEnds = m.Expires
		}
	}
	return changed || claimed || accepted || sent || ended || !m.Due.Equal(was.Due) || !m.DoubtEnds.Equal(was.DoubtEnds)
}

// doubt tells whether the end of a doubt, which lasts so long, was reckoned by the wrong clock.
func (s *step) doubt(ends time.Time, wait time.Duration) bool {
	if ends.Add(-wait).After(s.until) {
		return false
	}
	return !ends.Before(s.since) || s.by < 0 && ends.Add(-wait).After(s.now)
}

// shift moves a time that follows from one of the wrong clock.
func (s *step) shift(at *time.Time) {
	if !at.IsZero() {
		*at = fromMilli(milli(at.Add(s.by)))
	}
}

// stepClaims dates anew the tries before those that modems have now.
func (t *txn) stepClaims(s *step) error {
	for _, k := range t.keys(bClaims, nil) {
		f, err := t.get(bClaims, k)
		if err != nil {
			continue
		}
		id, part := ID(f.uint64()), int(f.uint8())
		m, err := t.message(id)
		if err != nil || part >= len(m.Parts) || m.Parts[part].State != PartClaimed ||
			!bytes.Equal(lineKey(m.Parts[part].Line), k) {
			continue
		}
		note := t.claimNote(id, part)
		if note.former == nil || !s.right(&note.former.at) {
			continue
		}
		if err := t.put(bClaims, k, note.append(partRow(m, part))); err != nil {
			return err
		}
	}
	return nil
}

// stepOutbox dates anew what waits for receivers.
func (t *txn) stepOutbox(s *step) error {
	for _, k := range t.keys(bOutbox, nil) {
		d, err := t.delivery(k)
		if err != nil || !s.right(&d.Created) {
			continue
		}
		var record []byte
		if r := d.Receipt; r != nil {
			s.right(&r.Submitted)
			s.right(&r.Done)
			record = appendReceipt(appendTime([]byte{recordVersion, outReceipt}, d.Created), r)
		} else {
			s.right(&d.Inbound.Received)
			record = appendInbound(appendTime([]byte{recordVersion, outInbound}, d.Created), d.Inbound)
		}
		if err := t.put(bOutbox, k, record); err != nil {
			return err
		}
	}
	return nil
}

// stepInbox dates texts from phones anew. What the SMSC says of their time stays.
func (t *txn) stepInbox(s *step) error {
	for _, k := range t.keys(bInbound, nil) {
		in, err := t.inbound(k)
		if err != nil || !s.right(&in.Received) {
			continue
		}
		if err := t.put(bInbound, k, appendInbound([]byte{recordVersion}, in)); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) stepSeen(s *step) error {
	for _, k := range t.keys(bSeen, nil) {
		f, err := t.get(bSeen, k)
		if err != nil {
			continue
		}
		at, seq := f.time(), f.uint64()
		if f.end() != nil || !s.right(&at) {
			continue
		}
		if err := t.put(bSeen, k, binary.BigEndian.AppendUint64(appendTime([]byte{recordVersion}, at), seq)); err != nil {
			return err
		}
	}
	return nil
}

// stepOrphans dates reports anew that fitted no message, and looks whether they do now.
func (t *txn) stepOrphans(s *step) error {
	lines := map[string]bool{}
	for _, k := range t.keys(bOrphans, nil) {
		r, received, err := t.orphan(k)
		if err != nil {
			continue
		}
		if lines[string(k[1:len(k)-9])] = true; !s.right(&received) {
			continue
		}
		if err := t.put(bOrphans, k, orphanRow(r, received)); err != nil {
			return err
		}
	}
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		if err := t.applyOrphans(line, s.now); err != nil {
			return err
		}
	}
	return nil
}

// stepFragments dates long texts anew that wait for parts.
func (t *txn) stepFragments(s *step) error {
	for _, k := range t.keys(bFragments, []byte{rowAge}) {
		if !isAge(k) {
			continue
		}
		line, since, digest := splitAge(k)
		begun := s.right(&since)
		for _, part := range t.keys(bFragments, fragmentKey(digest)) {
			if err := t.stepFragment(s, part, since, begun); err != nil {
				return err
			}
		}
		if !begun {
			continue
		}
		if err := t.delete(bFragments, k); err != nil {
			return err
		}
		if err := t.put(bFragments, ageKey(line, since, digest), nil); err != nil {
			return err
		}
	}
	return nil
}

// stepFragment dates one part anew, and since when its text waits.
func (t *txn) stepFragment(s *step, part []byte, since time.Time, begun bool) error {
	r, err := t.get(bFragments, part)
	if err != nil {
		return nil // who needs it says so in the log
	}
	r.time()
	in := decodeInbound(r)
	if r.end() != nil || !s.right(&in.Received) && !begun {
		return nil
	}
	return t.put(bFragments, part, appendInbound(appendTime([]byte{recordVersion}, since), in))
}

// stepResubmits lets the windows go on in which a message is known again.
func (t *txn) stepResubmits(s *step) error {
	for _, key := range t.keys(bResubmits, []byte{rowSubmitted}) {
		row := t.submitted(key)
		if row.id == 0 || !s.right(&row.at) {
			continue
		}
		row.until = fromMilli(milli(row.until.Add(s.by)))
		if err := t.remember(key, row, row.id); err != nil {
			return err
		}
	}
	return nil
}

// stepLines dates anew when each SIM had its last TP-MR, and its last text in doubt.
func (t *txn) stepLines(s *step) error {
	for _, k := range t.keys(bLines, nil) {
		if len(k) == 0 {
			continue
		}
		line := string(k[1:])
		if last, err := t.lastRef(line); err == nil && last.known && s.right(&last.at) {
			if err := t.putLastRef(line, last); err != nil {
				return err
			}
		}
	}
	for _, k := range t.keys(bDoubts, nil) {
		f, err := t.get(bDoubts, k)
		if err != nil {
			continue
		}
		id, part, next := f.uint64(), f.uint8(), f.time()
		if f.end() != nil || !s.right(&next) {
			continue
		}
		row := append(binary.BigEndian.AppendUint64([]byte{recordVersion}, id), part)
		if err := t.put(bDoubts, k, appendTime(row, next)); err != nil {
			return err
		}
	}
	return nil
}

// stepBudgets has the windows that run go on under the new time, with what was used in them.
func (t *txn) stepBudgets(s *step) error {
	zone := t.w.db.opt.Zone
	old, now := s.old.In(zone), s.now.In(zone)
	for _, k := range t.keys(bUsage, nil) {
		if len(k) == 0 {
			continue
		}
		line := string(k[1:])
		u, err := t.usage(line, old, true)
		if err != nil {
			continue
		}
		for w := range numWindows {
			u.starts[w] = w.start(now)
		}
		if err := t.putUsage(line, u); err != nil {
			return err
		}
	}
	for _, k := range t.keys(bQuotas, nil) {
		if len(k) != 4 {
			continue
		}
		q, err := t.quotaOf(binary.BigEndian.Uint32(k), s.old)
		if err != nil {
			continue
		}
		q.turn(old, func() bool { return true })
		for i, w := range quotaWindows() {
			q.starts[i] = w.start(now)
		}
		q.dirty = true
	}
	return nil
}
