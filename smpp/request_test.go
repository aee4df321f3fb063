package smpp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestErrorAnswers holds the octets of each answer with an error: clients lose the answer or the session over others.
func TestErrorAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{
			submit: func(p *SubmitSM) (Submission, error) {
				switch string(p.ShortMessage) {
				case "now":
					return nil, fmt.Errorf("account shop: %w", StatusThrottled)
				case "long id":
					return accepted(strings.Repeat("9", 65)), nil
				}
				later := newTicket()
				later.finish("unused", StatusMsgQFul)
				return later, nil
			},
			query: func(p *QuerySM) (*QuerySMResp, error) {
				if p.MessageID == "long" {
					return &QuerySMResp{FinalDate: "much too long for a date"}, nil
				}
				return nil, StatusInvMsgID
			},
			cancel: func(p *CancelSM) error {
				if p.MessageID == "ours" {
					return errors.New("disk")
				}
				return StatusCancelFail
			},
			multi: func(p *SubmitMulti) (MultiSubmission, error) {
				left := []Unsuccessful{{Address{1, 1, "50"}, StatusInvDstAdr}}
				switch string(p.ShortMessage) {
				case "now":
					return nil, StatusThrottled
				case "all":
					return &multiTicket{done: closedChan, resp: &SubmitMultiResp{Unsuccessful: left}, err: StatusInvDstAdr}, nil
				case "disk":
					return &multiTicket{done: closedChan, err: StatusMsgQFul}, nil
				}
				return &multiTicket{done: closedChan, resp: &SubmitMultiResp{MessageID: "12", Unsuccessful: left}}, nil
			},
			data: func(p *DataSM) (Submission, error) {
				if len(p.TLVs) == 0 {
					return nil, StatusMissingOptParam
				}
				later := newTicket()
				later.finish("unused", StatusMsgQFul)
				return later, nil
			},
			replace: func(*ReplaceSM) error { return StatusReplaceFail },
		}
		several := func(text string) Body {
			return &SubmitMulti{Destinations: []Destination{{Address: Address{1, 1, "50"}}}, ShortMessage: []byte(text)}
		}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransceiver)
		tests := []struct {
			name string
			req  []byte
			want string
		}{
			{"refused at once", encode(t, PDU{Sequence: 2, Body: text("now")}), "00000010 80000004 00000058 00000002"},
			{"refused later", encode(t, PDU{Sequence: 3, Body: text("later")}), "00000010 80000004 00000014 00000003"},
			{"an id that does not fit", encode(t, PDU{Sequence: 4, Body: text("long id")}), "00000010 80000004 00000008 00000004"},
			{"malformed submit_sm", whole(CmdSubmitSM, 0, 5, []byte("toolong\x00")), "00000010 80000004 00000015 00000005"},
			{"short submit_sm", whole(CmdSubmitSM, 0, 6, []byte("\x00")), "00000010 80000004 00000002 00000006"},
			{"query_sm", encode(t, PDU{Sequence: 7, Body: &QuerySM{MessageID: "12"}}), "00000016 80000003 0000000c 00000007 313200 00 07 00"},
			{"malformed query_sm", whole(CmdQuerySM, 0, 8, []byte("12\x00\x00\x00")), "00000016 80000003 00000002 00000008 313200 00 07 00"},
			{"query_sm, an id too long", whole(CmdQuerySM, 0, 8, make65()), "00000014 80000003 0000000c 00000008 00 00 07 00"},
			{"a query's answer that does not fit", encode(t, PDU{Sequence: 9, Body: &QuerySM{MessageID: "long"}}), "00000014 80000003 00000008 00000009 00 00 00 00"},
			{"cancel_sm", encode(t, PDU{Sequence: 10, Body: &CancelSM{MessageID: "12"}}), "00000010 80000008 00000011 0000000a"},
			{"cancel_sm, our own fault", encode(t, PDU{Sequence: 11, Body: &CancelSM{MessageID: "ours"}}), "00000010 80000008 00000008 0000000b"},
			{"submit_multi refused at once", encode(t, PDU{Sequence: 16, Body: several("now")}), "00000012 80000021 00000058 00000010 00 00"},
			{"submit_multi, all refused", encode(t, PDU{Sequence: 17, Body: several("all")}),
				"0000001b 80000021 0000000b 00000011 00 01 01 01 353000 0000000b"},
			{"submit_multi, one refused", encode(t, PDU{Sequence: 18, Body: several("one")}),
				"0000001d 80000021 00000000 00000012 313200 01 01 01 353000 0000000b"},
			{"submit_multi refused later", encode(t, PDU{Sequence: 19, Body: several("disk")}), "00000012 80000021 00000014 00000013 00 00"},
			{"submit_multi to nobody", whole(CmdSubmitMulti, 0, 20, make([]byte, 20)), "00000012 80000021 00000033 00000014 00 00"},
			{"submit_multi, a wrong dest_flag", whole(CmdSubmitMulti, 0, 21, []byte("\x00\x00\x00\x00\x01\x03")),
				"00000012 80000021 00000040 00000015 00 00"},
			{"data_sm refused at once", encode(t, PDU{Sequence: 22, Body: &DataSM{}}), "00000011 80000103 000000c3 00000016 00"},
			{"data_sm refused later", encode(t, PDU{Sequence: 23, Body: &DataSM{TLVs: TLVs{{TagMessagePayload, nil}}}}),
				"00000011 80000103 00000014 00000017 00"},
			{"malformed data_sm", whole(CmdDataSM, 0, 24, []byte("\x00")), "00000011 80000103 00000002 00000018 00"},
			{"replace_sm", encode(t, PDU{Sequence: 25, Body: &ReplaceSM{MessageID: "12"}}), "00000010 80000007 00000013 00000019"},
			{"malformed replace_sm", whole(CmdReplaceSM, 0, 26, []byte("12\x00")), "00000010 80000007 00000002 0000001a"},
			{"unknown command", whole(0x0A, 0, 12, []byte("anything")), "00000010 80000000 00000003 0000000c"},
		}
		for _, tt := range tests {
			t.Log(tt.name)
			p.write(tt.req)
			p.wantOctets(tt.want)
		}
		p.alive()
	})
}

