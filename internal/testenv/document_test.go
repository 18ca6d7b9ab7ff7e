package testenv

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.md")
	text := "# T\n\n## One\n\n```sh\na\n```\n\n## Two\n\n```toml\nb = 1\n```\n\n```\nplain\n```\n```toml\n[c]\n\nd = 2\n```\n\n## Three\n```toml\ne = 3\n```\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	section := Section(t, path, "Two")
	if got, want := Blocks(section, "toml"), []string{"b = 1\n", "[c]\n\nd = 2\n"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Blocks(section, ""); !slices.Equal(got, []string{"plain\n"}) {
		t.Errorf("%q", got)
	}
	if got := Blocks(section, "sh"); got != nil {
		t.Errorf("%q", got)
	}
}
