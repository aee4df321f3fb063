package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// diskFault says which system calls on the database file go wrong, and how. strace's -e inject can't: it counts the calls of
// each thread for itself, and a Go program is on any thread at any time.
type diskFault struct {
	Call  string        // one of faultyCalls
	Nth   int           // counted from 1 over all threads; 0: all
	Ever  bool          // those behind it, too
	Errno syscall.Errno // the call is not made and says this; 0: none
	Done  bool          // the call is made, and says Errno all the same
	Hold  time.Duration // it returns that much later
	While string        // only while this file is there
}

func (f diskFault) String() string {
	s := fmt.Sprintf("%s %d %s", f.Call, f.Nth, map[syscall.Errno]string{0: "late", syscall.EIO: "EIO", syscall.ENOSPC: "ENOSPC",
		syscall.EDQUOT: "EDQUOT", syscall.EROFS: "EROFS"}[f.Errno])
	if f.Ever {
		s += " for ever"
	}
	if f.Done {
		s += " though it was done"
	}
	return s
}

// faultyCalls are those that write to the database, by their numbers on amd64.
var faultyCalls = map[uint64]string{18: "pwrite64", 74: "fsync", 75: "fdatasync", 77: "ftruncate", 285: "fallocate"}

// injection is what the injector is told, as JSON in its environment.
type injection struct {
	Fault    diskFault
	Database string // path of the file; what else begins so counts as well
	Counts   string // file that it leaves the number of calls in
}

const injectorEnv = "SMSGATEWAY_E2E_INJECT"

// calls is how often each call was made on the database.
type calls map[string]int

// underInjector gives program and arguments to run a program of ours in which the faults happen: the test binary itself,
// which traces it (ptrace(2)).
func underInjector(t *testing.T, b *box, f diskFault) (env, counts string) {
	t.Helper()
	counts = filepath.Join(b.dir, "calls.json")
	os.Remove(counts)
	text, err := json.Marshal(injection{f, filepath.Join(b.dir, "data", "gateway.db"), counts})
	if err != nil {
		t.Fatal(err)
	}
	return injectorEnv + "=" + string(text), counts
}

// readCalls reads what the injector has counted.
func readCalls(t *testing.T, path string) (c calls) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// injectorMain is the injector: it ends as the program does. TestMain calls it.
func injectorMain(text string, args []string) int {
	var in injection
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		fmt.Fprintln(os.Stderr, "injector:", err)
		return 99
	}
	os.Unsetenv(injectorEnv)
	runtime.LockOSThread() // one thread alone may trace
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "injector:", err)
		return 99
	}
	pid := cmd.Process.Pid
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for s := range signals {
			syscall.Kill(pid, s.(syscall.Signal))
		}
	}()
	tr := &tracer{injection: in, pid: pid, calls: make(calls), threads: make(map[int]*thread)}
	code, err := tr.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "injector:", err)
		return 99
	}
	out, err := json.Marshal(tr.calls)
	if err == nil {
		err = os.WriteFile(in.Counts, out, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "injector:", err)
		return 99
	}
	return code
}

// tracer follows all threads of a program from system call to system call.
type tracer struct {
	injection
	pid     int
	calls   calls
	threads map[int]*thread
	waiting int // threads that are held
}

type thread struct {
	inside bool // a system call
	fails  syscall.Errno
	hold   time.Duration
	until  time.Time // held until then
}

const (
	traceExitKill = 0x00100000 // PTRACE_O_EXITKILL
	waitAll       = 0x40000000 // __WALL
	syscallStop   = syscall.SIGTRAP | 0x80
)

func (tr *tracer) run() (code int, err error) {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(tr.pid, &ws, 0, nil); err != nil {
		return 0, err
	}
	options := syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | traceExitKill
	if err := syscall.PtraceSetOptions(tr.pid, options); err != nil {
		return 0, err
	}
	tr.threads[tr.pid] = &thread{}
	syscall.PtraceSyscall(tr.pid, 0)
	for {
		how := waitAll
		if tr.waiting > 0 {
			tr.release()
			how |= syscall.WNOHANG
		}
		tid, err := syscall.Wait4(-1, &ws, how, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, err
		case tid == 0:
			time.Sleep(time.Millisecond)
			continue
		case tid == tr.pid && ws.Exited():
			return ws.ExitStatus(), nil
		case tid == tr.pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case !ws.Stopped():
			delete(tr.threads, tid)
			continue
		}
		if tr.stopped(tid, ws.StopSignal()) {
			continue
		}
	}
}

// release lets those go on that were held for long enough.
func (tr *tracer) release() {
	for tid, th := range tr.threads {
		if !th.until.IsZero() && !time.Now().Before(th.until) {
			th.until = time.Time{}
			tr.waiting--
			syscall.PtraceSyscall(tid, 0)
		}
	}
}

// stopped deals with a thread that stopped, and lets it go on, unless it is held.
func (tr *tracer) stopped(tid int, sig syscall.Signal) (held bool) {
	th, known := tr.threads[tid]
	if !known {
		th = &thread{}
		tr.threads[tid] = th
	}
	deliver := 0
	switch {
	case sig == syscallStop:
		if th.inside = !th.inside; th.inside {
			tr.enter(tid, th)
		} else if tr.leave(tid, th); !th.until.IsZero() {
			tr.waiting++
			return true
		}
	case sig == syscall.SIGTRAP, sig == syscall.SIGSTOP && !known: // an event, or a new thread
	default:
		deliver = int(sig)
	}
	syscall.PtraceSyscall(tid, deliver) // an error says that it has ended
	return false
}

// enter looks whether the call is to fail.
func (tr *tracer) enter(tid int, th *thread) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	name, ours := faultyCalls[regs.Orig_rax]
	if !ours {
		return
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, regs.Rdi))
	if err != nil || !strings.HasPrefix(path, tr.Database) {
		return
	}
	tr.calls[name]++
	f, n := tr.Fault, tr.calls[name]
	if f.Call != name || f.Nth != 0 && (n < f.Nth || n > f.Nth && !f.Ever) {
		return
	}
	if f.While != "" {
		if _, err := os.Stat(f.While); err != nil {
			return
		}
	}
	tr.calls["faults"]++
	th.fails, th.hold = f.Errno, f.Hold
	if f.Errno != 0 && !f.Done {
		regs.Orig_rax = ^uint64(0) // no such call: nothing is done
		syscall.PtraceSetRegs(tid, &regs)
	}
}

// leave has the call say what it is to say.
func (tr *tracer) leave(tid int, th *thread) {
	if th.fails != 0 {
		var regs syscall.PtraceRegs
		if syscall.PtraceGetRegs(tid, &regs) == nil {
			regs.Rax = uint64(-int64(th.fails))
			syscall.PtraceSetRegs(tid, &regs)
		}
	}
	if th.hold > 0 {
		th.until = time.Now().Add(th.hold)
	}
	th.fails, th.hold = 0, 0
}
