package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"smsgateway/smpp"
)

// TestMissingModem starts without the modem's port: messages are taken and wait, everybody who asks is told why, and
// they go out when the modem appears.
func TestMissingModem(t *testing.T) {
	t.Parallel()
	link, page := linkName(t), freePort(t)
	b := startBox(t, settings{modem: link, admin: page})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	id := e.submit(t, text("4161231234", "hello"))
	e.wantState(t, id, smpp.StateEnroute)

	eventually(t, "modem list to say missing", func() (bool, string) {
		list := cliJSON[[]modemJSON](t, b, "modem", "list")
		return len(list) == 1 && list[0].State == "missing" && list[0].LastError != "", fmt.Sprintf("%+v", list)
	})
	if out := b.must(t, "modem", "list"); !strings.Contains(out, "missing") || !strings.Contains(out, link) {
		t.Errorf("modem list says:\n%s", out)
	}
	if m := b.message(t, id); m.State != "queued" || !strings.Contains(m.Why, "no modem is ready") {
		t.Errorf("the message is %s: %s", m.State, m.Why)
	}
	b.log.await(t, 0, b.p.ended, "level=WARN", "modem=sim", link)
	if code, body := fetch(t, page, "/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "sim") {
		t.Errorf("/healthz answered %d: %s", code, body)
	}

	phones := startSimulatorAt(t, link)
	e.wantReceipt(t, id, smpp.StateDelivered)
	phones.wantCount(t, "4161231234", "hello", 1)
	b.ready(t)
	if code, body := fetch(t, page, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answered %d: %s", code, body)
	}
	if code, body := fetch(t, page, "/"); code != http.StatusOK || !strings.Contains(body, "SimNet") ||
		strings.Contains(body, "4161231234") || strings.Contains(body, "hello") {
		t.Errorf("the status page answered %d, and must show the modem's network, and no number or text:\n%s", code, body)
	}

	// Unplugged for good, and back.
	phones.stop(t)
	eventually(t, "modem list to say missing again", func() (bool, string) {
		list := cliJSON[[]modemJSON](t, b, "modem", "list")
		return list[0].State == "missing", fmt.Sprintf("%+v", list)
	})
	id = e.submit(t, text("4161231234", "hello again"))
	phones = startSimulatorAt(t, link)
	e.wantReceipt(t, id, smpp.StateDelivered)
	phones.wantCount(t, "4161231234", "hello again", 1)
}

func fetch(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestPIN drives a SIM that wants a PIN: with the right one, and with a wrong one, which is tried once and said nowhere.
func TestPIN(t *testing.T) {
	t.Parallel()
	t.Run("right", func(t *testing.T) {
		t.Parallel()
		phones := startSimulator(t, "--pin", "4711")
		b := startBox(t, settings{modem: phones.port, more: []string{`pin = "4711"`}})
		b.secrets = append(b.secrets, `"4711"`)
		b.account(t, "shop")
		e := b.bind(t, "shop")
		e.wantReceipt(t, e.submit(t, text("4161231234", "hello")), smpp.StateDelivered)
	})
	t.Run("wrong", func(t *testing.T) {
		t.Parallel()
		phones := startSimulator(t, "--pin", "4711")
		b := startBox(t, settings{modem: phones.port, more: []string{`pin = "9182"`}})
		b.secrets = append(b.secrets, "9182")
		for range 3 { // a restart must not try it again: the third wrong PIN locks the SIM
			eventually(t, "a modem whose SIM is locked", func() (bool, string) {
				list := cliJSON[[]modemJSON](t, b, "modem", "list")
				return len(list) == 1 && list[0].State == "sim" && strings.Contains(list[0].LastError, "refused the configured pin"), fmt.Sprintf("%+v", list)
			})
			b.stop(t)
			b.serve(t)
		}
		b.stop(t)
		tries := 0
		list, _ := b.log.from(0)
		for _, line := range list {
			if strings.Contains(line, "to modem") && strings.Contains(line, "AT+CPIN=") {
				tries++
			}
		}
		if tries != 1 {
			t.Errorf("the wrong PIN was entered %d times, want once", tries)
		}
	})
}

// TestNoReports uses a modem that gives no status reports: the end is ACCEPTED, as nobody can know more.
func TestNoReports(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--no-reports")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	if m := cliJSON[[]modemJSON](t, b, "modem", "list")[0]; m.Reports {
		t.Errorf("modem list says that status reports will come: %+v", m)
	}
	id := e.submit(t, text("4161231234", "hello"))
	e.wantReceipt(t, id, smpp.StateAccepted)
	e.wantState(t, id, smpp.StateAccepted)
	phones.wantCount(t, "4161231234", "hello", 1)
}

// TestPortOfAnother has two gateways want one modem, and a port that is no modem.
func TestPortOfAnother(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	first := startBox(t, settings{modem: phones.port})
	first.ready(t)
	second := startBox(t, settings{modem: phones.port})
	wantError := func(b *box, words ...string) {
		t.Helper()
		eventually(t, fmt.Sprintf("an error with %q", words), func() (bool, string) {
			list := cliJSON[[]modemJSON](t, b, "modem", "list")
			return len(list) == 1 && holds(list[0].LastError, words), fmt.Sprintf("%+v", list)
		})
	}
	wantError(second, "another program uses this port", phones.port)
	first.ready(t)
	first.stop(t)
	second.ready(t)

	name := linkName(t)
	if err := os.WriteFile(name, []byte("no modem"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(startBox(t, settings{modem: name}), name)
	if got, err := os.ReadFile(name); err != nil || string(got) != "no modem" {
		t.Errorf("the file holds %q (%v) now", got, err)
	}
}
