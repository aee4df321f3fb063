package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// backup makes one beside the box's file.
func (b *box) backup() string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "backup.db")
	var out bytes.Buffer
	b.ok(b.db.Backup(b.t.Context(), &out, nil))
	writeFile(b.t, path, out.Bytes())
	found, err := CheckFile(b.t.Context(), path, CheckOptions{}, nil)
	b.ok(err)
	b.wantNothing(found)
	return path
}

// restore closes the file, puts a backup in its place, and opens that.
func (b *box) restore(src string) Restored {
	b.t.Helper()
	b.ok(b.db.Close())
	done, err := RestoreWith(b.t.Context(), src, b.path, b.now, RestoreOptions{Log: b.opt.Log}, nil)
	b.ok(err)
	b.open()
	_, err = b.db.Recover(b.now)
	b.ok(err)
	b.wantWhole()
	b.wantIndexes()
	return done
}

// gone takes the present file away: the disk is lost.
func (b *box) loseFile() {
	b.t.Helper()
	b.ok(b.db.Close())
	b.ok(os.Remove(b.path))
	b.open()
	b.ok(b.db.Close())
	b.ok(os.Remove(b.path))
}

// TestRestoreHolds: without the replaced file, all that was not at its end is held: it is not sent, can't be cancelled, and ends
// as unknown; evidence settles it all the same.
func TestRestoreHolds(t *testing.T) {
	b := newBox(t, Options{})
	scheduled := b.message(1)
	scheduled.Due = b.now.Add(3 * time.Hour)
	queued, later := b.enqueue(b.message(1)), b.enqueue(scheduled)
	partial := b.enqueue(b.message(2))
	b.send(partial, 0, 1)
	sent := b.enqueue(b.message(1))
	b.send(sent, 0, 2)
	doubt := b.enqueue(b.message(1))
	b.claim(doubt, 0)
	b.ok(b.db.Doubt(doubt, 0, "silence", b.now))
	cancelled := b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, cancelled, b.now))
	claimed := b.enqueue(b.message(1))
	b.claim(claimed, 0)
	backup := b.backup()
	b.loseFile()
	done := b.restore(backup)
	if done.Held != 5 || done.Messages != 7 || done.Kept != "" {
		t.Errorf("%+v", done)
	}
	b.wantState(sent, Sent)
	b.wantState(cancelled, Deleted)
	for _, id := range []ID{queued, later, partial, doubt, claimed} {
		m := b.get(id)
		if m.State != Uncertain || !m.Held || !m.DoubtEnds.Equal(m.Expires) {
			t.Errorf("message %s is %s, held %t until %s", id, m.State, m.Held, m.DoubtEnds)
		}
		var state *StateError
		if err := b.db.Cancel(b.acct.Lane, id, b.now); !errors.As(err, &state) {
			t.Errorf("cancel: %v", err)
		}
	}
	b.pass(5 * time.Hour)
	b.tick()
	_, err := b.db.Next(b.now, Search{})
	wantError(t, err, ErrEmpty)
	b.pass(20 * time.Hour)
	b.tick()
	b.wantState(partial, Sent) // the report of its first part may still come
	b.pass(2 * time.Hour)
	b.tick()
	for _, id := range []ID{queued, later, partial, doubt, claimed} {
		if m := b.get(id); m.State != Unknown || m.Held {
			t.Errorf("message %s is %s, held %t", id, m.State, m.Held)
		}
	}
	b.wantWhole()
}

// TestRestoreNumbers: where nothing tells which ids were given since, a hundred a second are taken for given.
func TestRestoreNumbers(t *testing.T) {
	b := newBox(t, Options{})
	last := b.enqueue(b.message(1))
	backup := b.backup()
	b.loseFile()
	now := time.Now().Add(time.Hour)
	done, err := Restore(backup, b.path, now)
	b.ok(err)
	b.ok(os.Remove(b.path))
	after, err := Restore(backup, b.path, now.Add(100*365*24*time.Hour)) // a clock that is wrong must not use up all ids
	b.ok(err)
	if done.NextID < last+100_000+3600*100 || after.NextID > maxID/10*9+1 {
		t.Errorf("the next id is %s, an hour after %s; %s much later", done.NextID, last, after.NextID)
	}
}

