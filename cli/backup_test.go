package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"smsgateway/admin"
)

// fails wants a command to fail with that code and to say these words.
func (s *shell) fails(code int, words string, args ...string) {
	s.t.Helper()
	_, stderr, got := s.do(args...)
	if got != code || !strings.Contains(stderr, words) {
		s.t.Errorf("%s: exit code %d, %q; want %d and %q", strings.Join(args, " "), got, stderr, code, words)
	}
}

// TestBackupAndRestore: a backup is made, never over another one, looked through, and restored; what it can't know is held, and
// released or closed by the operator's word.
func TestBackupAndRestore(t *testing.T) {
	s := newShell(t)
	var ids []string
	for range 4 {
		ids = append(ids, mustJSON[admin.Message](s, "send", "--to", "491701234567", "--text", "hello").ID)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	made := mustJSON[backupMade](s, "backup", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() != made.Octets || made.Messages != 4 || !made.Verified {
		t.Errorf("%v, %+v", err, made)
	}
	s.fails(1, "is there already", "backup", file)
	killed, used := filepath.Join(filepath.Dir(file), ".backup.db.part-17"), filepath.Join(filepath.Dir(file), ".backup.db.part-18")
	for _, name := range []string{killed, used} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other, err := lockPart(used, syscall.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	s.must("backup", file, "--force")
	if _, err := os.Stat(killed); !os.IsNotExist(err) {
		t.Errorf("what a killed backup left: %v", err)
	}
	if err := errors.Join(os.Remove(used), other.Close()); err != nil {
		t.Errorf("what another backup writes: %v", err)
	}
	s.fails(1, "is a directory", "backup", t.TempDir(), "--force")
	s.fails(1, "there is no directory", "backup", filepath.Join(t.TempDir(), "x", "y.db"))
	s.notOntoTheDatabase()
	s.fails(2, "standard output", "backup", "-", "--json")
	s.fails(2, "needs FILE", "backup")
	stdout, stderr, code := s.do("backup", "-")
	if code != 0 || int64(len(stdout)) != made.Octets || !strings.Contains(stderr, "SHA-256") {
		t.Errorf("%d octets on standard output, %q, %d", len(stdout), stderr, code)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left beside the backup: %v", left)
	}
	if found := mustJSON[admin.Findings](s, "check", file); found.Faults != 0 || found.Records["messages"] != 4 || found.List == nil {
		t.Errorf("%+v", found)
	}
	s.running = true
	if found := mustJSON[admin.Findings](s, "check"); found.Faults != 0 || found.Records["messages"] != 4 {
		t.Errorf("of the running gateway: %+v", found)
	}
	s.fails(1, "stop it first", "restore", file)
	s.fails(1, "stop it first", "check", "--repair")
	s.running = false
	s.fails(1, "stop it first", "restore", file) // one that does not answer has the lock
	s.close()
	s.fails(1, "no such file", "restore", file+"x")
	s.fails(1, "damaged", "restore", os.Args[0])
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	out := s.must("restore", file)
	if !strings.Contains(out, "4 messages may have been sent") || !strings.Contains(out, "message retry") {
		t.Errorf("restore said %q", out)
	}
	again := mustJSON[admin.Restored](s, "restore", file)
	if again.Kept == "" || again.Held != 4 || again.Accounts == nil {
		t.Errorf("%+v", again)
	}
	s.open()
	s.checkHeld(ids)
}

// notOntoTheDatabase: a backup never takes the place of the database, whatever name leads there, nor one that is gone.
func (s *shell) notOntoTheDatabase() {
	t := s.t
	t.Helper()
	dir, link, away := filepath.Join(t.TempDir(), "dir"), filepath.Join(t.TempDir(), "link"), s.path+".away"
	if err := errors.Join(os.Symlink(filepath.Dir(s.path), dir), os.Symlink(s.path, link)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{s.path, link, filepath.Join(dir, filepath.Base(s.path))} {
		s.fails(1, "is the database itself", "backup", name, "--force")
	}
	if after, err := os.Stat(s.path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the database was replaced: %v", err)
	}
	s.running = true
	defer func() { s.running = false }()
	if err := os.Rename(s.path, away); err != nil {
		t.Fatal(err)
	}
	s.fails(1, "is the database itself", "backup", s.path)
	if err := os.Rename(away, s.path); err != nil {
		t.Fatal(err)
	}
}

func (s *shell) checkHeld(ids []string) {
	t := s.t
	t.Helper()
	if list := mustJSON[[]admin.Message](s, "message", "list", "--held"); len(list) != 4 || !list[0].Held || list[0].SMPPState != "UNKNOWN" {
		t.Errorf("%+v", list)
	}
	if out := s.must("message", "show", ids[0]); !strings.Contains(out, "message retry "+ids[0]) || !strings.Contains(out, "Held") {
		t.Errorf("message show said %q", out)
	}
	if out, _, _ := s.do("doctor"); !strings.Contains(out, "message list --held") {
		t.Errorf("of what is held doctor said %q", out)
	}
	s.fails(1, "message close", "message", "cancel", ids[0])
	s.fails(1, "--yes", "message", "retry", ids[0])
	s.fails(1, "--yes", "message", "retry", "--held")
	s.fails(2, "needs an ID", "message", "retry")
	s.fails(2, "not both", "message", "retry", ids[0], "--held")
	s.fails(2, "go with --held", "message", "close", ids[0], "--to", "1")
	s.fails(2, "none of sent, failed", "message", "close", ids[0])
	s.fails(2, "is no time", "message", "close", "--held", "--as", "sent", "--accepted-from", "yesterday")
	s.fails(1, "there is no message", "message", "retry", "1", "--yes")
	m := mustJSON[admin.Retried](s, "message", "retry", ids[0], "--yes")
	if m.State != "queued" || !m.PossibleDuplicate || len(m.Acts) != 1 || m.Acts[0].By != whoami() || m.CopyOf != "" {
		t.Errorf("%+v", m)
	}
	if out := s.must("message", "show", ids[0]); !strings.Contains(out, whoami()+" had it sent") {
		t.Errorf("message show said %q", out)
	}
	if closed := mustJSON[admin.Message](s, "message", "close", ids[1], "--as", "sent"); closed.State != "accepted" {
		t.Errorf("%+v", closed)
	}
	if none := mustJSON[releasedAll](s, "message", "close", "--held", "--as", "failed", "--accepted-until", "2020-01-01"); none.Messages != 0 {
		t.Errorf("%+v", none)
	}
	if all := mustJSON[releasedAll](s, "message", "retry", "--held", "--yes", "--to", "01701234567", "--account", "operator"); all.Messages != 2 {
		t.Errorf("%+v", all)
	}
	if list := mustJSON[[]admin.Message](s, "message", "list", "--held"); len(list) != 0 {
		t.Errorf("still held: %+v", list)
	}
	s.fails(1, "can't be closed", "message", "close", ids[1], "--as", "failed")
	s.fails(1, "can't be sent again", "message", "retry", ids[1], "--yes")
}

// TestBackupOfDamage: a backup that has the faults of the database is never said to be whole, and replaces none that is.
func TestBackupOfDamage(t *testing.T) {
	s := newShell(t)
	s.must("send", "--to", "491701234567", "--text", "hello")
	file, other := filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "other.db")
	s.must("backup", file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	data[strings.LastIndex(string(data), "491701234567")] ^= 1
	if err := os.WriteFile(s.path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s.open()
	s.fails(1, "is kept as it was", "backup", file, "--force")
	if now, _ := os.ReadFile(file); string(now) != string(whole) {
		t.Error("the whole backup was replaced by one with faults")
	}
	stdout, stderr, code := s.do("backup", other)
	if code != 1 || strings.Contains(stdout+stderr, "it is whole") || !strings.Contains(stderr, "--damaged") {
		t.Errorf("%q, %q, %d", stdout, stderr, code)
	}
	if found, err := os.Stat(other); err != nil || found.Size() == 0 {
		t.Errorf("the backup with faults: %v", err)
	}
}

// TestCheckDamage: a damaged file is told of in words, with exit code 1.
func TestCheckDamage(t *testing.T) {
	s := newShell(t)
	s.must("send", "--to", "491701234567", "--text", "hello")
	file := filepath.Join(t.TempDir(), "backup.db")
	s.must("backup", file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(data), "491701234567")
	data[at] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := s.do("check", file)
	if code != 1 || !strings.Contains(stdout, "checksum is wrong") || !strings.Contains(stdout, "restore a backup") || !strings.Contains(stderr, "1 fault") {
		t.Errorf("%q, %q, %d", stdout, stderr, code)
	}
	s.fails(1, "no database", "check", os.Args[0])
	s.fails(2, "don't go together", "check", "--quick", "--repair")
}
