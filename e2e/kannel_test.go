package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"smsgateway/smpp"
)

// TestKannel has Debian's kannel, bearerbox with a smsbox, take the whole life of a message as an ESME, with one transceiver
// and with a transmitter and a receiver. It has no query_sm and no cancel_sm: a client of ours on the same account does that
// part.
func TestKannel(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string]bool{"transceiver": false, "transmitter and receiver": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kannelLife(t, pair)
		})
	}
}

func kannelLife(t *testing.T, pair bool) {
	const number, failing = "4161231234", "41699908"
	phones := startSimulator(t, "--latency", "10ms", "--report-delay", "1s")
	b := startBox(t, settings{modem: phones.port, listen: freePort(t)})
	b.account(t, "shop", "--alphabet", "gsm7") // what kannel sends
	b.ready(t)
	// A text that was on disk at a start is marked with a TLV that Kannel does not know.
	phones.text(t, "4161230009", "early")
	eventually(t, "the text to be in the inbox", func() (bool, string) {
		return len(cliJSON[[]inboxJSON](t, b, "inbox", "list")) == 1, "no text"
	})
	b.stop(t)
	b.serve(t)
	b.ready(t)
	c := watch(t, b)
	k := startKannel(t, b, kannelLink{pair: pair})
	k.wantText(t, "4161230009", "early")

	const plain = "Mail: shop@example.org, $5 {now} [é] 3 €_"
	k.send(t, "short", number, plain)
	k.wantReport(t, "short", accepted, "")
	k.wantReport(t, "short", delivered, "stat:DELIVRD err:000 text:Mail: ")
	k.send(t, "UCS-2", number, "Привет 😀", "coding", "2")
	k.wantReport(t, "UCS-2", delivered, "stat:DELIVRD")
	k.send(t, "long", number, strings.Repeat("abcdefghij", 30))
	k.wantReport(t, "long", delivered, "stat:DELIVRD")
	k.send(t, "failing", failing, "nobody there")
	k.wantReport(t, "failing", failed, "stat:UNDELIV")

	k.send(t, "later", number, "never", "deferred", "60")
	k.wantReport(t, "later", accepted, "")
	e := b.bindAs(t, smpp.BindTransmitter, "shop") // receipts are Kannel's
	list := cliJSON[[]messageJSON](t, b, "message", "list")
	at := slices.IndexFunc(list, func(m messageJSON) bool { return m.Text == "never" })
	if at < 0 {
		t.Fatalf("the message for later is not in %+v", list)
	}
	e.wantState(t, list[at].ID, smpp.StateEnroute)
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{MessageID: list[at].ID}), smpp.StatusOK)
	k.wantReport(t, "later", failed, "stat:DELETED")

	phones.text(t, "+491709999999", "yes, please")
	k.wantText(t, "+491709999999", "yes, please")
	phones.text(t, "4161230002", "да 😀")
	k.wantText(t, "4161230002", "да 😀")

	k.send(t, "over a restart", number, "over a restart")
	k.wantReport(t, "over a restart", accepted, "")
	b.stop(t)
	b.serve(t)
	k.wantReport(t, "over a restart", delivered, "stat:DELIVRD")
	phones.text(t, "4161230003", "still there?")
	k.wantText(t, "4161230003", "still there?")
	k.send(t, "after", number, "after the restart")
	k.wantReport(t, "after", delivered, "stat:DELIVRD")

	k.stop(t)
	for _, text := range []string{plain, "Привет 😀", strings.Repeat("abcdefghij", 30), "over a restart", "after the restart"} {
		phones.wantCount(t, number, text, 1)
	}
	phones.wantCount(t, number, "never", 0)
	c.judge(t, b)
}

// TestKannelBurst has Kannel pass on 200 texts as fast as its throughput allows: each reaches its phone once, and each
// receipt its text.
func TestKannelBurst(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "2ms", "--report-delay", "10ms")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop", "--alphabet", "gsm7")
	k := startKannel(t, b, kannelLink{connection: []string{"throughput = 100"}})
	const texts = 200
	var sending sync.WaitGroup
	for from := range 8 {
		sending.Go(func() {
			for i := from; i < texts; i += 8 {
				k.send(t, fmt.Sprint(i), fmt.Sprintf("41612%05d", i), fmt.Sprintf("text %d of many", i))
			}
		})
	}
	sending.Wait()
	for i := range texts {
		k.wantReport(t, fmt.Sprint(i), delivered, fmt.Sprintf("text:text %d of many", i)[:len("text:")+10])
	}
	k.stop(t)
	for i := range texts {
		phones.wantCount(t, fmt.Sprintf("41612%05d", i), fmt.Sprintf("text %d of many", i), 1)
	}
}

// TestKannelThrottled has Kannel send more than the account's rate allows. It takes ESME_RTHROTTLED for "later": it waits,
// tries again, and loses nothing.
func TestKannelThrottled(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "2ms", "--report-delay", "10ms")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop", "--alphabet", "gsm7", "--rate", "4/s")
	c := watch(t, b)
	k := startKannel(t, b, kannelLink{})
	const texts = 20
	for i := range texts {
		k.send(t, fmt.Sprint(i), fmt.Sprintf("41612%05d", i), "x")
	}
	k.bearerbox.stderr.await(t, 0, k.bearerbox.ended, "command_status: 88 = 0x00000058")
	for i := range texts {
		k.wantReport(t, fmt.Sprint(i), delivered, "stat:DELIVRD")
	}
	k.stop(t)
	for i := range texts {
		phones.wantCount(t, fmt.Sprintf("41612%05d", i), "x", 1)
	}
	c.judge(t, b)
}

