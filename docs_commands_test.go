package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goTestFlags are those of the go command that the documents use; the others belong to the package under test.
var goTestFlags = []string{"run", "bench", "benchtime", "benchmem", "v", "count", "timeout", "race", "fuzz", "fuzztime"}

var (
	goTest      = regexp.MustCompile("go test ([^`\n#]*)") // in code, which no line breaks
	testNamed   = regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Za-z0-9_]+)`")
	testDecl    = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)[A-Za-z0-9_]+)\(`)
	flagDecl    = regexp.MustCompile(`flag\.[A-Z][A-Za-z0-9]+\("([a-z0-9]+)"`)
	quotedWords = regexp.MustCompile(`'[^']*'|\S+`)
)

// testsOf are the tests, benchmarks and fuzz targets of a package, or of all below it, and the flags that its tests know.
func testsOf(t *testing.T, pkg string) (tests, flags []string) {
	t.Helper()
	dir, all := strings.CutSuffix(pkg, "/...")
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != dir && !all:
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range testDecl.FindAllStringSubmatch(string(source), -1) {
			tests = append(tests, m[1])
		}
		for _, m := range flagDecl.FindAllStringSubmatch(string(source), -1) {
			flags = append(flags, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests, flags
}

// TestDocsNameTests: each test that the documents name, and each flag of one, is there, in the package that they say.
func TestDocsNameTests(t *testing.T) {
	everything, _ := testsOf(t, "./...")
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, doc := range append(docs, "README.md") {
		text := readDoc(t, doc)
		for _, m := range testNamed.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(everything, m[1]) {
				t.Errorf("%s: there is no %s", doc, m[1])
			}
		}
		for _, m := range goTest.FindAllStringSubmatch(text, -1) {
			commands++
			if fault := wrongCommand(t, quotedWords.FindAllString(m[1], -1)); fault != "" {
				t.Errorf("%s: go test %s: %s", doc, m[1], fault)
			}
		}
	}
	if commands < 20 {
		t.Errorf("only %d commands were found", commands)
	}
}

// wrongCommand says what is wrong with the arguments of a "go test" in a document; "" if nothing is.
func wrongCommand(t *testing.T, args []string) string {
	t.Helper()
	var tests, known, patterns []string
	for _, arg := range args {
		if arg == "." || strings.HasPrefix(arg, "./") {
			names, flags := testsOf(t, arg)
			tests, known = append(tests, names...), append(known, flags...)
		}
	}
	for i, arg := range args {
		name, ok := strings.CutPrefix(arg, "-")
		switch {
		case !ok:
		case i+1 == len(args) && (name == "run" || name == "bench"):
			return "it ends too early: is there a line break within?"
		case name == "run" || name == "bench":
			patterns = append(patterns, strings.Split(strings.Trim(args[i+1], "'"), "|")...)
		case !slices.Contains(goTestFlags, name) && !slices.Contains(known, name):
			return "there is no flag " + arg
		}
	}
	for _, pattern := range patterns {
		matches, err := regexp.Compile(strings.TrimSuffix(pattern, "$"))
		if err != nil {
			return err.Error()
		}
		if pattern != "^$" && !slices.ContainsFunc(tests, matches.MatchString) {
			return "nothing is called " + pattern
		}
	}
	return ""
}