// TestRestoreNumbersOther: a file of an older backup doesn't tell which ids were given behind a newer one.
func TestRestoreNumbersOther(t *testing.T) {
	b := newBox(t, Options{})
	b.enqueue(b.message(1))
	early := b.backup()
	b.ok(b.db.w.do(func(t *txn) error { // a busy day
		t.writes++
		return t.bucket(bMessages).SetSequence(t.bucket(bMessages).Sequence() + 1_000_000)
	}))
	b.enqueue(b.message(1))
	backup := b.backup()
	lost := b.enqueue(b.message(1))
	b.loseFile()
	b.restore(early)
	b.enqueue(b.message(1))
	done := b.restore(backup)
	if !strings.Contains(done.Replaced, "no later state") {
		t.Errorf("%+v", done)
	}
	if next := b.enqueue(b.message(1)); next < lost+100_000 {
		t.Errorf("id %s, and a lost file gave %s", next, lost)
	}
}

// TestRestoreEvidence: a status report settles what is held, if the backup knew of the try.
func TestRestoreEvidence(t *testing.T) {
	b := newBox(t, Options{})
	b.send(b.enqueue(b.message(1)), 0, 2)
	doubt := b.enqueue(b.message(1))
	b.claim(doubt, 0)
	backup := b.backup()
	b.loseFile()
	b.restore(backup)
	b.pass(time.Minute)
	if m := b.report(3, 0); m == nil || m.ID != doubt || m.State != Delivered || m.Held {
		t.Errorf("%+v", m)
	}
}

// TestRestoreKnows: what the replaced file says of a message settles it, and what was accepted since is taken over.
func TestRestoreKnows(t *testing.T) {
	b := newBox(t, Options{})
	waits, sends, cancels, fails := b.enqueue(b.message(1)), b.enqueue(b.message(1)), b.enqueue(b.message(1)), b.enqueue(b.message(1))
	part, acked, open := b.enqueue(b.message(2)), b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, acked, b.now)) // its receipt waits
	goes := b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, goes, b.now.Add(-23*time.Hour)))
	backup := b.backup()

	b.send(sends, 0, 1)
	b.report(1, 0)
	b.ok(b.db.Cancel(b.acct.Lane, cancels, b.now))
	b.claim(fails, 0)
	b.ok(b.db.Refused(fails, 0, Refusal{Final: Undeliverable, Reason: "no"}, b.now))
	b.send(part, 0, 2)
	rows, err := b.db.Outbox(b.acct.Lane, 0, 1)
	b.ok(err)
	b.ok(b.db.Acknowledge(b.acct.Lane, rows[0].Seq)) // that of acked
	receipts := b.receipts()
	b.ok(b.db.RememberPIN("refused since"))
	_, err = b.db.ReceiveText(Inbound{Line: "line-1", Lane: b.acct.Lane, Time: b.now, Data: []byte("STOP")}, b.now)
	b.ok(err)
	_, err = b.db.AddAccount(Account{Key: "NEW"}, b.now)
	b.ok(err)
	b.ok(b.db.RemoveAccount("CLINIC", b.now))
	_, err = b.db.UpdateAccount("SHOP", b.now, func(a *Account) error { a.Password = "other"; return nil })
	b.ok(err)
	since := b.enqueue(b.message(1))
	b.claim(open, 0)
	b.pass(2 * time.Hour)
	b.tick() // goes is past its keeping time

	done := b.restore(backup)
	if done.Held != 0 || done.Settled != 6 || done.Taken != 1 || done.Left != 0 || !strings.HasPrefix(done.Kept, b.path+".replaced-") {
		t.Errorf("%+v", done)
	}
	if len(done.Accounts) != 3 {
		t.Errorf("%+v", done.Accounts)
	}
	for id, want := range map[ID]State{waits: Queued, sends: Delivered, cancels: Deleted, fails: Undeliverable, part: Partial,
		acked: Deleted, since: Queued, open: Uncertain} {
		b.wantState(id, want)
		if b.get(id).Held {
			t.Errorf("message %s is held", id)
		}
	}
	var gone *GoneError
	if _, err := b.db.Message(goes); !errors.As(err, &gone) {
		t.Errorf("of what is past its keeping time: %v", err)
	}
	if got := b.receipts(); strings.Join(got, " ") != strings.Join(append(receipts, "text"), " ") {
		t.Errorf("receipts: %v, want %v and the text", got, receipts)
	}
	if refused, err := b.db.PINRefused("refused since"); err != nil || !refused {
		t.Errorf("%t, %v", refused, err)
	}
	if next := b.enqueue(b.message(1)); next <= since {
		t.Errorf("id %s after %s", next, since)
	}
}