// make65 is the body of a query_sm with a message_id that fills its field without a NUL.
func make65() []byte { return []byte(strings.Repeat("1", 65) + "\x00\x00\x00\x00") }

// TestAnswersInOrder completes submissions backwards: the answers come in the order of the requests, with those of other
// requests in their places.
func TestAnswersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tickets []*ticket
		backend := &fake{submit: func(*SubmitSM) (Submission, error) {
			tickets = append(tickets, newTicket())
			return tickets[len(tickets)-1], nil
		}}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransceiver)
		p.send(10, text("a"))
		p.send(11, &EnquireLink{})
		p.send(11, text("b")) // php-smpp uses a number again after an error
		p.send(12, &QuerySM{MessageID: "1"})
		p.send(13, &CancelSM{MessageID: "2"})
		p.send(14, text("c"))
		synctest.Wait()
		tickets[2].finish("103", nil)
		tickets[1].finish("102", nil)
		p.wantNothing(time.Second)
		backend.wantSeen(t, "bind shop", "bound", "submit a", "submit b", "submit c") // the query waits for what came before it
		tickets[0].finish("101", nil)
		p.want(10, StatusOK, &SubmitSMResp{MessageID: "101"})
		p.want(11, StatusOK, &EnquireLinkResp{})
		p.want(11, StatusOK, &SubmitSMResp{MessageID: "102"})
		p.want(12, StatusOK, &QuerySMResp{MessageID: "1", MessageState: StateEnroute})
		p.want(13, StatusOK, &CancelSMResp{})
		p.want(14, StatusOK, &SubmitSMResp{MessageID: "103"})
		backend.wantSeen(t, "query 1", "cancel 2")
	})
}

// TestNothingIsHeldBack has ready answers in front of one that is not: they go out.
func TestNothingIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newTicket()
		cancelled := make(chan struct{})
		backend := &fake{
			submit: func(p *SubmitSM) (Submission, error) {
				if string(p.ShortMessage) == "slow" {
					return slow, nil
				}
				return accepted("1"), nil
			},
			cancel: func(*CancelSM) error { <-cancelled; return nil },
		}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransmitter)
		p.write(encode(t, PDU{Sequence: 1, Body: text("")}, PDU{Sequence: 2, Body: text("")}, PDU{Sequence: 3, Body: text("slow")},
			PDU{Sequence: 4, Body: text("")}, PDU{Sequence: 5, Body: &CancelSM{}}, PDU{Sequence: 6, Body: text("")}))
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.want(2, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.wantNothing(time.Second)
		slow.finish("2", nil)
		p.want(3, StatusOK, &SubmitSMResp{MessageID: "2"})
		p.want(4, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.wantNothing(time.Second)
		close(cancelled)
		p.want(5, StatusOK, &CancelSMResp{})
		p.want(6, StatusOK, &SubmitSMResp{MessageID: "1"})
	})
}

// TestAnswersShareAWrite completes many submissions at a stroke: their answers come in one piece.
func TestAnswersShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTicket()
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return all, nil }}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransmitter)
		var burst, want []byte
		for i := range uint32(50) {
			burst = append(burst, encode(t, PDU{Sequence: i, Body: text("x")})...)
			want = append(want, encode(t, PDU{Sequence: i, Body: &SubmitSMResp{MessageID: "1"}})...)
		}
		p.write(burst)
		synctest.Wait()
		all.finish("1", nil)
		got := make([]byte, 2*len(want))
		n, err := p.conn.Read(got) // a pipe gives what one write had
		if string(got[:n]) != string(want) {
			t.Errorf("the first write has %d octets (%v), want %d", n, err, len(want))
		}
	})
}

