package store

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"smsgateway/sms"
)

const (
	orphanKeep   = 24 * time.Hour
	orphansOfRef = 8 // most that are kept of one line and TP-MR
)

// putOrphan keeps a report that fits no part yet.
func (t *txn) putOrphan(line string, r Report, now time.Time) error {
	prefix := append(lineKey(line), r.Ref)
	old := t.keys(bOrphans, prefix)
	for _, k := range old[:max(len(old)-orphansOfRef+1, 0)] {
		if err := t.delete(bOrphans, k); err != nil {
			return err
		}
	}
	seq, err := t.sequence(bOrphans)
	if err != nil {
		return err
	}
	return t.put(bOrphans, binary.BigEndian.AppendUint64(prefix, seq), orphanRow(r, now))
}

func orphanRow(r Report, received time.Time) []byte {
	b := appendTime([]byte{recordVersion, byte(r.Status)}, received)
	b = appendText(appendTime(appendTime(b, r.Time), r.Discharge), r.Recipient)
	if r.Doubted {
		b = append(b, 1)
	}
	return b
}

// applyOrphans looks once more at reports that came by a line, when it is known what became of the part that its modem
// had. They are taken in the order in which they came: of a part whose TP-MR is not known several may fit.
func (t *txn) applyOrphans(line string, now time.Time) error {
	keys := t.keys(bOrphans, lineKey(line))
	slices.SortFunc(keys, func(a, b []byte) int { return bytes.Compare(a[len(a)-8:], b[len(b)-8:]) })
	for _, k := range keys {
		r, received, err := t.orphan(k)
		if err != nil {
			t.w.db.warnDamaged(err)
			continue
		}
		if now.Sub(received) >= orphanKeep && t.plausible(now) {
			continue // the next sweep drops it
		}
		m, err := t.report(line, r, received, now)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if err := t.delete(bOrphans, k); err != nil {
			return err
		}
	}
	return nil
}

func (v *reader) orphan(k []byte) (r Report, received time.Time, err error) {
	f, err := v.get(bOrphans, k)
	if err != nil {
		return Report{}, time.Time{}, err
	}
	// The key is line, TP-MR and a number of eight octets.
	r = Report{Ref: k[len(k)-9], Status: sms.Status(f.uint8())}
	received = f.time()
	r.Time, r.Discharge, r.Recipient = f.time(), f.time(), f.text()
	if f.reason == "" && len(f.rest) > 0 {
		r.Doubted = f.uint8() == 1
	}
	return r, received, f.end()
}

// dropOrphans forgets reports that nobody waited for within a day.
func (t *txn) dropOrphans(now time.Time) error {
	for _, k := range t.keys(bOrphans, nil) {
		_, received, err := t.orphan(k)
		if err == nil && now.Sub(received) < orphanKeep {
			continue
		}
		if err := t.delete(bOrphans, k); err != nil {
			return err
		}
	}
	return nil
}
