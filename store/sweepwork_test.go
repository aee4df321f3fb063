package store

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What a damaged file comes to.
const (
	outRefused = "refused"  // with a sentence, and left as it was
	outNoticed = "noticed"  // it works, without what can't be read, and says so
	outSame    = "the same" // nothing that is in use was hit
	outWrong   = "WRONG"    // anything else
)

// sweepJob is what a process is given to find out.
type sweepJob struct {
	Data  []byte
	Olds  [][]byte
	IDs   []ID
	Truth sweepTruth
	Seed  uint64
	Flips int
	Every int // of the blemishes only each so many-th; that of number From first
	From  int
}

// sweepTruth is what the whole file answers: at first, to one after the other who uses it, and afterwards.
type sweepTruth struct{ Before, Use, After []question }

// sweeping does the job in a process of its own: a damaged file may end it, or never let it end.
func sweeping(dir string) error {
	f, err := os.Open(filepath.Join(dir, "job"))
	if err != nil {
		return err
	}
	var job sweepJob
	if err := gob.NewDecoder(f).Decode(&job); err != nil {
		return err
	}
	f.Close()
	list := blemishes(job.Data, job.Olds, job.Flips, rand.New(rand.NewPCG(job.Seed, 2)))
	path := filepath.Join(dir, fmt.Sprintf("%d.db", job.From))
	for n := job.From; n < len(list); n += job.Every {
		fmt.Printf("try\t%d\n", n)
		data := list[n].do(bytes.Clone(job.Data))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		outcome, why := job.sweep(path, data)
		runtime.ReadMemStats(&after)
		if mem := (after.TotalAlloc - before.TotalAlloc) >> 20; mem > 600 {
			outcome, why = outWrong, fmt.Sprintf("it took %d MiB; %s", mem, why)
		}
		fmt.Printf("did\t%d\t%s\t%s\n", n, outcome, strings.ReplaceAll(why, "\n", " / "))
	}
	return nil
}

// sweep tries one file.
func (job *sweepJob) sweep(path string, data []byte) (outcome, why string) {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return outWrong, err.Error()
	}
	found, checked := CheckFile(context.Background(), path, CheckOptions{}, nil)
	if checked != nil && (goish(checked.Error()) || !errors.Is(checked, ErrDamaged)) {
		return outWrong, "check says: " + checked.Error()
	}
	clean := checked == nil && found.Faults == 0
	var log bytes.Buffer
	mono := time.Duration(0)
	db, err := Open(path, sweepOptions(&log, &mono))
	if err != nil {
		after, e := os.ReadFile(path)
		switch s := err.Error(); {
		case !errors.Is(err, ErrDamaged) || !strings.Contains(s, path) || !strings.Contains(s, "restore") || goish(s):
			return outWrong, "it is refused so: " + s
		case e != nil || !bytes.Equal(after, data):
			return outWrong, "it was refused, and changed"
		case clean:
			return outWrong, "check finds nothing in it, but it is refused: " + s
		}
		return outRefused, err.Error()
	}
	defer db.Close()
	db.w.do(func(*txn) error { db.handle().bolt.NoSync = true; return nil })
	var got sweepTruth
	got.Before = ask(db, job.IDs, lifeTime())
	got.Use = use(db, &mono, job.IDs[len(job.IDs)-1])
	got.After = ask(db, job.IDs, lifeTime().Add(mono))
	told := warnings(log.String())
	noticed := len(db.Damage()) > 0 || told != ""
	for _, q := range slices.Concat(got.Before, got.Use, got.After) {
		if strings.HasPrefix(q.Answer, "error: ") && goish(q.Answer) {
			return outWrong, fmt.Sprintf("%s: %s", q.Name, q.Answer)
		}
	}
	if why := differ(job.Truth.Before, got.Before, noticed); why != "" {
		return outWrong, why
	}
	if noticed && clean {
		return outWrong, "check finds nothing in it, but using it told: " + told
	}
	if noticed {
		return outNoticed, told[:min(len(told), 300)]
	}
	if why := differ(job.Truth.Use, got.Use, false) + differ(job.Truth.After, got.After, false); why != "" {
		return outWrong, why
	}
	return outSame, ""
}

