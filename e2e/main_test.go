// Package e2e runs the built smsgateway from outside: as a process, over TCP, a pseudo-terminal, signals and files. It
// knows nothing of the gateway's inside, except in the benchmark and where it looks into files that a power cut left.
//
//	main_test.go       builds the binary, says what was left out    life, texts, cancel, bind, outbox   the SMPP contract
//	process_test.go    a child and its lines                       crash, stop                         kill -9, SIGTERM
//	kill*_test.go      kill -9 again and again, with a ledger
//	simulator_test.go  `modem simulate`: the phones                modem_test.go, magic_test.go        modems and their faults
//	box_test.go        `serve` and the commands                    cli, input, demo                    the command line
//	esme_test.go       an SMPP client that judges                  clients, kannel, tls                strangers' SMPP clients
//	wireshark_test.go  a stranger that judges all octets           foreign_test.go                     strangers' modem programs
//	powercut_test.go   each write is a crash point: a life under strace, and all disks that a power cut could leave
//	  life, trace        what is lived through; what strace wrote    disk, model                         what may be left of it
//	  known              what others were told by each moment        judge, raw                          both laid side by side
//	  ext4               a real file system, cut off under load
//	scale_test.go      very many messages beside few: rates, start-up, memory, file; scale_fill: files like that
//
// What is waited for has a generous deadline and no sleep: a slow machine makes it slower, not red.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take that must come by itself. It is long for the sake of slow and busy machines.
const patience = 60 * time.Second

// atOnce is how many tests run beside each other: they mostly wait for modems, so more than there are processors.
const atOnce = "8"

// diskFaults is how thorough TestDiskFaults is: each n-th call of a life has its fault, from one at random on, so 1 is all
// of them. With 0 a handful is tried.
var diskFaults = flag.Int("diskfaults", 0, "TestDiskFaults has each n-th system call on the database fail, in each way; 0: some")

// scratch is a directory for the life of the test binary.
var scratch string

// program builds the binary once, on first use, and gives its path.
var program = sync.OnceValues(func() (string, error) {
	// `go test` keeps results, and runs a test again only when a file has changed that it knows of: the sources of the
	// program are not among them unless the test has looked at them.
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir():
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "smsgateway")
	args := []string{"build", "-o", path}
	if raceDetector || os.Getenv("SMSGATEWAY_RACE") == "1" {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "..")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// leftOut are the tests that a missing tool left out, by what was missing.
var leftOut struct {
	sync.Mutex
	tools []string
}

func TestMain(m *testing.M) {
	if config := os.Getenv(airSetting); config != "" {
		os.Exit(beModem(config)) // a child of TestKillLoop
	}
	if text := os.Getenv(injectorEnv); text != "" { // this is not the test, but a child of it
		os.Exit(injectorMain(text, os.Args[1:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if !given("test.parallel") {
		flag.Set("test.parallel", atOnce)
	}
	if os.Getenv("GORACE") == "" { // else each command that is built with the race detector sleeps a second at its end
		os.Setenv("GORACE", "atexit_sleep_ms=10")
	}
	var err error
	if scratch, err = os.MkdirTemp("", "smsgateway-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(scratch)
	code := m.Run()
	if len(leftOut.tools) > 0 {
		slices.Sort(leftOut.tools)
		tell(fmt.Sprintf("e2e: left out, for want of %s; .ci/run leaves out nothing\n", strings.Join(slices.Compact(leftOut.tools), ", ")))
	}
	return code
}

// tell says something to the person who runs the tests. `go test ./...` throws away what a package says that passes, so
// the line goes to the stderr of the go command, our parent: unless that is a file, in which both would write over each
// other. With -v all is shown anyway.
func tell(line string) {
	parent := fmt.Sprintf("/proc/%d/", os.Getppid())
	comm, err := os.ReadFile(parent + "comm")
	if err == nil && string(comm) == "go\n" && !testing.Verbose() {
		info, err := os.Stat(parent + "fd/2")
		if err == nil && !info.Mode().IsRegular() {
			if f, err := os.OpenFile(parent+"fd/2", os.O_WRONLY, 0); err == nil {
				defer f.Close()
				f.WriteString(line)
				return
			}
		}
	}
	os.Stderr.WriteString(line)
}

func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// need gives the path of a foreign program. Without it the test is left out with one line, but with CI=true it fails:
// there nothing may be left out.
func need(t *testing.T, tool string) string {
	t.Helper()
	path, err := find(tool)
	if err != nil {
		without(t, tool, "is not installed")
	}
	return path
}

// find gives the path of a program.
func find(tool string) (string, error) {
	path, err := exec.LookPath(tool)
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/" + tool) // daemons live where only root looks
	}
	return path, err
}

// without ends a test that can't run here.
func without(t *testing.T, tool, why string) {
	t.Helper()
	leave(t, tool, why)
	t.Skipf("left out: %s %s", tool, why)
}

// leave notes that something is left out of a test. With CI=true that is a failure.
func leave(t *testing.T, tool, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s %s, and with CI=true nothing may be left out", tool, why)
	}
	leftOut.Lock()
	defer leftOut.Unlock()
	leftOut.tools = append(leftOut.tools, tool)
}

// eventually waits until ok says so; ok is asked again and again, and last words of a failure come from it too.
func eventually(t *testing.T, what string, ok func() (done bool, seen string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		done, seen := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s; last seen: %s", patience, what, seen)
		}
		time.Sleep(pause)
	}
}
