package admin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/sms"
	"smsgateway/store"
)

// box is a gateway that does not run, with a real store behind it, and a client of its handlers.
type box struct {
	*Client
	gateway *gateway.Gateway
	logger  *slog.Logger
	log     *bytes.Buffer // to be read when nothing is going on
}

// openBox opens the database in dir, a new one if there is none.
func openBox(t *testing.T, dir string) box {
	t.Helper()
	log := new(bytes.Buffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g, err := gateway.Open(gateway.Options{Path: filepath.Join(dir, "gateway.db"), Version: "1.2.3", Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return box{Local(NewHandler(g, logger)), g, logger, log}
}

// overSocket gives the same gateway with a client that goes through a Unix socket.
func (b box) overSocket(t *testing.T) box {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	serveSocket(t, path, NewHandler(b.gateway, b.logger))
	b.Client = Dial(path)
	return b
}

// serveSocket serves until the test ends, and has been serving when it returns.
func serveSocket(t *testing.T, path string, h http.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ServeSocket(ctx, path, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ServeSocket: %v", err)
		}
	})
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
			t.Cleanup(stop)
			return stop
		}
		select {
		case err := <-ended:
			cancel()
			t.Fatalf("ServeSocket: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
}

// wantError checks what the gateway refused, and with which words.
func wantError(t *testing.T, err error, status int, words ...string) {
	t.Helper()
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if refused.Status != status {
		t.Errorf("status %d (%v), want %d", refused.Status, err, status)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// everyWay runs a test in process and through the socket.
func everyWay(t *testing.T, f func(t *testing.T, b box)) {
	t.Run("in process", func(t *testing.T) { f(t, openBox(t, t.TempDir())) })
	t.Run("through the socket", func(t *testing.T) { f(t, openBox(t, t.TempDir()).overSocket(t)) })
}

func TestAccountMade(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		ctx := t.Context()
		if list, err := b.Accounts(ctx); err != nil || list == nil || len(list) != 0 {
			t.Fatalf("before the first account: %v, %v; want an empty list that is not null", list, err)
		}
		settings := Settings{"name": "Shop", "max_parts": "3", "alphabet": "latin1", "uncertain": "never", "inbound": "parts"}
		made, err := b.AddAccount(ctx, NewAccount{Key: "shop", Password: "secret12", Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		if made != (Credentials{Key: "shop"}) {
			t.Errorf("add with a password gave %+v, want the key alone", made)
		}
		other, err := b.AddAccount(ctx, NewAccount{})
		if err != nil {
			t.Fatal(err)
		}
		if len(other.Key) != 10 || len(other.Password) != 8 {
			t.Errorf("add without anything gave %+v, want a key of 10 and a password of 8 characters", other)
		}

		acct, err := b.Account(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		if acct.Created.IsZero() {
			t.Error("the account has no time of creation")
		}
		if acct.Key != "shop" || acct.Disabled || acct.BuiltIn || acct.Sessions != 0 {
			t.Errorf("account %+v, want an enabled one of that key", acct)
		}
		if acct.Binds == nil || *acct.Binds != (Binds{}) {
			t.Errorf("binds %+v of an account that was never bound", acct.Binds)
		}
		for name, want := range settings {
			if got := acct.Settings[name]; got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if got := acct.Defaults["max_parts"]; got != "10" {
			t.Errorf("max_parts is %q by default, want 10", got)
		}

		if err := b.RemoveAccount(ctx, other.Key); err != nil {
			t.Fatal(err)
		}
		list, err := b.Accounts(ctx)
		if err != nil || len(list) != 1 || list[0].Key != "shop" {
			t.Errorf("after the removal: %+v, %v; want shop alone", list, err)
		}
	})
}

func TestAccountChanged(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		ctx := t.Context()
		if _, err := b.AddAccount(ctx, NewAccount{Key: "shop", Password: "secret12", Settings: Settings{
			"max_parts": "3", "alphabet": "latin1", "uncertain": "never", "inbound": "parts"}}); err != nil {
			t.Fatal(err)
		}
		acct, err := b.ChangeAccount(ctx, "shop", Settings{"name": "New shop", "max_parts": "0", "alphabet": "", "inbound": ""})
		if err != nil {
			t.Fatal(err)
		}
		want := Settings{"name": "New shop", "max_parts": "", "alphabet": "", "inbound": "whole", "uncertain": "never"}
		for name := range want {
			if acct.Settings[name] != want[name] {
				t.Errorf("after the change %s is %q, want %q", name, acct.Settings[name], want[name])
			}
		}

		if err := b.SetDisabled(ctx, "shop", true); err != nil {
			t.Fatal(err)
		}
		if acct, _ := b.Account(ctx, "shop"); !acct.Disabled {
			t.Error("disabled, and the account does not say so")
		}
		if err := b.SetDisabled(ctx, "shop", false); err != nil {
			t.Fatal(err)
		}
		if acct, _ := b.Account(ctx, "shop"); acct.Disabled {
			t.Error("enabled, and the account does not say so")
		}

		made, err := b.SetPassword(ctx, "shop", "other")
		if err != nil || made != (Credentials{Key: "shop"}) {
			t.Errorf("set a password: %+v, %v; want the key alone", made, err)
		}
		made, err = b.SetPassword(ctx, "shop", "")
		if err != nil || made.Key != "shop" || len(made.Password) != 8 {
			t.Errorf("have a password made: %+v, %v", made, err)
		}
	})
}

func TestAccountRefusals(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		ctx := t.Context()
		if _, err := b.AddAccount(ctx, NewAccount{Key: "shop", Password: "secret12"}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Send(ctx, NewMessage{Account: "shop", To: "+491701234567", Text: "waits"}); err != nil {
			t.Fatal(err)
		}
		add := func(a NewAccount) error { _, err := b.AddAccount(ctx, a); return err }
		account := func(key string) error { _, err := b.Account(ctx, key); return err }
		bad := "klingon"
		for _, tt := range []struct {
			name   string
			err    error
			status int
			words  string
		}{
			{"key taken", add(NewAccount{Key: "shop"}), 409, `an account "shop" already`},
			{"key too long", add(NewAccount{Key: "sixteen letters!"}), 400, "15"},
			{"password too long", add(NewAccount{Key: "a", Password: "ninechars"}), 400, "9 octets"},
			{"password not ASCII", add(NewAccount{Key: "a", Password: "pä"}), 400, "ASCII"},
			{"unknown alphabet", add(NewAccount{Key: "a", Settings: Settings{"alphabet": bad}}), 400, "utf8"},
			{"unknown policy", add(NewAccount{Key: "a", Settings: Settings{"uncertain": bad}}), 400, "resend"},
			{"unknown way of delivery", add(NewAccount{Key: "a", Settings: Settings{"inbound": bad}}), 400, "whole, parts"},
			{"no such account", account("nobody"), 404, `no account "nobody"`},
			{"key with characters of a path", account("a/b?c#d%2e"), 404, `no account "a/b?c#d%2e"`},
			{"key that is the directory above", account(".."), 404, `no account ".."`},
			{"enable nobody", b.SetDisabled(ctx, "nobody", false), 404, "nobody"},
			{"remove nobody", b.RemoveAccount(ctx, "nobody"), 404, "nobody"},
			{"remove with messages that wait", b.RemoveAccount(ctx, "shop"), 409, "a message"},
			{"change to nonsense", func() error { _, err := b.ChangeAccount(ctx, "shop", Settings{"alphabet": bad}); return err }(), 400, bad},
			{"setting that is none", add(NewAccount{Key: "a", Settings: Settings{"colour": "red"}}), 400, "colour: there is no such setting"},
			{"number out of range", add(NewAccount{Key: "a", Settings: Settings{"per_day": "-1"}}), 400, "or 0 for the gateway's default"},
			{"time out of range", add(NewAccount{Key: "a", Settings: Settings{"max_queue_age": "1ms"}}), 400, "or 0s for the gateway's default"},
			{"number that is none", add(NewAccount{Key: "a", Settings: Settings{"max_parts": "many"}}), 400, `max_parts: "many"`},
			{"password of nobody", func() error { _, err := b.SetPassword(ctx, "nobody", "x"); return err }(), 404, "nobody"},
			{"sessions of nobody", func() error { _, err := b.Sessions(ctx, "nobody"); return err }(), 404, "nobody"},
		} {
			t.Run(tt.name, func(t *testing.T) { wantError(t, tt.err, tt.status, tt.words) })
		}
	})
}

// TestPasswordsStayInside: what the gateway made is in the one answer that made it, what a person gave is nowhere.
func TestPasswordsStayInside(t *testing.T) {
	b := openBox(t, t.TempDir())
	ctx := t.Context()
	const given = "hush!123"
	if _, err := b.AddAccount(ctx, NewAccount{Key: "shop", Password: given}); err != nil {
		t.Fatal(err)
	}
	made, err := b.SetPassword(ctx, "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.SetPassword(ctx, "shop", given+"?")
	for _, secret := range []string{given, made.Password} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows a password: %v", err)
		}
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log shows a password:\n%s", b.log)
		}
	}
	stored, err := b.gateway.Account("shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/accounts", "/v1/accounts/shop", "/v1/status"} {
		out := &answer{header: http.Header{}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		NewHandler(b.gateway, slog.New(slog.DiscardHandler)).ServeHTTP(out, req)
		if out.status != http.StatusOK && out.status != 0 {
			t.Fatalf("%s: status %d", path, out.status)
		}
		if text := out.body.String(); strings.Contains(text, stored.Password) || strings.Contains(text, "argon2") {
			t.Errorf("%s shows the hash of a password: %s", path, text)
		}
	}
}

func TestMessages(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		ctx := t.Context()
		if list, err := b.Messages(ctx, MessageFilter{}); err != nil || list == nil || len(list) != 0 {
			t.Fatalf("before the first message: %v, %v; want an empty list that is not null", list, err)
		}
		if _, err := b.AddAccount(ctx, NewAccount{Key: "shop", Password: "secret12"}); err != nil {
			t.Fatal(err)
		}
		first, err := b.Send(ctx, NewMessage{To: "+49 (170) 123-4567", Text: "Grüße"})
		if err != nil {
			t.Fatal(err)
		}
		if first.Account != "operator" || first.Destination != "+491701234567" || first.State != "queued" || first.SMPPState != "ENROUTE" ||
			first.Final || first.Text != "Grüße" || first.Encoding != "gsm7" || first.Accepted.IsZero() || first.Expires.IsZero() || !first.Sent.IsZero() {
			t.Errorf("just sent: %+v", first)
		}
		if !strings.Contains(first.Why, "no gateway is running") {
			t.Errorf("why %q, want that no gateway is running", first.Why)
		}
		if len(first.Parts) != 1 || first.Parts[0].Number != 1 || first.Parts[0].State != "waiting" || first.Parts[0].Reference != nil {
			t.Errorf("parts %+v, want one that waits", first.Parts)
		}
		second, err := b.Send(ctx, NewMessage{Account: "shop", To: "01701234567", Text: strings.Repeat("Привет ", 20)})
		if err != nil {
			t.Fatal(err)
		}
		if second.Encoding != "ucs2" || len(second.Parts) != 3 {
			t.Errorf("a long Russian text is %s in %d parts, want ucs2 in 3", second.Encoding, len(second.Parts))
		}

		wantLists(t, b, first.ID, second.ID)

		if acct, err := b.Account(ctx, "operator"); err != nil || !acct.BuiltIn {
			t.Errorf("the operator's account: %+v, %v; want that it is built in", acct, err)
		}
		cancelled, err := b.CancelMessage(ctx, first.ID)
		if err != nil || cancelled.State != "deleted" || cancelled.SMPPState != "DELETED" || !cancelled.Final || cancelled.Ended.IsZero() {
			t.Errorf("cancelled: %+v, %v", cancelled, err)
		}
		if again, err := b.Message(ctx, first.ID); err != nil || again.State != "deleted" {
			t.Errorf("looked at again: %+v, %v", again, err)
		}
		if _, err := b.CancelMessage(ctx, first.ID); err != nil {
			t.Errorf("cancelled a second time: %v; it is deleted, as was asked for", err)
		}
	})
}

