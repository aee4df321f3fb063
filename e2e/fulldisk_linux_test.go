package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smsgateway/smpp"
)

// smallDisk is a file system of its own.
type smallDisk struct {
	dir    string
	filler string // what somebody else has on it
}

func sh(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// newSmallDisk makes and mounts one; kind is tmpfs or ext4.
func newSmallDisk(t *testing.T, kind string, mib int) *smallDisk {
	t.Helper()
	if os.Getuid() != 0 {
		without(t, "root", "is needed to mount a small file system")
	}
	dir, err := os.MkdirTemp(scratch, "disk-")
	if err != nil {
		t.Fatal(err)
	}
	size := fmt.Sprintf("%dM", mib)
	if kind == "tmpfs" {
		sh(t, need(t, "mount"), "-t", "tmpfs", "-o", "size="+size, "none", dir)
	} else {
		image := dir + ".img"
		sh(t, "truncate", "-s", size, image)
		sh(t, need(t, "mkfs.ext4"), "-q", "-F", image)
		sh(t, need(t, "mount"), "-o", "loop", image, dir)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return &smallDisk{dir, filepath.Join(dir, "of-others")}
}

func (d *smallDisk) free(t *testing.T) int64 {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &fs); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Bavail) * fs.Bsize
}

// fill has somebody else write to the disk until only so much is free; 0: to the last octet.
func (d *smallDisk) fill(t *testing.T, left int64) {
	t.Helper()
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for left == 0 || d.free(t) > left+int64(len(chunk)) {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			if chunk = chunk[:len(chunk)/2]; len(chunk) == 0 {
				break
			}
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// empty has somebody else make room.
func (d *smallDisk) empty(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.filler); err != nil {
		t.Fatal(err)
	}
}

// onDisk puts a box's data there.
func (b *box) onDisk(t *testing.T, d *smallDisk) {
	t.Helper()
	if err := os.Symlink(d.dir, filepath.Join(b.dir, "data")); err != nil {
		t.Fatal(err)
	}
	b.sick = true
}

// healthz is what the watchdog sees.
func healthz(t *testing.T, addr string) (status int, body string) {
	t.Helper()
	c := http.Client{Timeout: 2 * time.Second} // it never hangs
	resp, err := c.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestSmallDisk fills real, small file systems by submit_sm until there is no room, and has others fill them to the last
// octet: ESME_RMSGQFUL, and all else goes on. With room again submit_sm does, too, without a restart.
func TestSmallDisk(t *testing.T) {
	type disk struct {
		kind string
		mib  int
	}
	rows := []disk{{"tmpfs", 8}, {"ext4", 16}}
	if *diskFaults > 0 { // it takes longer
		rows = append(rows, disk{"ext4", 64})
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%s of %d MiB", row.kind, row.mib), func(t *testing.T) {
			t.Parallel()
			d := newSmallDisk(t, row.kind, row.mib)
			link := linkName(t)
			admin := freePort(t)
			b := newBox(t, settings{modem: link, level: "info", admin: admin})
			b.onDisk(t, d)
			b.serve(t)
			b.account(t, "shop")
			d.fill(t, int64(row.mib)<<20/8+1<<20) // a little more than is the reserve
			e := b.bind(t, "shop")
			var ids []string
			long := strings.Repeat("a long text, ", 100)
			var err error
			for err == nil {
				var id string
				if id, err = e.Submit(longText(numberOf(len(ids)), fmt.Sprint(len(ids), " ", long))); err == nil {
					ids = append(ids, id)
				}
			}
			wantStatus(t, "submit_sm on a full disk", err, smpp.StatusMsgQFul)
			t.Logf("%d messages were accepted; %d KiB are free then", len(ids), d.free(t)>>10)
			if len(ids) < 20 {
				t.Fatalf("only %d messages were accepted", len(ids))
			}
			d.fill(t, 0)
			e.wantState(t, ids[10], smpp.StateEnroute)
			wantStatus(t, "cancel_sm on a full disk", e.Cancel(&smpp.CancelSM{MessageID: ids[10]}), 0)
			e.wantReceipt(t, ids[10], smpp.StateDeleted)
			if status, body := healthz(t, admin); status != 503 || !strings.Contains(body, "The disk is full") {
				t.Errorf("/healthz says %d %s", status, body)
			}
			if said := b.cli(t, "doctor").stdout; !strings.Contains(said, "is full") {
				t.Errorf("doctor says nothing of the disk:\n%s", said)
			}
			b.kill() // the room that is held is there after a restart, too
			b.serve(t)
			e = b.bind(t, "shop")
			phones := startSimulatorAt(t, link, "--latency", "1ms")
			for _, id := range ids[:10] {
				e.wantReceipt(t, id, smpp.StateDelivered)
			}
			_, err = e.Submit(text("4161230000", "more"))
			wantStatus(t, "submit_sm while what was accepted goes out", err, smpp.StatusMsgQFul)
			d.empty(t)
			began := time.Now()
			eventually(t, "a message to be accepted", func() (bool, string) {
				p := text("4161230001", "room again")
				p.PriorityFlag = 1 // before the others
				_, err = e.Submit(p)
				return err == nil, fmt.Sprint(err)
			})
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s until the room was seen", took)
			}
			phones.wantText(t, "4161230001", "room again")
			if list := b.must(t, "message", "list", "--state", "undeliverable"); strings.Contains(list, ids[0]) {
				t.Errorf("undeliverable: %s", list)
			}
			b.stop(t)
			seen := make(map[phoneText]bool)
			for _, got := range phones.texts(t) {
				if seen[got] {
					t.Errorf("%s got %.20q twice", got.to, got.text)
				}
				seen[got] = true
			}
		})
	}
}

