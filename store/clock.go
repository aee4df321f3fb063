package store

import (
	"encoding/binary"
	"time"
)

// When a wall clock is believed (delivery-semantics, section 9).
const (
	clockStep     = time.Hour        // more than this off what the monotonic clock says is a jump
	clockPatience = 15 * time.Minute // then it is believed all the same
	clockGap      = 2 * time.Hour    // so long after the highest time, at the first look, is a jump, too
	clockSlack    = time.Second      // callers read the clock before they wait for the writer
	clockSave     = time.Minute      // how much later than the stored time goes along with a commit
	clockSaveIdle = time.Hour        // how much later is worth a commit of its own
)

// clock judges the times that callers name. While one is not plausible nothing expires and nothing is purged: a box
// without a battery wakes up in another year, and texts must not go out, or go away, because of that.
type clock struct {
	high   int64 // highest plausible time seen, ms
	stored int64 // the one on disk

	opened  time.Duration // when the file was, by the monotonic clock
	known   bool          // base and at are set
	base    int64         // a time that was believed, ms
	at      time.Duration // when that was, by the monotonic clock
	doubt   bool
	doubted time.Duration // since when no time was plausible, by the monotonic clock
}

// plausible tells whether now may decide about ends. mono is the monotonic clock.
func (c *clock) plausible(now time.Time, mono time.Duration) bool {
	ms := milli(now)
	if !c.known {
		c.known, c.base, c.at = true, ms, mono
		if c.high != 0 && ms-c.high > (clockGap+mono-c.opened).Milliseconds() { // off for long, or in a wrong year: who knows
			c.doubt, c.doubted, c.base = true, mono, c.high
		}
	}
	off := time.Duration(ms-c.base)*time.Millisecond - (mono - c.at)
	switch {
	case off.Abs() <= clockStep && ms >= c.high-clockSlack.Milliseconds():
		c.high, c.doubt = max(c.high, ms), false
		return true
	case !c.doubt:
		c.doubt, c.doubted = true, mono
		return false
	case mono-c.doubted < clockPatience:
		return false
	}
	// Nobody put it right, so it probably is right.
	c.base, c.at, c.high, c.doubt = ms, mono, ms, false
	return true
}

// HighestTime is the highest time that was seen, as far as it was written down; zero if none was.
func (db *DB) HighestTime() time.Time { return fromMilli(db.highest.Load()) }

func (t *txn) plausible(now time.Time) bool {
	believed := t.w.clock.plausible(now, t.w.db.opt.Monotonic())
	t.w.doubtful.Store(!believed)
	return believed
}

// ClockDoubted tells whether the clock was not believed when it was last asked about, which Tick does at each call. What
// others are told should not rest on it then.
func (db *DB) ClockDoubted() bool { return db.w.doubtful.Load() }

// off tells how far the stored time is behind, or ahead after a correction.
func (c *clock) off() time.Duration { return (time.Duration(c.high-c.stored) * time.Millisecond).Abs() }

// flushClock lets the highest time go along with a commit now and then.
func (t *txn) flushClock() error {
	if t.w.clock.off() < clockSave {
		return nil
	}
	return t.saveClock()
}

func (t *txn) saveClock() error {
	c := &t.w.clock
	t.clockStored = c.high
	return t.put(bMeta, keyClock(), binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(c.high)))
}

// readClock reads the highest time; 0 when none was stored yet.
func (v *reader) readClock() (int64, error) {
	f, err := v.get(bMeta, keyClock())
	if f == nil || err != nil {
		return 0, err
	}
	high := int64(f.uint64())
	return high, f.end()
}
