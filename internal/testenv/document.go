package testenv

import (
	"os"
	"strings"
	"testing"
)

// Section gives the lines of a Markdown document below a heading of the second level, up to the next one.
func Section(t testing.TB, path, heading string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s: no heading %q", path, heading)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	return section
}

// Blocks gives the fenced blocks of a language in a piece of Markdown.
func Blocks(section, language string) (all []string) {
	inside, isOurs := false, false
	var block strings.Builder
	for line := range strings.Lines(section) {
		fence, isFence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case isFence && !inside:
			inside, isOurs = true, fence == language
			block.Reset()
		case isFence:
			inside = false
			if isOurs {
				all = append(all, block.String())
			}
		case inside:
			block.WriteString(line)
		}
	}
	return all
}
