package e2e

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"smsgateway/smpp"
)

// sent is a kind of PDU that the gateway sent: what Wireshark has to see, and to find nothing wrong with.
type sent struct {
	command smpp.CommandID
	status  smpp.Status
}

// TestWireshark has Wireshark's dissector read a capture of the port while the gateway sends every kind of PDU that it
// has, and every kind of refusal: nothing of it may be malformed, or worth a warning.
func TestWireshark(t *testing.T) {
	t.Parallel()
	need(t, "tshark")
	need(t, "dumpcap")
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port, smpp: []string{`enquire_link = "1s"`}})
	b.account(t, "shop")
	b.ready(t)
	c := watch(t, b)
	if c == nil {
		t.Skip("left out: dumpcap may not capture")
	}

	want := []sent{{smpp.CmdEnquireLinkResp, smpp.StatusOK}} // by watch
	want = append(want, refusedBinds(t, b)...)
	want = append(want, oldBinds(t, b)...)
	want = append(want, messages(t, b, phones)...)
	want = append(want, oddities(t, b)...)
	last := b.bind(t, "shop") // the gateway unbinds this one
	b.stop(t)
	last.wantClosed(t)
	want = append(want, sent{smpp.CmdUnbind, smpp.StatusOK})

	seen := c.wait(t, sent{smpp.CmdUnbind, smpp.StatusOK})
	for _, w := range want {
		if !slices.Contains(seen, w) {
			t.Errorf("Wireshark saw no %s with %s", w.command, w.status)
		}
	}
	c.wantNoFault(t)
	if c.read(t, "-Y", "tcp.dstport == "+c.port+faulty) == "" {
		t.Error("Wireshark finds no fault with the broken submit_sm that we sent: it would not see one of the gateway's either")
	}
}

// refusedBinds is strangers at the door.
func refusedBinds(t *testing.T, b *box) []sent {
	e := b.dial(t)
	defer e.Close()
	for _, row := range []struct {
		kind     smpp.BindKind
		key, pwd string
		want     smpp.Status
	}{
		{smpp.BindTransceiver, "shop", "wrong", smpp.StatusInvPaswd},
		{smpp.BindTransmitter, "nobody", "wrong", smpp.StatusInvPaswd},
		{smpp.BindReceiver, "", "", smpp.StatusInvSysID},
	} {
		_, err := e.Bind(row.kind, row.key, row.pwd)
		wantStatus(t, "bind", err, row.want)
	}
	for _, body := range []smpp.Body{text("1", "x"), &smpp.QuerySM{MessageID: "1"}, &smpp.CancelSM{MessageID: "1"}} {
		_, err := e.Request(body)
		wantStatus(t, body.CommandID().String()+" before bind", err, smpp.StatusInvBndSts)
	}
	return []sent{
		{smpp.CmdBindTransceiverResp, smpp.StatusInvPaswd}, {smpp.CmdBindTransmitterResp, smpp.StatusInvPaswd},
		{smpp.CmdBindReceiverResp, smpp.StatusInvSysID}, {smpp.CmdSubmitSMResp, smpp.StatusInvBndSts},
		{smpp.CmdQuerySMResp, smpp.StatusInvBndSts}, {smpp.CmdCancelSMResp, smpp.StatusInvBndSts},
	}
}

// oldBinds is a transmitter and a receiver.
func oldBinds(t *testing.T, b *box) []sent {
	for _, kind := range []smpp.BindKind{smpp.BindTransmitter, smpp.BindReceiver} {
		e := b.bindAs(t, kind, "shop")
		_, err := e.Bind(kind, "shop", password("shop"))
		wantStatus(t, "a second bind", err, smpp.StatusAlyBnd)
		if err := e.Unbind(); err != nil {
			t.Errorf("unbind: %v", err)
		}
	}
	return []sent{
		{smpp.CmdBindTransmitterResp, smpp.StatusOK}, {smpp.CmdBindTransmitterResp, smpp.StatusAlyBnd},
		{smpp.CmdBindReceiverResp, smpp.StatusOK}, {smpp.CmdBindReceiverResp, smpp.StatusAlyBnd},
		{smpp.CmdUnbindResp, smpp.StatusOK},
	}
}

