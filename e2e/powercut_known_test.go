package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
)

// known is what others have been told, or have said, by a moment of the trace: what the disk must bear out from then on.
// Others count as told when a write to them begins, and as having said something when the read of it has ended.
type known struct {
	at       float64 // seconds since 1970, of that moment
	accounts map[string]*knownAccount
	messages map[string]*knownMessage // by id
	asked    map[string]bool          // destinations that somebody wanted something sent to
	cancels  map[string]bool          // ids whose cancel was asked for
	sweeps   map[string]bool          // destinations of cancel_sm without an id
	onAir    map[partOf]int           // Ctrl-Z
	reported map[string]bool          // numbers of which a status report has come
	texts    map[string]bool          // from phones, that the modem was told to forget
	highest  uint64                   // id
	sent     int                      // +CMGS: parts that the network has
	pin      bool                     // a PIN was entered, and nothing was answered yet
	day      int                      // of the year
	midnight bool                     // another day has begun: what is counted by day begins anew
	told     int                      // how many facts
}

// knownMessage is what is known of a message that was accepted.
type knownMessage struct {
	key         string // account
	destination string
	at          float64 // of the answer
	registered  uint8
	texts       []string        // what it may say: after a replace_sm that is not answered it is one of two
	end         string          // stat of an end that was told; UNKN may be bettered
	deleted     bool            // a cancel was answered with 0
	receipts    map[string]bool // stats of receipts that a client has acknowledged
}

type knownAccount struct {
	key      string
	maxParts []int // what it may be
	held     []bool
	parts    int // taken in
}

// partOf names a part by where it goes.
type partOf struct {
	to   string
	part int // from 0
}

func newKnown() *known {
	return &known{
		accounts: make(map[string]*knownAccount), messages: make(map[string]*knownMessage), asked: make(map[string]bool),
		cancels: make(map[string]bool), sweeps: make(map[string]bool), onAir: make(map[partOf]int),
		reported: make(map[string]bool), texts: make(map[string]bool),
	}
}

// hearing turns reads and writes of sockets and terminals into facts.
type hearing struct {
	k     *known
	conns map[string]*peer // by what strace calls them
	kinds map[string]int   // facts by kind, for the figures
}

func newHearing() *hearing {
	return &hearing{newKnown(), make(map[string]*peer), make(map[string]int)}
}

// peer is somebody whom the gateway talks to.
type peer struct {
	in, out []byte // not understood yet
	hear    func(*peer, *hearing) error
	tell    func(*peer, *hearing) error

	account string                  // SMPP: that was bound
	asked   map[uint32]smpp.PDU     // requests of the client
	offered map[uint32]smpp.Receipt // deliver_sm of ours that are receipts
	request *http.Request           // of a command
	body    []byte

	pdu   []byte // tty: what is behind the prompt
	place string // AT+CMGR
	texts map[string]string
}

// step takes in a moment, and tells whether something became known.
func (h *hearing) step(m moment) (bool, error) {
	c := m.call
	if c.name == "execve" { // another process: its descriptors are others
		clear(h.conns)
	}
	h.k.at = max(h.k.at, c.at)
	day := time.Unix(int64(h.k.at), 0).YearDay()
	h.k.midnight = h.k.midnight || h.k.day != 0 && h.k.day != day
	h.k.day = day
	reads := c.name == "read"
	if reads != m.ends || c.failed() || !reads && c.name != "write" && c.name != "writev" {
		return false, nil
	}
	number, what := c.fd()
	if data, err := c.data(); err == nil && number == "1" && bytes.Contains(data, []byte(" is the backup")) {
		h.fact("restored")
		return true, nil
	}
	if !strings.HasPrefix(what, "socket:") && !strings.HasPrefix(what, "/dev/pts/") {
		return false, nil
	}
	p := h.conns[what]
	if p == nil {
		p = &peer{asked: make(map[uint32]smpp.PDU), offered: make(map[uint32]smpp.Receipt), texts: make(map[string]string)}
		h.conns[what] = p
		p.hear, p.tell = (*peer).hearSMPP, (*peer).tellSMPP
		if strings.HasPrefix(what, "/dev/pts/") {
			p.hear, p.tell = (*peer).hearModem, (*peer).tellModem
		}
	}
	data, err := c.data()
	if err != nil || len(data) == 0 {
		return false, err
	}
	before := h.k.told
	if reads {
		if len(p.in) == 0 && isHTTP(data) {
			p.hear, p.tell = (*peer).hearCommand, (*peer).tellCommand
		}
		p.in = append(p.in, data...)
		err = p.hear(p, h)
	} else {
		p.out = append(p.out, data...)
		err = p.tell(p, h)
	}
	return h.k.told > before, err
}

