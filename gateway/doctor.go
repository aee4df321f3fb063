package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"smsgateway/store"
)

// Severity says how bad a Finding is.
type Severity string

// The severities, from good to bad.
const (
	OK    Severity = "ok"    // as it should be
	Note  Severity = "note"  // worth knowing
	Warn  Severity = "warn"  // it works, but not all of it, or not for long
	Fault Severity = "fault" // texts are not sent, not accepted, or not delivered
)

// Finding is one thing that the doctor found out.
type Finding struct {
	Severity Severity
	About    string // "gateway", "clock", "modem sim1", "account shop" ...
	What     string // a sentence
	Cure     string // what to do about it, a sentence; "" nothing
}

// When things count as late.
const (
	lateReceipt = time.Minute      // a receipt that nobody is bound for
	slowReceipt = 5 * time.Minute  // one that a bound client does not take
	lateMessage = 10 * time.Minute // a message that is due
	slowDisk    = 2 * time.Second  // a commit
	dialWait    = 2 * time.Second  // for our own SMPP port
)

// mostLooks bounds how often Next is called to look through the queue; it looks at 5000 messages at a time.
const mostLooks = 40

// lookForHeld is about how long held messages are looked for.
const lookForHeld = time.Second

// roomFactor: with less than so many times the reserve the disk is nearly full.
const roomFactor = 4

// Diagnose finds out what is wrong, with the box and with each configured modem, and what cures it. Where no gateway
// runs it opens the modems' ports for that; that takes up to a minute for each. With Options.ForCommand the file is closed
// before that, so that a gateway can start meanwhile. What is as it should be is among the findings, too.
func (g *Gateway) Diagnose(ctx context.Context) ([]Finding, error) {
	var list []Finding
	if g.Running() {
		list = append(list, Finding{OK, "gateway", "It runs since " + clock(g.started) + ".", ""})
	} else {
		list = append(list, Finding{Fault, "gateway", "No gateway is running: nothing is sent and nobody can bind.",
			"Start it with `smsgateway serve`, or with its service; its log says why it stopped."})
	}
	if g.opt.ConfigFile != nil {
		list = append(list, g.opt.ConfigFile()...)
	}
	list = append(list, g.diagnoseClock()...)
	list = append(list, g.diagnoseDisk()...)
	list = append(list, g.diagnoseFile()...)
	list = append(list, g.diagnoseDamage()...)
	list = append(list, g.diagnoseSMPP(ctx)...)
	list = append(list, g.diagnoseTLS(ctx)...)
	accounts, err := g.diagnoseAccounts()
	if err != nil {
		return nil, err
	}
	list = append(list, accounts...)
	list = append(list, g.diagnoseInbound()...)
	queue, err := g.diagnoseQueue()
	if err != nil {
		return nil, err
	}
	list = append(list, queue...)
	return append(list, g.diagnoseModems(ctx)...), ctx.Err()
}

// diagnoseClock: validity, receipts and budgets go by the clock of the box.
func (g *Gateway) diagnoseClock() []Finding {
	now := g.opt.Now()
	if now.Year() < 2024 {
		return []Finding{{Fault, "clock", "The clock of this machine says " + clock(now) + ", which is long past.",
			"Set the clock, and have it kept right: timedatectl set-ntp true"}}
	}
	return []Finding{{OK, "clock", "It says " + clock(now) + ".", ""}}
}

func (g *Gateway) diagnoseDisk() []Finding {
	dir := g.opt.DataDir
	if dir == "" {
		dir = filepath.Dir(g.opt.Path)
	}
	err := tryWriting(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return g.diagnoseNoDir(dir)
	}
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) // told of below
	switch {
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return []Finding{{Fault, "data_dir", fmt.Sprintf("%s can't be written to: %v.", dir, err),
			"The disk fails, or was mounted read-only because it did: look with dmesg, and move data_dir to another one."}}
	case err != nil && !full:
		return []Finding{{Fault, "data_dir", fmt.Sprintf("%s can't be written to: %v.", dir, err),
			"Give the user that runs the gateway the directory, or name another one as data_dir."}}
	}
	room, err := g.db.Disk()
	if err != nil {
		return []Finding{{Warn, "data_dir", fmt.Sprintf("It is not known how much room is left in %s: %v.", dir, err),
			"Look with df."}}
	}
	return []Finding{diagnoseRoom(dir, g.opt.Path, room)}
}