// TestRestoreOther: of a file that is no later state of the backup only what is certain counts.
func TestRestoreOther(t *testing.T) {
	b := newBox(t, Options{})
	early, ends := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	fork := filepath.Join(t.TempDir(), "fork.db")
	copyFile(t, b.path, fork)
	b.pass(time.Minute)
	b.enqueue(b.message(1))
	backup := b.backup() // it has a message that the fork doesn't know
	b.ok(b.db.Close())
	b.path = fork
	b.open()
	b.pass(time.Hour)
	b.ok(b.db.Cancel(b.acct.Lane, ends, b.now))
	other := b.enqueue(b.message(1))
	done := b.restore(backup)
	if done.Held != 2 || done.Settled != 1 || done.Left != 1 || done.Taken != 0 {
		t.Errorf("%+v", done)
	}
	b.wantState(ends, Deleted)
	b.wantState(early, Uncertain)
	if next := b.enqueue(b.message(1)); next <= other {
		t.Errorf("id %s after %s", next, other)
	}
}

// TestRestoreCancelled: what the replaced file says to be cancelled is not sent any more, by no operator either, though the backup,
// of another life in which nobody knew of that, holds it or had it released.
func TestRestoreCancelled(t *testing.T) {
	for _, released := range []bool{false, true} {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		early := b.backup()
		b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
		late := b.backup()
		b.loseFile()
		b.restore(early)
		if released {
			_, err := b.db.Retry(id, Order{Twice: true}, b.now)
			b.ok(err)
			b.claim(id, 0)
			b.ok(b.db.Doubt(id, 0, "silence", b.now))
		}
		other := b.backup()
		b.loseFile()
		b.restore(late)
		b.wantState(id, Deleted)
		if done := b.restore(other); done.Held != 0 || done.Settled != 1 {
			t.Errorf("released %t: %+v", released, done)
		}
		done, err := b.db.RetryHeld(HeldFilter{}, Order{Twice: true}, b.now)
		b.ok(err)
		if done.N != 0 {
			t.Errorf("released %t: an operator had it sent", released)
		}
		_, err = b.db.Next(b.now, Search{})
		wantError(t, err, ErrEmpty)
		if want := map[bool]State{false: Deleted, true: Unknown}[released]; b.get(id).State != want {
			t.Errorf("released %t: it is %s, want %s", released, b.get(id).State, want)
		}
	}
}

