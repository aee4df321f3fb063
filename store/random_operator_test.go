package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// randomHold holds a message, as a restore does of which nobody knows what became of it since.
func (w *walk) randomHold() {
	for _, id := range slices.Backward(w.ids) {
		m := w.model.messages[id]
		if m == nil || m.state.End() || m.state == Claimed || m.state == Sent || m.held || w.r.IntN(4) > 0 {
			continue
		}
		err := w.db.w.do(func(t *txn) error {
			m, err := t.message(id)
			if err != nil {
				return err
			}
			return t.hold(m, "held", w.now)
		})
		w.model.hold(m, w.now)
		w.same(fine, err, "hold %d", id)
		return
	}
}

func (w *walk) order() Order {
	return Order{By: "root", Twice: w.r.IntN(3) > 0, Expires: w.now.Add(time.Duration(1+w.r.IntN(48)) * 30 * time.Minute)}
}

func (w *walk) randomRetry() {
	id, order := w.anyID(), w.order()
	if w.r.IntN(2) == 0 {
		id, _ = w.inState([]PartState{PartUncertain, PartUnknown, PartFailed, PartExpired}[w.r.IntN(4)])
	}
	fresh, want := w.model.retry(id, order, w.now)
	done, err := w.db.Retry(id, order, w.now)
	w.same(want, err, "retry %d, twice %t: %d", id, order.Twice, done.ID)
	switch {
	case err != nil:
	case done.Fresh != fresh || !fresh && done.ID != id:
		w.t.Errorf("%+v, want a copy: %t", done, fresh)
	case fresh:
		w.ids = append(w.ids, done.ID)
		w.model.copied(id, done.ID, order, w.now)
	}
}

func (w *walk) randomClose() {
	id, _ := w.inState(PartUncertain)
	sent := w.r.IntN(2) == 0
	want := w.model.closeAs(id, sent, w.now)
	_, err := w.db.CloseAs(id, sent, w.order(), w.now)
	w.same(want, err, "close %d as sent: %t", id, sent)
}

// randomHeld releases or closes what is held, of some or of all.
func (w *walk) randomHeld() {
	f, to := HeldFilter{}, ""
	if w.r.IntN(2) == 0 {
		f.Lane = w.acct.Lane
	}
	if w.r.IntN(2) == 0 {
		to = w.numbers()[w.r.IntN(2)]
		f.Destination = "+" + to
	}
	order, release, sent := w.order(), w.r.IntN(2) == 0, w.r.IntN(2) == 0
	want, n, skipped := fine, 0, 0
	switch {
	case !release:
		do := func(m *modelMessage) string { return w.model.closeAs(m.id, sent, w.now) }
		n, skipped = w.model.eachHeld(f.Lane, to, w.now, do)
	case !order.Twice:
		want = mayDouble
	default:
		do := func(m *modelMessage) string { return w.model.resend(m, order, w.now) }
		n, skipped = w.model.eachHeld(f.Lane, to, w.now, do)
	}
	var all Released
	var err error
	for more := true; more && err == nil; {
		var done Released
		if release {
			done, err = w.db.RetryHeld(f, order, w.now)
		} else {
			done, err = w.db.CloseHeld(f, sent, order, w.now)
		}
		all.N, all.Skipped = all.N+done.N, all.Skipped+done.Skipped
		f.After, more = done.After, done.More
	}
	w.same(want, err, "what is held by %+v: released %t, sent %t", f, release, sent)
	if all.N != n || all.Skipped != skipped {
		w.t.Errorf("%+v, want %d, and %d skipped", all, n, skipped)
	}
}

// randomStep sets the clock right by some minutes or hours, within the day.
func (w *walk) randomStep() {
	w.tick()
	w.model.tick(w.now) // else that is what would happen now
	w.sameSteps()
	for range 20 {
		by := time.Duration(w.r.IntN(6*3600)-3*3600) * time.Second
		s := &modelStep{until: w.now.Add(5 * time.Second), now: w.now.Add(by), by: by}
		if by > 0 && w.r.IntN(2) == 0 {
			s.since = w.now.Add(-time.Duration(w.r.IntN(7200)) * time.Second)
		}
		// Of what happened within these seconds nobody knows by which clock it is dated.
		unclear := slices.ContainsFunc(w.moments, func(at time.Time) bool {
			return !at.Before(s.now) && !at.After(s.now.Add(5*time.Second))
		})
		if by == 0 || unclear && by < 0 || s.now.UTC().YearDay() != w.now.UTC().YearDay() {
			continue
		}
		_, err := w.db.Step(s.since, w.now, by)
		w.same(fine, err, "the clock was wrong by %s since %s", by, s.since)
		w.now = s.now
		for n := range w.moments {
			s.right(&w.moments[n])
		}
		w.model.step(s)
		w.highest = time.Time{}
		w.tick()
		w.model.tick(w.now)
		w.sameSteps()
		return
	}
}

