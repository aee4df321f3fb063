package e2e

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// tracedCalls are the system calls that change files, or tell somebody something. Those that bbolt and this program don't
// use are among them so that the test fails on the day they do: see oddCalls.
const tracedCalls = "read,write,writev,pwrite64,fdatasync,fsync,ftruncate,openat,close,link,linkat,unlink,unlinkat," +
	"rename,renameat,renameat2,mkdir,mkdirat,rmdir,mmap,fallocate,dup,execve," + oddCalls

// oddCalls change files in ways that the model of a disk does not know.
const oddCalls = "open,creat,truncate,lseek,pwritev,pwritev2,copy_file_range,sendfile,splice,symlink,symlinkat,msync," +
	"sync,syncfs,sync_file_range,io_uring_setup,io_submit,dup2,dup3"

// straceArgs record a program in all its threads, behind what the file holds: strings in hexadecimal and whole, descriptors
// with what they are.
func straceArgs(out string) []string {
	return []string{"-f", "--seccomp-bpf", "-xx", "-s", "16777216", "-y", "-ttt", "-A", "-o", out, "-e", "trace=" + tracedCalls}
}

// sysCall is one system call. What it does may have happened at any moment between the lines begin and end of the trace.
// strace lets a thread go on only after it has written down where it stands, so that a line that is the cause of another
// stands before it.
type sysCall struct {
	name       string
	text       string // arguments as strace writes them
	begin, end int    // lines, from 1; end is beyond the trace if it never returned
	at         float64
	ret        int64 // if it returned
	returned   bool
	undone     bool // it did nothing, or is made anew at once
}

// moment is a line of the trace at which a call begins or ends; a call on one line does both there, in this order.
type moment struct {
	call *sysCall
	ends bool
}

// readTrace reads what strace wrote: the calls' beginnings and ends in their order, and the number of lines.
func readTrace(path string) (moments []moment, lines int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	open := make(map[string]*sysCall) // by thread
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			break // the last line may be cut: the program was killed
		}
		lines++
		if moments, err = readLine(moments, open, strings.TrimSuffix(line, "\n"), lines); err != nil {
			return nil, 0, fmt.Errorf("line %d of the trace: %w", lines, err)
		}
	}
	for _, call := range open {
		call.end = lines + 1
	}
	return moments, lines, nil
}

const unfinished = " <unfinished ...>"

func readLine(moments []moment, open map[string]*sysCall, line string, n int) ([]moment, error) {
	thread, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " ")
	clock, rest, _ := strings.Cut(rest, " ")
	at, err := strconv.ParseFloat(clock, 64)
	switch {
	case err != nil:
		return nil, fmt.Errorf("no time in %.80q", line)
	case strings.HasPrefix(rest, "+++"): // the thread has ended, within a call perhaps
		if call := open[thread]; call != nil {
			call.end = n
			delete(open, thread)
		}
		return moments, nil
	case strings.HasPrefix(rest, "---"):
		return moments, nil
	case strings.HasPrefix(rest, "<... "):
		call := open[thread]
		_, more, ok := strings.Cut(rest, " resumed>")
		if call == nil || !ok {
			return nil, fmt.Errorf("nothing to resume in %.80q", line)
		}
		delete(open, thread)
		call.text += more
		call.end = n
		return append(moments, moment{call, true}), call.finish()
	}
	name, text, ok := strings.Cut(rest, "(")
	if !ok {
		return nil, fmt.Errorf("no call in %.80q", line)
	}
	call := &sysCall{name: name, text: text, begin: n, end: n, at: at}
	moments = append(moments, moment{call, false})
	if before, ok := strings.CutSuffix(text, unfinished); ok {
		call.text = before
		open[thread] = call
		return moments, nil
	}
	return append(moments, moment{call, true}), call.finish()
}

