package smpp

import (
	"testing"
	"time"
)

func TestReceiptString(t *testing.T) {
	submitted := time.Date(2026, 11, 23, 10, 5, 59, 0, time.FixedZone("CET", 3600))
	tests := []struct {
		name string
		in   Receipt
		want string
	}{
		{"delivered", Receipt{MessageID: "1000000017", Submitted: 1, Delivered: 1, SubmitDate: submitted,
			DoneDate: submitted.Add(time.Minute), State: StateDelivered, Text: "Your table is booked for eight"},
			"id:1000000017 sub:001 dlvrd:001 submit date:2611230905 done date:2611230906 stat:DELIVRD err:000 text:Your table is booked"},
		{"failed, no text", Receipt{MessageID: "7", Submitted: 3, SubmitDate: submitted, DoneDate: submitted, State: StateUndeliverable, Err: 27},
			"id:7 sub:003 dlvrd:000 submit date:2611230905 done date:2611230905 stat:UNDELIV err:027 text:"},
		{"not ASCII", Receipt{MessageID: "7", SubmitDate: submitted, State: StateUnknown, Text: "Grüße\r\n日本\x00~ und mehr als zwanzig"},
			"id:7 sub:000 dlvrd:000 submit date:2611230905 done date:0000000000 stat:UNKNOWN err:000 text:Gr??e?????~ und mehr"},
		{"out of bounds", Receipt{MessageID: "7", Submitted: 1000, Delivered: -1, Err: 4711, State: 99},
			"id:7 sub:999 dlvrd:000 submit date:0000000000 done date:0000000000 stat:UNKNOWN err:999 text:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.String(); got != tt.want {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestParseReceipt(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 5, 0, 0, time.UTC)
	tests := []struct {
		name, in string
		want     Receipt
	}{
		{"ours", "id:17 sub:001 dlvrd:001 submit date:2611230905 done date:2611230905 stat:DELIVRD err:000 text:hi there",
			Receipt{MessageID: "17", Submitted: 1, Delivered: 1, SubmitDate: at, DoneDate: at, State: StateDelivered, Text: "hi there"}},
		{"12 digits, Text", "id:a-b sub:1 dlvrd:0 submit date:261123090533 done date:000000000000 stat:UNDELIV err:27 Text:x\ny",
			Receipt{MessageID: "a-b", Submitted: 1, SubmitDate: at, State: StateUndeliverable, Err: 27, Text: "x\ny"}},
		{"no text at all", "id:17 sub:001 dlvrd:001 submit date:2611230905 done date:2611230905 stat:REJECTD err:000",
			Receipt{MessageID: "17", Submitted: 1, Delivered: 1, SubmitDate: at, DoneDate: at, State: StateRejected}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseReceipt(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
	bad := map[string]string{
		"empty":            "",
		"no id":            "id: sub:001 dlvrd:001 submit date:2611230905 done date:2611230905 stat:DELIVRD err:000 text:",
		"unknown stat":     "id:1 sub:001 dlvrd:001 submit date:2611230905 done date:2611230905 stat:WHATNOW err:000 text:",
		"submit month":     "id:1 sub:001 dlvrd:001 submit date:2613230905 done date:2611230905 stat:DELIVRD err:000 text:",
		"done day":         "id:1 sub:001 dlvrd:001 submit date:2611230905 done date:2611310905 stat:DELIVRD err:000 text:",
		"an ordinary text": "see you at id:1 then",
	}
	for name, in := range bad {
		if got, err := ParseReceipt(in); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}
