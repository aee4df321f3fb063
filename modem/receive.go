package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"smsgateway/sms"
)

// maxParked bounds the texts that came directly, could not be handed over, and are nowhere but here.
const maxParked = 1000

// handle does what a report calls for.
func (s *session) handle(ctx context.Context, r report) error {
	if r.pdu == nil {
		return s.fetch(ctx, slot{r.store, r.index})
	}
	err := s.m.deliver(ctx, s.sender(r), r.pdu, false, r.at)
	if err != nil {
		s.log.Error("a text that arrived could not be stored", "err", err)
		s.m.trouble(err)
		if !s.acks { // the network thinks that we have it
			r.from = s.sender(r)
			s.m.park(r)
			return nil
		}
	}
	return s.acknowledge(ctx, err == nil)
}

// sender tells whose a report is that came directly: that of the SIM that was there when it came. One that came before the
// SIM had said who it is is that of the SIM that the same modem has now.
func (s *session) sender(r report) Identity {
	now := s.m.Status().Identity
	if r.from.ICCID == "" && r.from.IMSI == "" && (r.from.IMEI == "" || r.from.IMEI == now.IMEI) {
		return now
	}
	return r.from
}

// deliver hands a PDU, service centre first, to the Receiver. One whose service centre cannot be told apart is handed
// over as it came.
func (m *Modem) deliver(ctx context.Context, from Identity, pdu []byte, stored bool, at time.Time) error {
	sca, tpdu, err := sms.SplitSCA(pdu)
	if err != nil {
		m.cfg.Log.Warn("a text without a readable service centre", "modem", m.cfg.Name, "err", err)
		sca, tpdu = sms.Address{}, pdu
	}
	in := Incoming{TPDU: tpdu, SCA: sca, Stored: stored, At: at}
	if err := m.receiver.Receive(ctx, from, in); errors.Is(err, ErrRepeated) {
		return nil
	} else if err != nil {
		return err
	}
	m.update(func(st *Status) {
		st.Received++
		if len(tpdu) > 0 && tpdu[0]&0x03 == 0 { // TP-MTI of SMS-DELIVER (TS 23.040 §9.2.3.1)
			st.Texts++
		}
	})
	return nil
}

// park keeps a text that the Receiver did not take and that the modem has forgotten.
func (m *Modem) park(r report) {
	if len(m.parked) == maxParked {
		m.cfg.Log.Error("a text is lost: too many wait to be stored", "modem", m.cfg.Name)
		return
	}
	m.parked = append(m.parked, r)
}

// drainParked offers the texts again that the Receiver did not take, or whose SIM was not known.
func (s *session) drainParked(ctx context.Context) error {
	for len(s.m.parked) > 0 {
		r := s.m.parked[0]
		if s.m.deliver(ctx, s.sender(r), r.pdu, false, r.at) != nil {
			return ctx.Err()
		}
		s.m.parked = s.m.parked[1:]
	}
	return nil
}

// handOver saves what was reported with its text when the line ends: the modem will not say it again. What came from a SIM
// that is not known is kept until one has said who it is.
func (s *session) handOver(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for {
		r, ok := s.l.reports.pop()
		if !ok {
			return
		}
		if r.pdu == nil {
			continue
		}
		if s.known {
			r.from = s.sender(r)
		}
		if !s.known && r.from.ICCID == "" && r.from.IMSI == "" || s.m.deliver(ctx, r.from, r.pdu, false, r.at) != nil {
			s.m.park(r)
		}
	}
}

// lastOffer offers at Run's end once more what nobody has but us, under the name of the SIM that was known last.
func (m *Modem) lastOffer(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, r := range m.parked {
		if r.from.ICCID == "" && r.from.IMSI == "" && (r.from.IMEI == "" || r.from.IMEI == m.who.IMEI) {
			r.from = m.who
		}
		if err := m.deliver(ctx, r.from, r.pdu, false, r.at); err != nil {
			m.cfg.Log.Error("a text is lost: it could not be stored", "modem", m.cfg.Name, "err", err)
		}
	}
	m.parked = nil
}

// acknowledgements are the forms of AT+CNMA that devices take: Cinterion the first, Quectel's serial modules the
// second, others the third (oFono, drivers/atmodem/sms.c).
var acknowledgements = []string{"AT+CNMA=1", "AT+CNMA", "AT+CNMA=0"}