// DiskWaits is for how long the disk has not answered; 0: it answers. To find out may take a second.
func (g *Gateway) DiskWaits() time.Duration {
	if room, _ := g.db.Disk(); room.Waits > slowDisk { // an error: nothing is asked of it any more
		return room.Waits
	}
	return 0
}

// diagnoseRoom is about the disk of the file.
func diagnoseRoom(dir, file string, room store.DiskRoom) Finding {
	mib := func(n int64) string {
		if n < 10<<20 {
			return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
		}
		return fmt.Sprintf("%d MiB", n>>20)
	}
	held := fmt.Sprintf("%s are held in the file for what becomes of messages", mib(room.Held))
	switch {
	case room.Waits > slowDisk:
		return Finding{Fault, "data_dir", fmt.Sprintf("The disk of %s has not answered for %s: nothing is accepted or sent until it does.",
			dir, room.Waits.Round(time.Second)), "If it stays so, look with dmesg whether the disk fails."}
	case room.Moved:
		return Finding{Fault, "data_dir", file + " was removed or replaced, or its disk unmounted, while the gateway works with it: " +
			"all that it knows will be gone when it stops. No message is accepted.",
			"Do not stop it yet: `smsgateway backup FILE`, to another disk, still saves all. Then stop it, and put that in its place " +
				"with `smsgateway restore FILE`."}
	case room.Paused:
		return Finding{Fault, "data_dir", fmt.Sprintf("The disk of %s is full (%s left): no message is accepted, and none is sent, as "+
			"what becomes of it could not be written down.", dir, mib(room.Free)), "Make room; all goes on by itself then."}
	case room.Full:
		return Finding{Fault, "data_dir", fmt.Sprintf("The disk of %s is full (%s left, less than the reserve of %s): no message is "+
			"accepted. What was accepted is sent: %s.", dir, mib(room.Free), mib(room.Reserve), held),
			"Make room; clients get ESME_RMSGQFUL until then."}
	case room.Free < roomFactor*room.Reserve:
		return Finding{Warn, "data_dir", fmt.Sprintf("The disk of %s is nearly full (%s left; with less than %s no message is "+
			"accepted).", dir, mib(room.Free), mib(room.Reserve)), "Make room."}
	}
	return Finding{OK, "data_dir", fmt.Sprintf("%s can be written to; %s are free, and %s.", dir, mib(room.Free), held), ""}
}

// diagnoseDamage tells of what was found damaged in the file since it was opened. What nobody has read yet is not looked
// for.
func (g *Gateway) diagnoseDamage() []Finding {
	list := g.db.Damage()
	if len(list) == 0 {
		return nil
	}
	what := "Something in " + g.opt.Path + " is damaged and left out: " + list[0] + "."
	if len(list) > 1 {
		what = fmt.Sprintf("%d things in %s are damaged and left out, among them: %s.", len(list), g.opt.Path, list[0])
	}
	return []Finding{{Fault, "database", what,
		"Look at the disk. `smsgateway check` tells all that is wrong, and with --repair mends what it can while no gateway runs; " +
			"for the rest there is `smsgateway restore FILE`. The log names each."}}
}

// diagnoseNoDir: the first start makes the directory, if it may.
func (g *Gateway) diagnoseNoDir(dir string) []Finding {
	parent := dir
	for next := filepath.Dir(parent); next != parent; next = filepath.Dir(parent) {
		parent = next
		if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err := tryWriting(parent); err != nil {
		return []Finding{{Fault, "data_dir", fmt.Sprintf("%s is not there and can't be made: %v.", dir, err),
			"Make it and give it to the user that runs the gateway, or name another one as data_dir."}}
	}
	return []Finding{{Note, "data_dir", dir + " is not there yet; the first start makes it.", ""}}
}

// tryWriting makes a file in a directory, and removes it again.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("smsgateway doctor\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// diagnoseSMPP looks whether clients can reach the SMPP port.
func (g *Gateway) diagnoseSMPP(ctx context.Context) []Finding {
	return g.diagnosePort(ctx, "smpp", "smpp.listen", g.opt.Listen, func(net.Conn) error { return nil })
}

// diagnosePort looks whether clients can reach a port of a gateway that runs, or whether one that is started could open it.
// key names it in the configuration; try is what a client does next. Without an address there is nothing to find.
func (g *Gateway) diagnosePort(ctx context.Context, about, key, addr string, try func(net.Conn) error) []Finding {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return nil
	}
	if !g.Running() {
		ln, err := net.Listen("tcp", addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return []Finding{{Fault, about, "Another program, perhaps another smsgateway, uses " + addr + ".",
				"Stop it, or choose another address (" + key + ")."}}
		case errors.Is(err, syscall.EACCES):
			return []Finding{{Fault, about, "No permission to listen on " + addr + ".",
				"Choose a port above 1023 (" + key + ")."}}
		case err != nil:
			return []Finding{{Fault, about, fmt.Sprintf("%s can't be opened: %v.", addr, err), "Correct " + key + "."}}
		}
		ln.Close()
		return []Finding{{OK, about, addr + " is free for the gateway.", ""}}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err == nil {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(dialWait))
		err = try(conn)
	}
	if err != nil {
		return []Finding{{Fault, about, fmt.Sprintf("The SMPP port %s can't be reached from this machine: %v.", addr, err),
			"Look at the firewall of this machine, and at the log for what the port says."}}
	}
	return []Finding{{OK, about, addr + " takes connections.", ""}}
}

