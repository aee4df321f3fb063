package store

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// How a file of each format came to be is told in testdata/formats/make.sh.
func ofFormat(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "formats", name+".gz"))
	if err != nil {
		t.Fatalf("%v: each format needs a file that its own program wrote: see testdata/formats/make.sh", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lifeOfFormat is what the program of a format said that is in its file.
type lifeOfFormat struct {
	Messages map[string]any
	Gone     []string
	Last     ID
	Now      time.Time
	Accounts []any
	Inbox    []any
	Pin      bool
	Timer    time.Time
	Again    *bool
	all      map[string]any
}

func readLife(t *testing.T, format uint32) (l lifeOfFormat) {
	t.Helper()
	says := ofFormat(t, fmt.Sprint(format, ".json"))
	if err := errors.Join(json.Unmarshal(says, &l), json.Unmarshal(says, &l.all)); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFormats opens a file of each format that there ever was, written by the program of that time, and finds all that is in
// it, in records and indexes; and goes on with it.
func TestFormats(t *testing.T) {
	for format := range uint32(formatVersion) {
		format++
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			data := ofFormat(t, fmt.Sprint(format, ".db"))
			if got := formatOf(t, data); got != format {
				t.Fatalf("the file is of format %d", got)
			}
			l := readLife(t, format)
			if held := strings.Count(fmt.Sprint(l.Messages), "Held:true"); (format >= 4) != (held > 0) {
				t.Errorf("%d messages are held", held)
			}
			b := l.open(t, data)
			l.compare(b)
			b.wantIndexes()
			b.reopen()
			l.compare(b)
			l.goOn(b)
		})
	}
}

func formatOf(t *testing.T, data []byte) (format uint32) {
	t.Helper()
	key := []byte("format")
	for at := bytes.Index(data, key); at >= 0; { // in the bucket meta, which is inside the page of buckets
		record := data[at+len(key) : at+len(key)+5+crcLen]
		if f, err := unseal(bMeta, key, record); err == nil {
			return f.uint32()
		}
		next := bytes.Index(data[at+1:], key)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	t.Fatal("it has no format")
	return 0
}

func (l *lifeOfFormat) open(t *testing.T, data []byte) *box {
	t.Helper()
	b := &box{t: t, path: filepath.Join(t.TempDir(), "gateway.db"), now: l.Now}
	b.opt = Options{Reserve: -1, Monotonic: func() time.Duration { return b.mono }}
	writeFile(t, b.path, data)
	b.open()
	t.Cleanup(func() { b.db.Close() })
	if d := b.db.Damage(); len(d) > 0 {
		t.Fatalf("it is taken for damaged: %v", d)
	}
	return b
}

// compare asks what the program of that time was asked.
func (l *lifeOfFormat) compare(b *box) {
	t := b.t
	t.Helper()
	same := func(what string, want any, got any, err error) {
		t.Helper()
		b.ok(err)
		var plain any
		says, err := json.Marshal(got)
		b.ok(errors.Join(err, json.Unmarshal(says, &plain)))
		if d := covers(want, plain); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	if len(l.Messages) < 18 || len(l.Gone) < 2 {
		t.Fatalf("there were %d messages and %d past ones", len(l.Messages), len(l.Gone))
	}
	for text, want := range l.Messages {
		id, err := ParseID(text)
		b.ok(err)
		m, err := b.db.Message(id)
		same("message "+text, want, m, err)
	}
	for _, want := range l.Gone {
		id, err := ParseID(strings.Fields(want)[0])
		b.ok(err)
		if _, err := b.db.Message(id); err == nil || id.String()+" "+err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	accounts, err := b.db.Accounts()
	same("accounts", l.all["accounts"], accounts, err)
	inbox, err := b.db.Inbox(InboxFilter{})
	same("inbox", l.all["inbox"], inbox, err)
	for lane := range uint32(4) {
		counts, err := b.db.Counts(lane)
		same("counts", l.all[fmt.Sprint("counts ", lane)], counts, err)
		rows, err := b.db.Outbox(lane, 0, 1000)
		same("outbox", l.all[fmt.Sprint("outbox ", lane)], rows, err)
	}
	if known, err := b.db.PINRefused("8949010000123456789/1"); err != nil || !known {
		t.Errorf("a refused PIN is forgotten: %v", err)
	}
	if next, err := b.db.NextTimer(); err != nil || next.After(l.Timer) {
		t.Errorf("the next timer is at %s, want %s: %v", next, l.Timer, err)
	}
	l.compareMore(b, same)
}

// compareMore asks for what later formats brought.
func (l *lifeOfFormat) compareMore(b *box, same func(string, any, any, error)) {
	if want := l.all["usage"]; want != nil {
		got, err := b.db.Usage("line-4", l.Now)
		same("usage", want, got, err)
	}
	if want := l.all["modem"]; want != nil {
		got, err := b.db.Modem("sim1")
		same("modem", want, got, err)
	}
	if want := l.all["waiting"]; want != nil {
		got, err := b.db.WaitingTexts(10)
		same("waiting texts", want, got, err)
	}
	if want := l.all["use"]; want != nil {
		got, err := b.db.Use(1, l.Now)
		same("use", want, got, err)
	}
}

// covers tells where two JSON values differ, "" for nowhere. What is only in got must be empty.
func covers(want, got any) string {
	w, isMap := want.(map[string]any)
	g, both := got.(map[string]any)
	if isMap && both {
		for name, v := range w {
			if d := covers(v, g[name]); d != "" {
				return name + ": " + d
			}
		}
		for name, v := range g {
			if _, was := w[name]; !was && !slices.Contains([]any{nil, false, "", 0.0, "0001-01-01T00:00:00Z"}, v) {
				return fmt.Sprintf("%s is new, and %v", name, v)
			}
		}
		return ""
	}
	wl, isList := want.([]any)
	gl, both := got.([]any)
	if isList && both && len(wl) == len(gl) {
		for n := range wl {
			if d := covers(wl[n], gl[n]); d != "" {
				return fmt.Sprintf("%d: %s", n, d)
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("got %v, want %v", got, want)
	}
	return ""
}

// goOn uses the file until all that is in it has come to its end.
func (l *lifeOfFormat) goOn(b *box) {
	found, err := b.db.Recover(b.now)
	if err != nil || len(found) != 1 || found[0].Line != "line-7" {
		b.t.Fatalf("%+v, %v; want the open claim", found, err)
	}
	b.acct, err = b.db.Account("SHOP")
	b.ok(err)
	if l.Again != nil {
		m := b.message(1)
		m.Parts[0].Data = []byte("once")
		a := b.db.EnqueueOnce(m, Once{Reference: 77, Content: [16]byte{1, 2, 3}, Window: time.Hour})
		if _, err := a.Result(); err != nil || !a.Again() || !*l.Again {
			b.t.Errorf("submitted again: %t, %v", a.Again(), err)
		}
	}
	if id := b.enqueue(b.message(1)); id <= l.Last {
		b.t.Errorf("id %s after %s", id, l.Last)
	}
	b.wantIndexes()
	for range 40 {
		b.pass(59 * time.Minute)
		b.tick()
	}
	b.wantIndexes()
	for range 40 {
		b.pass(24 * time.Hour)
		b.tick() // the clock is in doubt at first
		b.pass(16 * time.Minute)
		b.tick()
	}
	b.wantIndexes()
	counts, err := b.db.Counts(0)
	if b.ok(err); len(counts) > 0 {
		b.t.Errorf("after 40 days there are still %v", counts)
	}
	if d := b.db.Damage(); len(d) > 0 {
		b.t.Errorf("damage: %v", d)
	}
}

// TestInterruptedMigration cuts the power within a migration, wherever it may be: the file is of one format or the other,
// and all is there.
func TestInterruptedMigration(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for format := range uint32(formatVersion - 1) {
		format++
		l := readLife(t, format)
		before := ofFormat(t, fmt.Sprint(format, ".db"))
		b := l.open(t, before)
		b.ok(b.db.Close())
		after := inUse(t, b.path)
		if formatOf(t, before) != format || bytes.Equal(before, after) {
			t.Fatal("nothing was migrated")
		}
		for n := range 40 {
			torn := l.open(t, tear(r, before, after, n%2 == 0))
			l.compare(torn)
			torn.wantIndexes()
			torn.ok(torn.db.Close())
		}
	}
}

// TestNewerIsLeftAlone: a file of a newer format is refused by name, and not an octet of it is changed.
func TestNewerIsLeftAlone(t *testing.T) {
	b := newBox(t, Options{})
	b.enqueue(b.message(1))
	b.ok(b.db.w.do(func(t *txn) error {
		return t.put(bMeta, keyFormat(), binary.BigEndian.AppendUint32([]byte{recordVersion}, formatVersion+1))
	}))
	b.ok(b.db.Close())
	before, err := os.ReadFile(b.path)
	b.ok(err)
	_, err = Open(b.path, b.opt)
	wantError(t, err, ErrNewer)
	for _, part := range []string{b.path, fmt.Sprint("format is ", formatVersion+1), "install that version, or restore"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	after, err := os.ReadFile(b.path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}

// TestLayout holds what buckets and records look like against what is noted for the present format: who changes it raises
// formatVersion, writes a migration, and has the files of the new format made.
func TestLayout(t *testing.T) {
	var b bytes.Buffer
	for _, name := range bucketNames {
		fmt.Fprintln(&b, "bucket", name)
	}
	fmt.Fprintf(&b, "message %x\n", appendMessage(nil, fullMessage()))
	more := fullMessage()
	more.Held, more.DueMoment, more.ExpiresMoment = true, true, true
	more.Acts = []Act{{time.UnixMilli(11).UTC(), "root", "did it"}}
	fmt.Fprintf(&b, "message with acts %x\n", appendMessage(nil, more))
	note := claimNote{true, &formerTry{"stick", "icc", 7, true, true, time.UnixMilli(12).UTC()}}
	fmt.Fprintf(&b, "note of a claim %x\n", note.append(nil))
	var in Inbound
	var receipt ReceiptRow
	crowdValue(reflect.ValueOf(&in).Elem(), 0)
	crowdValue(reflect.ValueOf(&receipt).Elem(), 0)
	fmt.Fprintf(&b, "text %x\n", appendInbound(nil, &in))
	fmt.Fprintf(&b, "receipt %x\n", appendReceipt(nil, &receipt))
	fmt.Fprintf(&b, "counts of %d states, %d states of parts\n", numStates, numPartStates)
	for _, v := range []any{Message{}, Part{}, internal{}, Inbound{}, ReceiptRow{}} { // what is new belongs into records
		typ := reflect.TypeOf(v)
		fmt.Fprintf(&b, "%s:", typ.Name())
		for n := range typ.NumField() {
			fmt.Fprintf(&b, " %s", typ.Field(n).Name)
		}
		fmt.Fprintln(&b)
	}
	path := filepath.Join("testdata", "formats", fmt.Sprint(formatVersion, ".layout"))
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		err = os.WriteFile(path, b.Bytes(), 0o644)
		t.Errorf("format %d has no layout noted: it is now, look at %s", formatVersion, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("what is written is not format %d any more: raise formatVersion, write a migration, and see "+
			"testdata/formats/make.sh.\ngot:\n%s\nwant:\n%s", formatVersion, b.Bytes(), want)
	}
}

// crowdValue puts something into each field, another thing in each.
func crowdValue(v reflect.Value, n int) int {
	n++
	switch at, ok := v.Addr().Interface().(*time.Time); {
	case ok:
		*at = time.UnixMilli(int64(n)).UTC()
		return n
	case !v.CanSet() || v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				n = crowdValue(v.Field(i), n)
			}
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		n = crowdValue(v.Elem(), n)
	case v.CanInt():
		v.SetInt(int64(n))
	case v.CanUint():
		v.SetUint(uint64(n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("s", n))
	case v.Kind() == reflect.Slice:
		v.SetBytes([]byte{byte(n)})
	}
	return n
}