// wantLists filters two messages, the second of account shop.
func wantLists(t *testing.T, b box, first, second string) {
	t.Helper()
	for _, tt := range []struct {
		name   string
		filter MessageFilter
		want   []string
	}{
		{"all, the newest first", MessageFilter{}, []string{second, first}},
		{"of an account", MessageFilter{Account: "shop"}, []string{second}},
		{"in a state", MessageFilter{State: "queued"}, []string{second, first}},
		{"in another state", MessageFilter{State: "sent,delivered"}, nil},
		{"the newest alone", MessageFilter{Limit: 1}, []string{second}},
		{"older ones", MessageFilter{Before: second}, []string{first}},
	} {
		list, err := b.Messages(t.Context(), tt.filter)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, m := range list {
			got = append(got, m.ID)
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMessageRefusals(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		ctx := t.Context()
		send := func(m NewMessage) error { _, err := b.Send(ctx, m); return err }
		messages := func(f MessageFilter) error { _, err := b.Messages(ctx, f); return err }
		message := func(id string) error { _, err := b.Message(ctx, id); return err }
		inbox := func(f InboxFilter) error { _, err := b.Inbox(ctx, f); return err }
		for _, a := range []NewAccount{{Key: "barred"}, {Key: "past", Settings: Settings{"expires": "2020-01-01"}}} {
			if _, err := b.AddAccount(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.SetDisabled(ctx, "barred", true); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name   string
			err    error
			status int
			words  string
		}{
			{"no number", send(NewMessage{Text: "x"}), 400, "number"},
			{"letters in the number", send(NewMessage{To: "+49a", Text: "x"}), 400, "+49a"},
			{"no text", send(NewMessage{To: "123"}), 400, "text"},
			{"text too long", send(NewMessage{To: "123", Text: strings.Repeat("a", 153*10+1)}), 409, "11 parts"},
			{"account that is disabled", send(NewMessage{Account: "barred", To: "123", Text: "x"}), 409, "account barred is disabled, so nothing was queued"},
			{"account that has expired", send(NewMessage{Account: "past", To: "123", Text: "x"}), 409, "account past expired at 2020-01-02 00:00:00, so nothing was queued"},
			{"account that is not there", send(NewMessage{Account: "nobody", To: "123", Text: "x"}), 404, "nobody"},
			{"list of nobody", messages(MessageFilter{Account: "nobody"}), 404, "nobody"},
			{"state that is none", messages(MessageFilter{State: "queued,lost"}), 400, `"lost" is none of queued`},
			{"limit too high", messages(MessageFilter{Limit: 10_001}), 400, "1-10000"},
			{"limit below one", messages(MessageFilter{Limit: -1}), 400, "1-10000"},
			{"before what is no id", messages(MessageFilter{Before: "x"}), 400, "x"},
			{"no such message", message("1"), 404, "no message 1"},
			{"what is no id", message("../status"), 400, "../status"},
			{"cancel nothing", func() error { _, err := b.CancelMessage(ctx, "77"); return err }(), 404, "no message 77"},
			{"inbox of nobody", inbox(InboxFilter{Account: "nobody"}), 404, "nobody"},
			{"inbox before nonsense", inbox(InboxFilter{Before: "-1"}), 400, "-1"},
			{"no such text", func() error { _, err := b.InboxText(ctx, "5"); return err }(), 404, "no text 5"},
			{"text zero", func() error { _, err := b.InboxText(ctx, "0"); return err }(), 400, `"0"`},
		} {
			t.Run(tt.name, func(t *testing.T) { wantError(t, tt.err, tt.status, tt.words) })
		}
	})
}

// TestMessageStory: what modems did to a message is told part by part, and a message that a modem has had can't be
// called back.
func TestMessageStory(t *testing.T) {
	dir := t.TempDir()
	ids := seed(t, dir)
	b := openBox(t, dir)
	ctx := t.Context()

	sent, err := b.Message(ctx, ids["sent"])
	if err != nil {
		t.Fatal(err)
	}
	if sent.State != "sent" || sent.SMPPState != "ENROUTE" || sent.Sent.IsZero() || sent.Text != "Hello" {
		t.Errorf("sent: %+v", sent)
	}
	p := sent.Parts[0]
	if p.State != "sent" || p.Modem != "sim1" || p.Attempts != 1 || p.Reference == nil || *p.Reference != 77 || p.Claimed.IsZero() || p.Sent.IsZero() {
		t.Errorf("its part: %+v", p)
	}

	doubt, err := b.Message(ctx, ids["uncertain"])
	if err != nil {
		t.Fatal(err)
	}
	if doubt.State != "uncertain" || doubt.SMPPState != "UNKNOWN" || !strings.Contains(doubt.Reason, "no answer") {
		t.Errorf("uncertain: %+v", doubt)
	}
	if sent.ServiceType != "" || sent.MessageClass != nil || sent.DestinationPort != nil || sent.SourcePort != nil {
		t.Errorf("sent, without service_type, class and ports: %+v", sent)
	}
	if c, d, s := doubt.MessageClass, doubt.DestinationPort, doubt.SourcePort; doubt.ServiceType != "WAP" ||
		c == nil || *c != 0 || d == nil || *d != 2948 || s == nil || *s != 0 {
		t.Errorf("uncertain, of class 0 for port 2948: %+v", doubt)
	}
	if p := doubt.Parts[0]; p.Reference != nil {
		t.Errorf("an uncertain part tells the reference %d, which is only expected", *p.Reference)
	}

	for _, state := range []string{"sent", "uncertain"} {
		_, err := b.CancelMessage(ctx, ids[state])
		wantError(t, err, 409, ids[state], "("+state+")")
	}
}

// seed makes a database with a message in each of some states, and gives their ids.
func seed(t *testing.T, dir string) map[string]string {
	t.Helper()
	db, err := store.Open(filepath.Join(dir, "gateway.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now()
	acct, err := db.AddAccount(store.Account{Key: "shop"}, now)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, state := range []string{"sent", "uncertain"} {
		m := &store.Message{
			Account: acct.Key, Lane: acct.Lane, Accepted: now, Expires: now.Add(time.Hour),
			Destination: sms.Address{TON: 1, NPI: 1, Number: "491701234567"},
			Parts:       []store.Part{{Data: []byte("Hello")}},
		}
		if state == "uncertain" {
			m.ServiceType, m.DCS, m.UDH = "WAP", 0x10, sms.AppendUDH(nil, sms.Ports(2948, 0))
		}
		accept := db.Enqueue(m)
		<-accept.Done()
		id, err := accept.Result()
		if err != nil {
			t.Fatal(err)
		}
		ids[state] = id.String()
		if err := db.Claim(id, 0, "sim1", "iccid:1", now); err != nil {
			t.Fatal(err)
		}
		if state == "sent" {
			err = db.Sent(id, 0, 77, true, now)
		} else {
			err = db.Doubt(id, 0, "there was no answer", now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"Thank you", "STOP"} {
		if _, _, err := db.Receive(store.Inbound{
			Account: acct.Key, Lane: acct.Lane, Modem: "sim1", Line: "iccid:1", To: "+491760000001",
			From: sms.Address{TON: 1, NPI: 1, Number: "491701234567"}, Time: now, Data: []byte(text), Text: text,
		}, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := db.Receive(store.Inbound{
		Modem: "sim1", Line: "iccid:1", From: sms.Address{TON: 5, Number: "INFO"}, DCS: 0xF5, Data: []byte{0xCA, 0xFE},
	}, now); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestInbox(t *testing.T) {
	dir := t.TempDir()
	seed(t, dir)
	b := openBox(t, dir)
	ctx := t.Context()
	list, err := b.Inbox(ctx, InboxFilter{})
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v; want three texts", list, err)
	}
	binary, stop := list[0], list[1]
	if binary.From != "INFO" || binary.Account != "" || binary.Encoding != "binary" || binary.Text != "" || binary.Data != "cafe" {
		t.Errorf("binary: %+v", binary)
	}
	if stop.From != "+491701234567" || stop.Account != "shop" || stop.Encoding != "gsm7" || stop.Text != "STOP" || stop.Data != "" || stop.To != "+491760000001" {
		t.Errorf("text: %+v", stop)
	}
	if own, err := b.Inbox(ctx, InboxFilter{Account: "shop", Limit: 1}); err != nil || len(own) != 1 || own[0] != stop {
		t.Errorf("the account's newest: %+v, %v; want %+v", own, err, stop)
	}
	if older, err := b.Inbox(ctx, InboxFilter{Before: stop.ID}); err != nil || len(older) != 1 || older[0].Text != "Thank you" {
		t.Errorf("older ones: %+v, %v", older, err)
	}
	if one, err := b.InboxText(ctx, stop.ID); err != nil || one != stop {
		t.Errorf("one: %+v, %v; want %+v", one, err, stop)
	}
}

// TestInboxParts: of how many parts a text was made, which one of them it is, and how many are missing.
func TestInboxParts(t *testing.T) {
	part := func(n uint8) store.Inbound {
		return store.Inbound{Data: []byte("x"), Text: "x", UDH: sms.AppendUDH(nil, sms.Concat(1, false, 3, n))}
	}
	joined := store.Inbound{Data: []byte("x[...]"), Text: "x[...]", Parts: 3, Missing: 2}
	for _, tt := range []struct {
		in                   store.Inbound
		part, parts, missing int
	}{
		{store.Inbound{Text: "x"}, 0, 1, 0},
		{part(2), 2, 3, 0},
		{part(4), 0, 1, 0}, // no part there is
		{store.Inbound{UDH: []byte{6, 5, 4, 1, 2, 3, 4}}, 0, 1, 0},
		{joined, 0, 3, 2},
	} {
		if v := inboxTextOf(tt.in, ""); v.Part != tt.part || v.Parts != tt.parts || v.Missing != tt.missing {
			t.Errorf("%+v: part %d of %d, %d missing", tt.in, v.Part, v.Parts, v.Missing)
		}
	}
}

func TestStatus(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		ctx := t.Context()
		if err := b.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
		s, err := b.Status(ctx)
		if err != nil || s.Version != "1.2.3" || s.Running || s.Started.IsZero() {
			t.Errorf("status %+v, %v; want version 1.2.3 and not running", s, err)
		}
		if list, err := b.Modems(ctx); err != nil || list == nil || len(list) != 0 {
			t.Errorf("modems %+v, %v; want none", list, err)
		}
		if list, err := b.Sessions(ctx, ""); err != nil || list == nil || len(list) != 0 {
			t.Errorf("sessions %+v, %v; want none", list, err)
		}
	})
}

func TestRequestsOfOtherVersions(t *testing.T) {
	b := openBox(t, t.TempDir())
	ctx := t.Context()
	err := b.do(ctx, http.MethodPost, "/v1/accounts", map[string]any{"key": "a", "colour": "red"}, nil)
	wantError(t, err, 400, "colour")
	if _, err := b.Account(ctx, "a"); err == nil {
		t.Error("the account was made, though not as asked for")
	}
	err = b.do(ctx, http.MethodGet, "/v1/teapots", nil, nil)
	wantError(t, err, 404, "another version")
	err = b.do(ctx, http.MethodPut, "/v1/accounts", nil, nil)
	wantError(t, err, 405, "another version")
	err = b.do(ctx, http.MethodPost, "/v1/accounts", strings.Repeat("x", maxRequest), nil)
	wantError(t, err, 422, "too large")
}
