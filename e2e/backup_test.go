package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/smpp"
)

// findingsJSON is what check --json prints, as far as it is looked at here.
type findingsJSON struct {
	Faults  int              `json:"faults"`
	Records map[string]int64 `json:"records"`
}

// restoredJSON is what restore --json prints.
type restoredJSON struct {
	Kept   string `json:"kept"`
	Held   int    `json:"held"`
	Taken  int    `json:"taken_over"`
	NextID string `json:"next_id"`
}

// TestBackupUnderLoad makes a backup while clients submit and a modem sends, loses the database, and restores it. What was
// acknowledged before the backup is there; what may have been sent since is held and not sent; an operator's word sends one, once; no
// id is given twice.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "40ms")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	b.ready(t)
	var mu sync.Mutex
	ids := make(map[string]string) // to the text
	backedUp := make(map[string]bool)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 2 {
		e := b.bind(t, "shop")
		clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf("client %d, message %d", n, i)
				id := e.submit(t, text(numberOf(i%10), body))
				mu.Lock()
				ids[id] = body
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	eventually(t, "some messages", func() (bool, string) {
		mu.Lock()
		defer mu.Unlock()
		return len(ids) > 40, ""
	})
	mu.Lock()
	for id := range ids {
		backedUp[id] = true
	}
	mu.Unlock()
	file := filepath.Join(b.dir, "backup.db")
	b.must(t, "backup", file)
	if found := cliJSON[findingsJSON](t, b, "check"); found.Faults != 0 {
		t.Errorf("of the gateway at work: %+v", found)
	}
	time.Sleep(300 * time.Millisecond) // it sends, and takes in, what the backup can't know
	close(stop)
	clients.Wait()
	if r := b.cli(t, "restore", file); r.code != 1 || !strings.Contains(r.stderr, "stop it first") {
		t.Errorf("restore beside a gateway: %d, %s", r.code, r.stderr)
	}
	b.kill()
	if err := os.Remove(filepath.Join(b.dir, "data", "gateway.db")); err != nil {
		t.Fatal(err)
	}
	done := cliJSON[restoredJSON](t, b, "restore", file)
	if done.Held == 0 || done.Kept != "" {
		t.Errorf("%+v", done)
	}
	life := b.log.count()
	b.serve(t)
	e := b.bind(t, "shop")
	b.ready(t)
	wantHeld(t, b, e, backedUp)
	after := e.submit(t, text("4161231234", "after the restore"))
	phones.wantText(t, "4161231234", "after the restore")
	b.log.await(t, life, b.p.ended, "msg=sent ", "id="+after+" ") // then all that went to the modem before is in the log, too
	wantOneSent(t, b, life, phones)
	for id := range ids {
		if idNumber(t, after) <= idNumber(t, id) {
			t.Errorf("id %s was given after %s", after, id)
		}
	}
	release(t, b, e, phones)
	b.stop(t)
	if found := cliJSON[findingsJSON](t, b, "check"); found.Faults != 0 {
		t.Errorf("after it: %+v", found)
	}
}

// wantOneSent: of a life that begins there in the log, the gateway has told the modem to send one text, and no phone has got one
// twice. The phones alone can't tell it: what was on its way at the kill reaches one up to a latency later, and that may be before
// this life or in it.
func wantOneSent(t *testing.T, b *box, life int, phones *simulator) {
	t.Helper()
	list, _ := b.log.from(life)
	sent := 0
	for _, line := range list {
		if strings.Contains(line, `msg="to modem"`) && strings.Contains(line, "AT+CMGS=") && !strings.Contains(line, "AT+CMGS=?") {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("%d texts were sent after the restore, want one", sent)
	}
	got := make(map[phoneText]int)
	for _, text := range phones.texts(t) {
		if got[text]++; got[text] > 1 {
			t.Errorf("%+v was sent twice", text)
		}
	}
}

func idNumber(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantHeld: of each message of the backup something true is told, and what is held can't be cancelled.
func wantHeld(t *testing.T, b *box, e *esme, ids map[string]bool) {
	t.Helper()
	held := 0
	for id := range ids {
		switch m := b.message(t, id); {
		case m.Final || m.State == "sent":
		case m.State != "uncertain":
			t.Errorf("message %s is %s", id, m.State)
		default:
			held++
			e.wantState(t, id, smpp.StateUnknown)
			wantStatus(t, "cancel_sm of a held message", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusCancelFail)
		}
	}
	if held == 0 {
		t.Error("nothing is held")
	}
}

// release has one of the held messages sent and the others closed.
func release(t *testing.T, b *box, e *esme, phones *simulator) {
	t.Helper()
	list := cliJSON[[]messageJSON](t, b, "message", "list", "--held", "--limit", "1000")
	m := list[len(list)-1]
	before := 0
	for _, got := range phones.texts(t) {
		if got == (phoneText{m.Destination, m.Text}) {
			before++
		}
	}
	if r := b.cli(t, "message", "retry", m.ID); r.code != 1 || !strings.Contains(r.stderr, "--yes") {
		t.Errorf("retry without --yes: %d, %s", r.code, r.stderr)
	}
	b.must(t, "message", "retry", m.ID, "--yes")
	b.awaitState(t, m.ID, "delivered")
	phones.wantCount(t, m.Destination, m.Text, before+1)
	e.wantReceipt(t, m.ID, smpp.StateDelivered)
	b.must(t, "message", "close", "--held", "--as", "failed")
	if left := cliJSON[[]messageJSON](t, b, "message", "list", "--held"); len(left) != 0 {
		t.Errorf("still held: %+v", left)
	}
	e.wantState(t, list[0].ID, smpp.StateUndeliverable)
}

// TestRestoreOverPresent restores a backup over a database that knows all that came since: nothing is held, nothing is sent twice,
// and what was accepted since is sent.
func TestRestoreOverPresent(t *testing.T) {
	t.Parallel()
	link := linkName(t)
	b := startBox(t, settings{modem: link})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	early, cancelled := e.submit(t, text("4161231234", "early")), e.submit(t, text("4161231235", "cancelled"))
	file := filepath.Join(b.dir, "backup.db")
	b.must(t, "backup", file)
	if err := e.Cancel(&smpp.CancelSM{MessageID: cancelled}); err != nil {
		t.Fatal(err)
	}
	late := e.submit(t, text("4161231236", "late"))
	b.stop(t)
	done := cliJSON[restoredJSON](t, b, "restore", file)
	if done.Held != 0 || done.Taken != 1 || done.Kept == "" {
		t.Errorf("%+v", done)
	}
	phones := startSimulatorAt(t, link)
	b.serve(t)
	e = b.bind(t, "shop")
	e.wantState(t, cancelled, smpp.StateDeleted)
	e.wantReceipt(t, early, smpp.StateDelivered)
	e.wantReceipt(t, late, smpp.StateDelivered)
	phones.wantCount(t, "4161231234", "early", 1)
	phones.wantCount(t, "4161231235", "cancelled", 0)
}
