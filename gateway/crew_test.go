package gateway_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

// TestFairTurns: the one message of an idle account waits for the text on the air and the one that is ready behind it,
// however many another account has waiting (I16).
func TestFairTurns(t *testing.T) {
	t.Parallel()
	answer, release := hold("490")
	s := &stick{name: "one", answer: answer}
	c := startCrewThatHolds(t, time.Minute, newFile(t), s)
	for _, key := range []string{"busy", "idle"} {
		if _, err := c.AddAccount(gateway.NewAccount{Key: key, Password: "secret"}); err != nil {
			t.Fatal(err)
		}
	}
	send := func(account, to string) store.ID {
		id, err := c.SendText(t.Context(), account, to, "hello")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	var ids []store.ID
	for n := range 20 {
		ids = append(ids, send("busy", fmt.Sprintf("+49%d", n)))
	}
	waitFor(t, "the first on the air", func() bool { return len(s.texts()) == 1 })
	ids = append(ids, send("idle", "+43"))
	release()
	c.wantDelivered(ids...)
	if at := slices.Index(s.texts(), "43"); at > 2 {
		t.Errorf("%d of another account went before it, want at most 2", at)
	}
}

// crewSeed repeats one run: go test -run TestCrewAtRandom -crewseed N.
var crewSeed = flag.Uint64("crewseed", 0, "seed of TestCrewAtRandom; 0: a new one")

// TestCrewAtRandom: three sticks that refuse, are pulled out, paused and resumed at random. Nothing is sent twice, nothing
// is lost, and what is not delivered in the end says why.
func TestCrewAtRandom(t *testing.T) {
	t.Parallel()
	seed := *crewSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with -crewseed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	var mu sync.Mutex
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	answer := func(string) string {
		no := []string{"+CMS ERROR: 38", "+CMS ERROR: 314", "+CMS ERROR: 331", "+CMS ERROR: 10", "+CMS ERROR: 21", "+CMS ERROR: 322"}
		if n := dice(60); n < len(no) {
			return no[n]
		}
		return ""
	}
	rules := gateway.ModemRules{Prefixes: []string{"491"}, SpillAfter: time.Minute, PerMinute: 200}
	sticks := []*stick{{name: "one", answer: answer}, {name: "two", answer: answer, rules: rules}, {name: "three", answer: answer}}
	c := startCrew(t, newFile(t), sticks...)
	var ids []store.ID
	for n := range 150 {
		text := fmt.Sprintf("text %d", n)
		if n%10 == 0 {
			text += strings.Repeat(fmt.Sprintf(" %03d", n), 40+dice(150))
		}
		id, err := c.SendText(t.Context(), "", fmt.Sprintf("+49%d", 1+dice(40)), text)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	settled := func() bool {
		return !slices.ContainsFunc(ids, func(id store.ID) bool {
			s := c.message(id).State
			return !s.End() && s != store.Uncertain
		})
	}
	for n := 0; n < 40 && !settled(); n++ {
		who := sticks[dice(len(sticks))]
		switch dice(12) {
		case 0:
			who.unplug()
		case 1:
			c.pause(who.name)
		case 2, 3:
			c.resume(who.name)
		}
		c.pass(30 * time.Second)
		time.Sleep(20 * time.Millisecond)
	}
	for _, s := range sticks {
		c.resume(s.name)
	}
	waitFor(t, "the end of all messages", func() bool {
		c.pass(time.Minute)
		return settled()
	})
	states := make(map[store.State]int)
	for _, id := range ids {
		m := c.message(id)
		states[m.State]++
		if m.Reason == "" && m.State != store.Delivered {
			t.Errorf("message %s is %s and nobody says why", id, m.State)
		}
	}
	t.Log(states)
	got := make(map[string]int)
	for _, s := range sticks {
		for _, text := range s.phone.Texts() {
			got[fmt.Sprintf("%s/%d of %s", text.Text, text.Part, text.To)]++
		}
	}
	for what, n := range got {
		if n > 1 {
			t.Errorf("sent %d times: %.40s", n, what)
		}
	}
	if states[store.Delivered] < len(ids)/2 {
		t.Errorf("only %d of %d were delivered", states[store.Delivered], len(ids))
	}
}