// fact counts one.
func (h *hearing) fact(kind string) {
	h.k.told++
	h.kinds[kind]++
}

func isHTTP(b []byte) bool {
	for _, method := range []string{"GET ", "POST ", "PATCH ", "DELETE "} {
		if bytes.HasPrefix(b, []byte(method)) {
			return true
		}
	}
	return false
}

// frame takes a whole PDU off the front; nil if there is none yet.
func frame(b *[]byte) (pdu []byte) {
	if len(*b) < 4 {
		return nil
	}
	n := int(binary.BigEndian.Uint32(*b))
	if n < 16 || n > len(*b) {
		return nil
	}
	pdu, *b = (*b)[:n], (*b)[n:]
	return pdu
}

// hearSMPP takes in what a client says.
func (p *peer) hearSMPP(h *hearing) error {
	for b := frame(&p.in); b != nil; b = frame(&p.in) {
		pdu, err := smpp.Decode(b)
		if err != nil {
			return fmt.Errorf("a client's PDU: %w", err)
		}
		if _, answer := pdu.Body.(*smpp.DeliverSMResp); !answer { // these count by our numbers
			p.asked[pdu.Sequence] = pdu
		}
		switch body := pdu.Body.(type) {
		case *smpp.Bind:
			p.account = body.SystemID
		case *smpp.SubmitSM:
			h.k.asked[body.Destination.Addr] = true
		case *smpp.DataSM:
			h.k.asked[body.Destination.Addr] = true
		case *smpp.SubmitMulti:
			for _, to := range body.Destinations {
				h.k.asked[to.Address.Addr] = true
			}
		case *smpp.CancelSM:
			h.k.cancels[body.MessageID] = true
			if body.MessageID == "" {
				h.k.sweeps[body.Destination.Addr] = true
			}
		case *smpp.ReplaceSM:
			if m := h.k.messages[body.MessageID]; m != nil {
				m.texts = append(m.texts, string(body.ShortMessage))
			}
		case *smpp.DeliverSMResp:
			if r, ok := p.offered[pdu.Sequence]; ok && pdu.Status == smpp.StatusOK {
				if m := h.k.messages[r.MessageID]; m != nil {
					m.receipts[r.State.Stat()] = true
				}
				h.fact("receipt acknowledged")
			}
		}
	}
	return nil
}

// tellSMPP takes in what a client is told.
func (p *peer) tellSMPP(h *hearing) error {
	for b := frame(&p.out); b != nil; b = frame(&p.out) {
		pdu, err := smpp.Decode(b)
		if err != nil {
			return fmt.Errorf("a PDU of ours: %w", err)
		}
		if d, ok := pdu.Body.(*smpp.DeliverSM); ok {
			p.tellDelivery(h, pdu.Sequence, d)
			continue
		}
		asked := p.asked[pdu.Sequence]
		if pdu.Status != smpp.StatusOK {
			continue
		}
		switch body := pdu.Body.(type) {
		case *smpp.SubmitSMResp:
			req := asked.Body.(*smpp.SubmitSM)
			h.accepted(p.account, body.MessageID, req.Destination.Addr, string(req.ShortMessage), req.RegisteredDelivery)
		case *smpp.DataSMResp:
			req := asked.Body.(*smpp.DataSM)
			text, _ := req.TLVs.Find(smpp.TagMessagePayload)
			h.accepted(p.account, body.MessageID, req.Destination.Addr, string(text), req.RegisteredDelivery)
		case *smpp.SubmitMultiResp:
			req := asked.Body.(*smpp.SubmitMulti)
			first, err := strconv.ParseUint(body.MessageID, 10, 64)
			if err != nil || len(body.Unsuccessful) > 0 {
				return fmt.Errorf("submit_multi_resp with %q", body.MessageID)
			}
			for i, to := range req.Destinations {
				h.accepted(p.account, fmt.Sprint(first+uint64(i)), to.Address.Addr, string(req.ShortMessage), req.RegisteredDelivery)
			}
		case *smpp.QuerySMResp:
			if body.FinalDate != "" {
				h.ended(body.MessageID, body.MessageState)
			}
			h.fact("query_sm_resp")
		case *smpp.CancelSMResp:
			h.cancelled(asked.Body.(*smpp.CancelSM))
		case *smpp.ReplaceSMResp:
			if m := h.k.messages[asked.Body.(*smpp.ReplaceSM).MessageID]; m != nil {
				m.texts = []string{string(asked.Body.(*smpp.ReplaceSM).ShortMessage)}
			}
			h.fact("replace_sm_resp")
		}
	}
	return nil
}