// diagnoseAccounts: whether anybody may bind, and whether what waits for them is fetched.
func (g *Gateway) diagnoseAccounts() ([]Finding, error) {
	all, err := g.db.Accounts()
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	var list []Finding
	able, now := 0, g.opt.Now()
	for _, a := range all {
		if a.Key == OperatorKey {
			continue
		}
		if !a.Held(now) {
			able++
		}
		if left := a.Expires.Sub(now); !a.Expires.IsZero() && left <= expiryWarning && !a.Disabled {
			list = append(list, expiryFinding(a, left))
		}
		waiting, err := g.diagnoseOutbox(a)
		if err != nil {
			return nil, err
		}
		list = append(list, waiting...)
	}
	if able == 0 {
		list = append(list, Finding{Note, "accounts", "There is no account with which a program could bind.",
			"Make one with `smsgateway account add`, unless `smsgateway send` is all you need."})
	} else if len(list) == 0 {
		list = append(list, Finding{OK, "accounts", fmt.Sprintf("Accounts that may bind: %d; sessions: %d.", able,
			len(g.Sessions(""))), ""})
	}
	return list, nil
}

// expiryFinding is about an account that has expired, or will within days.
func expiryFinding(a store.Account, left time.Duration) Finding {
	what, level := "It will expire at "+clock(a.Expires)+".", Note
	if left <= 0 {
		what, level = "It expired at "+clock(a.Expires)+": nobody can bind, and its messages are held back.", Warn
	}
	return Finding{level, "account " + a.Key, what, "Give it more time: `smsgateway account set " + a.Key + " --expires DATE`, or \"\" for no end."}
}

// diagnoseOutbox looks whether receipts and texts from phones wait in vain for an account's program.
func (g *Gateway) diagnoseOutbox(a store.Account) ([]Finding, error) {
	rows, err := g.db.Outbox(a.Lane, 0, 1) // the first is the oldest
	if err != nil {
		return nil, fmt.Errorf("read what waits for account %s: %w", a.Key, err)
	}
	if len(rows) == 0 || !g.Running() {
		return nil, nil
	}
	age := g.opt.Now().Sub(rows[0].Created)
	n, err := g.db.CountOutbox(a.Lane, mostCounted)
	if err != nil {
		return nil, fmt.Errorf("count what waits for account %s: %w", a.Key, err)
	}
	since := fmt.Sprintf("wait (%d, since %s)", n, clock(rows[0].Created))
	about := "account " + a.Key
	receives := slices.ContainsFunc(g.Sessions(a.Key), func(s SessionInfo) bool { return s.Kind != "transmitter" })
	switch {
	case a.Disabled && age > lateReceipt:
		return []Finding{{Warn, about, "Receipts or texts " + since + ", and the account is disabled.",
			"Enable it: `smsgateway account enable " + a.Key + "`."}}, nil
	case !receives && age > lateReceipt:
		return []Finding{{Warn, about, "Receipts or texts " + since + ": no session is bound that takes them.",
			"Have the program bind as transceiver or receiver."}}, nil
	case receives && age > slowReceipt:
		return []Finding{{Warn, about, "Receipts or texts " + since + ": the bound program does not take them.",
			"Look why it answers deliver_sm late or with an error; the gateway's log says which."}}, nil
	}
	return nil, nil
}

