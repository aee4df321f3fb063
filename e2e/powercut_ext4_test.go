package e2e

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"smsgateway/smpp"
	"smsgateway/store"
)

var cutsFlag = flag.Int("cuts", 2, "how often TestFilesystemCut cuts off a real ext4")

// ext4Shutdown is EXT4_IOC_SHUTDOWN (fs/ext4/ext4.h; the same number as XFS_IOC_GOINGDOWN), and what it takes: write out
// all first, the journal alone, or nothing. From then on each call on the file system fails.
const (
	ext4Shutdown   = 0x8004587D
	shutdownFlush  = 0
	shutdownLog    = 1
	shutdownAtOnce = 2
)

// mountOptions are taken in turn. nobarrier is no lie here: the file below the loop device outlives the cut.
var mountOptions = []string{"loop", "loop,data=writeback,nobarrier", "loop,data=journal", "loop,nodelalloc"}

// TestFilesystemCut runs the gateway on an ext4 of its own and cuts that off under load, again and again: what was not
// written out is lost, as in a power cut, but for what the kernel itself wrote early. After each cut the journal is
// replayed by another mount, and all that clients were told in any life before must be there.
//
//	go test ./e2e -run TestFilesystemCut -v -cuts 200
func TestFilesystemCut(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		without(t, "root", "is needed to mount an ext4")
	}
	need(t, "mkfs.ext4")
	need(t, "mount")
	need(t, "umount")
	seed := chance()
	c := &cutter{t: t, chance: rand.New(rand.NewPCG(seed, 1)), told: make(map[string]*promise), figures: make(map[string]int)}
	c.make()
	t.Logf("-diskseed %d", seed)
	for range *cutsFlag {
		c.life()
	}
	c.mount()
	c.judge(true)
	c.umount()
	t.Logf("%d cuts (%s): %d messages accepted, %d cancels, all there; %d compactions",
		*cutsFlag, figures(c.figures), len(c.told), c.cancels, c.compactions)
	if len(c.told) == 0 {
		t.Error("nothing was accepted in any life")
	}
}

// promise is what a client was told of a message.
type promise struct {
	to      string
	deleted bool // cancel_sm was answered with 0
	life    int
}

// cutter runs lives of a gateway on a file system that it cuts off.
type cutter struct {
	t       *testing.T
	chance  *rand.Rand
	box     *box
	phones  *simulator
	disk    string // the image
	at      string // where it is mounted
	lives   int
	figures map[string]int

	mu          sync.Mutex
	told        map[string]*promise // by id
	cancels     int
	compactions int
	n           int
}

// make formats an image of its own.
func (c *cutter) make() {
	t := c.t
	c.phones = startSimulator(t, "--latency", "5ms", "--report-delay", "5ms")
	c.box = newBox(t, settings{modem: c.phones.port, level: "info"})
	memory, err := memoryDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(memory) })
	c.disk, c.at = filepath.Join(memory, "image"), filepath.Join(c.box.dir, "mnt")
	text, err := os.ReadFile(c.box.config)
	if err == nil {
		text = []byte(strings.Replace(string(text), `data_dir = "data"`, `data_dir = "mnt/data"`, 1))
		err = errors.Join(os.WriteFile(c.box.config, text, 0o600), os.Mkdir(c.at, 0o700),
			os.WriteFile(c.disk, nil, 0o600), os.Truncate(c.disk, 512<<20))
	}
	if err != nil {
		t.Fatal(err)
	}
	mkfs, err := find("mkfs.ext4")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", "-J", "size=8", c.disk).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if c.box.p != nil {
			c.box.p.kill()
		}
		exec.Command("umount", c.at).Run() // nothing, if all went well
	})
}

// mount mounts the image; after a cut that replays the journal.
func (c *cutter) mount() {
	c.t.Helper()
	options := mountOptions[c.lives%len(mountOptions)]
	if out, err := exec.Command("mount", "-o", options, c.disk, c.at).CombinedOutput(); err != nil {
		if c.lives == 0 {
			without(c.t, "a loop device", "can't be mounted here: "+strings.TrimSpace(string(out)))
		}
		c.t.Fatalf("mount -o %s: %v: %s", options, err, out)
	}
}

func (c *cutter) umount() {
	c.t.Helper()
	var out []byte
	eventually(c.t, "umount", func() (bool, string) { // a killed process's files are closed a little later
		var err error
		out, err = exec.Command("umount", c.at).CombinedOutput()
		return err == nil, string(out)
	})
}

