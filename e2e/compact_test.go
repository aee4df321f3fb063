package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smsgateway/smpp"
	"smsgateway/sms"
)

// traces are the forms in which a text may stand in a file: as it is, as UTF-16BE, and as packed septets with any shift.
func traces(text string) [][]byte {
	list := [][]byte{[]byte(text), ucs2(text)}
	septets, err := sms.EncodeGSM7(text)
	if err != nil {
		return list
	}
	list = append(list, septets)
	for fill := range 7 {
		if packed := sms.Pack(septets, fill); len(packed) > 8 {
			list = append(list, packed[1:len(packed)-1]) // the first and the last octet share bits with what is beside it
		}
	}
	return list
}

// swapped is a number as TPDUs have it, in semi-octets.
func swapped(number string) []byte {
	var b []byte
	for i := 0; i+1 < len(number); i += 2 {
		b = append(b, (number[i+1]-'0')<<4|number[i]-'0')
	}
	return b
}

// TestErased: a life in which texts go out in all forms, are cancelled and replaced, accounts and passwords change; after
// retention and `compact` none of it stands in the file.
func TestErased(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "10ms", "--report-delay", "10ms")
	b := startBox(t, settings{modem: phones.port, messages: []string{`keep = "1s"`, `resubmit_window = "0s"`}})
	b.account(t, "shop")
	b.account(t, "gone")
	e := b.bind(t, "shop")
	b.ready(t)

	var texts, numbers, ids []string
	number := func() string {
		numbers = append(numbers, fmt.Sprintf("41617770%04d", 7331+len(numbers)))
		return numbers[len(numbers)-1]
	}
	send := func(what string, p *smpp.SubmitSM) {
		p.Destination.Addr, p.RegisteredDelivery = number(), 1
		texts = append(texts, what)
		id := e.submit(t, p)
		ids = append(ids, id)
		e.wantReceipt(t, id, smpp.StateDelivered)
	}
	send("a zebra in the garden", &smpp.SubmitSM{ShortMessage: []byte("a zebra in the garden")})
	send("зебра в саду", &smpp.SubmitSM{DataCoding: 8, ShortMessage: ucs2("зебра в саду")})
	send("\x01\x02 a binary zebra \xFE", &smpp.SubmitSM{DataCoding: 4, ShortMessage: []byte("\x01\x02 a binary zebra \xFE")})
	send("the longest zebra of all", &smpp.SubmitSM{TLVs: payload(repeat("the longest zebra of all ", 20))})
	later := func(words string) string {
		texts = append(texts, words)
		p := text(number(), words)
		p.ScheduleDeliveryTime = "000001000000000R"
		return e.submit(t, p)
	}
	cancelled := later("a zebra that was cancelled")
	replaced := later("a zebra that was replaced")
	texts = append(texts, "a zebra in its place")
	if err := e.Replace(&smpp.ReplaceSM{MessageID: replaced, ShortMessage: []byte("a zebra in its place")}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{cancelled, replaced} {
		if err := e.Cancel(&smpp.CancelSM{MessageID: id}); err != nil {
			t.Fatal(err)
		}
	}
	file := func() []byte {
		data, err := os.ReadFile(filepath.Join(b.dir, "data", "gateway.db"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	hashes := func() (list [][]byte) {
		for rest := file(); ; {
			at := bytes.Index(rest, []byte("$argon2"))
			if at < 0 {
				return list
			}
			end := at + bytes.IndexByte(rest[at:], '"')
			list, rest = append(list, rest[at:end]), rest[end:]
		}
	}
	former := hashes()
	b.must(t, "account", "password", "shop")
	b.must(t, "account", "remove", "gone")
	for _, id := range append(ids, cancelled, replaced) {
		eventually(t, "message "+id+" to be purged", func() (bool, string) {
			r := b.cli(t, "message", "show", id)
			return strings.Contains(r.stderr, "past its keeping time"), r.stderr + r.stdout
		})
	}
	find := func(data []byte) (found []string) {
		for _, text := range texts {
			for n, trace := range traces(text) {
				if bytes.Contains(data, trace) {
					found = append(found, fmt.Sprintf("%q in form %d", text, n))
				}
			}
		}
		for _, number := range numbers {
			if bytes.Contains(data, []byte(number)) || bytes.Contains(data, swapped(number)) {
				found = append(found, number)
			}
		}
		for _, hash := range former {
			if bytes.Contains(data, hash) {
				found = append(found, string(hash))
			}
		}
		return found
	}
	if found := find(file()); len(found) < 5 || len(former) < 2 {
		t.Errorf("before it is compacted the file holds no more than %q of them; %d hashes", found, len(former))
	}
	out := b.must(t, "compact")
	if !strings.Contains(out, "gateway.db had") {
		t.Errorf("compact says %q", out)
	}
	if found := find(file()); len(found) > 0 {
		t.Errorf("the file still holds %q", found)
	}
	b.stop(t)
	var done struct{ Before, After int64 }
	if done = cliJSON[struct{ Before, After int64 }](t, b, "compact"); done.After == 0 || done.After > done.Before {
		t.Errorf("compact --json without a gateway says %+v", done)
	}
	if found := find(file()); len(found) > 0 {
		t.Errorf("the file still holds %q", found)
	}
}

// TestCompactServing: a compaction disturbs nobody, and a gateway that is killed in it starts again with all it accepted.
func TestCompactServing(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	var ids []string
	for round := range 4 {
		ended := make(chan result, 1)
		go func() { ended <- b.cli(t, "compact", "--json") }()
		for n := range 200 {
			ids = append(ids, e.submit(t, text(numberOf(n), "it waits")))
		}
		if round < 3 {
			if r := <-ended; r.code != 0 {
				t.Errorf("compact: %+v", r)
			}
			continue
		}
		b.kill()
		<-ended
	}
	b.serve(t)
	e = b.bind(t, "shop")
	for _, id := range ids {
		e.wantState(t, id, smpp.StateEnroute)
	}
	list, err := os.ReadDir(filepath.Join(b.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if strings.HasSuffix(f.Name(), ".tmp") {
			t.Errorf("%s was left", f.Name())
		}
	}
}