// finish takes the result off the text.
func (c *sysCall) finish() error {
	at := strings.LastIndex(c.text, ") = ")
	if at < 0 { // blanks may stand before the equals sign
		if at = strings.LastIndex(c.text, " = "); at < 0 {
			return fmt.Errorf("%s has no result", c.name)
		}
		at = strings.LastIndex(c.text[:at], ")")
	}
	_, result, _ := strings.Cut(c.text[at:], "= ")
	c.text = c.text[:at]
	switch {
	case strings.HasPrefix(result, "? ERESTART"): // a signal came first; it did nothing and is made anew
		c.ret, c.returned, c.undone = -1, true, true
		return nil
	case strings.HasPrefix(result, "?"): // it was killed
		return nil
	}
	end := strings.IndexAny(result, " <")
	if end < 0 {
		end = len(result)
	}
	ret, err := strconv.ParseInt(result[:end], 0, 64)
	if err != nil { // an address
		return nil
	}
	c.ret, c.returned = ret, true
	c.undone = strings.HasPrefix(result, "-1 EINTR") || strings.HasPrefix(result, "-1 EOPNOTSUPP")
	return nil
}

// failed tells whether the call did nothing.
func (c *sysCall) failed() bool { return c.returned && c.ret < 0 }

var (
	quotedHex = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?`)
	numbered  = regexp.MustCompile(`^(-?\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2})*))?`)
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	if err != nil {
		panic(err) // the patterns let nothing else through
	}
	return b
}

// strings gives what stands in quotes.
func (c *sysCall) strings() (list [][]byte, err error) {
	for _, m := range quotedHex.FindAllStringSubmatch(c.text, -1) {
		if m[2] != "" {
			return nil, fmt.Errorf("strace cut a string of %s short", c.name)
		}
		list = append(list, unhex(m[1]))
	}
	return list, nil
}

// data is what a read read or a write wrote.
func (c *sysCall) data() ([]byte, error) {
	list, err := c.strings()
	var all []byte
	for _, b := range list {
		all = append(all, b...)
	}
	if c.returned {
		all = all[:max(0, min(int64(len(all)), c.ret))]
	}
	return all, err
}

// fd gives the descriptor that is the first argument, and what it is.
func (c *sysCall) fd() (number, what string) {
	m := numbered.FindStringSubmatch(c.text)
	if m == nil {
		return "", ""
	}
	return m[1], strings.TrimSuffix(string(unhex(m[2])), " (deleted)")
}

// last is the last argument, a number.
func (c *sysCall) last() (int64, error) {
	return strconv.ParseInt(c.text[strings.LastIndex(c.text, " ")+1:], 0, 64)
}

// allocated is what a fallocate(2) asks for: it must be the plain one, which makes the file longer and leaves what is there.
func (c *sysCall) allocated() (off, size int64, err error) {
	args := strings.Split(c.text, ", ")
	if len(args) != 4 || args[1] != "0" {
		return 0, 0, fmt.Errorf("%s(%s: the model of the disk does not know that mode", c.name, c.text)
	}
	off, err = strconv.ParseInt(args[2], 0, 64)
	if err != nil {
		return 0, 0, err
	}
	size, err = strconv.ParseInt(args[3], 0, 64)
	return off, size, err
}

// paths gives the names in a call, made absolute by the directory descriptors before them.
func (c *sysCall) paths() (list []string, err error) {
	names, err := c.strings()
	if err != nil {
		return nil, err
	}
	args := c.text
	for _, name := range names {
		path := string(name)
		if !filepath.IsAbs(path) {
			_, dir := (&sysCall{text: args}).fd()
			if dir == "" {
				return nil, fmt.Errorf("%s of the relative name %q", c.name, path)
			}
			path = filepath.Join(dir, path)
		}
		list = append(list, path)
		if _, after, ok := strings.Cut(args, `", `); ok {
			args = after
		}
	}
	return list, nil
}

// isOdd tells whether the call is one of oddCalls.
func (c *sysCall) isOdd() bool {
	return strings.Contains(","+oddCalls+",", ","+c.name+",")
}
