package e2e

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Clients that share no line with ours take the whole life of a message, with scripts that print what they see, step by
// step. Wireshark looks on.

// TestNodeSMPP is the npm package "smpp".
func TestNodeSMPP(t *testing.T) {
	t.Parallel()
	node := need(t, "node")
	if _, err := os.Stat(filepath.Join("node", "node_modules", "smpp")); err != nil {
		without(t, "the npm package smpp", "is not installed (npm ci --prefix e2e/node)")
	}
	clientLife(t, node, filepath.Join("node", "life.cjs"))
}

// TestNetSMPP is Debian's libnet-smpp-perl.
func TestNetSMPP(t *testing.T) {
	t.Parallel()
	perl := need(t, "perl")
	if out, err := exec.Command(perl, "-MNet::SMPP", "-e", "1").CombinedOutput(); err != nil {
		without(t, "Net::SMPP", "is not installed (libnet-smpp-perl): "+string(out))
	}
	clientLife(t, perl, filepath.Join("perl", "life.pl"))
}

// clientLife runs a script against a gateway, does what it asks for, and looks at its steps.
func clientLife(t *testing.T, script ...string) {
	t.Helper()
	const number, failing = "4161231234", "41699908"
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port, listen: freePort(t), log: []string{"texts = true"}})
	b.account(t, "shop")
	// A text that was on disk at a start is marked with a TLV that no client knows.
	phones.text(t, "4161230009", "early")
	eventually(t, "the text to be in the inbox", func() (bool, string) {
		return len(cliJSON[[]inboxJSON](t, b, "inbox", "list")) == 1, "no text"
	})
	b.stop(t)
	b.serve(t)
	c := watch(t, b)
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, script[0], append(script[1:], port, "shop", password("shop"), number, failing)...)
	p.stdout.await(t, 0, p.ended, `"ready for texts"`)
	phones.text(t, "4161230001", "yes, please")
	phones.text(t, "4161230002", "да 😀")
	p.stdout.await(t, 0, p.ended, `"ready for a restart"`)
	b.stop(t)
	b.serve(t)
	p.wantEnd(t, 0)

	b.log.await(t, 0, b.p.ended, `msg="delivered to the ESME"`, "inbox=1")
	steps := stepsOf(t, p)
	for _, want := range append(lifeSteps(number, failing), operationSteps(number)...) {
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
	for step, end := range map[string]string{
		"short":          " sub:001 dlvrd:001 submit date:# done date:# stat:DELIVRD err:000 text:Mail: ",
		"failing":        " sub:001 dlvrd:000 submit date:# done date:# stat:UNDELIV err:#",
		"over a restart": " sub:001 dlvrd:001 submit date:# done date:# stat:DELIVRD err:000 text:after the restart",
	} {
		id, _ := steps[step]["id"].(string)
		receipt, _ := steps[step+": receipt"]["text"].(string)
		if id == "" || !fits(receipt, "id:"+id+end) {
			t.Errorf("%s: the receipt of %q is %q", step, id, receipt)
		}
	}
	if first := steps["referenced"]["id"]; first == "" || steps["resubmitted"]["id"] != first {
		t.Errorf("the resubmitted message has the id %v, the first one had %v", steps["resubmitted"]["id"], first)
	}
	b.log.await(t, 0, b.p.ended, `msg="to modem"`, "0605040B8423F0")
	for text, to := range map[string]string{
		"by data_sm": number, "put in its place": number, "today": number, "once": number, "first half, second half": number, "to a port": number,
	} {
		phones.wantText(t, to, text)
	}
	for _, text := range []string{"old", "yesterday"} {
		phones.wantCount(t, number, text, 0)
	}
	phones.wantCount(t, number, "Mail: shop@example.org, $5 {now}", 1)
	phones.wantCount(t, number, strings.Repeat("abcdefghij", 30), 1)
	phones.wantCount(t, number, "Привет 😀", 1)
	phones.wantCount(t, number, "after the restart", 1)
	phones.wantCount(t, number, "never", 0)
	c.judge(t, b)
}

// fits tells that s begins as the pattern says, where # stands for any digits.
func fits(s, pattern string) bool {
	for i, piece := range strings.Split(pattern, "#") {
		if i > 0 {
			s = strings.TrimLeft(s, "0123456789")
		}
		if !strings.HasPrefix(s, piece) {
			return false
		}
		s = s[len(piece):]
	}
	return true
}

// stepsOf reads the lines of a script.
func stepsOf(t *testing.T, p *process) map[string]map[string]any {
	t.Helper()
	steps := make(map[string]map[string]any)
	list, _ := p.stdout.from(0)
	for _, line := range list {
		var step map[string]any
		if err := json.Unmarshal([]byte(line), &step); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		steps[step["step"].(string)] = step
	}
	return steps
}

