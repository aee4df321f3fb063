package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"smsgateway/smpp"
)

// TestBadConfig starts with configurations that can't be right: a sentence with file, line and what to do.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"a typing error", "[smpp]\nlisten = \"127.0.0.1:0\"\nlisen = \"x\"\n", []string{"config.toml:3", `unknown key "smpp.lisen"`, `did you mean "smpp.listen"?`}},
		{"no TOML", "data_dir = \"x\"\n[smpp] listen = 1\n", []string{"config.toml:2"}},
		{"a wrong kind", "[smpp]\nwindow = \"many\"\n", []string{"config.toml:2", "window"}},
		{"out of range", "\n[messages]\nmax_parts = 300\n", []string{"config.toml:3", "1 to 255"}},
		{"no time", "[messages]\nkeep = \"a day\"\n", []string{"config.toml:2", `"24h"`}},
		{"no address", "[smpp]\nlisten = \"7777\"\n", []string{"config.toml:2", "host:port"}},
		{"a modem without a port", "[[modem]]\nname = \"x\"\n", []string{"config.toml:1", "port"}},
		{"two modems on one port", "[[modem]]\nport = \"/dev/x\"\n[[modem]]\nport = \"/dev/x\"\n", []string{"config.toml:4", "/dev/x"}},
		{"two faults at once", "[smpp]\nwindow = 0\n[log]\nlevel = \"loud\"\n", []string{"config.toml:2", "config.toml:4", "debug, info"}},
		{"a PIN that is none", "[[modem]]\nport = \"/dev/x\"\npin = \"98x7\"\n", []string{"config.toml:3", "4 to 8 digits"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.toml")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"serve"}, {"account", "list"}} {
				got := command(t, "", append(args, "--config", path)...)
				if got.code != 1 || !holds(got.stderr, row.want) || got.stdout != "" || strings.Contains(got.stderr, "98x7") {
					t.Errorf("%q ended with %d, stdout %q, stderr %q; want 1 and %q", args, got.code, got.stdout, got.stderr, row.want)
				}
			}
			if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "data*")); err != nil || len(names) > 0 {
				t.Errorf("it made %q (%v)", names, err)
			}
		})
	}
}

// TestBusy starts a second gateway on the port, the page and the data of another.
func TestBusy(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, row := range []struct {
		name   string
		config string
		want   []string
	}{
		{"SMPP port", write(fmt.Sprintf("[smpp]\nlisten = %q\n[admin]\nlisten = \"\"\n", addr)), []string{addr, "smpp.listen"}},
		{"page's port", write(fmt.Sprintf("[smpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = %q\n", addr)), []string{addr, "admin.listen"}},
		{"data", b.config, []string{"gateway.db"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := command(t, "", "serve", "--config", row.config)
			if got.code != 1 || !holds(got.stderr, row.want) {
				t.Errorf("serve ended with %d: %q; want 1 and %q", got.code, got.stderr, row.want)
			}
			wantSentence(t, got)
		})
	}
	b.account(t, "shop") // the first one did not notice
	b.bind(t, "shop")
}

// wellFilledCount is the number of messages in wellFilled.
const wellFilledCount = 41