// acknowledge tells the network, by the modem, that we have what came directly, or that we could not take it. A modem
// whose acknowledgement failed may have switched off its reports (TS 27.005 §3.4.1), so they are switched on again.
func (s *session) acknowledge(ctx context.Context, taken bool) error {
	if !s.acks {
		return nil
	}
	if !taken {
		if _, err := s.ask(ctx, "AT+CNMA=2"); err != nil {
			return err
		}
		return s.indications(ctx)
	}
	forms := acknowledgements
	if s.ackText != "" {
		forms = []string{s.ackText}
	}
	for _, form := range forms {
		_, err := s.l.command(ctx, form, s.t.Command)
		var cms CMSError
		switch {
		case err == nil:
			s.ackText = form
			return nil
		case errors.As(err, &cms) && cms == 340: // too late, or it wanted none
			return s.indications(ctx)
		case !isAnswer(err):
			return err
		}
		s.ackRefused = true
	}
	if s.ackText == "" {
		// Novatel says that it wants acknowledgements, refuses them, and hangs without (oFono).
		s.m.plainAcks = true
		s.log.Warn("the modem takes no acknowledgement; it acknowledges by itself from now on")
		if err := s.format(ctx); err != nil {
			return err
		}
	}
	return s.indications(ctx)
}

// fetch reads one stored text, hands it over, and deletes it. One that is not where the modem said is looked for (seek).
func (s *session) fetch(ctx context.Context, at slot) error {
	if err := s.choose(ctx, at.store); err != nil {
		if isAnswer(err) {
			s.log.Warn("a text came into a memory that cannot be read", "store", at.store, "err", err)
			s.astray = true
			return nil
		}
		return err
	}
	info, err := s.l.command(ctx, "AT+CMGR="+strconv.Itoa(at.index), s.t.Command)
	if err != nil {
		if !isAnswer(err) {
			return err
		}
		s.log.Debug("nothing to read", "store", at.store, "index", at.index, "err", err)
		if isBusy(err) && len(s.again) < maxReports {
			s.again = append(s.again, at)
		} else {
			s.astray = true
		}
		return nil
	}
	rest, ok := answer(info, "+CMGR:")
	if !ok || len(info) < 2 {
		s.astray = true
		return nil
	}
	gone, err := s.stored(ctx, at, fieldsOf(rest)[0], info[len(info)-1])
	s.astray = s.astray || !gone // what stays may have been there before
	return err
}

// seekEvery is the least time between two searches for what was not where the modem said; longer where they take long, as
// a modem that gets many texts tells of some that the search has read already.
const (
	seekEvery = 10 * time.Second
	seekShare = 10 // of so many seconds it takes one at most
)

// seek looks in all memories for a text that was not where the modem said. It may have been read before; but Quectel's
// EC25 and EG25 store status reports in SR and announce them in SM (asterisk-chan-quectel, #75), and SIMCom's SIM7600
// announces them in SR where nothing is (python-gsmmodem, #106).
func (s *session) seek(ctx context.Context) (sought bool, err error) {
	begun := time.Now()
	if !s.astray || begun.Before(s.seekAgain) {
		return false, nil
	}
	s.astray = false
	err = s.drainAll(ctx)
	s.seekAgain = begun.Add(max(seekEvery, seekShare*time.Since(begun)))
	return true, err
}

// stored hands over a text that was read from a memory and deletes it there; gone tells whether that was done. What the
// Receiver does not take stays, and is found again by the next listing. stat 2 and 3 are texts that somebody wrote there
// to be sent.
func (s *session) stored(ctx context.Context, at slot, stat, text string) (gone bool, err error) {
	pdu, err := hex.DecodeString(text)
	if stat != "0" && stat != "1" || err != nil || len(pdu) == 0 {
		return false, nil
	}
	if s.undeleted[at] != text {
		if err := s.m.deliver(ctx, s.m.Status().Identity, pdu, true, time.Now()); err != nil {
			s.log.Error("a text that arrived could not be stored", "err", err)
			s.m.trouble(err)
			return false, ctx.Err()
		}
	}
	_, err = s.l.command(ctx, "AT+CMGD="+strconv.Itoa(at.index), s.t.Command)
	if err == nil {
		delete(s.undeleted, at)
		return true, nil
	}
	// It must not be received again by each listing.
	if s.undeleted == nil {
		s.undeleted = make(map[slot]string)
	}
	s.undeleted[at] = text
	s.log.Warn("a received text could not be deleted from the modem", "store", at.store, "index", at.index, "err", err)
	if isAnswer(err) {
		return false, nil
	}
	return false, err
}

// choose makes store the memory that is read; "" is the one in which texts arrive.
func (s *session) choose(ctx context.Context, store string) error {
	if store == "" {
		store = s.home
	}
	if store == s.store || store == "" {
		return nil
	}
	_, err := s.must(ctx, fmt.Sprintf("AT+CPMS=%q", store), s.t.Command)
	if err == nil {
		s.store = store
	}
	return err
}

