package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDiskModel holds what a power cut may leave, by traces written by hand: a row is a trace, and the files of directory
// /d/data that may be found after it, each as its size and what it begins with; "-" is a directory that is not there.
func TestDiskModel(t *testing.T) {
	t.Parallel()
	const (
		mkdir  = "1 1.0 mkdirat(AT_FDCWD</>, {/d/data}, 0700) = 0\n1 1.0 openat(AT_FDCWD</>, {/d}, O_RDONLY) = 4<{/d}>\n1 1.0 fsync(4<{/d}>) = 0\n1 1.0 close(4<{/d}>) = 0\n"
		create = "1 1.0 openat(AT_FDCWD<{/d}>, {data/f}, O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 5<{/d/data/f}>\n"
		named  = "1 1.0 openat(AT_FDCWD</>, {/d/data}, O_RDONLY) = 6<{/d/data}>\n1 1.0 fsync(6<{/d/data}>) = 0\n"
		one    = "1 1.0 pwrite64(5<{/d/data/f}>, {one}, 3, 0) = 3\n"
		two    = "1 1.0 pwrite64(5<{/d/data/f}>, {two}, 3, 0) = 3\n"
		far    = "1 1.0 pwrite64(5<{/d/data/f}>, {far}, 3, 1024) = 3\n"
		grown  = "1 1.0 ftruncate(5<{/d/data/f}>, 2048) = 0\n"
		alloc  = "1 1.0 fallocate(5<{/d/data/f}>, 0, 2, 3) = 0\n"
		after  = "1 1.0 write(5<{/d/data/f}>, {two}, 3) = 3\n"
		sync   = "1 1.0 fdatasync(5<{/d/data/f}>) = 0\n"
	)
	for _, row := range []struct {
		name, trace, want string
	}{
		{"a new directory", create + one, "-"},
		{"whose parent is synced", mkdir, ""},
		{"a new file", mkdir + create, ", f 0"},
		{"its name and its contents are two things", mkdir + create + one, ", f 0, f 3 one"},
		{"its contents are synced", mkdir + create + one + sync, ", f 3 one"},
		{"its name is synced", mkdir + create + named + one, "f 0, f 3 one"},
		{"both are synced", mkdir + create + one + sync + named, "f 3 one"},
		{"written over", mkdir + create + one + sync + named + two, "f 3 one, f 3 two"},
		{"written over twice", mkdir + create + named + one + two, "f 0, f 3 one, f 3 two"},
		{"out of order", mkdir + create + named + one + far, "f 0, f 1027, f 1027 one, f 3 one"},
		{"its size", mkdir + create + named + grown + one, "f 0, f 2048, f 2048 one, f 3 one"},
		{"allocated ahead", mkdir + create + named + alloc, "f 0, f 5"},
		{"what is there stays", mkdir + create + one + sync + named + alloc, "f 3 one, f 5 one"},
		{"it makes nothing shorter", mkdir + create + named + grown + sync + alloc, "f 2048"},
		{"allocated for good", mkdir + create + named + alloc + sync + one, "f 5, f 5 one"},
		{"allocated by an interrupted call", mkdir + create + named + strings.Replace(alloc, "= 0", "= -1 EINTR (Interrupted system call)", 1), "f 0"},
		{"written one behind the other", mkdir + create + named + after + after + sync, "f 6 twotwo"},
		{"another process writes from its begin", mkdir + create + named + after + sync +
			"2 1.0 execve({/bin/x}, [{x}], 0x7ffd /* 9 vars */) = 0\n2 1.0 openat(AT_FDCWD</>, {/d/data/f}, O_RDWR) = 5<{/d/data/f}>\n" +
			strings.Replace(after, "two", "six", 1) + sync, "f 3 six"},
		{"renamed over another, which nobody has any more", mkdir + create + one + sync + named +
			strings.NewReplacer("data/f", "data/g", "5<", "7<").Replace(create+two+sync) +
			"1 1.0 renameat(AT_FDCWD</>, {/d/data/g}, AT_FDCWD</>, {/d/data/f}) = 0\n" + far +
			"1 1.0 fsync(6<{/d/data}>) = 0\n", "f 3 two"},
		{"a sync that failed", mkdir + create + named + one + strings.Replace(sync, "= 0", "= -1 EIO (Input/output error)", 1), "f 0, f 3 one"},
		{
			"a write that a signal put off", mkdir + create + named + strings.Replace(one, "= 3", "= ? ERESTARTSYS (To be restarted if SA_RESTART is set)", 1) +
				"1 1.0 --- SIGURG {si_signo=SIGURG} ---\n", "f 0",
		},
		{
			"a write that began after the sync", mkdir + create + named +
				"1 1.0 fdatasync(5<{/d/data/f}> <unfinished ...>\n2 1.0 pwrite64(5<{/d/data/f}>, {one}, 3, 0) = 3\n1 1.0 <... fdatasync resumed>) = 0\n", "f 0, f 3 one",
		},
		{
			"a write that ended after the sync began", mkdir + create + named +
				"2 1.0 pwrite64(5<{/d/data/f}>, {one}, 3, 0 <unfinished ...>\n1 1.0 fdatasync(5<{/d/data/f}> <unfinished ...>\n2 1.0 <... pwrite64 resumed>) = 3\n1 1.0 <... fdatasync resumed>) = 0\n", "f 0, f 3 one",
		},
		{
			"another name", mkdir + create + one + sync + named + "1 1.0 linkat(AT_FDCWD</>, {/d/data/f}, AT_FDCWD</>, {/d/data/g}, 0) = 0\n1 1.0 unlinkat(AT_FDCWD</>, {/d/data/f}, 0) = 0\n",
			", f 3 one, f 3 one; g 3 one, g 3 one",
		},
		{
			"renamed", mkdir + create + one + sync + named + "1 1.0 renameat(AT_FDCWD</>, {/d/data/f}, AT_FDCWD</>, {/d/data/g}) = 0\n",
			"f 3 one, g 3 one",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := leftOf(t, row.trace); got != row.want {
				t.Errorf("a power cut leaves %q, want %q", got, row.want)
			}
		})
	}
}