// clientStep is a step of a script, and what it must print of it.
type clientStep struct {
	step  string
	facts map[string]any
}

func lifeSteps(number, failing string) []clientStep {
	return []clientStep{
		{"bind with a wrong password", map[string]any{"command": "bind_transceiver_resp", "status": "ESME_RINVPASWD"}},
		{"bind", map[string]any{"command": "bind_transceiver_resp", "status": "ESME_ROK", "system_id": "smsgateway"}},
		{"enquire_link", map[string]any{"command": "enquire_link_resp", "status": "ESME_ROK"}},
		{"short", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"short: receipt", map[string]any{"state": 2.0, "from": number}},
		{"query of a delivered message", map[string]any{"command": "query_sm_resp", "status": "ESME_ROK", "state": 2.0, "final_date": "set"}},
		{"cancel too late", map[string]any{"command": "cancel_sm_resp", "status": "ESME_RCANCELFAIL"}},
		{"replace too late", map[string]any{"command": "replace_sm_resp", "status": "ESME_RREPLACEFAIL"}},
		{"long", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"long: receipt", map[string]any{"state": 2.0, "from": number}},
		{"UCS-2", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"UCS-2: receipt", map[string]any{"state": 2.0, "from": number}},
		{"failing", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"failing: receipt", map[string]any{"state": 5.0, "from": failing}},
		{"for later", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"query of a waiting message", map[string]any{"command": "query_sm_resp", "status": "ESME_ROK", "state": 1.0, "final_date": ""}},
		{"cancel", map[string]any{"command": "cancel_sm_resp", "status": "ESME_ROK"}},
		{"query of a cancelled message", map[string]any{"command": "query_sm_resp", "status": "ESME_ROK", "state": 4.0, "final_date": "set"}},
		{"a number as people write it", map[string]any{"command": "submit_sm_resp", "status": "ESME_RINVDSTADR"}},
		{"query of an unknown message", map[string]any{"command": "query_sm_resp", "status": "ESME_RINVMSGID"}},
		{"a text", map[string]any{"text": "yes, please", "data_coding": 0.0}},
		{"a text in UCS-2", map[string]any{"text": "да 😀", "data_coding": 8.0}},
		{"over a restart", map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}},
		{"lost", nil},
		{"bind again", map[string]any{"command": "bind_transceiver_resp", "status": "ESME_ROK"}},
		{"over a restart: receipt", map[string]any{"state": 2.0, "from": number}},
		{"enquire_link again", map[string]any{"command": "enquire_link_resp", "status": "ESME_ROK"}},
		{"unbind", map[string]any{"command": "unbind_resp", "status": "ESME_ROK"}},
		{"closed", nil},
	}
}

// operationSteps are about the operations beside submit_sm, query_sm and cancel_sm by id, and about optional parameters.
func operationSteps(number string) []clientStep {
	steps := []clientStep{
		{"submit_multi", map[string]any{"command": "submit_multi_resp", "status": "ESME_ROK", "refused": "(416) 123-1234 ESME_RINVDSTADR"}},
		{"submit_multi: receipt", map[string]any{"state": 2.0, "from": "4161230101"}},
		{"submit_multi, the second: receipt", map[string]any{"state": 2.0, "from": "4161230102"}},
		{"data_sm", map[string]any{"command": "data_sm_resp", "status": "ESME_ROK"}},
		{"data_sm: receipt", map[string]any{"state": 2.0, "from": number}},
		{"replace_sm", map[string]any{"command": "replace_sm_resp", "status": "ESME_ROK"}},
		{"replace_sm: receipt", map[string]any{"state": 2.0, "from": number}},
		{"yesterday: receipt", map[string]any{"state": 4.0}},
		{"replace_if_present: receipt", map[string]any{"state": 2.0}},
		{"cancel by addresses", map[string]any{"command": "cancel_sm_resp", "status": "ESME_ROK"}},
		{"query of one", map[string]any{"status": "ESME_ROK", "state": 4.0}},
		{"query of other", map[string]any{"status": "ESME_ROK", "state": 4.0}},
		{"cancel by addresses, of nothing", map[string]any{"status": "ESME_RCANCELFAIL"}},
		{"segment 3 of 2", map[string]any{"status": "ESME_RINVOPTPARAMVAL"}},
		{"ports: receipt", map[string]any{"state": 2.0}},
	}
	for _, step := range []string{
		"to be replaced", "yesterday", "replace_if_present", "one", "other", "referenced", "resubmitted", "segment 1", "segment 2", "ports",
	} {
		steps = append(steps, clientStep{step, map[string]any{"command": "submit_sm_resp", "status": "ESME_ROK"}})
	}
	return steps
}