// life is one life of the gateway, from a start to a cut under load.
func (c *cutter) life() {
	t := c.t
	t.Helper()
	c.mount()
	c.judge(c.lives%20 == 19)
	c.lives++
	b := c.box
	b.log = &lines{} // what is in it after a cut are errors, as it should be
	b.serve(t)
	if c.lives == 1 {
		b.account(t, "shop")
	}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		e := b.bind(t, "shop")
		clients.Go(func() { c.load(e, stop) })
	}
	if c.lives%2 == 0 {
		clients.Go(func() { c.compact(stop) })
	}
	time.Sleep(time.Duration(5+c.chance.IntN(400)) * time.Millisecond)
	how := c.chance.IntN(3)
	c.figures[[...]string{"written out first", "journal written out", "at once"}[how]]++
	c.cut(how)
	// What is answered now with status 0 is a promise, too: no sync can succeed any more.
	time.Sleep(time.Duration(c.chance.IntN(100)) * time.Millisecond)
	close(stop)
	b.kill()
	clients.Wait()
	list, _ := b.log.from(0)
	for _, line := range list {
		switch {
		case strings.Contains(line, "DATA RACE"), strings.Contains(line, "SIGBUS"), strings.HasPrefix(line, "panic"),
			strings.HasPrefix(line, "fatal error"):
			t.Errorf("the gateway logged: %s", line)
		}
	}
	b.log = &lines{}
	c.umount()
}

// compact has the file compacted again and again, until the gateway can no more.
func (c *cutter) compact(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if r := c.box.cli(c.t, "compact"); r.code != 0 {
			return
		}
		c.mu.Lock()
		c.compactions++
		c.mu.Unlock()
	}
}

// cut is the power cut, as far as the file system is concerned.
func (c *cutter) cut(how int) {
	c.t.Helper()
	dir, err := os.Open(c.at)
	if err != nil {
		c.t.Fatal(err)
	}
	defer dir.Close()
	flag := uint32(how)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		c.t.Fatalf("EXT4_IOC_SHUTDOWN: %v", errno)
	}
}

// load submits as fast as it goes, and cancels some, until the connection ends.
func (c *cutter) load(e *esme, stop <-chan struct{}) {
	defer e.Close()
	window := make(chan struct{}, 8)
	var answers sync.WaitGroup
	defer answers.Wait()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case window <- struct{}{}:
		}
		p := text(c.number(), "cut off")
		if n%4 == 3 {
			p.ScheduleDeliveryTime = "000001000000000R"
		}
		answer, err := e.Send(p)
		if err != nil {
			return
		}
		answers.Go(func() {
			defer func() { <-window }()
			pdu, ok := <-answer
			body, is := pdu.Body.(*smpp.SubmitSMResp)
			if !ok || !is || pdu.Status != smpp.StatusOK {
				return
			}
			c.accepted(body.MessageID, p.Destination.Addr)
			if n%8 == 3 && e.Cancel(&smpp.CancelSM{MessageID: body.MessageID}) == nil {
				c.cancelled(body.MessageID)
			}
		})
	}
}

func (c *cutter) number() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return fmt.Sprintf("49%08d0", c.n)
}

func (c *cutter) accepted(id, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.told[id]; old != nil {
		c.t.Errorf("message_id %s was given twice: to %s in life %d, and to %s", id, old.to, old.life, to)
	}
	c.told[id] = &promise{to: to, life: c.lives}
}

func (c *cutter) cancelled(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told[id].deleted = true
	c.cancels++
}

// judge looks whether what was told is on disk: of the last life, or of all.
func (c *cutter) judge(all bool) {
	t := c.t
	t.Helper()
	if c.lives == 0 {
		return
	}
	if _, err := os.Stat(filepath.Join(c.at, "data", databaseName+compactSuffix)); err == nil {
		c.figures["amid a compaction"]++
	}
	db, err := store.Open(filepath.Join(c.at, "data", databaseName), store.Options{})
	if err != nil {
		t.Fatalf("after cut %d: %v", c.lives, err)
	}
	defer db.Close()
	list, err := os.ReadDir(filepath.Join(c.at, "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if strings.HasSuffix(f.Name(), ".tmp") {
			t.Errorf("after cut %d: %s was left", c.lives, f.Name())
		}
	}
	for id, p := range c.told {
		if !all && p.life < c.lives {
			continue
		}
		n, err := store.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		switch m, err := db.Message(n); {
		case err != nil:
			t.Errorf("after cut %d: message %s of life %d was accepted: %v", c.lives, id, p.life, err)
		case m.Destination.Number != p.to:
			t.Errorf("after cut %d: message %s is to %s, want %s", c.lives, id, m.Destination.Number, p.to)
		case p.deleted && m.State != store.Deleted:
			t.Errorf("after cut %d: the cancel of message %s was answered with 0, and it is %s", c.lives, id, m.State)
		}
	}
	c.judgeAir(db)
	if t.Failed() {
		t.FailNow()
	}
}

// judgeAir looks for the claims of what phones got.
func (c *cutter) judgeAir(db *store.DB) {
	list, err := db.Messages(store.Filter{Limit: 1000})
	if err != nil {
		c.t.Fatal(err)
	}
	tried := make(map[string]bool)
	for _, m := range list {
		tried[m.Destination.Number] = m.Parts[0].Attempts > 0
	}
	got := c.phones.texts(c.t)
	for _, text := range slices.Backward(got[max(0, len(got)-50):]) {
		if claimed, there := tried[text.to]; there && !claimed {
			c.t.Errorf("after cut %d: the phone %s has a text, and no claim is on disk", c.lives, text.to)
		}
	}
}
