package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNodeSMPP takes the whole life of a message with the npm package "smpp", a client that shares no line with ours.
func TestNodeSMPP(t *testing.T) {
	t.Parallel()
	node := need(t, "node")
	if _, err := os.Stat(filepath.Join("node", "node_modules", "smpp")); err != nil {
		without(t, "the npm package smpp", "is not installed (npm ci --prefix e2e/node)")
	}
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	const number = "4161231234"
	p := start(t, nil, node, filepath.Join("node", "life.cjs"), port, "shop", password("shop"), number)
	p.stdout.await(t, 0, p.ended, `"ready for texts"`)
	phones.text(t, "4161230001", "yes, please")
	phones.text(t, "4161230002", "да 😀")
	p.wantEnd(t, 0)

	steps := make(map[string]map[string]any)
	list, _ := p.stdout.from(0)
	for _, line := range list {
		var step map[string]any
		if err := json.Unmarshal([]byte(line), &step); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		steps[step["step"].(string)] = step
	}
	for _, want := range lifeOfNode(number) {
		step, ok := steps[want.step]
		if !ok {
			t.Errorf("the client did not come to %q", want.step)
		}
		for name, value := range want.facts {
			if step[name] != value {
				t.Errorf("%s: %s is %v, want %v", want.step, name, step[name], value)
			}
		}
	}
	id, _ := steps["short"]["id"].(string)
	receipt, _ := steps["short: receipt"]["text"].(string)
	if id == "" || !strings.HasPrefix(receipt, "id:"+id+" sub:001 dlvrd:001 submit date:") || !strings.Contains(receipt, " stat:DELIVRD err:000 text:Mail: ") {
		t.Errorf("the receipt of %s is %q", id, receipt)
	}
	phones.wantCount(t, number, "Mail: shop@example.org, $5 {now}", 1)
	phones.wantCount(t, number, strings.Repeat("abcdefghij", 30), 1)
	phones.wantCount(t, number, "Привет 😀", 1)
	phones.wantCount(t, number, "never", 0)
}

// nodeStep is a step of node/life.cjs, and what it must print of it.
type nodeStep struct {
	step  string
	facts map[string]any
}

func lifeOfNode(number string) []nodeStep {
	return []nodeStep{
		{"bind with a wrong password", map[string]any{"command": "bind_transceiver_resp", "status": "ESME_RINVPASWD"}},
		{"bind", map[string]any{"command": "bind_transceiver_resp", "status": "ESME_ROK", "system_id": "smsgateway"}},
		{"enquire_link", map[string]any{"command": "enquire_link_resp", "status": "ESME_ROK"}},
		{"short", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"short: receipt", map[string]any{"state": 2.0, "from": number}},
		{"query of a delivered message", map[string]any{"command": "query_sm_resp", "status": "ESME_ROK", "state": 2.0, "final_date": "set"}},
		{"cancel too late", map[string]any{"command": "cancel_sm_resp", "status": "ESME_RCANCELFAIL"}},
		{"long", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"long: receipt", map[string]any{"state": 2.0, "from": number}},
		{"UCS-2", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"UCS-2: receipt", map[string]any{"state": 2.0, "from": number}},
		{"for later", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"query of a waiting message", map[string]any{"command": "query_sm_resp", "status": "ESME_ROK", "state": 1.0, "final_date": ""}},
		{"cancel", map[string]any{"command": "cancel_sm_resp", "status": "ESME_ROK"}},
		{"query of a cancelled message", map[string]any{"command": "query_sm_resp", "status": "ESME_ROK", "state": 4.0, "final_date": "set"}},
		{"a number as people write it", map[string]any{"command": "submit_sm_resp", "status": "ESME_RINVDSTADR"}},
		{"query of an unknown message", map[string]any{"command": "query_sm_resp", "status": "ESME_RINVMSGID"}},
		{"a request that is to come", map[string]any{"command": "generic_nack", "status": "ESME_RINVCMDID"}},
		{"a text", map[string]any{"text": "yes, please", "data_coding": 0.0}},
		{"a text in UCS-2", map[string]any{"text": "да 😀", "data_coding": 8.0}},
		{"enquire_link again", map[string]any{"command": "enquire_link_resp", "status": "ESME_ROK"}},
		{"unbind", map[string]any{"command": "unbind_resp", "status": "ESME_ROK"}},
		{"closed", nil},
	}
}