// randomBackup backs up the file while it is in use: the backup says what the file says, and a check finds nothing in it.
func (w *walk) randomBackup() {
	path := filepath.Join(w.t.TempDir(), "backup.db")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	w.ok(err)
	var done, total int64
	err = w.db.Backup(w.t.Context(), f, func(d, of int64) {
		if d < done || d > of {
			w.t.Errorf("%d octets of %d are backed up, after %d", d, of, done)
		}
		done, total = d, of
	})
	w.same(fine, err, "backup of %d octets", total)
	if w.ok(f.Close()); done != total {
		w.t.Errorf("%d octets of %d were backed up", done, total)
	}
	found, err := CheckFile(w.t.Context(), path, CheckOptions{}, nil)
	w.ok(err)
	w.wantNothing(found)
	copied := dump(w.t, path)
	w.ok(w.db.view(func(v *reader) error {
		for b := range numBuckets {
			here := make(map[string]string)
			if err := v.bucket(b).ForEach(func(k, value []byte) error { here[string(k)] = string(value); return nil }); err != nil {
				return err
			}
			if b == bMeta { // a compaction may end meanwhile, and then less of what was deleted is in the file
				delete(here, string(keyErased()))
				delete(copied[b], string(keyErased()))
			}
			if d := diffOf(here, copied[b]); d != "" {
				return fmt.Errorf("the backup differs: %s: %s", bucketNames[b], d)
			}
		}
		return nil
	}))
	w.ok(os.Remove(path))
}

// randomCheck checks the file while it is in use, and tells how far it is.
func (w *walk) randomCheck() {
	last := make(map[string]int64)
	found, err := w.db.Check(w.t.Context(), CheckOptions{Quick: w.r.IntN(3) == 0}, func(p Progress) {
		if p.Done < last[p.What] || p.Done > p.Total {
			w.t.Errorf("%s: %d of %d after %d", p.What, p.Done, p.Total, last[p.What])
		}
		last[p.What] = p.Done
	})
	w.same(fine, err, "check")
	w.wantNothing(found)
	if n := found.Records["messages"]; n != int64(len(w.model.messages)) {
		w.t.Errorf("%d messages were checked, want %d", n, len(w.model.messages))
	}
	if len(w.ids) > 0 && found.NextID <= slices.Max(w.ids) {
		w.t.Errorf("the next id is %s", found.NextID)
	}
}

// compareFile compares what is told of the file as such.
func (w *walk) compareFile() {
	space, err := w.db.Space()
	w.ok(err)
	if space.Used <= 0 || space.Used > space.Size || space.Free < 0 || space.Free > space.Size {
		w.t.Errorf("space: %+v", space)
	}
	room, err := w.db.Disk()
	w.ok(err)
	if room.Free <= 0 || room.Full || room.Paused || room.Moved || w.db.Paused() {
		w.t.Errorf("room on the disk: %+v", room)
	}
	if w.compaction == nil && w.db.Compacting() {
		w.t.Error("it is said to be compacted")
	}
	last, err := w.db.LastOutbox()
	w.ok(err)
	if last < w.lastOutbox {
		w.t.Errorf("the last row of the outbox was %d, and now is %d", w.lastOutbox, last)
	}
	w.lastOutbox = last
	for _, lane := range w.lanes() {
		rows, err := w.db.Outbox(lane, 0, 1<<20)
		w.ok(err)
		if n := len(rows); n > 0 && rows[n-1].Seq > last {
			w.t.Errorf("there is row %d of the outbox, and %d was the last", rows[n-1].Seq, last)
		}
	}
	high := w.db.HighestTime()
	if high.Before(w.highest) || high.After(w.now) {
		w.t.Errorf("the highest time is %s, after %s, at %s", high, w.highest, w.now)
	}
	w.highest = high
	w.compareDoubts()
}

// compareDoubts: of each SIM what it was given last, if nobody knows what became of it.
func (w *walk) compareDoubts() {
	open, err := w.db.OpenDoubts()
	w.ok(err)
	var got, want []string
	for _, o := range open {
		got = append(got, fmt.Sprintf("%s: %d/%d at %s", o.Line, o.ID, o.Part, o.At))
	}
	for _, l := range w.model.last {
		m := w.model.messages[l.id]
		if m == nil || !l.next.IsZero() || l.part >= len(m.parts) || m.state != Uncertain || m.suspect {
			continue
		}
		if p := m.parts[l.part]; p.state == PartUncertain {
			want = append(want, fmt.Sprintf("%s: %d/%d at %s", p.line, l.id, l.part, p.claimed))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("open doubts: got %v, want %v", got, want)
	}
}