// diagnoseQueue looks for messages that wait for long, and says why.
func (g *Gateway) diagnoseQueue() ([]Finding, error) {
	counts, err := g.db.Counts(0)
	if err != nil {
		return nil, fmt.Errorf("count the messages: %w", err)
	}
	oldest, homeless, err := g.oldestDue()
	if err != nil {
		return nil, err
	}
	waiting := counts[store.Queued] + counts[store.Partial]
	var list []Finding
	if homeless != nil {
		list = append(list, Finding{Warn, "queue", fmt.Sprintf("Message %s waits in vain. %s", homeless.ID, noModemFor),
			"Give a modem rules that fit it, or none at all; see `smsgateway message show " + homeless.ID.String() + "`."})
	}
	switch {
	case oldest != nil && oldest != homeless && g.opt.Now().Sub(oldest.Accepted) > lateMessage:
		list = append(list, Finding{Warn, "queue",
			fmt.Sprintf("Waiting messages: %d; the oldest that is due, %s, waits since %s. %s",
				waiting, oldest.ID, clock(oldest.Accepted), g.Why(oldest)),
			"See `smsgateway message show " + oldest.ID.String() + "`."})
	case homeless != nil:
	case waiting > 0:
		list = append(list, Finding{OK, "queue", fmt.Sprintf("Waiting messages: %d, none that is due for long.", waiting),
			""})
	default:
		list = append(list, Finding{OK, "queue", "No message waits.", ""})
	}
	held, _, err := g.db.SearchMessages(store.Filter{Held: true, Limit: 1}, lookForHeld)
	if err != nil {
		return nil, fmt.Errorf("look for held messages: %w", err)
	}
	if counts[store.Uncertain] > 0 && len(held) > 0 {
		list = append(list, Finding{Warn, "queue",
			fmt.Sprintf("Messages out of a restored backup are held, %s for one: they go out only by your word.", held[0].ID),
			"See `smsgateway message list --held`; then `smsgateway message retry --held --yes` sends them, perhaps a second " +
				"time, and `smsgateway message close --held --as sent|failed` ends them."})
	}
	if n := counts[store.Uncertain]; n > 0 {
		list = append(list, Finding{Note, "queue",
			fmt.Sprintf("Messages of which it is not known whether they were sent: %d.", n),
			"Evidence is awaited; see `smsgateway message list --state uncertain`."})
	}
	return list, nil
}

// oldestDue gives the message that waits longest of those that could be sent now, and the first for which no modem is
// ever; nil if there is none.
func (g *Gateway) oldestDue() (oldest, homeless *store.Message, err error) {
	look := store.Search{Seen: new(store.Bookmark), Judge: func(m *store.Message) store.Verdict {
		if oldest == nil || m.Accepted.Before(oldest.Accepted) {
			oldest = m
		}
		if homeless == nil && g.pool.homeless(m) {
			homeless = m
		}
		return store.Never // of what waits for now only, Next looks at the first alone
	}}
	for n := 0; n == 0 || n < mostLooks && errors.Is(err, store.ErrMore); n++ {
		_, err = g.db.Next(g.opt.Now(), look)
	}
	if err != nil && !errors.Is(err, store.ErrEmpty) && !errors.Is(err, store.ErrMore) {
		return nil, nil, fmt.Errorf("look for the oldest message: %w", err)
	}
	return oldest, homeless, nil
}

// sentence makes one of a clause. A name at its start keeps its case: that of a program, a port, a network.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	word, rest, _ := strings.Cut(s, " ")
	if strings.HasPrefix(rest, "(pid ") || strings.ContainsAny(word, "0123456789-_/.:") {
		return ended(s)
	}
	first, size := utf8.DecodeRuneInString(s)
	return ended(string(unicode.ToUpper(first)) + s[size:])
}

// ended gives a text its full stop.
func ended(s string) string { return strings.TrimSuffix(s, ".") + "." }

// Worst is the worst severity of findings, OK for none.
func Worst(list []Finding) Severity {
	order := []Severity{OK, Note, Warn, Fault}
	worst := OK
	for _, f := range list {
		if cmp.Compare(slices.Index(order, f.Severity), slices.Index(order, worst)) > 0 {
			worst = f.Severity
		}
	}
	return worst
}