// TestRestoreRefuses: nothing is changed by a restore that can't be.
func TestRestoreRefuses(t *testing.T) {
	b := newBox(t, Options{})
	b.enqueue(b.message(1))
	backup := b.backup()
	_, err := Restore(backup, b.path, b.now)
	wantError(t, err, ErrLocked)
	b.ok(b.db.Close())
	before, err := os.ReadFile(b.path)
	b.ok(err)
	data, err := os.ReadFile(backup)
	b.ok(err)
	damaged, foreign, empty := filepath.Join(t.TempDir(), "damaged"), filepath.Join(t.TempDir(), "foreign"), filepath.Join(t.TempDir(), "empty")
	at := bytes.LastIndex(data, []byte("part 1"))
	data[at] ^= 1
	writeFile(t, damaged, data)
	writeFile(t, foreign, bytes.Repeat([]byte("x"), 1<<16))
	writeFile(t, empty, nil)
	for _, src := range []string{damaged, foreign, empty} {
		_, err := Restore(src, b.path, b.now)
		wantError(t, err, ErrDamaged)
	}
	if _, err := Restore(b.path, b.path, b.now); err == nil {
		t.Error("a file was restored over itself")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = RestoreWith(ctx, backup, b.path, b.now, RestoreOptions{}, nil)
	wantError(t, err, context.Canceled)
	after, err := os.ReadFile(b.path)
	b.ok(err)
	files, err := os.ReadDir(filepath.Dir(b.path))
	b.ok(err)
	if !bytes.Equal(before, after) || len(files) != 1 {
		t.Errorf("the file was changed, or others are left: %v", files)
	}
	if done, err := RestoreWith(t.Context(), damaged, b.path, b.now, RestoreOptions{Damaged: true}, nil); err != nil || done.Kept == "" {
		t.Errorf("with damage allowed: %v", err)
	}
}

// TestRestoreOverDamage: a replaced file that can't be read is kept, and what can be read of it counts.
func TestRestoreOverDamage(t *testing.T) {
	b := newBox(t, Options{})
	held := b.enqueue(b.message(1))
	backup := b.backup()
	b.ok(b.db.RememberPIN("refused since"))
	for range 100 {
		b.enqueue(b.message(2))
	}
	last := b.enqueue(b.message(1))
	b.ok(b.db.Close())
	data, err := os.ReadFile(b.path)
	b.ok(err)
	for at := 3 * pageLen; at < len(data); at += pageLen { // the leaves of the messages
		if page := data[at : at+pageLen]; page[8] == pageIsLeaf && bytes.Contains(page, []byte("part 2")) {
			clear(page[:pageHeader])
		}
	}
	writeFile(t, b.path, data)
	_, err = Open(b.path, b.opt)
	wantError(t, err, ErrDamaged)
	done := b.restore(backup)
	kept, err := os.ReadFile(done.Kept)
	b.ok(err)
	if !bytes.Equal(kept, data) || !strings.Contains(done.Replaced, "can't be read") || done.Held != 1 {
		t.Errorf("%+v", done)
	}
	b.wantState(held, Uncertain)
	if refused, _ := b.db.PINRefused("refused since"); !refused {
		t.Error("a PIN that was refused is forgotten")
	}
	if next := b.enqueue(b.message(1)); next <= last {
		t.Errorf("id %s after %s", next, last)
	}
	if info, err := os.Stat(b.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestRestoreLink: where data_dir has a link to the file, the link stays and the file is replaced where it is.
func TestRestoreLink(t *testing.T) {
	b := newBox(t, Options{})
	backup := b.backup()
	id := b.enqueue(b.message(1))
	b.ok(b.db.Close())
	real, link := b.path, filepath.Join(t.TempDir(), "link.db")
	b.ok(os.Symlink(real, link))
	b.path = link
	done := b.restore(backup)
	if to, err := os.Readlink(link); err != nil || to != real {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if kept, err := os.Lstat(done.Kept); err != nil || !kept.Mode().IsRegular() || filepath.Dir(done.Kept) != filepath.Dir(real) {
		t.Errorf("kept is %s, %v", done.Kept, err)
	}
	b.wantState(id, Queued)
}

// TestBackupOfARemovedFile: what somebody has removed under the gateway a backup saves, whole.
func TestBackupOfARemovedFile(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(2))
	b.ok(os.Remove(b.path))
	backup := b.backup()
	b.ok(b.db.Close())
	b.path = backup
	b.open()
	b.wantState(id, Queued)
	b.wantWhole()
}

// slowWriter takes nothing for a while.
type slowWriter struct {
	bytes.Buffer
	blocked chan struct{}
}

func (w *slowWriter) Write(b []byte) (int, error) {
	<-w.blocked
	return w.Buffer.Write(b)
}

// TestBackupSlow: who takes a backup slowly keeps no old state of the file for long, and gets it whole.
func TestBackupSlow(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(1)
	m.Parts[0].Data = bytes.Repeat([]byte("x"), 60<<10)
	for range 100 {
		b.enqueue(m)
	}
	w := &slowWriter{blocked: make(chan struct{})}
	ended := make(chan error, 1)
	told := make(chan struct{}, 1)
	go func() {
		ended <- b.db.backup(t.Context(), w, func(done, total int64) {
			if done == 0 {
				told <- struct{}{}
			}
		}, 50*time.Millisecond)
	}()
	<-told
	for range 200 {
		if b.db.handle().bolt.Stats().OpenTxN == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if b.db.handle().bolt.Stats().OpenTxN != 0 {
		t.Error("the transaction is still open")
	}
	for range 100 {
		b.enqueue(b.message(1))
	}
	close(w.blocked)
	b.ok(<-ended)
	path := filepath.Join(t.TempDir(), "backup.db")
	writeFile(t, path, w.Bytes())
	found, err := CheckFile(t.Context(), path, CheckOptions{}, nil)
	b.ok(err)
	b.wantNothing(found)
	if n := found.Records["messages"]; n != 100 {
		t.Errorf("%d messages, want those of the moment at which it began", n)
	}
	if left, _ := filepath.Glob(b.path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, b.db.Backup(ctx, &bytes.Buffer{}, nil), context.Canceled)
	no := errors.New("no")
	wantError(t, b.db.Backup(t.Context(), failing{no}, nil), no)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestRestoreOtherTells: what the replaced file of another life knows of an end is told to the client, too, if it was not yet.
func TestRestoreOtherTells(t *testing.T) {
	b := newBox(t, Options{})
	ids := []ID{b.enqueue(b.message(1)), b.enqueue(b.message(1))}
	early := b.backup()
	b.enqueue(b.message(1))
	later := b.backup()
	b.loseFile()
	b.restore(early)
	_, err := b.db.CloseAs(ids[0], true, sure(), b.now)
	b.ok(err)
	_, err = b.db.CloseAs(ids[1], false, sure(), b.now)
	b.ok(err)
	rows, err := b.db.Outbox(b.acct.Lane, 0, 10)
	if b.ok(err); len(rows) != 2 {
		t.Fatal(b.receipts())
	}
	b.ok(b.db.Acknowledge(b.acct.Lane, rows[1].Seq))
	b.restore(later)
	b.wantState(ids[0], Accepted)
	b.wantState(ids[1], Undeliverable)
	if got := b.receipts(); len(got) != 1 || got[0] != "accepted" {
		t.Errorf("the receipts that wait are %v", got)
	}
}