func (h *hearing) accepted(account, id, to, text string, registered uint8) {
	if h.k.messages[id] != nil { // submitted again, and known
		h.fact("accepted again")
		return
	}
	h.k.messages[id] = &knownMessage{key: account, destination: to, at: h.k.at, registered: registered, texts: []string{text},
		receipts: make(map[string]bool)}
	if n, err := strconv.ParseUint(id, 10, 64); err == nil {
		h.k.highest = max(h.k.highest, n)
	}
	if a := h.k.accounts[account]; a != nil {
		a.parts++ // of long ones it is more
	}
	h.fact("accepted")
}

// ended takes in that somebody was told the end of a message.
func (h *hearing) ended(id string, state smpp.MessageState) {
	if m := h.k.messages[id]; m != nil && state.Final() {
		m.end = state.Stat()
	}
}

func (h *hearing) cancelled(req *smpp.CancelSM) {
	for id, m := range h.k.messages {
		// One without an id cancels all that wait; those of the test are alone with their destination.
		if id == req.MessageID || req.MessageID == "" && m.destination == req.Destination.Addr {
			m.deleted = true
		}
	}
	h.fact("cancel_sm_resp")
}

func (p *peer) tellDelivery(h *hearing, sequence uint32, d *smpp.DeliverSM) {
	if d.ESMClass&smpp.ESMClassReceipt == 0 {
		return
	}
	r, err := smpp.ParseReceipt(string(d.ShortMessage))
	if err != nil {
		return
	}
	p.offered[sequence] = r
	h.ended(r.MessageID, r.State)
	h.fact("receipt")
}

// hearCommand takes in a request of the command line.
func (p *peer) hearCommand(h *hearing) error {
	head, body, ok := bytes.Cut(p.in, []byte("\r\n\r\n"))
	if !ok {
		return nil
	}
	line, headers, _ := strings.Cut(string(head), "\r\n")
	length := 0
	for header := range strings.SplitSeq(headers, "\r\n") {
		if value, ok := strings.CutPrefix(header, "Content-Length: "); ok {
			length, _ = strconv.Atoi(value)
		}
	}
	if len(body) < length {
		return nil
	}
	method, rest, _ := strings.Cut(line, " ")
	path, _, _ := strings.Cut(rest, " ")
	req, err := http.NewRequest(method, path, nil)
	if err != nil {
		return err
	}
	p.request, p.body, p.in = req, bytes.Clone(body[:length]), nil
	p.hearRequest(h)
	return nil
}

// what commands send and get, as far as it matters here.
type commandBody struct {
	ID       string `json:"id"`
	Key      string `json:"key"`
	MaxParts int    `json:"max_parts"`
	To       string `json:"to"`
	Text     string `json:"text"`
	Account  string `json:"account"`
}

// hearRequest notes what a command wants before it is answered: it may be on disk from then on.
func (p *peer) hearRequest(h *hearing) {
	var body commandBody
	json.Unmarshal(p.body, &body) // most have none
	parts := strings.Split(strings.Trim(p.request.URL.Path, "/"), "/")
	switch name := p.request.Method + " " + strings.Join(parts, "/"); {
	case name == "POST v1/messages":
		h.k.asked[body.To] = true
	case strings.HasSuffix(name, "/cancel"):
		h.k.cancels[parts[2]] = true
	case len(parts) >= 3 && parts[1] == "accounts":
		if a := h.k.accounts[parts[2]]; a != nil {
			a.maxParts = append(a.maxParts, body.MaxParts)
			a.held = []bool{false, true}
		}
	}
}