var braced = regexp.MustCompile(`(<)?\{([^{}]*)\}`)

// leftOf gives all that a power cut may leave after a trace, sorted; words in braces are written as strace does.
func leftOf(t *testing.T, trace string) string {
	t.Helper()
	trace = braced.ReplaceAllStringFunc(trace, func(s string) string {
		m := braced.FindStringSubmatch(s)
		var b strings.Builder
		for i := range len(m[2]) {
			fmt.Fprintf(&b, `\x%02x`, m[2][i])
		}
		if m[1] != "" {
			return "<" + b.String()
		}
		return `"` + b.String() + `"`
	})
	path := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(path, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	moments, _, err := readTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	d := newDisk("/d")
	if !strings.HasPrefix(trace, "1 1.0 mkdirat") { // the directory was there before, as far as the program knows
		data := &inode{entries: make(map[string]*inode)}
		d.now["/d/data"] = data
		d.pending = append(d.pending, &change{kind: changeEntry, of: d.top, name: "data", entry: data})
	}
	for _, m := range moments {
		if _, err := d.step(m); err != nil {
			t.Fatal(err)
		}
	}
	left := make(map[string]bool)
	for bits := range 1 << len(d.pending) {
		c := cut{keep: make([]bool, len(d.pending))}
		for i := range c.keep {
			c.keep[i] = bits>>i&1 == 1
		}
		left[listed(d.files(c, "data"))] = true
	}
	if left["-"] && len(left) > 1 { // with everything below it
		left = map[string]bool{"-": true}
	}
	return strings.Join(slices.Sorted(maps.Keys(left)), ", ")
}

// listed writes files as size and first word.
func listed(files map[string]*image) string {
	if files == nil {
		return "-"
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s := fmt.Sprintf("%s %d", name, files[name].size)
		if page := files[name].pages[0]; page != nil {
			if word, _, _ := bytes.Cut(page[:], []byte{0}); len(word) > 0 {
				s += " " + string(word)
			}
		}
		list = append(list, s)
	}
	return strings.Join(list, "; ")
}

// TestTornImage keeps some sectors of a write.
func TestTornImage(t *testing.T) {
	t.Parallel()
	f := newImage()
	all := func(int64) bool { return true }
	f.write(0, bytes.Repeat([]byte("a"), 8192), all)
	f.write(100, bytes.Repeat([]byte("b"), 2000), func(n int64) bool { return n == 0 || n == 3 })
	for at, want := range map[int]byte{0: 'a', 99: 'a', 100: 'b', 511: 'b', 512: 'a', 1535: 'a', 1536: 'b', 2047: 'b', 2048: 'a', 8191: 'a'} {
		if got := f.pages[int64(at/filePage)][at%filePage]; got != want {
			t.Errorf("at %d stands %c, want %c", at, got, want)
		}
	}
	other := f.clone()
	other.truncate(5000)
	other.write(4096, []byte("c"), all)
	if f.size != 8192 || f.pages[1][0] != 'a' || f.pages[1][5000-4096] != 'a' {
		t.Error("a change of a copy changed the original")
	}
	if other.size != 5000 || other.pages[1][0] != 'c' || other.pages[1][5000-4096] != 0 {
		t.Error("what is beyond the end of a file was kept")
	}
}
