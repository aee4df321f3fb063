package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smsgateway/smpp"
)

// The tables of docs/smpp.md that are a statement of conformance, held to the code both ways.

// picsTable gives the rows of the first table behind a heading of docs/smpp.md, without their first cell, by that cell.
func picsTable(t *testing.T, heading string) map[string][]string {
	t.Helper()
	_, rest, ok := strings.Cut(readDoc(t, "docs/smpp.md"), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("docs/smpp.md has no %q", heading)
	}
	_, rest, _ = strings.Cut(rest, "|---|")
	_, rest, _ = strings.Cut(rest, "\n")
	rows := make(map[string][]string)
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "| ") {
			break
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if rows[cells[0]] != nil {
			t.Errorf("%s: %s is there twice", heading, cells[0])
		}
		if cells[len(cells)-1] == "" {
			t.Errorf("%s: %s has an empty last cell", heading, cells[0])
		}
		rows[cells[0]] = cells[1:]
	}
	return rows
}

// wantTable compares a table with what the code says: want has for each first cell the next ones. What stands behind these
// is for people.
func wantTable(t *testing.T, heading string, want map[string][]string) {
	t.Helper()
	rows := picsTable(t, heading)
	for name, cells := range want {
		row, ok := rows[name]
		switch {
		case !ok:
			t.Errorf("docs/smpp.md, %s: lacks the row | %s | %s |", heading, name, strings.Join(cells, " | "))
		case len(row) < len(cells) || !slices.Equal(row[:len(cells)], cells):
			t.Errorf("docs/smpp.md, %s: the row %s is %q, want %q", heading, name, row, cells)
		}
	}
	for name := range rows {
		if want[name] == nil {
			t.Errorf("docs/smpp.md, %s: has %s, which the code does not have", heading, name)
		}
	}
}

// states are the columns of a session's states.
var states = []smpp.BindKind{0, smpp.BindTransmitter, smpp.BindReceiver, smpp.BindTransceiver}

func number(id smpp.CommandID) string { return fmt.Sprintf("0x%08X", uint32(id)) }

// offered tells that a request is taken in some state.
func offered(id smpp.CommandID) bool {
	return slices.ContainsFunc(states, func(kind smpp.BindKind) bool { return smpp.Allows(kind, id) == smpp.StatusOK })
}

// sent tells that the server asks this in some state.
func sent(id smpp.CommandID) bool {
	return slices.ContainsFunc(states, func(kind smpp.BindKind) bool { return smpp.Sends(kind, id) })
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// TestPICSRequests: every request, in every state, from either side.
func TestPICSRequests(t *testing.T) {
	fromYou, fromUs := make(map[string][]string), make(map[string][]string)
	for _, id := range smpp.Commands() {
		if id.IsResponse() {
			continue
		}
		row, ours := []string{number(id)}, []string{number(id)}
		for _, kind := range states {
			status := smpp.Allows(kind, id)
			if status == smpp.StatusOK {
				row = append(row, "yes")
			} else {
				row = append(row, status.String())
			}
			ours = append(ours, yes(smpp.Sends(kind, id)))
		}
		answer := smpp.CmdGenericNack
		if offered(id) {
			answer = id.Response()
		}
		fromYou[id.String()] = append(row, answer.String())
		fromUs[id.String()] = ours
		if !sent(id) {
			delete(fromUs, id.String())
		}
	}
	wantTable(t, "Requests from you", fromYou)
	wantTable(t, "Requests from us", fromUs)
}

// TestPICSResponses: every response is sent where we take its request, and expected where we send it.
func TestPICSResponses(t *testing.T) {
	want := make(map[string][]string)
	for _, id := range smpp.Commands() {
		if id.IsResponse() {
			request := id &^ smpp.CmdGenericNack // bit 31
			nack := id == smpp.CmdGenericNack
			want[id.String()] = []string{number(id), yes(nack || offered(request)), yes(nack || sent(request))}
		}
	}
	wantTable(t, "Responses", want)
}

// TestPICSStatuses: every status of the specification has its number and, as its use in the code says, an answer in which it
// is sent, or "not sent".
func TestPICSStatuses(t *testing.T) {
	used := make(map[string]bool)
	for _, name := range statusesUsed(t, "gateway") {
		used[name] = true
	}
	for _, name := range statusesOfServer(t) {
		used[name] = true
	}
	const heading = "Statuses"
	rows := picsTable(t, heading)
	for code := range smpp.Status(0x400) {
		name := code.String()
		if !strings.HasPrefix(name, "ESME_R") {
			continue
		}
		row := rows[name]
		delete(rows, name)
		switch {
		case len(row) != 3:
			t.Errorf("docs/smpp.md, %s: lacks a row of four cells for %s", heading, name)
		case row[0] != fmt.Sprintf("0x%02X", uint32(code)):
			t.Errorf("docs/smpp.md, %s: %s is %s, want 0x%02X", heading, name, row[0], uint32(code))
		case used[name] == (row[1] == "not sent"):
			t.Errorf("docs/smpp.md, %s: the code uses %s: %t, and the table says %q", heading, name, used[name], row[1])
		}
	}
	for name := range rows {
		t.Errorf("docs/smpp.md, %s: has %s, which SMPP 3.4 does not have", heading, name)
	}
}

// statusesOfServer are those that stand in the source of package smpp outside of their table, by their names on the wire.
func statusesOfServer(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("smpp/*.go")
	if err != nil {
		t.Fatal(err)
	}
	known := statusNames()
	word := regexp.MustCompile(`\bStatus[A-Z]\w+`)
	var used []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") || f == filepath.Join("smpp", "status.go") {
			continue
		}
		for _, goName := range word.FindAllString(readDoc(t, f), -1) {
			if name := wireName(goName); known[name] {
				used = append(used, name)
			}
		}
	}
	if len(used) < 20 {
		t.Fatalf("found only %d statuses in smpp: the test looks for the wrong thing", len(used))
	}
	return used
}
