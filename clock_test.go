package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// asksTime are the places that may ask the machine for the time beside the clock: functions, by package. In all of them the
// answer is a moment to measure from within the process, which Go does by its monotonic clock; the exceptions say so.
var asksTime = map[string][]string{
	"gateway": {
		"NewClock",                           // the clock
		"withDefaults",                       // of gateways that were given none
		"shareOut", "deliver", "acknowledge", // when to offer again
		"Bind", "BindFault", "evenOut", // how long a bind took
		"diagnosePort", // a deadline of a connection
		"claim",        // how long a modem waits with its prompt
		"sweep",        // how long a bite took
		"tried", "why", // when a compaction was tried last
	},
	"store": {
		"withDefaults", // the monotonic clock itself
		"Open",         // the first id of a new file
		"flushErasure", // the first deletion, where no time was ever believed

		"commitTx", "Disk", "lastRoom", // since when the disk does not answer
		"round", "lacked", // when the disk was looked at last
		"SearchMessages",                  // how long it has looked
		"give", "fill", "Compact", "swap", // how long a bite of a copy took, and the whole
		"open", "look", "walk", // how long the pages are looked at
		"lockFile", "say", // how long it waits for the lock; when progress was told last
	},
}

// TestTimeIsAskedByTheClock: what is remembered, told or compared with what is on disk comes from the one clock that the
// gateway is made with. In packages gateway and store nobody else asks the machine; modem and smpp wait, and measure, by
// Go's monotonic clock, and must not take the time of day from it.
func TestTimeIsAskedByTheClock(t *testing.T) {
	for _, pkg := range []string{"gateway", "store", "smpp", "modem"} {
		used := map[string]bool{}
		for name, file := range sources(t, pkg) {
			for _, decl := range file.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					if allowed, limited := asksTime[pkg]; limited && asks(n) {
						if used[fn.Name.Name] = true; !slices.Contains(allowed, fn.Name.Name) {
							t.Errorf("%s: %s asks the machine for the time; take it from the clock", name, fn.Name.Name)
						}
					}
					if call, ok := n.(*ast.CallExpr); ok {
						if of, ok := call.Fun.(*ast.SelectorExpr); ok && isNow(of.X) && ofDay(of.Sel.Name) && fn.Name.Name != "NewClock" {
							t.Errorf("%s: %s takes the time of day from the machine (%s)", name, fn.Name.Name, of.Sel.Name)
						}
					}
					return true
				})
			}
		}
		for _, name := range asksTime[pkg] {
			if !used[name] {
				t.Errorf("%s: %s does not ask for the time, and need not be listed", pkg, name)
			}
		}
	}
}

// sources are the files of a package that are not tests.
func sources(t *testing.T, pkg string) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(pkg)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, e := range entries {
		path := filepath.Join(pkg, e.Name())
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = f
	}
	return files
}

// TestCertificateOfAWrongClock: one that is made in 1970, or in 2100, holds today.
func TestCertificateOfAWrongClock(t *testing.T) {
	today := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, made := range []time.Time{time.Unix(10, 0), today, time.Date(2038, 1, 20, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if begins, ends := validFor(made); begins.After(today) || ends.Before(today.AddDate(5, 0, 0)) || begins.After(made) || ends.Before(made) {
			t.Errorf("made %s it holds from %s to %s", made, begins, ends)
		}
	}
}

// TestSinceBoot: it goes on, as fast as Go's own.
func TestSinceBoot(t *testing.T) {
	clock, began := sinceBoot(), time.Now()
	first := clock()
	time.Sleep(20 * time.Millisecond)
	if passed, own := clock()-first, time.Since(began); passed < 20*time.Millisecond || passed > own {
		t.Errorf("%s have passed, and by Go's clock %s", passed, own)
	}
}

// asks tells whether n is time.Now, time.Since or time.Until.
func asks(n ast.Node) bool {
	of, ok := n.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := of.X.(*ast.Ident)
	return ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, of.Sel.Name)
}

// isNow tells whether n is time.Now().
func isNow(n ast.Expr) bool {
	call, ok := n.(*ast.CallExpr)
	return ok && asks(call.Fun) && call.Fun.(*ast.SelectorExpr).Sel.Name == "Now"
}

// ofDay are the methods of time.Time that leave the monotonic clock out, or tell of a day.
func ofDay(method string) bool {
	return slices.Contains([]string{"Unix", "UnixMilli", "UnixMicro", "UnixNano", "UTC", "Local", "In", "Round", "Truncate", "Format",
		"Date", "Clock", "Year", "Month", "Day", "Hour", "AddDate", "String"}, method)
}