// messages is all that a client does by day, with receipts and texts of all kinds.
func messages(t *testing.T, b *box, phones *simulator) []sent {
	e := b.bind(t, "shop")
	defer e.Close()
	p := text("4161231234", "with all that a receipt can give back")
	p.ServiceType, p.Source, p.RegisteredDelivery = "CMT", smpp.Address{TON: 5, Addr: "Shop"}, 0x11
	p.TLVs = smpp.TLVs{{Tag: smpp.TagUserMessageReference, Value: []byte{1, 2}}}
	good := e.submit(t, p)
	e.wantTaken(t, good)
	e.wantReceipt(t, good, smpp.StateDelivered)
	e.wantReceipt(t, e.submit(t, text("41699908", "x")), smpp.StateUndeliverable)
	e.wantReceipt(t, e.submit(t, text("41699901", "x")), smpp.StateUndeliverable)
	p = text("4161231234", "x")
	p.ScheduleDeliveryTime = inAnHour
	later := e.submit(t, p)
	e.wantState(t, later, smpp.StateEnroute)
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{MessageID: later}), smpp.StatusOK)
	e.wantReceipt(t, later, smpp.StateDeleted)
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{MessageID: good}), smpp.StatusCancelFail)
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{MessageID: "1"}), smpp.StatusInvMsgID)
	wantStatus(t, "query_sm", queryFrom(e, "1", ""), smpp.StatusInvMsgID)
	e.wantState(t, good, smpp.StateDelivered)
	for number, want := range map[string]smpp.Status{"(416) 123-1234": smpp.StatusInvDstAdr, "4161231234": smpp.StatusInvMsgLen} {
		p := text(number, "")
		p.TLVs = payload(repeat("x", 5000))
		_, err := e.Submit(p)
		wantStatus(t, "submit_sm", err, want)
	}
	phones.text(t, "+491701234567", "yes, please")
	e.wantText(t, "491701234567", "yes, please")
	phones.text(t, "Shop", "Größe")
	e.wantText(t, "Shop", "Gr\xF6\xDFe")
	phones.text(t, "4161231234", strings.Repeat("да 😀", 30))
	e.wantDelivery(t, "a long text", func(d *smpp.DeliverSM) bool {
		payload, ok := d.TLVs.Find(smpp.TagMessagePayload)
		return ok && len(payload) == 300 && d.ESMClass == 0 && d.DataCoding == 8
	})
	b.must(t, "account", "set", "shop", "--inbound", "parts")
	phones.text(t, "4161231234", strings.Repeat("да 😀", 30))
	for range 3 {
		e.wantDelivery(t, "a part", func(d *smpp.DeliverSM) bool { return d.ESMClass == smpp.ESMClassUDHI && d.DataCoding == 8 })
	}
	return []sent{
		{smpp.CmdBindTransceiverResp, smpp.StatusOK}, {smpp.CmdSubmitSMResp, smpp.StatusOK}, {smpp.CmdDeliverSM, smpp.StatusOK},
		{smpp.CmdQuerySMResp, smpp.StatusOK}, {smpp.CmdQuerySMResp, smpp.StatusInvMsgID}, {smpp.CmdCancelSMResp, smpp.StatusOK},
		{smpp.CmdCancelSMResp, smpp.StatusCancelFail}, {smpp.CmdCancelSMResp, smpp.StatusInvMsgID},
		{smpp.CmdSubmitSMResp, smpp.StatusInvDstAdr}, {smpp.CmdSubmitSMResp, smpp.StatusInvMsgLen},
	}
}

// oddities is what no decent client does, and the gateway's own enquire_link.
func oddities(t *testing.T, b *box) []sent {
	w := b.wire(t)
	w.send(t, pdu(t, 1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: "shop", Password: password("shop")}))
	w.want(t, smpp.CmdBindTransceiverResp, smpp.StatusOK, 1)
	w.send(t, pdu(t, 2, &smpp.Outbind{}))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdID, 2)
	w.send(t, pdu(t, 10, &smpp.ReplaceSM{MessageID: "4000000000"}))
	w.want(t, smpp.CmdReplaceSMResp, smpp.StatusInvMsgID, 10)
	w.send(t, pdu(t, 11, &smpp.DataSM{}))
	w.want(t, smpp.CmdDataSMResp, smpp.StatusMissingOptParam, 11)
	w.send(t, pdu(t, 12, &smpp.SubmitMulti{Destinations: []smpp.Destination{{Address: smpp.Address{Addr: "x"}}, {List: "all"}}}))
	w.want(t, smpp.CmdSubmitMultiResp, smpp.StatusSubmitFail, 12)
	w.send(t, pdu(t, 13, &smpp.SubmitMulti{Destinations: []smpp.Destination{{Address: smpp.Address{Addr: "4161231234"}}, {List: "all"}}}))
	w.want(t, smpp.CmdSubmitMultiResp, smpp.StatusOK, 13)
	w.send(t, []byte("\x00\x00\x00\x14\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00"))
	w.want(t, smpp.CmdSubmitSMResp, smpp.StatusInvCmdLen, 3)
	w.want(t, smpp.CmdEnquireLink, smpp.StatusOK, 1)
	w.send(t, []byte("\x00\x00\x00\x0F\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04"))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdLen, 0)
	return []sent{
		{smpp.CmdGenericNack, smpp.StatusInvCmdID}, {smpp.CmdReplaceSMResp, smpp.StatusInvMsgID},
		{smpp.CmdDataSMResp, smpp.StatusMissingOptParam}, {smpp.CmdSubmitMultiResp, smpp.StatusSubmitFail},
		{smpp.CmdSubmitMultiResp, smpp.StatusOK}, {smpp.CmdSubmitSMResp, smpp.StatusInvCmdLen},
		{smpp.CmdEnquireLink, smpp.StatusOK}, {smpp.CmdGenericNack, smpp.StatusInvCmdLen},
	}
}

// capture is a recording of one TCP port on the loopback device.
type capture struct {
	tshark, port, file string
	fromServer         string // a display filter
	p                  *process
}