// TestLongBursts has more answers ready than go into one write: each write ends with a whole PDU.
func TestLongBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTicket()
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return all, nil }}
		p := serve(t, &Server{Backend: backend, Window: 3000}).dialAs(BindTransmitter)
		var requests []byte
		for i := range uint32(3000) {
			requests = append(requests, encode(t, PDU{Sequence: i, Body: text("x")})...)
		}
		p.write(requests)
		synctest.Wait()
		all.finish("1", nil)
		got := make([]byte, 2*burst)
		for answers := 0; answers < 3000; {
			n, err := p.conn.Read(got) // a pipe gives what one write had
			if err != nil || n > burst+18 || n%18 != 0 {
				t.Fatalf("a write of %d octets after %d answers (%v)", n, answers, err)
			}
			answers += n / 18
		}
	})
}

// TestWindow stops reading at the limit, and goes on with each answer.
func TestWindow(t *testing.T) {
	for _, window := range []int{1, 3} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tickets := make(chan *ticket, 10)
				backend := &fake{submit: func(*SubmitSM) (Submission, error) {
					ticket := newTicket()
					tickets <- ticket
					return ticket, nil
				}}
				p := serve(t, &Server{Backend: backend, Window: window}).dialAs(BindTransmitter)
				var burst []byte
				for i := range uint32(10) {
					burst = append(burst, encode(t, PDU{Sequence: i, Body: text("x")})...)
				}
				go p.conn.Write(burst)
				for i := range uint32(10) {
					synctest.Wait()
					if want := min(window, 10-int(i)); len(tickets) != want {
						t.Fatalf("%d in work after %d answers, want %d", len(tickets), i, want)
					}
					(<-tickets).finish("1", nil)
					p.want(i, StatusOK, &SubmitSMResp{MessageID: "1"})
				}
			})
		})
	}
}

// TestPieces sends PDUs in the ways in which TCP may bring them.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, &Server{Backend: &fake{}}).dialAs(BindTransceiver)
		both := encode(t, PDU{Sequence: 1, Body: text("one")}, PDU{Sequence: 2, Body: text("two")})
		p.write(both)
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.want(2, StatusOK, &SubmitSMResp{MessageID: "2"})
		for _, octet := range both[:len(both)/2] {
			p.write([]byte{octet})
		}
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "3"})
		p.write(both[len(both)/2 : len(both)-1])
		p.wantNothing(time.Second)
		p.write(both[len(both)-1:])
		p.want(2, StatusOK, &SubmitSMResp{MessageID: "4"})
		large := text("")
		large.TLVs = TLVs{{TagMessagePayload, make([]byte, 65535)}}
		p.send(3, large)
		p.want(3, StatusOK, &SubmitSMResp{MessageID: "5"})
	})
}

// TestImpossibleLength answers a command_length that cannot be, and ends the session: the stream has no frame any more.
func TestImpossibleLength(t *testing.T) {
	tests := []struct {
		name   string
		kind   BindKind // 0: not bound
		octets []byte
		number uint32
	}{
		{"too small", BindTransceiver, octets(t, "0000000f 00000015 00000000 00000009"), 0},
		{"too large", BindTransceiver, octets(t, "000101d1 00000015 00000000 00000009"), 9},
		{"all ones", BindTransceiver, octets(t, "ffffffff 00000015 00000000 00000009"), 9},
		{"too large before a bind", 0, octets(t, "00000401 00000015 00000000 00000009"), 9},
		{"a browser", 0, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0x2e310d0a},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := serve(t, &Server{Backend: &fake{}})
				p := server.dial()
				if tt.kind != 0 {
					p = server.dialAs(tt.kind)
				}
				p.write(tt.octets)
				p.want(tt.number, StatusInvCmdLen, &GenericNack{})
				p.wantEnd()
			})
		})
	}
}

// TestLargestPDUs are taken, before and after the bind.
func TestLargestPDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, &Server{Backend: &fake{}, MaxPDU: 2000})
		p := server.dial()
		p.write(whole(CmdEnquireLink, 0, 1, make([]byte, openLimit-16)))
		p.want(1, StatusOK, &EnquireLinkResp{})
		p = server.dialAs(BindReceiver)
		p.write(whole(CmdEnquireLink, 0, 1, make([]byte, 2000-16)))
		p.want(1, StatusOK, &EnquireLinkResp{})
	})
}