// drainAll reads what arrived while nobody was looking, in all memories.
func (s *session) drainAll(ctx context.Context) error {
	s.looks = 0
	for _, store := range s.stores {
		if err := s.choose(ctx, store); err != nil {
			if isAnswer(err) {
				continue
			}
			return err
		}
		if err := s.drain(ctx); err != nil {
			return err
		}
	}
	if len(s.stores) == 0 {
		return s.drain(ctx)
	}
	if err := s.choose(ctx, s.home); err != nil && !isAnswer(err) {
		return err
	}
	return nil
}

// allEvery is how many looks at a modem there are for one into all its memories.
const allEvery = 10

// drainUsed reads what lies in the memory in which texts arrive, if anything does: the report of it may have got lost. Now
// and then it looks into the others, too: what a modem puts there against its orders it may not have told of either.
func (s *session) drainUsed(ctx context.Context) error {
	if s.looks++; s.looks >= allEvery {
		s.looks = 0
		for _, store := range s.stores {
			if store == s.home {
				continue
			}
			if err := s.drainUsedIn(ctx, store); err != nil {
				return err
			}
		}
	}
	return s.drainUsedIn(ctx, s.home)
}

// drainUsedIn does so in one memory. The listing is avoided where it can be, for on Huawei's it hangs after some hours
// (gsm-modem §2).
func (s *session) drainUsedIn(ctx context.Context, store string) error {
	if err := s.choose(ctx, store); err != nil {
		if isAnswer(err) {
			return nil
		}
		return err
	}
	used, total, known, err := s.usage(ctx)
	if err != nil {
		return err
	}
	if known && used < total {
		s.full(s.store, nil)
	}
	if known && used == 0 {
		return nil
	}
	if err := s.drain(ctx); err != nil {
		return err
	}
	if known && used >= total {
		return s.makeRoomIn(ctx, store)
	}
	return nil
}

// drain lists the chosen memory, hands over the texts in it, and deletes them. A listing that hangs is not asked for
// again on this line: the places are read one by one then, which is safer with Huawei's (gsm-modem §2). So they are where
// the listing is refused: Quectel's EP06-A and EM06-A have none in PDU mode (forums.quectel.com/t/7820).
func (s *session) drain(ctx context.Context) error {
	delete(s.left, s.store)
	if s.noList {
		return s.drainSingly(ctx)
	}
	info, err := s.must(ctx, "AT+CMGL=4", s.t.Long)
	switch {
	case errors.Is(err, ErrNoAnswer):
		s.noList = true
		s.log.Warn("the modem does not list its texts; they are read one by one")
		return s.drainSingly(ctx)
	case isAnswer(err):
		return s.drainSingly(ctx)
	case err != nil:
		return err
	}
	var left listing
	for i := 0; i+1 < len(info); i++ {
		rest, ok := cutPrefix(info[i], "+CMGL:")
		fields := fieldsOf(rest)
		if !ok || len(fields) < 2 || strings.Contains(info[i+1], ":") {
			continue
		}
		index, err := strconv.Atoi(fields[0])
		if err != nil || index < 0 {
			continue
		}
		if err := s.listed(ctx, slot{s.store, index}, fields[1], info[i+1], &left); err != nil {
			return err
		}
	}
	s.leave(left)
	return nil
}

// drainSingly does the same without a listing: it reads each place until it has found as many texts as there are.
func (s *session) drainSingly(ctx context.Context) error {
	used, total, known, err := s.usage(ctx)
	if err != nil || !known || used == 0 {
		return err
	}
	var left listing
	for index, found := 0, 0; index <= min(total, mostPlaces) && found < used; index++ { // the first is 0 or 1
		info, err := s.l.command(ctx, "AT+CMGR="+strconv.Itoa(index), s.t.Command)
		if err != nil && !isAnswer(err) {
			return err
		}
		rest, ok := answer(info, "+CMGR:")
		if err != nil || !ok || len(info) < 2 {
			continue
		}
		found++
		if err := s.listed(ctx, slot{s.store, index}, fieldsOf(rest)[0], info[len(info)-1], &left); err != nil {
			return err
		}
	}
	s.leave(left)
	return nil
}

// mostPlaces bounds how many places of a memory are read one by one; SIMs have 50 at most.
const mostPlaces = 255

// listed handles one text of a memory, and notes it if it stays there.
func (s *session) listed(ctx context.Context, at slot, stat, text string, left *listing) error {
	gone, err := s.stored(ctx, at, stat, text)
	switch {
	case err != nil:
		return err
	case gone:
		left.fetched++
	case stat == "2", stat == "3":
		left.foreign = append(left.foreign, at)
	default:
		left.held++
	}
	return nil
}

// leave notes what stays in the chosen memory.
func (s *session) leave(left listing) {
	if s.left == nil {
		s.left = make(map[string]listing)
	}
	s.left[s.store] = left
}
