package store

import "testing"

// TestCompactFull: the disk takes no more in the middle of a compaction: it is given up, and nothing is lost.
func TestCompactFull(t *testing.T) { inOwnProcess(t, compactFull) }

func compactFull(t *testing.T) {
	b := newBox(t, Options{})
	b.life(60)
	want := b.allRows()
	for _, at := range []int{1, 5, 20} {
		bites := 0
		b.onStep(func(c *compaction, name string) error {
			if name != "filled some" {
				return nil
			}
			if bites++; bites == at {
				size, _, err := c.next.size()
				limitFiles(t, uint64(size))
				return err
			}
			return nil
		})
		_, err := b.db.Compact(t.Context(), nil)
		limitFiles(t, unlimited)
		t.Log(err)
		wantError(t, err, ErrDiskFull)
		b.wantRows(want)
		b.wantNothingLeft()
	}
	b.onStep(nil)
	b.compact()
	b.wantRows(want)
}
