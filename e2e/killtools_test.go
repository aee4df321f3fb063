package e2e

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/store"
)

var toolKillsFlag = flag.Int("toolkills", 2, "how often TestKilledTools kills each command")

// toolKills are commands that are killed at random moments, on a database without a gateway, or beside one.
type toolKills struct {
	t        *testing.T
	b        *box
	chance   *rand.Rand
	messages int // in the database
	took     map[string]time.Duration
	kills    map[string]int
}

// kill lets a command work for a while, and kills it. How long it takes it is measured once; its end may come first.
func (k *toolKills) kill(name string, args ...string) {
	t := k.t
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := start(t, nil, path, append(append([]string{name}, args...), "--config", k.b.config)...)
	took, measured := k.took[name]
	if !measured {
		p.wantEnd(t, 0)
		k.took[name] = time.Since(began)
		return
	}
	select {
	case <-time.After(time.Duration(k.chance.Int64N(int64(took)))):
	case <-p.ended:
	}
	p.kill()
	<-p.ended
	switch code := exitCode(p.err); {
	case code < 0:
		k.kills[name]++
	case code > 0:
		t.Errorf("%s ended with %d: %s", name, code, p.stderr)
	default: // it is quicker than it was
		k.took[name] = min(took, time.Since(began))
	}
}

// whole wants a database that is all there, as a reader sees it that is not the store; a backup need not be there.
func (k *toolKills) whole(path string) {
	k.t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && filepath.Base(path) != databaseName {
		return
	}
	raw, err := readRaw(path)
	if err != nil || len(raw.faults) > 0 {
		k.t.Errorf("%s: %v, %q", path, err, raw.faults)
	}
}

// opened wants a database that the store opens, with all messages, and nothing that is half beside it.
func (k *toolKills) opened() {
	t := k.t
	t.Helper()
	path := filepath.Join(k.b.dir, "data", databaseName)
	k.whole(path)
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, err := messagesOf(db)
	if err != nil || len(all) != k.messages {
		t.Errorf("there are %d messages, want %d: %v", len(all), k.messages, err)
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		switch name := f.Name(); {
		case strings.HasPrefix(name, databaseName+".replaced-"): // the one that was there, whole
			k.whole(filepath.Join(filepath.Dir(path), name))
			os.Remove(filepath.Join(filepath.Dir(path), name))
		case name != databaseName && name != "control.sock":
			t.Errorf("%s was left", name)
		}
	}
}

// fill puts messages into the database past the gateway, which would take its time.
func (k *toolKills) fill(n int) {
	t := k.t
	t.Helper()
	db, err := store.Open(filepath.Join(k.b.dir, "data", databaseName), store.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a, err := db.Account("shop")
	if err != nil {
		t.Fatal(err)
	}
	type answer interface{ Result() (store.ID, error) }
	var answers []answer
	for i := range n {
		m := &store.Message{Lane: a.Lane, Account: a.Key, Accepted: time.Now(), Expires: time.Now().Add(24 * time.Hour)}
		m.Destination.Number = numberOf(i)
		m.Preview = fmt.Sprintf("%d %s", i, strings.Repeat("a long text ", 20))
		m.Parts = []store.Part{{Data: []byte(m.Preview)}}
		answers = append(answers, db.Enqueue(m))
	}
	for _, a := range answers {
		if _, err := a.Result(); err != nil {
			t.Fatal(err)
		}
	}
	k.messages += n
}

// TestKilledTools kills backup, restore and compact at random moments, and the gateway while they work with it. A backup has its
// name when it is whole, and no sooner; a restore leaves the file that was there, or the new one; nothing is lost.
//
//	go test ./e2e -run TestKilledTools -v -toolkills 100
func TestKilledTools(t *testing.T) {
	t.Parallel()
	seed := chance()
	k := &toolKills{t: t, b: startBox(t, settings{level: "info"}), chance: rand.New(rand.NewPCG(seed, 3)),
		took: make(map[string]time.Duration), kills: make(map[string]int)}
	b := k.b
	b.account(t, "shop", "--per-day", "1000000", "--max-queued", "1000000")
	b.stop(t)
	k.fill(3000)
	out, err := os.MkdirTemp(b.dir, "backups-")
	if err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(out, "backup.db")
	for range *toolKillsFlag + 1 { // the first one is measured
		k.kill("backup", backup, "--force")
		k.whole(backup)
	}
	k.fill(1000)
	for n := range *toolKillsFlag {
		next := filepath.Join(out, fmt.Sprintf("backup-%d.db", n))
		k.kill("backup", next)
		k.whole(next)
	}
	k.opened()
	for range *toolKillsFlag + 1 {
		k.kill("restore", backup)
		k.opened()
	}
	for range *toolKillsFlag + 1 {
		k.kill("compact")
		k.opened()
	}
	for n := range *toolKillsFlag {
		k.killServing(n, backup)
	}
	b.must(t, "backup", backup, "--force")
	list, err := filepath.Glob(filepath.Join(out, ".backup.db.part-*"))
	if err != nil || len(list) > 0 {
		t.Errorf("what killed backups left is there after another one: %q, %v", list, err)
	}
	t.Logf("-diskseed %d: kills: %v; uninterrupted: %v", seed, k.kills, k.took)
}

// killServing kills the gateway at a random moment while a command works with it, or the command.
func (k *toolKills) killServing(n int, backup string) {
	t, b := k.t, k.b
	t.Helper()
	b.serve(t)
	e := b.bind(t, "shop")
	command := []string{"compact"}
	if n%2 == 1 {
		command = []string{"backup", backup, "--force"}
	}
	if n%4 < 2 {
		k.kill(command[0], command[1:]...)
		e.wantState(t, e.submit(t, text(numberOf(n), "after the kill")), smpp.StateEnroute)
		k.messages++
		b.stop(t)
	} else {
		ended := make(chan result, 1)
		go func() { ended <- b.cli(t, command...) }()
		time.Sleep(time.Duration(k.chance.Int64N(int64(k.took[command[0]]))))
		b.kill()
		k.kills["serve"]++
		<-ended
	}
	k.whole(backup)
	k.opened()
}
