package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Flags of TestKillLoop: go test ./e2e -run TestKillLoop -v -timeout 3h -kills 1000
var (
	kills    = flag.Int("kills", 8, "how often TestKillLoop kills the gateway")
	killSeed = flag.Uint64("killseed", 0, "seed of TestKillLoop; 0: a new one. It makes the same plan, not the same moments")
	killLog  = flag.String("killlog", "", "file for the logs of all gateways of TestKillLoop")
)

// longRun is from how many kills on the loop takes its time: for faults after which a text waits for half a minute and more,
// and for modems that come to work again.
const longRun = 100

// killWait is uncertain_wait: no doubt is decided sooner than 40 s after a start anyway.
const killWait = "3s"

// killPolicies are the policies, each of an account of its own.
var killPolicies = []string{"report", "never", "resend"}

// killLoop is a run of TestKillLoop.
type killLoop struct {
	*box
	t       *testing.T
	r       *rand.Rand
	air     *air
	l       *ledger
	parties []*killParty
	figures killFigures
	logs    io.Writer
	how     string // this life is to end

	mu    sync.Mutex
	added []string // accounts whose command ended well
	calls int

	table map[string]messageJSON // at the end
}

// TestKillLoop kills the whole gateway, again and again, while clients hand in, ask, take back and replace, phones answer,
// operators give commands, and two modems are in the middle of sending. What was acknowledged must be kept, nothing may
// go out twice but by policy, and all that was told must be true.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this plan with: go test ./e2e -run TestKillLoop -v -kills %d -killseed %d", *kills, seed)
	k := &killLoop{t: t, r: rand.New(rand.NewPCG(seed, 1)), l: newLedger(t), logs: io.Discard}
	if *killLog != "" {
		f, err := os.Create(*killLog)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		k.logs = f
	}
	k.air = newAir(t, 2, seed)
	second := fmt.Sprintf("[[modem]]\nname = \"sim2\"\nport = %q", k.air.modems[1].config.Link)
	k.box = newBox(t, settings{modem: k.air.modems[0].config.Link, more: []string{second}, listen: freePort(t),
		messages: []string{"uncertain_wait = \"" + killWait + "\"", `inbound_account = "report"`},
		smpp:     []string{`max_sessions = 1000`}})
	for n, policy := range killPolicies {
		k.account(t, policy, "--uncertain", policy)
		k.parties = append(k.parties, &killParty{l: k.l, key: policy, policy: policy, n: n, addr: k.listenAddr(t)})
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for _, p := range k.parties {
		work.Go(func() { p.run(ctx, seed) })
	}
	side, sideEnd := context.WithCancel(ctx)
	work.Go(func() { k.operate(side, rand.New(rand.NewPCG(seed, 2))) })
	work.Go(func() { k.phones(side, rand.New(rand.NewPCG(seed, 3))) })
	for n := range *kills {
		k.life(n)
		if k.l.failed() {
			break
		}
		if done := n + 1; done%50 == 0 {
			t.Logf("%d of %d kills after %s", done, *kills, time.Since(began).Round(time.Second))
		}
	}
	sideEnd()
	loop := time.Since(began)
	cancel()
	work.Wait()
	k.drain()
	k.judge()
	defer k.end()
	k.tell(loop, time.Since(began))
}

// listenAddr is the fixed address of SMPP.
func (k *killLoop) listenAddr(t *testing.T) string {
	text, err := os.ReadFile(k.config)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "listen = \"")
	addr, _, _ := strings.Cut(rest, "\"")
	return addr
}

// failed tells whether something is wrong.
func (l *ledger) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong > 0
}

// begin starts a gateway, and does not wait.
func (k *killLoop) begin() {
	path, err := program()
	if err != nil {
		k.t.Fatal(err)
	}
	k.log = &lines{}
	k.p = start(k.t, k.log, path, "serve", "--config", k.config)
}

// serving waits until it takes clients.
func (k *killLoop) serving() {
	k.log.await(k.t, 0, k.p.ended, `msg="smsgateway serves"`)
}