// TestPausedByFullDisk: there is no room even for what becomes of messages. None is given to a modem, though clients can
// ask; with room all goes out by itself.
func TestPausedByFullDisk(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "5ms", "--report-delay", "5ms")
	b := newBox(t, settings{modem: linkName(t)})
	b.sick = true
	b.serve(t)
	b.account(t, "shop")
	e := b.bind(t, "shop")
	var ids []string
	for n := range 5 {
		ids = append(ids, e.submit(t, text(numberOf(n), "waits")))
	}
	e.Unbind()
	b.stop(t)
	config, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(config), "\n")
	for n, line := range lines {
		if strings.HasPrefix(line, "port = ") {
			lines[n] = fmt.Sprintf("port = %q", phones.port)
		}
	}
	if err := os.WriteFile(b.config, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}

	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	blocks := fmt.Sprint(cutToUse(t, filepath.Join(b.dir, "data", "gateway.db")) / 512)
	n := b.log.count()
	b.p = start(t, b.log, "/bin/sh", "-c", `ulimit -S -f $1 && shift && exec "$@"`, "sh", blocks, path, "serve", "--config", b.config)
	b.served(t, n)
	b.log.await(t, n, b.p.ended, "none is given to a modem")
	e = b.bind(t, "shop")
	e.wantState(t, ids[0], smpp.StateEnroute)
	_, err = e.Submit(text(numberOf(0), "more"))
	wantStatus(t, "submit_sm without any room", err, smpp.StatusMsgQFul)
	b.ready(t)
	m := b.message(t, ids[0])
	if m.State != "queued" || !strings.Contains(m.Why, "disk") {
		t.Errorf("the first message is %s: %q", m.State, m.Why)
	}
	if got := phones.texts(t); len(got) != 0 {
		t.Errorf("sent without room for the outcome: %v", got)
	}
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(b.p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &all, nil); err != nil {
		t.Fatal(err)
	}
	for n, id := range ids {
		e.wantReceipt(t, id, smpp.StateDelivered)
		phones.wantCount(t, numberOf(n), "waits", 1)
	}
	e.submit(t, text(numberOf(0), "more"))
	b.stop(t)
}

// cutToUse takes away what a database holds beyond the pages that are in use, and gives its size then.
func cutToUse(t *testing.T, path string) (size int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const highAt = 56 // in each of bbolt's two heads: the number of pages in use
	for _, page := range []int64{0, int64(os.Getpagesize())} {
		var pages [8]byte
		if _, err := f.ReadAt(pages[:], page+highAt); err != nil {
			t.Fatal(err)
		}
		size = max(size, int64(binary.NativeEndian.Uint64(pages[:]))*int64(os.Getpagesize()))
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return size
}

// longText is a text for message_payload.
func longText(to, message string) *smpp.SubmitSM {
	p := text(to, "")
	p.TLVs = smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(message)}}
	return p
}
