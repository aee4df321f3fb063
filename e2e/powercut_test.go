package e2e

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
)

var (
	disksFlag  = flag.Int("disks", 250, "about how many disks TestPowerCut rebuilds and opens; 0: all, at each instant")
	roundsFlag = flag.Int("rounds", 1, "how long the life is that TestPowerCut cuts short")
	chanceFlag = flag.Uint64("diskseed", 0, "where chance begins in TestPowerCut and TestFilesystemCut; 0: anywhere")
	traceFlag  = flag.String("straced", "", "where TestPowerCut leaves its trace, to look at")
)

// TestPowerCut has strace write down all that a life of the real gateway does to its files, and all that others are told
// meanwhile. Then it rebuilds disks that a power cut could have left at any instant between two system calls: what was
// not synced kept, dropped, torn between sectors, in any combination. From each the store must start, and find all that
// was told by then. Some the whole program starts from.
//
//	go test ./e2e -run TestPowerCut -v -disks 0 -rounds 3    all of a short life
func TestPowerCut(t *testing.T) {
	t.Parallel()
	strace := need(t, "strace")
	trace := *traceFlag
	if trace == "" {
		trace = filepath.Join(t.TempDir(), "trace")
	}
	root := tracedLife(t, strace, trace, *roundsFlag)
	moments, lines, err := readTrace(trace)
	if err != nil {
		t.Fatal(err)
	}
	seed := chance()
	r := &rebuilding{t: t, root: root, moments: moments, chance: rand.New(rand.NewPCG(seed, 0)), share: 1, kinds: make(map[string]int)}
	total := r.count()
	if *disksFlag > 0 {
		r.share = min(1, float64(*disksFlag)/float64(total))
	}
	t.Logf("-diskseed %d: %d lines, %d file operations; %d disks could be left, %.2g of the instants are looked at",
		seed, lines, r.changes, total, r.share)
	if r.bench, err = newWorkbench(lifeKeep); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(r.bench.dir)
	r.report = t.Errorf
	r.walk()
	r.tell()
	if !t.Failed() {
		r.serveSome()
		r.wantHasteSeen()
	}
}

func chance() uint64 {
	if *chanceFlag != 0 {
		return *chanceFlag
	}
	return uint64(time.Now().UnixNano()) % 1_000_000
}

// rebuilding goes through a trace and cuts the power at each moment of it.
type rebuilding struct {
	t       *testing.T
	root    string
	moments []moment
	chance  *rand.Rand
	share   float64 // of the instants that are looked at
	bench   *workbench
	ahead   int // by how many moments others are told too early, to try the test out
	report  func(format string, args ...any)

	disk    *disk
	hearing *hearing
	left    []leftDisk // what a power cut leaves at this moment, if it is looked at

	changes   int // of what a power cut leaves
	instants  int // looked at
	judgments int
	kinds     map[string]int // disks
	faults    int
	saved     []leftDisk // for the whole program
	ended     int        // compactions and restores that were told to be done
	past      []ousting  // what was ousted by then
}

// leftDisk is a disk that a power cut left.
type leftDisk struct {
	cut   cut
	files map[string]*image
	*contents
}

// randomCuts is how many random subsets are tried of more than four changes.
const randomCuts = 4

// count goes through the trace once and counts the disks that could be looked at.
func (r *rebuilding) count() (total int) {
	d := newDisk(r.root)
	chance := rand.New(rand.NewPCG(1, 1))
	for _, m := range r.moments {
		changed, err := d.step(m)
		if err != nil {
			r.t.Fatalf("line %d of the trace: %v", m.call.begin, err)
		}
		if changed {
			r.changes++
			total += len(d.cuts(chance, randomCuts))
		}
	}
	if d.syncs == 0 || d.writes == 0 {
		r.t.Fatalf("the trace has %d writes and %d syncs", d.writes, d.syncs)
	}
	return total
}

// mostFaults is how many are told.
const mostFaults = 20