// Kannel's kinds of reports (dlr-mask).
const (
	delivered = "1"
	failed    = "2"
	accepted  = "8"
)

// kannel is a bearerbox with a smsbox, and the HTTP server that they tell what happens.
type kannel struct {
	bearerbox, smsbox *process
	sendsms           string // URL
	reports           string // URL
	heard             *lines // the path and query of each call, unescaped
}

// kannelLink is how a Kannel connects.
type kannelLink struct {
	addr       string   // "" for the box's SMPP port
	pair       bool     // a transmitter and a receiver, instead of a transceiver
	core       string   // a line for group = core
	connection []string // lines for the connection
}

// startKannel has Kannel bind to a box, and waits until it takes texts. All its ports are free ones, and it leaves nothing
// outside the test's directory.
func startKannel(t *testing.T, b *box, link kannelLink) *kannel {
	t.Helper()
	bearerbox, smsbox := need(t, "bearerbox"), need(t, "smsbox")
	k := &kannel{heard: &lines{}}
	k.listen(t)
	link.addr = cmp.Or(link.addr, b.addr)
	config := filepath.Join(t.TempDir(), "kannel.conf")
	writeFile(t, config, k.config(t, link))
	k.bearerbox = start(t, nil, bearerbox, "-v", "0", config)
	k.bearerbox.stderr.await(t, 0, k.bearerbox.ended, "entering mainloop")
	k.smsbox = start(t, nil, smsbox, "-v", "0", config)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("bearerbox said:\n%s\nsmsbox said:\n%s\nand by HTTP:\n%s", k.bearerbox.stderr, k.smsbox.stderr, k.heard)
		}
	})
	eventually(t, "smsbox to listen", func() (bool, string) {
		resp, err := http.Get(k.sendsms)
		if err != nil {
			return false, err.Error()
		}
		resp.Body.Close()
		return true, ""
	})
	return k
}

// config is the text of kannel.conf.
func (k *kannel) config(t *testing.T, link kannelLink) string {
	t.Helper()
	portOf := func(addr string) string { _, port, _ := net.SplitHostPort(addr); return port }
	port := portOf(link.addr)
	connection := fmt.Sprintf(`group = smsc
smsc = smpp
smsc-id = smsgateway
host = 127.0.0.1
smsc-username = shop
smsc-password = %s
system-type = ""
reconnect-delay = 1
%s`, password("shop"), strings.Join(append(link.connection, ""), "\n")) // a blank line would end the group
	if link.pair { // it has a group for each
		connection += "port = " + port + "\n\n" + connection + "receive-port = " + port
	} else {
		connection += "transceiver-mode = true\nport = " + port
	}
	sendsms := freePort(t)
	k.sendsms = "http://" + sendsms + "/cgi-bin/sendsms"
	return fmt.Sprintf(`group = core
admin-port = %s
admin-interface = 127.0.0.1
admin-password = none
smsbox-port = %s
smsbox-interface = 127.0.0.1
dlr-storage = internal
sms-resend-freq = 1
%s

%s

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %s
sendsms-interface = 127.0.0.1

group = sendsms-user
username = tester
password = none
max-messages = 10
concatenation = true

group = sms-service
keyword = default
get-url = "%s/text?from=%%p&text=%%b&charset=%%C"
max-messages = 0
catch-all = true
`, portOf(freePort(t)), portOf(freePort(t)), link.core, connection, portOf(sendsms), k.reports)
}

// listen is where reports and texts from phones go to.
func (k *kannel) listen(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.reports = "http://" + ln.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var words []string
		query := r.URL.Query()
		if query.Get("charset") == "UTF-16BE" { // as it came: it is for others to decode
			query.Set("text", wide([]byte(query.Get("text"))))
		}
		for name, values := range query {
			words = append(words, name+"="+strings.Join(values, ","))
		}
		slices.Sort(words)
		fmt.Fprintf(k.heard, "%s %s;\n", r.URL.Path, strings.Join(words, "; "))
	})}
	go server.Serve(ln)
	t.Cleanup(func() { server.Shutdown(context.Background()) })
}

// send gives smsbox a text with a name of ours for its reports; more are names and values of sendsms.
func (k *kannel) send(t *testing.T, name, to, text string, more ...string) {
	t.Helper()
	reports := k.reports + "/report?" + url.Values{"name": {name}}.Encode() + "&type=%d&said=%A"
	query := url.Values{"username": {"tester"}, "password": {"none"}, "from": {"Shop"}, "to": {to}, "text": {text},
		"charset": {"UTF-8"}, "dlr-mask": {"31"}, "dlr-url": {reports}}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	resp, err := http.Get(k.sendsms + "?" + query.Encode())
	if err != nil {
		t.Errorf("sendsms: %v", err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("sendsms of %q: %s", text, resp.Status)
	}
}

func (k *kannel) wantReport(t *testing.T, name, kind, said string) {
	t.Helper()
	k.heard.await(t, 0, k.bearerbox.ended, "/report ", "name="+name+";", "type="+kind+";", said)
}

func (k *kannel) wantText(t *testing.T, from, text string) {
	t.Helper()
	k.heard.await(t, 0, k.bearerbox.ended, "/text ", "from="+from+";", "text="+text+";")
}

// stop ends both in order: bearerbox unbinds.
func (k *kannel) stop(t *testing.T) {
	t.Helper()
	for _, p := range []*process{k.smsbox, k.bearerbox} {
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.wantEnd(t, 0)
	}
}