// warnings are the lines of a log that somebody should look at because of damage.
func warnings(log string) (told string) {
	for line := range strings.Lines(log) {
		bad := strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")
		if bad && !strings.Contains(line, "a long text is") {
			told += line
		}
	}
	return told
}

// differ tells what was answered otherwise than it should be, "" for nothing. Where damage was noticed, messages may be said
// to be damaged, or not to be there, and lists and counts may be short; but no message may say anything else.
func differ(want, got []question, noticed bool) string {
	for n, q := range got {
		if n >= len(want) {
			return "there are more answers"
		}
		told := strings.HasPrefix(q.Answer, "error: ") || !strings.HasPrefix(q.Name, "message ")
		if q.Answer == want[n].Answer || noticed && told {
			continue
		}
		return fmt.Sprintf("%s: %.300q, want %.300q", q.Name, q.Answer, want[n].Answer)
	}
	return ""
}

// use does all there is to do, and notes what was answered.
func use(db *DB, mono *time.Duration, newest ID) (all []question) {
	now := lifeTime()
	note := func(name string, v any, err error) { all = append(all, question{Name: name, Answer: digest(v, err)}) }
	found, err := db.Recover(now)
	note("recover", found, err)
	m := &Message{Account: "SHOP", Lane: 1, Accepted: now, Expires: now.Add(time.Hour), RegisteredDelivery: 1,
		Parts: []Part{{Data: []byte("x")}}}
	for n := range 3 {
		id, err := db.Enqueue(m).Result()
		if err == nil && id <= newest {
			note("enqueue", id, errors.New("an id was given twice"))
			continue
		}
		note(fmt.Sprint("enqueue ", n), id, err)
		newest = id
	}
	for n := range 12 {
		m, err := db.Next(now, Search{})
		if err != nil {
			note("next", nil, err)
			continue
		}
		part, line := m.next(), "line-9"
		if m.Line != "" {
			line = m.Line
		}
		if n%4 == 3 {
			note("cancel", m.ID, db.Cancel(m.Lane, m.ID, now))
			continue
		}
		note("claim", m.ID, db.ClaimWithin(m.ID, part, "stick", line, Limits{Month: 10_000}, now))
		note("sent", m.ID, db.Sent(m.ID, part, uint8(n), true, now))
		told, err := db.Report(line, Report{Ref: uint8(n), Recipient: m.Destination.Number, Time: now}, now)
		note("report", told != nil, err)
	}
	for lane := range uint32(3) {
		rows, err := db.Outbox(lane, 0, 3)
		note("outbox", len(rows), err)
		for _, d := range rows {
			note("acknowledge", d.Seq, db.Acknowledge(lane, d.Seq))
		}
	}
	_, again, err := db.Receive(Inbound{Lane: 1, Line: "line-1", Time: now, Text: "new", Data: []byte("new")}, now)
	note("receive", again, err)
	for _, hours := range []int{1, 1, 24, 24, 8 * 24} {
		*mono += time.Duration(hours) * time.Hour
		for range 100 {
			done, err := db.Tick(now.Add(*mono), 0)
			note("tick", []any{done.N, len(done.Steps)}, err)
			if done.N == 0 {
				break
			}
		}
		n, err := db.DropOutbox(now.Add(*mono), 72*time.Hour)
		note("drop outbox", n, err)
		n, err = db.DropInbound(now.Add(*mono), 72*time.Hour)
		note("drop inbound", n, err)
		n, err = db.DropContacts(now.Add(*mono))
		note("drop contacts", n, err)
	}
	return all
}

// goish tells whether something speaks of Go, which is for nobody who has a damaged file.
func goish(s string) bool {
	return strings.Contains(s, "goroutine") || strings.Contains(s, "runtime error")
}

func sweepOptions(log *bytes.Buffer, mono *time.Duration) Options {
	return Options{
		Log: slog.New(slog.NewTextHandler(log, nil)), Monotonic: func() time.Duration { return *mono },
		Reserve: -1, Zone: time.UTC,
	}
}
