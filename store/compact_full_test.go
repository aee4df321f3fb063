package store

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// limited tells a process that it is the one whose files may not grow.
const limited = "SMSGATEWAY_TEST_LIMITED"

// TestCompactFull: the disk takes no more in the middle of a compaction: it is given up, and nothing is lost. Here it is a
// limit of the process that says so; other files of the test must not meet it, so that is another process.
func TestCompactFull(t *testing.T) {
	if os.Getenv(limited) != "" {
		compactFull(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCompactFull$", "-test.v")
	cmd.Env = append(os.Environ(), limited+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func compactFull(t *testing.T) {
	b := newBox(t, Options{})
	b.life(60)
	want := b.allRows()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	b.ok(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	limit := func(n uint64) { b.ok(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: was.Max})) }
	for _, at := range []int{1, 5, 20} {
		bites := 0
		b.onStep(func(c *compaction, name string) error {
			if name != "filled some" {
				return nil
			}
			if bites++; bites == at {
				size, _, err := c.next.size()
				limit(uint64(size))
				return err
			}
			return nil
		})
		_, err := b.db.Compact(t.Context(), nil)
		limit(was.Cur)
		t.Log(err)
		wantError(t, err, ErrDiskFull)
		b.wantRows(want)
		b.wantNothingLeft()
	}
	b.onStep(nil)
	b.compact()
	b.wantRows(want)
}
