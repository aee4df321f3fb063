package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

// contents is what the store says of a rebuilt disk.
type contents struct {
	digest    uint64 // the same for all disks with the same rows, whatever their pages
	absent    bool   // there is no file
	orphans   bool   // reports wait for the part that they fit
	pins      int    // that were entered, or refused
	gone      map[string]bool
	messages  map[string]*store.Message // before Recover
	recovered map[string]*store.Message // after it
	accounts  map[string]store.Account
	outbox    map[string][]string // stats of receipts that wait, by message
	inbox     []string
	today     map[string]int // parts taken in, by account
	used      int            // parts that count for the day's budget of the SIM; below 0: it can't be told which SIM
	next      uint64         // the id that a new message got
	faults    []string       // that no promise is needed for
}

// workbench is where rebuilt disks are opened: a directory in memory, if there is one, as nothing of it has to last.
type workbench struct {
	dir   string
	known map[uint64]*contents // by digest: the store is asked in full once for each
	opt   store.Options
	opens int
}

func newWorkbench(keep time.Duration) (*workbench, error) {
	dir, err := memoryDir()
	return &workbench{dir: dir, known: make(map[uint64]*contents), opt: store.Options{Keep: keep, Reserve: -1}}, err
}

// memoryDir makes a directory in memory, or else on disk: the caller removes it.
func memoryDir() (string, error) {
	if dir, err := os.MkdirTemp("/dev/shm", "smsgateway-e2e-"); err == nil {
		return dir, nil
	}
	return os.MkdirTemp(scratch, "memory-")
}

// saveAll writes the files of a directory; names of the same file are so here, too.
func saveAll(files map[string]*image, dir string) error {
	saved := make(map[*inode]string)
	for name, f := range files {
		path := filepath.Join(dir, name)
		if first := saved[f.of]; first != "" {
			if err := os.Link(first, path); err != nil {
				return err
			}
			continue
		}
		saved[f.of] = path
		if err := f.save(path); err != nil {
			return err
		}
	}
	return nil
}

// mostKnown bounds the memory for known: the same rows come again soon or never.
const mostKnown = 50

// open starts from a rebuilt disk as the gateway does: opens the file, or makes it, recovers, and takes in a message.
func (b *workbench) open(files map[string]*image, now time.Time) (*contents, error) {
	dir, err := os.MkdirTemp(b.dir, "disk-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := saveAll(files, dir); err != nil {
		return nil, err
	}
	b.opens++
	path := filepath.Join(dir, "gateway.db")
	c := &contents{absent: files["gateway.db"] == nil}
	var raw rawFile
	if !c.absent {
		if raw, err = readRaw(path); err != nil {
			c.faults = append(c.faults, "it can't be read: "+err.Error())
			path += "-2" // bbolt may have kept its lock on the other one
			if err := files["gateway.db"].save(path); err != nil {
				return nil, err
			}
		}
	}
	if old := b.known[raw.digest]; old != nil && !c.absent && err == nil {
		same := *old
		c = &same
		c.faults = nil
	}
	c.digest, c.gone, c.orphans, c.pins = raw.digest, raw.gone, raw.orphans, raw.pins
	c.faults = append(c.faults, raw.faults...)
	if err := c.ask(path, b.opt, now); err != nil {
		c.faults = append(c.faults, err.Error())
		return c, nil
	}
	if err := c.wantNothingElse(dir); err != nil {
		return nil, err
	}
	after, err := readRaw(path)
	if err != nil {
		c.faults = append(c.faults, "after a start it can't be read: "+err.Error())
	}
	for _, fault := range after.faults {
		c.faults = append(c.faults, "after a start: "+fault)
	}
	if len(c.faults) == 0 && !c.absent {
		if len(b.known) > mostKnown {
			clear(b.known)
		}
		b.known[c.digest] = c
	}
	return c, nil
}

// wantNothingElse looks what is beside the file after a start: a file that a restore has replaced is kept, and that is all.
func (c *contents) wantNothingElse(dir string) error {
	list, err := os.ReadDir(dir)
	own, _ := os.Stat(filepath.Join(dir, databaseName))
	for _, f := range list {
		info, err := f.Info()
		if err != nil {
			return err
		}
		kept := strings.HasPrefix(f.Name(), databaseName+".replaced-") && !os.SameFile(info, own)
		if name := f.Name(); !kept && name != databaseName && name != databaseName+"-2" {
			c.faults = append(c.faults, name+" was left beside the database")
		}
	}
	return err
}

