package store

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// compactKills is how often TestKilledInCompaction kills: go test ./store -run TestKilledInCompaction -v -compactkills 500.
var compactKills = flag.Int("compactkills", 4, "kills of TestKilledInCompaction")

// victim names the file to the process that is to be killed.
const victim = "SMSGATEWAY_TEST_VICTIM"

// TestKilledInCompaction kills, with SIGKILL, a process that takes messages in, has them go, and compacts its file all the
// time. What it has answered is there after each kill, the file is whole, and nothing is left beside it.
func TestKilledInCompaction(t *testing.T) {
	if path := os.Getenv(victim); path != "" {
		beVictim(t, path)
		return
	}
	b := newBox(t, Options{Keep: time.Second})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	b.ok(b.db.Close())
	answered, compactions, left := make(map[ID]bool), 0, 0
	for range *compactKills {
		ids, n := b.killOne(time.Duration(r.IntN(250)) * time.Millisecond)
		if _, err := os.Stat(b.path + compactSuffix); err == nil {
			left++ // it was in the midst of one
		}
		compactions += n
		b.open()
		b.wantNothingLeft()
		b.wantIndexes()
		b.wantPages()
		highest := ID(0)
		for _, id := range ids {
			if answered[id] {
				t.Errorf("id %s was given twice", id)
			}
			answered[id], highest = true, max(highest, id)
		}
		for id := range answered {
			if _, err := b.db.Message(id); err != nil && (err == ErrNotFound || !forgotten(err)) {
				t.Errorf("message %s: %v", id, err)
			}
		}
		if id := b.enqueue(b.message(1)); id <= highest {
			t.Errorf("id %s after %s", id, highest)
		} else {
			answered[id] = true
		}
		b.ok(b.db.Close())
		if t.Failed() {
			break
		}
	}
	t.Logf("%d kills, %d in the midst of a compaction, %d compactions done, %d messages answered", *compactKills, left,
		compactions, len(answered))
}

// killOne lets a process work for a while and kills it. It gives what that has answered, and how often it had compacted.
func (b *box) killOne(after time.Duration) (ids []ID, compactions int) {
	b.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledInCompaction$")
	cmd.Env = append(os.Environ(), victim+"="+b.path)
	out, err := cmd.StdoutPipe()
	b.ok(err)
	b.ok(cmd.Start())
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		switch word, number, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "ready":
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		case "compacted":
			compactions++
		case "id":
			id, err := strconv.ParseUint(number, 10, 64)
			b.ok(err)
			ids = append(ids, ID(id))
		default:
			b.t.Errorf("the process said %q", line)
			cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		b.t.Errorf("the process ended by itself: %v", err)
	}
	return ids, compactions
}

// beVictim works until it is killed, and says what it has done.
func beVictim(t *testing.T, path string) {
	db, err := Open(path, Options{Keep: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	db.compactor.bite = 50_000
	a, err := db.Account("SHOP")
	if err != nil {
		t.Fatal(err)
	}
	say := func(what string, err error) {
		if err != nil {
			what = err.Error()
		}
		os.Stdout.WriteString(what + "\n") // at once: what is not out was not answered
	}
	say("ready", nil)
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for {
				id, err := db.Enqueue(benchMessage(a)).Result()
				say(fmt.Sprintf("id %d", id), err)
				if id%3 > 0 {
					if err := db.Cancel(a.Lane, id, time.Now()); err != nil {
						say("", err)
					}
				}
			}
		})
	}
	work.Go(func() {
		for {
			if _, err := db.Tick(time.Now(), 50); err != nil {
				say("", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	for {
		_, err := db.Compact(t.Context(), nil)
		say("compacted", err)
	}
}