// walk cuts the power at each moment.
func (r *rebuilding) walk() {
	r.disk, r.hearing = newDisk(r.root), newHearing()
	for i, m := range r.moments {
		changed, err := r.disk.step(m)
		if err != nil {
			r.t.Fatalf("line %d of the trace: %v", m.call.begin, err)
		}
		heard, err := r.hearing.step(r.moments[min(i+r.ahead, len(r.moments)-1)])
		if err != nil {
			r.t.Fatalf("line %d of the trace: %v", m.call.begin, err)
		}
		if changed {
			r.left = nil
			if r.chance.Float64() < r.share || handsOver(m.call) {
				r.rebuild(m)
			}
		}
		if (changed || heard) && len(r.left) > 0 {
			r.instants++
			r.judge(m)
		}
		if r.faults > mostFaults {
			return
		}
	}
}

// handsOver tells the calls by which a file takes the place of another. They are few, and all are looked at.
func handsOver(c *sysCall) bool {
	return c.name == "fsync" || strings.HasPrefix(c.name, "link") || strings.HasPrefix(c.name, "unlink") || strings.HasPrefix(c.name, "rename")
}

// rebuild makes the disks that a power cut could leave now, and opens each. What is on them must be what was there after
// some number of the changes in their order: a transaction is there as a whole or not at all.
func (r *rebuilding) rebuild(m moment) {
	whole := make(map[uint64]bool)
	for _, c := range r.disk.cuts(r.chance, randomCuts) {
		files := r.disk.files(c, "data")
		seconds := int64(m.call.at)
		got, err := r.bench.open(files, time.Unix(seconds, int64((m.call.at-float64(seconds))*1e9)))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, fault := range got.faults {
			r.fault(m, c, "%s", fault)
		}
		left := leftDisk{c, files, got}
		r.left = append(r.left, left)
		r.kinds[c.kind()]++
		if c.prefix() {
			whole[got.digest] = true
		}
		if r.chance.Float64() < mostServed/(r.share*float64(r.changes)) {
			r.saved = append(r.saved, left)
		}
	}
	for _, left := range r.left {
		if !whole[left.digest] && len(left.faults) == 0 {
			r.fault(m, left.cut, "its rows are those of no moment: %d of %d changes are pending", len(left.cut.keep), r.changes)
		}
	}
}

// prefix tells whether the changes that are kept are the first ones, and whole.
func (c cut) prefix() bool {
	if len(c.torn) > 0 || c.stale {
		return false
	}
	n := slices.Index(c.keep, false)
	return n < 0 || !slices.Contains(c.keep[n:], true)
}

func (r *rebuilding) judge(m moment) {
	if n := r.hearing.kinds["compacted"] + r.hearing.kinds["restored"]; n > r.ended {
		r.ended, r.past = n, slices.Clone(r.disk.ousted)
	}
	for _, left := range r.left {
		r.wantOne(m, left)
		if len(left.faults) > 0 {
			continue
		}
		r.judgments++
		for _, fault := range r.hearing.k.judge(left.contents, lifeKeep) {
			r.fault(m, left.cut, "%s", fault)
		}
	}
}

// wantOne looks which file has the database's name: not one that was told to be replaced. What a restore replaced has a name
// of its own wherever the new file has its place, and all of it is there.
func (r *rebuilding) wantOne(m moment, left leftDisk) {
	for i, o := range r.disk.ousted {
		f := left.files[databaseName]
		if f == nil || o.name != databaseName {
			continue
		}
		if i < len(r.past) && f.of == o.old {
			r.fault(m, left.cut, "the database is the file that %s has replaced", o.from)
		}
		kept := o.from == databaseName+compactSuffix || f.of != o.new
		for name, other := range left.files {
			kept = kept || other.of == o.old && strings.HasPrefix(name, databaseName+".replaced-")
		}
		if !kept {
			r.fault(m, left.cut, "the database that %s has replaced is not kept", o.from)
		}
		if slices.ContainsFunc(r.disk.pending, func(ch *change) bool { return ch.of == o.old }) {
			r.fault(m, left.cut, "the database that %s has replaced is not all on disk", o.from)
		}
	}
}

