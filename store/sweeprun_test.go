package store

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Flags of TestDamage; all it knows: go test ./store -run 'TestDamage$' -v -damage 20000 -every 1
var (
	sweepFlips = flag.Int("damage", 1000, "bits of records that TestDamage may flip, beside its damage to pages")
	sweepEvery = flag.Int("every", 60, "of all these TestDamage tries each so many-th")
)

// sweepEnv names the directory of the job to a process that is to do it.
const sweepEnv = "SMSGATEWAY_TEST_SWEEP"

func TestMain(m *testing.M) {
	if dir := os.Getenv(sweepEnv); dir != "" {
		if err := sweeping(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestDamage damages a file in all ways it knows, one at a time, and uses each: it is refused in a sentence and left as
// it is, or works but for what is damaged, which the log names. It never panics, hangs, takes all memory, or answers what is
// not true (I20). What was written by us once and came back later can't be told in all cases; how many of these is told.
func TestDamage(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	job := varied(t)
	job.Seed, job.Flips, job.Every = seed, *sweepFlips, 2**sweepEvery+1 // odd, as damage to the two heads alternates
	if *sweepEvery == 1 {
		job.Every = 2 // all there is
	}
	all := blemishes(job.Data, job.Olds, job.Flips, rand.New(rand.NewPCG(seed, 2)))
	t.Logf("%d pages, %d messages, %d ways to damage it, of which two processes try each %d-th; repeat with -seed %d",
		len(job.Data)/pageLen, len(job.IDs), len(all), job.Every, seed)
	tally := &sweepTally{all: all, outcomes: make(map[string]map[string]int)}
	var both sync.WaitGroup
	for part := range 2 {
		both.Go(func() { tally.run(t, job, part*job.Every/2) })
	}
	both.Wait()
	for _, kind := range slices.Sorted(maps.Keys(tally.outcomes)) {
		t.Logf("%-22s %v", kind, tally.outcomes[kind])
	}
	for _, s := range tally.wrong {
		t.Error(s)
	}
}

// varied is a file with a long life, what it was in between, and the truth about it.
func varied(t *testing.T) (job sweepJob) {
	t.Helper()
	b := newBox(t, Options{Zone: time.UTC})
	b.opt.Log = nil
	b.reopen()
	live(b, func() { job.Olds = append(job.Olds, inUse(t, b.path)) })
	for id := b.acctFirst(); ; id++ {
		if _, err := b.db.Message(id); err != nil && !forgotten(err) || uint64(id) > b.lastID() {
			break
		}
		job.IDs = append(job.IDs, id)
	}
	b.ok(b.db.Close())
	job.Data = inUse(t, b.path)
	defer b.open()
	path := filepath.Join(t.TempDir(), "truth.db")
	writeFile(t, path, job.Data)
	mono := time.Duration(0)
	var log bytes.Buffer
	db, err := Open(path, sweepOptions(&log, &mono))
	b.ok(err)
	defer db.Close()
	job.Truth.Before = ask(db, job.IDs, lifeTime())
	job.Truth.Use = use(db, &mono, job.IDs[len(job.IDs)-1])
	job.Truth.After = ask(db, job.IDs, lifeTime().Add(mono))
	if told := warnings(log.String()); told != "" {
		t.Fatalf("the whole file is taken for damaged: %s", told)
	}
	for _, q := range slices.Concat(job.Truth.Before, job.Truth.Use) {
		if strings.Contains(q.Answer, "damaged") || strings.Contains(q.Answer, "twice") {
			t.Fatalf("%s: %s", q.Name, q.Answer)
		}
	}
	return job
}

// acctFirst and lastID are the bounds of all ids that were given.
func (b *box) acctFirst() (first ID) {
	b.ok(b.db.view(func(v *reader) error {
		for _, bk := range []bucket{bMessages, bGone} {
			k, _ := v.bucket(bk).Cursor().First()
			if id, err := strconv.ParseUint(fmt.Sprintf("%x", k), 16, 64); err == nil && (first == 0 || ID(id) < first) {
				first = ID(id)
			}
		}
		return nil
	}))
	return first
}

func (b *box) lastID() (last uint64) {
	b.ok(b.db.view(func(v *reader) error { last = v.bucket(bMessages).Sequence(); return nil }))
	return last
}

// sweepTally counts what became of the damaged files.
type sweepTally struct {
	all      []blemish
	mu       sync.Mutex
	outcomes map[string]map[string]int
	wrong    []string
}

func (s *sweepTally) note(n int, outcome, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.all[n]
	if s.outcomes[b.kind] == nil {
		s.outcomes[b.kind] = make(map[string]int)
	}
	s.outcomes[b.kind][outcome]++
	if outcome == outWrong && !slices.Contains(untold, b.kind) || strings.Contains(why, "stopped") {
		if len(s.wrong) < 60 {
			s.wrong = append(s.wrong, b.name+": "+why)
		}
	}
}

// run lets processes do the job, one after the other if they do not live to its end.
func (s *sweepTally) run(t *testing.T, job sweepJob, from int) {
	for job.From = from; job.From < len(s.all); {
		dir := sweepDir(t)
		f, err := os.Create(filepath.Join(dir, "job"))
		if err == nil {
			err = gob.NewEncoder(f).Encode(job)
			f.Close()
		}
		if err != nil {
			t.Error(err)
			return
		}
		at, why := s.process(t, dir)
		if why == "" {
			return
		}
		if at < 0 {
			t.Error(why)
			return
		}
		s.note(at, outWrong, "the process was stopped: "+why)
		job.From = at + job.Every
	}
}

// sweepDir is in memory where that can be: disks are slow to sync.
func sweepDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "sweep-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// process starts one and reads what it says; why is how it ended if that was before its time, and at where that was.
func (s *sweepTally) process(t *testing.T, dir string) (at int, why string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), sweepEnv+"="+dir)
	var trace bytes.Buffer
	cmd.Stderr = &trace
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return -1, err.Error()
	}
	const patience = 30 * time.Second // it has 5 s; but this machine may have other work
	hung := false
	alarm := time.AfterFunc(2*patience, func() { hung = true; cmd.Process.Kill() })
	at = -1
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	var began time.Time
	for lines.Scan() {
		alarm.Reset(patience)
		f := strings.Split(lines.Text(), "\t")
		switch n, err := strconv.Atoi(f[min(1, len(f)-1)]); {
		case err != nil:
		case f[0] == "try":
			at, began = n, time.Now()
		case f[0] == "did" && len(f) == 4:
			s.note(n, f[2], f[3])
			if took := time.Since(began); took > 5*time.Second {
				t.Logf("%s took %s", s.all[n].name, took)
			}
		}
	}
	io.Copy(io.Discard, out)
	err = cmd.Wait()
	alarm.Stop()
	switch {
	case hung:
		return at, "it hung"
	case err != nil:
		return at, fmt.Sprintf("%v: %.2000s", err, trace.String())
	}
	return at, ""
}