// wellFilled is a gateway.db with messages that wait and messages that have arrived.
func wellFilled(t *testing.T) []byte {
	t.Helper()
	phones := startSimulator(t, "--latency", "10ms", "--report-delay", "10ms")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	for i := range wellFilledCount - 1 {
		e.submit(t, &smpp.SubmitSM{
			Destination: smpp.Address{Addr: numberOf(i)}, RegisteredDelivery: 1,
			ShortMessage: fmt.Appendf(nil, "message %d", i), ScheduleDeliveryTime: map[bool]string{true: inAnHour}[i%2 == 0],
		})
	}
	e.wantReceipt(t, e.submit(t, text("4161231234", "the last")), smpp.StateDelivered)
	b.stop(t)
	db, err := os.ReadFile(filepath.Join(b.dir, "data", "gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// withDatabase is a box with this file as its gateway.db.
func withDatabase(t *testing.T, db []byte) (b *box, path string) {
	t.Helper()
	b = newBox(t, settings{})
	path = filepath.Join(b.dir, "data", "gateway.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, db, 0o600); err != nil {
		t.Fatal(err)
	}
	return b, path
}

// TestDamagedFile starts on files that are damaged as a whole: refused with a sentence, and left as they are.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	whole := wellFilled(t)
	used := bytes.TrimRight(whole, "\x00") // behind it is room for more
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(whole)) }
	for _, row := range []struct {
		name string
		db   []byte
	}{
		{"empty", nil},
		{"one octet", []byte("x")},
		{"another kind of file", repeat("not a database\n", 10000)},
		{"zeros", make([]byte, len(whole))},
		{"the first half", used[:len(used)/2]},
		{"all but the last page", used[:len(used)-4096]},
		{"cut in the first page", whole[:1000]},
		{"the head overwritten", change(func(b []byte) []byte { copy(b, repeat("\xFF", 8192)); return b })},
		{"all but the head overwritten", change(func(b []byte) []byte { copy(b[8192:], repeat("\xA5", len(b))); return b })},
		{"all but the head zero", change(func(b []byte) []byte { clear(b[8192:]); return b })},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b, path := withDatabase(t, row.db)
			for _, args := range [][]string{{"serve"}, {"message", "list"}, {"account", "add", "--key", "x"}} {
				got := b.cli(t, args...)
				if got.code != 1 || !strings.Contains(got.stderr, path) || got.stdout != "" {
					t.Errorf("%q ended with %d, stdout %q, stderr %q; want 1 and a sentence with the file's name", args, got.code, got.stdout, got.stderr)
				}
				if !strings.HasPrefix(got.stderr, "smsgateway: ") || strings.Contains(got.stderr, "goroutine ") {
					t.Errorf("%q: stderr is no sentence: %q", args, got.stderr)
				}
				if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, row.db) {
					t.Errorf("%q changed the file (%v)", args, err)
				}
			}
		})
	}
}

// TestFlippedOctet flips one octet of the file at a time, in the head, the list of entries and the records of every page in
// use. Either nobody reads it, or the file is refused, or the one record is left out with a word about it; nothing is ever
// told that was not so.
func TestFlippedOctet(t *testing.T) {
	t.Parallel()
	whole := wellFilled(t)
	used := bytes.TrimRight(whole, "\x00") // behind it is room for more
	b, path := withDatabase(t, whole)
	list := func() (result, []messageJSON) {
		t.Helper()
		got := b.cli(t, "message", "list", "--json")
		var messages []messageJSON
		if got.code == 0 {
			if err := json.Unmarshal([]byte(got.stdout), &messages); err != nil {
				t.Fatal(err)
			}
		}
		return got, messages
	}
	_, want := list()
	if len(want) != wellFilledCount {
		t.Fatalf("message list of the whole file shows %d messages, want %d", len(want), wellFilledCount)
	}
	const page = 4096
	places := []int{10, 21, 1000, 2000, 3000, 4000}
	flips, refused, unread := 0, 0, 0
	for at := range len(used) {
		if !slices.Contains(places, at%page) {
			continue
		}
		flips++
		db := bytes.Clone(whole)
		db[at] ^= 0x55
		if err := os.WriteFile(path, db, 0o600); err != nil {
			t.Fatal(err)
		}
		got, messages := list()
		if got.code != 0 {
			refused++
			// A line of the log may stand before it.
			if got.code != 1 || !strings.Contains("\n"+got.stderr, "\nsmsgateway: ") || !strings.Contains(got.stderr, path) ||
				strings.Contains(got.stderr, "goroutine ") {
				t.Errorf("octet %d flipped: message list ended with %d and no sentence for people: %s", at, got.code, got.stderr)
			}
			continue
		}
		for _, m := range messages {
			if !slices.ContainsFunc(want, func(w messageJSON) bool { return reflect.DeepEqual(w, m) }) {
				t.Errorf("octet %d flipped: message list shows %+v, which never was so", at, m)
			}
		}
		switch {
		case len(messages) == len(want):
			unread++
		case !strings.Contains(got.stderr, "damaged"):
			t.Errorf("octet %d flipped: message list shows %d messages of %d without a word of the damage; stderr is %q",
				at, len(messages), len(want), got.stderr)
		}
	}
	t.Logf("of %d flips %d made the file refused, %d hit what nobody reads", flips, refused, unread)
}