func (r *rebuilding) fault(m moment, c cut, format string, args ...any) {
	r.faults++
	var pending []string
	for _, ch := range r.disk.pending {
		pending = append(pending, ch.String())
	}
	if len(pending) > 12 {
		pending = append(pending[:12], "...")
	}
	r.report("power cut at line %d (%s), %s of [%s]: %s",
		m.call.begin, m.call.name, c, strings.Join(pending, "; "), fmt.Sprintf(format, args...))
}

// hasty is how many moments of the trace too early wantHasteSeen believes that others are told something.
const hasty = 12

// wantHasteSeen goes through the trace as if the gateway had told others a little before it had written it down: the test
// must see that, or it sees nothing.
func (r *rebuilding) wantHasteSeen() {
	first := ""
	h := &rebuilding{t: r.t, root: r.root, moments: r.moments, chance: r.chance, share: max(r.share, 0.2),
		kinds: make(map[string]int), bench: r.bench, changes: r.changes, ahead: hasty}
	h.report = func(format string, args ...any) {
		if first == "" {
			first = fmt.Sprintf(format, args...)
		}
	}
	h.walk()
	r.t.Logf("had it told others %d moments too early, this would have been seen: %.300s", hasty, first)
	if h.faults == 0 {
		r.t.Errorf("had it told others %d moments too early, nobody would have seen it", hasty)
	}
}

// tell prints the figures, and makes sure that the life was worth it.
func (r *rebuilding) tell() {
	h := r.hearing
	r.t.Logf("%d instants, %d disks opened (%s), %d judged; %d writes and %d syncs; told: %s; %d faults",
		r.instants, r.bench.opens, figures(r.kinds), r.judgments, r.disk.writes, r.disk.syncs, figures(h.kinds), r.faults)
	for _, kind := range []string{
		"accepted", "query_sm_resp", "cancel_sm_resp", "replace_sm_resp", "receipt", "receipt acknowledged", "command answered",
		"PIN entered", "Ctrl-Z", "sent", "text forgotten by the SIM", "compacted", "restored",
	} {
		if h.kinds[kind] == 0 {
			r.t.Errorf("nothing was seen of the kind %q", kind)
		}
	}
	if r.instants == 0 {
		r.t.Error("no instant was looked at")
	}
}

func figures(n map[string]int) string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(n)) {
		list = append(list, fmt.Sprintf("%s %d", kind, n[kind]))
	}
	return strings.Join(list, ", ")
}

// mostServed is how many disks the whole program starts from, and how many of a sample.
const mostServed, fewServed = 20, 3

// serveSome starts the real gateway from some of the disks, and has a client ask for all messages.
func (r *rebuilding) serveSome() {
	served, asked, most := 0, 0, fewServed
	if r.share == 1 {
		most = mostServed
	}
	for _, left := range r.saved {
		want, err := left.serveable("shop")
		if err != nil || len(want) == 0 || served == most {
			continue
		}
		b := newBox(r.t, settings{level: "info"})
		data := filepath.Join(b.dir, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := saveAll(left.files, data); err != nil {
			r.t.Fatal(err)
		}
		b.serve(r.t)
		e := b.bind(r.t, "shop")
		for id, stat := range want {
			resp, err := e.Query(id, smpp.Address{})
			if ended := stat != smpp.StateEnroute.Stat(); ended && errors.Is(err, smpp.StatusQueryFail) {
				continue // its keeping time is over by now
			}
			if err != nil || resp.MessageState.Stat() != stat {
				r.t.Errorf("query_sm of %s: %v, %v; want %s", id, resp, err, stat)
			}
			asked++
		}
		b.stop(r.t)
		served++
	}
	r.t.Logf("the whole program started from %d of them and answered %d query_sm", served, asked)
}