// ask opens the file with the store.
func (c *contents) ask(path string, opt store.Options, now time.Time) error {
	db, err := store.Open(path, opt)
	if err != nil {
		return err
	}
	defer db.Close()
	full := c.messages == nil
	if full {
		if err := c.read(db, now); err != nil {
			return err
		}
	}
	claims, err := db.Recover(now)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if full {
		if c.recovered, err = messagesOf(db); err != nil {
			return err
		}
		c.wantRecovered(len(claims))
	}
	if len(c.accounts) == 0 {
		return nil
	}
	var lane uint32
	for _, a := range c.accounts {
		lane = a.Lane
	}
	m := &store.Message{Lane: lane, Accepted: now, Expires: now.Add(time.Hour), Parts: []store.Part{{}}}
	id, err := db.Enqueue(m).Result()
	c.next = uint64(id)
	if err != nil {
		return fmt.Errorf("take in a message: %w", err)
	}
	return nil
}

// read asks for all there is.
func (c *contents) read(db *store.DB, now time.Time) (err error) {
	if c.messages, err = messagesOf(db); err != nil {
		return err
	}
	accounts, err := db.Accounts()
	if err != nil {
		return err
	}
	c.accounts, c.today, c.outbox = make(map[string]store.Account), make(map[string]int), make(map[string][]string)
	for _, a := range accounts {
		c.accounts[a.Key] = a
		use, err := db.Use(a.Lane, now)
		if err != nil {
			return err
		}
		c.today[a.Key] = use.Today
		rows, err := db.Outbox(a.Lane, 0, 10_000)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if r := row.Receipt; r != nil && !r.Intermediate {
				c.outbox[r.ID.String()] = append(c.outbox[r.ID.String()], gateway.MessageState(r.State).Stat())
			}
		}
	}
	if c.used, err = c.usage(db, now); err != nil {
		return err
	}
	texts, err := db.Inbox(store.InboxFilter{Limit: 1000})
	for _, in := range texts {
		c.inbox = append(c.inbox, in.Text)
	}
	return err
}

// usage adds up what the SIMs have used of their day.
func (c *contents) usage(db *store.DB, now time.Time) (int, error) {
	lines := make(map[string]int)
	for _, m := range c.messages {
		for _, p := range m.Parts {
			if _, known := lines[p.Line]; p.Line == "" || known {
				continue
			}
			u, err := db.Usage(p.Line, now)
			if err != nil {
				return 0, err
			}
			lines[p.Line] = u.Used[store.Day]
		}
	}
	sum := -1
	for _, n := range lines {
		sum = max(sum, 0) + n
	}
	return sum, nil
}

func messagesOf(db *store.DB) (map[string]*store.Message, error) {
	all := make(map[string]*store.Message)
	f := store.Filter{Limit: 1000}
	for {
		list, err := db.Messages(f)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			all[m.ID.String()] = m
		}
		if len(list) < f.Limit {
			return all, nil
		}
		f.Before = list[len(list)-1].ID
	}
}

// wantRecovered: a restart makes open claims uncertain, unless a report was there before, and nothing else of anything.
func (c *contents) wantRecovered(claims int) {
	open := 0
	for id, was := range c.messages {
		is := c.recovered[id]
		good := is != nil && len(is.Parts) == len(was.Parts) && (is.State == was.State || was.State == store.Claimed)
		for n := range was.Parts {
			if !good {
				break
			}
			got, want := is.Parts[n].State, was.Parts[n].State
			if want == store.PartClaimed {
				open++
				want = store.PartUncertain
			}
			evident := c.orphans && want == store.PartUncertain && got == store.PartDelivered
			good = got == want && (want != store.PartUncertain || is.State == store.Uncertain) || evident
		}
		if !good {
			c.faults = append(c.faults, fmt.Sprintf("a restart made of message %s, which was %s: %s", id, describe(was), describe(is)))
		}
	}
	if open != claims || len(c.recovered) != len(c.messages) {
		c.faults = append(c.faults, fmt.Sprintf("%d parts are claimed, and the restart found %d; of %d messages it left %d",
			open, claims, len(c.messages), len(c.recovered)))
	}
}

// describe tells of a message and its parts.
func describe(m *store.Message) string {
	if m == nil {
		return "nothing"
	}
	s := m.State.String()
	for _, p := range m.Parts {
		s += fmt.Sprintf(", a part %s after %d claims", p.State, p.Attempts)
	}
	return s + " (" + m.Reason + ")"
}