// end kills it, and looks at what it said.
func (k *killLoop) end() {
	k.kill0()
	list, _ := k.log.from(0)
	fmt.Fprintf(k.logs, "%s\n== killed\n", strings.Join(list, "\n"))
	for _, line := range list {
		if strings.Contains(line, "DATA RACE") || strings.HasPrefix(line, "panic") || strings.HasPrefix(line, "fatal error") ||
			strings.Contains(line, "level=ERROR") {
			k.t.Errorf("the gateway logged: %s", line)
		}
	}
	k.figures.read(list, time.Now(), k.how)
	k.log = &lines{}
}

func (k *killLoop) kill0() {
	k.p.kill()
	// The cleanup of the test knows the process until its end: not with all that it said.
	k.p.stderr, k.p.cmd.Stderr = nil, nil
	k.p = nil
}

// Ways to be killed.
const (
	atThePrompt = "at the prompt"
	withModem   = "with a modem"
)

// killMoment is when to kill.
type killMoment struct {
	name   string
	words  []string      // of the line; nil: any time
	within time.Duration // how long after it
}

// moments are when a gateway is killed, each as often as it is here.
var moments = []killMoment{
	{"at any time", nil, 1500 * time.Millisecond},
	{"at any time", nil, 300 * time.Millisecond},
	{"while a modem has a text", []string{`msg="to modem"`, `line="\x1a"`}, 200 * time.Millisecond},
	{"while a modem has a text", []string{`msg="to modem"`, `line="\x1a"`}, 200 * time.Millisecond},
	{"while a modem has a text", []string{`msg="to modem"`, `line="\x1a"`}, 20 * time.Millisecond},
	{atThePrompt, []string{`msg="from modem"`, `line=>`}, 12 * time.Millisecond},
	{"when the answer comes", []string{`msg="from modem"`, `+CMGS:`}, 8 * time.Millisecond},
}

// life is one life of the gateway, and its end.
func (k *killLoop) life(n int) {
	k.begin()
	k.figures.calm = false
	switch at := k.r.IntN(20); {
	case at < 3:
		time.Sleep(time.Duration(k.r.IntN(120)) * time.Millisecond)
		k.ends("during the start")
	case at < 5:
		k.serving()
		k.strike(moments[1])
		k.end()
		k.begin()
		time.Sleep(time.Duration(k.r.IntN(100)) * time.Millisecond)
		k.ends("within 100 ms of the one before")
	case at < 7: // whatever the modems do: they may just be set up, or listened to
		k.serving()
		k.strike(moments[0])
	default:
		k.serving()
		if k.r.IntN(3) == 0 {
			k.figures.calm = k.rest()
		}
		k.strike(moments[k.r.IntN(len(moments))])
	}
	if k.r.IntN(25) == 0 {
		k.ends(withModem)
		m := k.air.modems[k.r.IntN(2)]
		if k.r.IntN(2) == 0 {
			k.end()
			m.kill(0)
		} else {
			m.kill(time.Duration(k.r.IntN(300)) * time.Millisecond)
			k.end()
		}
	} else {
		k.end()
	}
	if k.r.IntN(15) == 0 {
		time.Sleep(time.Duration(k.r.IntN(1500)) * time.Millisecond)
	}
}

// ends notes how this life is to end.
func (k *killLoop) ends(how string) {
	k.how = how
	k.figures.count("killed " + how)
}

// strike waits for a moment.
func (k *killLoop) strike(m killMoment) {
	k.ends(m.name)
	if m.words != nil {
		k.awaitMoment(m.words, time.Duration(500+k.r.IntN(3000))*time.Millisecond)
	}
	time.Sleep(time.Duration(k.r.Int64N(int64(m.within))))
}

// awaitMoment waits for a line from now on, for a while.
func (k *killLoop) awaitMoment(words []string, most time.Duration) {
	timeout := time.After(most)
	for n := k.log.count(); ; {
		list, changed := k.log.from(n)
		for _, line := range list {
			if holds(line, words) {
				return
			}
		}
		n += len(list)
		select {
		case <-changed:
		case <-k.p.ended:
			return
		case <-timeout:
			return
		}
	}
}