// watch records from now on. To capture takes a privilege: root has it, others may have sudo. nil: what it takes is not
// here, which is noted.
func watch(t *testing.T, b *box) *capture {
	t.Helper()
	tshark, err := find("tshark")
	dumpcap, err2 := find("dumpcap")
	if err := cmp.Or(err, err2); err != nil {
		leave(t, "tshark", err.Error())
		return nil
	}
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &capture{tshark: tshark, port: port, file: filepath.Join(b.dir, "capture.pcapng"), fromServer: "tcp.srcport == " + port}
	args := []string{dumpcap, "-q", "-i", "lo", "-f", "tcp port " + port, "-w", c.file}
	if os.Geteuid() != 0 && exec.Command("sudo", "-n", "true").Run() == nil {
		args = append([]string{"sudo", "-n"}, args...)
	}
	c.p = start(t, nil, args[0], args[1:]...)
	// It is at work when it has recorded what we say.
	w := b.wire(t)
	defer w.conn.Close()
	sequence, mayNot := uint32(0), false
	eventually(t, "dumpcap to record", func() (bool, string) {
		select {
		case <-c.p.ended:
			mayNot = true
			return true, ""
		default:
		}
		sequence++
		w.send(t, pdu(t, sequence, &smpp.EnquireLink{}))
		w.want(t, smpp.CmdEnquireLinkResp, smpp.StatusOK, sequence)
		info, err := os.Stat(c.file)
		return err == nil && info.Size() > 1000, c.p.stderr.String()
	})
	if mayNot {
		leave(t, "dumpcap", "may not capture: "+strings.TrimSpace(c.p.stderr.String()))
		return nil
	}
	return c
}

// judge ends the capture of a box that still serves: Wireshark must have understood all that the gateway sent, and found no
// fault with it. A nil capture says nothing.
func (c *capture) judge(t *testing.T, b *box) {
	t.Helper()
	if c == nil {
		return
	}
	w := b.wire(t)
	w.send(t, []byte("\x00\x00\x00\x0F\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01"))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdLen, 0)
	c.wait(t, sent{smpp.CmdGenericNack, smpp.StatusInvCmdLen})
	c.wantNoFault(t)
}

// faulty are PDUs that Wireshark warns of: a display filter, from PI_WARN up.
const faulty = " && smpp && (_ws.malformed || _ws.expert.severity >= 0x600000)"

// wantNoFault reads the whole capture.
func (c *capture) wantNoFault(t *testing.T) {
	t.Helper()
	if faults := c.read(t, "-Y", c.fromServer+faulty, "-V"); faults != "" {
		t.Errorf("Wireshark finds fault with what the gateway sent:\n%s", faults)
	}
	// What it took for PDUs must be all that the gateway sent. Pieces of one are joined again, and what TCP sent twice
	// (tcp.analysis) is read once.
	if odd := c.read(t, "-Y", c.fromServer+" && tcp.len > 0 && !smpp && !tcp.reassembled_in && !tcp.analysis.flags", "-x"); odd != "" {
		t.Errorf("Wireshark finds no SMPP in this:\n%s", odd)
	}
}

// wait stops the capture when the last PDU is in it, and gives all kinds that the gateway sent.
func (c *capture) wait(t *testing.T, last sent) (seen []sent) {
	t.Helper()
	eventually(t, "the capture to be complete", func() (bool, string) {
		out, err := c.run("-Y", c.fromServer+" && smpp", "-T", "fields", "-e", "smpp.command_id", "-e", "smpp.command_status")
		if err != nil { // cut in the middle of a packet
			return false, fmt.Sprintf("%v: %s", err, out)
		}
		seen = nil
		for line := range strings.Lines(out) {
			seen = append(seen, kinds(t, strings.TrimSpace(line))...)
		}
		return slices.Contains(seen, last), fmt.Sprint(seen)
	})
	c.p.cmd.Process.Signal(syscall.SIGINT)
	c.p.wantEnd(t, 0)
	return seen
}

// kinds reads a line of tshark: the command_ids of a packet and, behind a tab, their command_statuses, with commas. A
// request has no status.
func kinds(t *testing.T, line string) []sent {
	t.Helper()
	ids, statuses, _ := strings.Cut(line, "\t")
	var list []sent
	status := strings.Split(statuses, ",")
	for id := range strings.SplitSeq(ids, ",") {
		s := sent{command: smpp.CommandID(number(t, id))}
		if s.command.IsResponse() && len(status) > 0 {
			s.status = smpp.Status(number(t, status[0]))
			status = status[1:]
		}
		list = append(list, s)
	}
	return list
}

func number(t *testing.T, s string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		t.Fatalf("tshark said %q: %v", s, err)
	}
	return uint32(n)
}

// read has tshark read the whole capture.
func (c *capture) read(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.run(args...)
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return out
}

func (c *capture) run(args ...string) (string, error) {
	cmd := exec.Command(c.tshark, append([]string{"-r", c.file, "-d", "tcp.port==" + c.port + ",smpp"}, args...)...)
	out, err := cmd.Output() // stderr warns of root
	return string(out), err
}
