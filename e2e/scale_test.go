package e2e

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/store"
)

// Flags of TestScale: go test ./e2e -run TestScale -v -timeout 2h -scale 1000,100000,1000000
var (
	scaleFlag = flag.String("scale", "20000", "how many messages the files of TestScale hold, one after the other")
	scaleKept = flag.Bool("scalekept", false, "in TestScale the messages have ended, and are kept; else they wait")
	scaleDir  = flag.String("scaledir", "", "where TestScale makes its files; \"\": where all tests do")
	scaleCold = flag.Bool("scalecold", false, "TestScale starts the gateway with an empty page cache, too; takes root")
)

// mostAdded is how much anonymous memory a gateway may take for messages that wait or are kept, however many there are.
const mostAdded = 48 << 20

// mostStart is how long a start may take (delivery-semantics, section 11, I13). A tenth of a second is usual; but now and then
// somebody else has the disk to himself.
const mostStart = 10 * time.Second

// mostPerMessage is how many octets of the file a message of the usual mixture may take, of which about 120 are its text: some
// 440 while it waits, and 1000 once it was sent and its receipt waits, as records that grow leave pages half empty.
const mostPerMessage = 1200

// TestScale has one gateway work on a file with very many messages, beside another one whose file is nearly empty, in turns:
// what counts is the ratio of both in the same run. Neither start-up nor memory may grow with what is queued or kept.
func TestScale(t *testing.T) {
	t.Parallel()
	little := newScaled(t)
	little.first, little.last = fill(t, little.data(), filling{accounts: 1000, waiting: 1000})
	for _, text := range strings.Split(*scaleFlag, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 100 {
			t.Fatalf("-scale: %q is no number of messages from 100 on", text)
		}
		t.Run(text, func(t *testing.T) { testScale(t, little, n) })
	}
}

func testScale(t *testing.T, little *scaled, n int) {
	what := filling{accounts: 1000, waiting: n}
	if *scaleKept {
		what = filling{accounts: 1000, waiting: n / 100, kept: n - n/100, receipts: true}
	}
	s := newScaled(t)
	began := time.Now()
	s.first, s.last = fill(t, s.data(), what)
	took := time.Since(began)
	perMessage := s.used(t) / int64(n)
	t.Logf("%d messages: filled in %s; %d octets of the file each", n, took.Round(time.Second), perMessage)
	if n >= 10_000 && perMessage > mostPerMessage {
		t.Errorf("a message takes %d octets of the file, %d at most are right", perMessage, mostPerMessage)
	}

	s.each, little.each = 1000, 1000
	if n < 100_000 {
		s.each, little.each = 200, 200 // it is not for the figures
	}
	s.startAll(t, "the one before ended in order")
	s.startAll(t, "after kill -9 under load", (*scaled).killBusy)
	if *scaleCold {
		s.startAll(t, "after kill -9 under load, with a cold cache", (*scaled).killBusy, (*scaled).dropCaches)
	}
	s.begin(t)
	little.begin(t)
	atFirst := s.anonymous(t) - little.anonymous(t)
	s.beside(t, little, "submit_sm", (*scaled).submits)
	s.beside(t, little, "query_sm of pages that were not touched yet", (*scaled).queries)
	s.lists(t) // they go through all of the file
	s.beside(t, little, "query_sm", (*scaled).queries)
	added := s.anonymous(t) - little.anonymous(t)
	t.Logf("anonymous memory beside the other: %+.1f MiB at first, %+.1f MiB after the load", mib(atFirst), mib(added))
	if added > mostAdded && !raceDetector { // which takes many times as much
		t.Errorf("%d messages take %.1f MiB of memory, more than %d", n, mib(added), mostAdded>>20)
	}
	s.stop(t)
	little.stop(t)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// scaled is a gateway whose file was filled. Its process has no pipe to the test: nothing is to be in its way.
type scaled struct {
	dir, config, addr string
	cmd               *exec.Cmd
	clients           []*benchClient
	first, last       store.ID // of the messages of the filling; each second one is of "bench"
	r                 *rand.Rand
	each              int // requests of a client in a turn
}

func newScaled(t *testing.T) *scaled {
	t.Helper()
	parent := *scaleDir
	if parent == "" {
		parent = scratch
	}
	dir, err := os.MkdirTemp(parent, "scale-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &scaled{dir: dir, config: filepath.Join(dir, "config.toml"), addr: freePort(t), r: rand.New(rand.NewPCG(3, 4))}
	text := fmt.Sprintf("data_dir = \"data\"\n[smpp]\nlisten = %q\nmax_sessions = 1000\n[admin]\nlisten = \"\"\n[log]\nlevel = \"warn\"\n", s.addr)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.data(), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scaled) data() string { return filepath.Join(s.dir, "data") }

// used is how many octets of the file hold something.
func (s *scaled) used(t *testing.T) int64 {
	t.Helper()
	db, err := store.Open(filepath.Join(s.data(), "gateway.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	space, err := db.Space()
	if err != nil {
		t.Fatal(err)
	}
	return space.Used
}

// launch starts the gateway, and does not wait.
func (s *scaled) launch(t *testing.T) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	s.cmd = exec.Command(path, "serve", "--config", s.config)
	s.cmd.Stderr = said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := s.cmd
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

// begin starts the gateway, and tells how long it took until the first submit_sm_resp: with bind and check of the password.
func (s *scaled) begin(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	s.launch(t)
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("the gateway takes no client within %s: %s", patience, s.log())
		}
		time.Sleep(time.Millisecond)
	}
	s.bind(t, 1)
	if err := s.clients[0].submit(1, 1); err != nil {
		t.Fatalf("the first submit_sm: %v; the log: %s", err, s.log())
	}
	return time.Since(began)
}

func (s *scaled) log() string {
	said, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-2000):])
}