// rest lets a gateway live until both modems have sent something, and tells whether they have: after a kill that left no
// evidence a line is listened to for 20 s, and the next text waits 30 s for whether a second answer comes.
func (k *killLoop) rest() bool {
	most := 65 * time.Second
	if *kills < longRun {
		most = 6 * time.Second
	}
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		list, _ := k.log.from(0)
		sent := make(map[string]bool)
		for _, line := range list {
			if strings.Contains(line, " msg=sent id=") {
				sent[wordOf(line, "modem")] = true
			}
		}
		if len(sent) == len(k.air.modems) {
			return true
		}
	}
	return false
}

// wordOf is the value of an attribute in a line of the log.
func wordOf(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+"=")
	word, _, _ := strings.Cut(rest, " ")
	return word
}

// phones has phones text the SIMs, and faults strike.
func (k *killLoop) phones(ctx context.Context, r *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		pause(ctx, time.Duration(r.IntN(800))*time.Millisecond)
		m := k.air.modems[r.IntN(len(k.air.modems))]
		if r.IntN(3) == 0 && m.sends() { // else faults pile up, and strike one after the other later
			k.figures.struck(time.Now())
			m.fault(r, *kills >= longRun)
			continue
		}
		call := &phoneCall{text: fmt.Sprintf("@%d. from a phone", n), from: fmt.Sprintf("49157000%03d", r.IntN(5)), at: time.Now()}
		k.l.mu.Lock()
		k.l.calls[n] = call
		k.l.mu.Unlock()
		m.tell("text +%s %s", call.from, call.text)
	}
}

// operate gives commands, and kills some of them.
func (k *killLoop) operate(ctx context.Context, r *rand.Rand) {
	path, err := program()
	if err != nil {
		return
	}
	verbs := [][]string{
		{"config", "reload"}, {"message", "list"}, {"account", "list"}, {"modem", "list"}, {"modem", "pause", "sim"},
		{"account", "add"}, {"account", "add"},
	}
	for _, verb := range [][]string{{"backup", filepath.Join(k.dir, "copy.db")}, {"compact"}, {"check"}} {
		// A command that this version has not is a fault of usage.
		if exec.Command(path, verb[0], "--help").Run() == nil {
			verbs = append(verbs, verb)
		}
	}
	for n := 0; ctx.Err() == nil; n++ {
		pause(ctx, 300*time.Millisecond+time.Duration(r.IntN(1200))*time.Millisecond)
		args := verbs[r.IntN(len(verbs))]
		var key string
		if args[0] == "account" {
			key = fmt.Sprintf("extra%d", n)
			args = []string{"account", "add", "--key", key, "--name", key, "--password-stdin"}
		}
		if args[0] == "backup" {
			os.Remove(args[1])
		}
		after := time.Hour
		if r.IntN(4) == 0 {
			after = time.Duration(r.IntN(60)) * time.Millisecond
		}
		if args[0] == "modem" && args[1] == "pause" {
			k.command(path, after, append(args, "--config", k.config)...)
			for !k.command(path, time.Hour, "modem", "resume", "sim", "--config", k.config) && ctx.Err() == nil {
				pause(ctx, 50*time.Millisecond)
			}
			continue
		}
		if k.command(path, after, append(args, "--config", k.config)...) && key != "" {
			k.mu.Lock()
			k.added = append(k.added, key)
			k.mu.Unlock()
		}
	}
}

// command runs a command, kills it after some time, and tells whether it ended well.
func (k *killLoop) command(path string, after time.Duration, args ...string) bool {
	cmd := exec.Command(path, args...)
	cmd.Dir = scratch
	cmd.Stdin = strings.NewReader("p~secret\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if cmd.Start() != nil {
		return false
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if code := exitCode(err); code > 2 || strings.Contains(stderr.String(), "panic") {
		k.l.mu.Lock()
		k.l.fault("smsgateway %q ended with %d: %s", args, code, stderr.String())
		k.l.mu.Unlock()
	}
	k.mu.Lock()
	k.calls++
	k.mu.Unlock()
	return err == nil
}
