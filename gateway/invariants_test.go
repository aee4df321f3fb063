package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

// TestTurnsOfMany: with N accounts that have much waiting, long texts among it, the one message of an idle account has N + 1
// turns before it for each modem at most; a turn is a message, or five parts of one (I16).
func TestTurnsOfMany(t *testing.T) {
	t.Parallel()
	const accounts, modems = 5, 2
	answer, release := hold("490")
	first := &stick{name: "one", answer: answer}
	other := &stick{name: "two", answer: answer}
	c := startCrew(t, newFile(t), first, other)
	c.pause("one")
	c.pause("two")
	send := func(account, to, text string) store.ID {
		id, err := c.SendText(t.Context(), account, to, text)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	add := func(key string) {
		if _, err := c.AddAccount(gateway.NewAccount{Key: key, Password: "secret"}); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("0123456789", 92) // seven parts
	var ids []store.ID
	for n := range accounts {
		key := fmt.Sprint("busy", n)
		add(key)
		for m := range 6 {
			text := "hello"
			if (n+m)%3 == 0 {
				text = long
			}
			to := fmt.Sprintf("+49%d%02d", n+1, m)
			if n+m == 0 {
				to = "+490"
			}
			ids = append(ids, send(key, to, text))
		}
	}
	add("idle")
	c.resume("one")
	waitFor(t, "the first on the air", func() bool { return len(first.texts()) == 1 })
	c.resume("two")
	before := [modems]int{len(first.texts()), len(other.texts())}
	ids = append(ids, send("idle", "+43", "hello"))
	release()
	c.wantDelivered(ids...)
	for n, s := range []*stick{first, other} {
		texts := s.texts()
		at := slices.Index(texts, "43")
		if at < 0 {
			continue
		}
		turns, parts := 0, 0
		for i := max(before[n]-1, 0); i < at; i++ {
			if parts++; i == 0 || texts[i] != texts[i-1] || parts > 5 {
				turns, parts = turns+1, 1
			}
		}
		if turns > accounts+1 {
			t.Errorf("modem %s: %d turns before it, want at most %d: %v", s.name, turns, accounts+1, texts[:at])
		}
	}
}

// TestOrderOfOneNumber: of several modems none is given an account's next message to a number before the one before has its
// outcome, unless that was put off (I17).
func TestOrderOfOneNumber(t *testing.T) {
	t.Parallel()
	answer := func(to string) string {
		time.Sleep(5 * time.Millisecond) // on the air
		if to == "499" {
			return "+CMS ERROR: 38"
		}
		return ""
	}
	c := startCrew(t, newFile(t), &stick{name: "one", answer: answer}, &stick{name: "two", answer: answer}, &stick{name: "three", answer: answer})
	for _, key := range []string{"shop", "clinic"} {
		if _, err := c.AddAccount(gateway.NewAccount{Key: key, Password: "secret"}); err != nil {
			t.Fatal(err)
		}
	}
	sent := map[string][]store.ID{}
	for n := range 80 {
		key, to := []string{"shop", "clinic"}[n%2], "+491"
		if n%9 == 0 {
			to = "+499" // is refused: those behind it go all the same
		}
		id, err := c.SendText(t.Context(), key, to, "hello")
		if err != nil {
			t.Fatal(err)
		}
		if to != "+499" {
			sent[key+to] = append(sent[key+to], id)
		}
	}
	by := map[string]int{}
	for name, ids := range sent {
		c.wantDelivered(ids...)
		for n, id := range ids {
			part := c.message(id).Parts[0]
			by[part.Modem]++
			if n > 0 && part.ClaimedAt.Before(c.message(ids[n-1]).Parts[0].SentAt) {
				t.Errorf("%s: message %s was given to modem %s before %s was sent", name, id, part.Modem, ids[n-1])
			}
		}
	}
	if len(by) < 2 {
		t.Errorf("only one modem was at work: %v", by)
	}
}