// bind brings the number of clients to n.
func (s *scaled) bind(t *testing.T, n int) {
	t.Helper()
	for len(s.clients) < n {
		c, err := newBenchClient(s.addr)
		if err != nil {
			t.Fatalf("bind: %v; the log: %s", err, s.log())
		}
		s.clients = append(s.clients, c)
	}
}

func (s *scaled) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	for _, c := range s.clients {
		c.conn.Close()
	}
	s.clients = nil
	s.cmd.Process.Signal(signal)
	err := s.cmd.Wait()
	if signal == syscall.SIGTERM && err != nil {
		t.Fatalf("the gateway ended with %v; the log: %s", err, s.log())
	}
}

func (s *scaled) stop(t *testing.T) { t.Helper(); s.end(t, syscall.SIGTERM) }

// killBusy starts the gateway, and kills it in the middle of submits.
func (s *scaled) killBusy(t *testing.T) {
	t.Helper()
	s.killLoaded(t, s.r)
}

// dropCaches has the system forget what it has read of files.
func (s *scaled) dropCaches(t *testing.T) {
	t.Helper()
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		t.Fatal(err)
	}
}

// startAll starts the gateway some times, each after something was done, and logs how long it took.
func (s *scaled) startAll(t *testing.T, what string, before ...func(*scaled, *testing.T)) {
	t.Helper()
	const starts = 3
	var took latencies
	for range starts {
		for _, do := range before {
			do(s, t)
		}
		took = append(took, s.begin(t))
		s.stop(t)
	}
	slices.Sort(took)
	t.Logf("start to first submit_sm_resp, %s: %v", what, took[starts/2].Round(time.Millisecond))
	if took[starts/2] > mostStart {
		t.Errorf("a start took %s, more than %s", took[starts/2], mostStart)
	}
}

// anonymous is how many octets of memory the gateway has beside the pages of files.
func (s *scaled) anonymous(t *testing.T) int64 {
	t.Helper()
	return memoryOf(t, s.cmd.Process.Pid, "RssAnon:")
}