// tellCommand takes in the answer to a command.
func (p *peer) tellCommand(h *hearing) error {
	out := p.out
	p.out = nil
	if p.request == nil || !bytes.HasPrefix(out, []byte("HTTP/1.1 200 ")) {
		return nil
	}
	var body, answer commandBody
	json.Unmarshal(p.body, &body)
	if _, after, ok := bytes.Cut(out, []byte("\r\n\r\n")); ok {
		json.Unmarshal(after, &answer)
	}
	path := strings.Trim(p.request.URL.Path, "/")
	parts := strings.Split(path, "/")
	switch {
	case p.request.Method == http.MethodGet:
		return nil
	case path == "v1/accounts":
		h.k.accounts[body.Key] = &knownAccount{key: body.Key, maxParts: []int{body.MaxParts}, held: []bool{false}}
	case path == "v1/file/compact":
		h.fact("compacted")
		return nil
	case path == "v1/messages":
		h.accepted(answer.Account, answer.ID, body.To, body.Text, 0)
		return nil
	case strings.HasSuffix(path, "/cancel"):
		h.k.messages[parts[2]].deleted = true
	case len(parts) == 4 && parts[1] == "accounts" && (parts[3] == "disable" || parts[3] == "enable"):
		h.k.accounts[parts[2]].held = []bool{parts[3] == "disable"}
	case len(parts) == 3 && parts[1] == "accounts" && p.request.Method == http.MethodPatch:
		h.k.accounts[parts[2]].maxParts = []int{body.MaxParts}
		h.k.accounts[parts[2]].held = h.k.accounts[parts[2]].held[:1]
	default:
		return nil
	}
	h.fact("command answered")
	return nil
}

// tellModem takes in what a modem is told: Ctrl-Z, and which texts it may forget.
func (p *peer) tellModem(h *hearing) error {
	data := p.out
	p.out = nil
	switch place, forgets := strings.CutPrefix(strings.TrimSpace(string(data)), "AT+CMGD="); {
	case bytes.Equal(data, []byte{0x1A}):
		part, err := partOnAir(p.pdu)
		if err != nil {
			return err
		}
		h.k.onAir[part]++
		h.fact("Ctrl-Z")
	case forgets:
		if text, ok := p.texts[place]; ok {
			h.k.texts[text] = true
			h.fact("text forgotten by the SIM")
		}
	case bytes.HasPrefix(data, []byte("AT+CPIN=")):
		h.k.pin = true
		h.fact("PIN entered")
	case bytes.HasPrefix(data, []byte("AT+CMGR=")):
		p.place = strings.TrimSpace(string(data[len("AT+CMGR="):]))
	case !bytes.HasPrefix(data, []byte("AT")):
		p.pdu = bytes.Clone(data)
	}
	return nil
}

// partOnAir reads what a modem was given behind its prompt.
func partOnAir(pdu []byte) (partOf, error) {
	_, tpdu, err := fromHex(string(pdu))
	if err != nil {
		return partOf{}, fmt.Errorf("before Ctrl-Z stands %q: %w", pdu, err)
	}
	s, err := sms.ParseSubmit(tpdu)
	if err != nil {
		return partOf{}, fmt.Errorf("before Ctrl-Z stands %q: %w", pdu, err)
	}
	part := 0
	if elems, err := sms.ParseUDH(s.UDH); err == nil {
		if _, _, _, seq, ok := sms.ConcatOf(elems); ok {
			part = int(seq) - 1
		}
	}
	return partOf{s.Destination.Number, part}, nil
}

func fromHex(s string) (sca sms.Address, tpdu []byte, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return sca, nil, err
	}
	return sms.SplitSCA(b)
}

// hearModem takes in the lines of a modem: status reports, and texts with the place where they lie.
func (p *peer) hearModem(h *hearing) error {
	h.k.pin = false
	for {
		line, rest, ok := bytes.Cut(p.in, []byte("\n"))
		if !ok {
			return nil
		}
		name, args, _ := strings.Cut(strings.TrimSpace(string(line)), ": ")
		place, _, _ := strings.Cut(args, ",")
		switch name {
		case "+CDS", "+CMGL", "+CMGR":
			pdu, rest, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				return nil // the line with the PDU has not come yet
			}
			if name == "+CMGR" {
				place = p.place
			}
			p.hearPDU(h, place, string(pdu))
			p.in = rest
		default:
			if name == "+CMGS" {
				h.k.sent++
				h.fact("sent")
			}
			p.in = rest
		}
	}
}

func (p *peer) hearPDU(h *hearing, place, pdu string) {
	_, tpdu, err := fromHex(pdu)
	if err != nil {
		return
	}
	if r, err := sms.ParseStatusReport(tpdu); err == nil {
		h.k.reported[r.Recipient.Number] = true
	} else if d, err := sms.ParseDeliver(tpdu); err == nil {
		p.texts[place] = d.Text()
	}
}
