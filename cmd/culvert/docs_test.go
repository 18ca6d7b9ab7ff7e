package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedCommands: the command lines of culvert in the documents have commands and flags that there are.
func TestDocumentedCommands(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?m)(?:^    (?:ip netns exec [ab] )?|&& |`)culvert ([a-z-][^`#\n|&;>]*)")
	checked := 0
	for _, path := range append(documents, "../../README.md", "../../packaging/README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			checked++
			if problem := commandProblem(strings.Fields(strings.NewReplacer("[", "", "]", "", "...", "").Replace(string(m[1])))); problem != "" {
				t.Errorf("%s: culvert %s: %s", filepath.Base(path), m[1], problem)
			}
		}
	}
	if checked < 80 {
		t.Errorf("only %d command lines", checked)
	}
	for _, bad := range [][]string{{"shwo"}, {"show", "tunel"}, {"check", "--dif"}, {"-x"}} {
		if commandProblem(bad) == "" {
			t.Errorf("%q passes", bad)
		}
	}
}

// commandProblem says what is wrong with the command and the flags of a command line; what stands for values is not judged.
func commandProblem(args []string) string {
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	switch {
	case err != nil:
		return err.Error()
	case cmd.HasSubCommands() && cmd.Flags().NArg() > 0:
		return "no command " + cmd.Flags().Arg(0)
	}
	return ""
}