// judge lays what is on a disk beside what was told by then: the promises that it breaks.
func (k *known) judge(c *contents, keep time.Duration) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if c.absent {
		if k.told > 0 {
			fault("there is no file, and %d things were told", k.told)
		}
		return faults
	}
	for id, m := range k.messages {
		d := c.messages[id]
		switch {
		case d == nil && !c.gone[id]:
			fault("message %s was accepted and is lost", id)
		case d == nil && (k.at < m.at+keep.Seconds() || !m.deleted && m.end == "" && k.onAir[partOf{m.destination, 0}] == 0):
			fault("message %s is gone before its time", id)
		case d != nil:
			k.judgeMessage(m, d, c, keep, fault)
		}
	}
	for id, d := range c.messages {
		if !k.asked[d.Destination.Number] {
			fault("message %s to %s was never asked for", id, d.Destination.Number)
		}
	}
	if c.next != 0 && c.next <= k.highest {
		fault("id %d is given again, %d was told", c.next, k.highest)
	}
	for key, a := range k.accounts {
		d, there := c.accounts[key]
		switch {
		case !there:
			fault("account %s is lost", key)
		case !slices.Contains(a.maxParts, d.MaxParts) || !slices.Contains(a.held, d.Disabled):
			fault("account %s has max_parts %d and disabled %t, want %v and %v", key, d.MaxParts, d.Disabled, a.maxParts, a.held)
		case c.today[key] < a.parts && !k.midnight:
			fault("account %s has %d parts counted for the day, %d were taken in", key, c.today[key], a.parts)
		}
	}
	if c.used >= 0 && c.used < k.sent && !k.midnight {
		fault("%d parts count for the SIM's budget, and the network took %d", c.used, k.sent)
	}
	if k.pin && c.pins == 0 {
		fault("a PIN was entered, and no note of it is on disk")
	}
	for text := range k.texts {
		if !slices.Contains(c.inbox, text) {
			fault("the text %q was deleted from the SIM and is lost", text)
		}
	}
	return faults
}

func (k *known) judgeMessage(m *knownMessage, d *store.Message, c *contents, keep time.Duration, fault func(string, ...any)) {
	id := d.ID.String()
	stat := gateway.MessageState(d.State).Stat()
	if d.Account != m.key || d.Destination.Number != m.destination {
		fault("message %s is of %s to %s, want %s to %s", id, d.Account, d.Destination.Number, m.key, m.destination)
	}
	dropped := d.Preview == "" && k.at >= m.at+keep.Seconds() // it waits for a report, and its text went in time
	if !dropped && !slices.ContainsFunc(m.texts, func(text string) bool { return strings.HasPrefix(text, d.Preview) && d.Preview != "" }) {
		fault("message %s begins with %q, want one of %.20q", id, d.Preview, m.texts)
	}
	bettered := m.end == "UNKNOWN" && (d.State == store.Delivered || d.State == store.Undeliverable || d.State == store.Expired)
	switch {
	case m.end != "" && m.end != stat && !bettered:
		fault("message %s was told as %s and is %s", id, m.end, d.State)
	case m.deleted && d.State != store.Deleted:
		fault("the cancel of message %s was answered with 0, and it is %s", id, d.State)
	case d.State == store.Deleted && !m.deleted && !k.cancels[id] && !k.sweeps[m.destination]:
		fault("message %s is deleted, and nobody cancelled it", id)
	}
	for n := range d.Parts {
		air := k.onAir[partOf{m.destination, n}]
		if int(d.Parts[n].Attempts) < air {
			fault("part %d of message %s went to a modem %d times, and %d claims are on disk (%s)",
				n+1, id, air, d.Parts[n].Attempts, d.State)
		}
		switch d.State {
		case store.Sent, store.Accepted, store.Delivered:
			if air == 0 {
				fault("message %s is %s, and part %d never went to a modem", id, d.State, n+1)
			}
		}
	}
	if d.State == store.Delivered && !k.reported[m.destination] {
		fault("message %s is delivered, and no report has come", id)
	}
	if d.State.End() && m.registered&3 == 1 && !m.receipts[stat] && !slices.Contains(c.outbox[id], stat) {
		fault("message %s is %s: its receipt neither waits nor was acknowledged", id, d.State)
	}
}

var errNoStore = errors.New("there is no file to start from")

// serveable tells which answers query_sm must give for the messages of an account, from the real gateway on a disk.
func (c *contents) serveable(account string) (want map[string]string, err error) {
	if a, ok := c.accounts[account]; !ok || a.Disabled {
		return nil, errNoStore
	}
	want = make(map[string]string)
	for id, m := range c.recovered {
		if _, err := strconv.Atoi(id); err == nil && m.Account == account && !m.GoesAgain() {
			want[id] = gateway.MessageState(m.State).Stat()
		}
	}
	return want, nil
}