// memoryOf is what Linux says of a process (proc(5), status), in octets.
func memoryOf(t *testing.T, pid int, what string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), what)
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// beside has both gateways do the same in turns, and logs the rate of s and the ratio of both: the median of all turns.
func (s *scaled) beside(t *testing.T, little *scaled, what string, do func(*scaled, *testing.T) (done int, took time.Duration)) {
	t.Helper()
	const turns = 11
	var ratios, rates []float64
	for range turns {
		rate := func(s *scaled) float64 {
			n, took := do(s, t)
			return float64(n) / took.Seconds()
		}
		ours, theirs := rate(s), rate(little)
		ratios, rates = append(ratios, ours/theirs), append(rates, ours)
	}
	slices.Sort(ratios)
	slices.Sort(rates)
	t.Logf("%s: %.0f/s, %.2f of nearly empty (%.2f to %.2f)", what, rates[turns/2], ratios[turns/2], ratios[0], ratios[turns-1])
}

const (
	scaleClients = 10
	scaleWindow  = 50
)

// submits hands in messages by ten sessions.
func (s *scaled) submits(t *testing.T) (int, time.Duration) {
	t.Helper()
	s.bind(t, scaleClients)
	return s.together(t, func(c *benchClient) error { return c.submit(s.each, scaleWindow) })
}

// queries asks for messages at random, of all there are.
func (s *scaled) queries(t *testing.T) (int, time.Duration) {
	t.Helper()
	s.bind(t, scaleClients)
	ids := make(chan []store.ID, scaleClients)
	for range scaleClients {
		list := make([]store.ID, s.each)
		for i := range list {
			list[i] = s.first + 2*store.ID(s.r.Int64N(int64(s.last-s.first)/2))
		}
		ids <- list
	}
	return s.together(t, func(c *benchClient) error { return c.queries(<-ids, scaleWindow) })
}

// together has all clients do something, which is s.each requests.
func (s *scaled) together(t *testing.T, do func(*benchClient) error) (int, time.Duration) {
	t.Helper()
	began := time.Now()
	var work sync.WaitGroup
	for _, c := range s.clients {
		work.Go(func() {
			if err := do(c); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return s.each * len(s.clients), time.Since(began)
}

// queries asks for the states of messages; each answer must be about its message.
func (c *benchClient) queries(ids []store.ID, window int) error {
	sent, answered := 0, 0
	for answered < len(ids) {
		c.out = c.out[:0]
		for ; sent < len(ids) && sent < answered+window; sent++ {
			var err error
			if c.out, err = (smpp.PDU{Sequence: c.next, Body: &smpp.QuerySM{MessageID: ids[sent].String()}}).Append(c.out); err != nil {
				return err
			}
			c.next++
		}
		if _, err := c.conn.Write(c.out); err != nil {
			return err
		}
		for first := true; first || c.frames.Buffered() && answered < sent; first = false {
			b, err := c.frames.Next()
			if err != nil {
				return err
			}
			if status := smpp.Status(binary.BigEndian.Uint32(b[8:])); status != smpp.StatusOK {
				return fmt.Errorf("query_sm of %s: %w", ids[answered], status)
			}
			if id := string(b[16 : 16+slices.Index(b[16:], 0)]); id != ids[answered].String() {
				return fmt.Errorf("the answer is about message %s, not %s", id, ids[answered])
			}
			c.wanted++
			answered++
		}
	}
	return nil
}

// lists takes the time of what operators ask for.
func (s *scaled) lists(t *testing.T) {
	t.Helper()
	var said []string
	for _, args := range []string{
		"message list", "message list --account bench --state deleted", "message list --to 12345678",
		"message list --state rejected", "account show bench", "account list", "doctor",
	} {
		began := time.Now()
		r := command(t, "", append(strings.Fields(args), "--config", s.config)...)
		if r.code != 0 && args != "doctor" { // whose code is 1 without a modem
			t.Errorf("%s: %s", args, r.stderr)
		}
		said = append(said, fmt.Sprintf("%s: %s", args, time.Since(began).Round(time.Millisecond)))
	}
	t.Log(strings.Join(said, "; "))
}
