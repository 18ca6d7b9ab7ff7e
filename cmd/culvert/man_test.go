package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"culvert/internal/testenv"
)

// TestMan: there is a page for every command that is not hidden, it names the flags, and it is made the same each time.
func TestMan(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if r := culvert("man", dir); r.status != exitOK {
			t.Fatal(r)
		}
	}
	for _, c := range commands() {
		name := "culvert-" + c.Name() + ".1"
		b, err := os.ReadFile(filepath.Join(dirs[0], name))
		if c.Hidden {
			if err == nil {
				t.Errorf("%s is hidden and has a page", c.Name())
			}
			continue
		}
		again, _ := os.ReadFile(filepath.Join(dirs[1], name))
		if err != nil || string(b) != string(again) {
			t.Errorf("%s: %v, or not the same twice", name, err)
		}
		if !strings.Contains(string(b), ".SH SYNOPSIS") || !strings.Contains(string(b), strings.ReplaceAll(c.Short, "-", "\\-")) && !strings.Contains(string(b), c.Short) {
			t.Errorf("%s:\n%s", name, b)
		}
	}
	pages, _ := filepath.Glob(filepath.Join(dirs[0], "*.[15]"))
	groff := testenv.RequireProgram(t, "groff")
	if out, err := exec.CommandContext(t.Context(), groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
	if r := culvert("man"); r.status != exitUsage {
		t.Error(r)
	}
}

// TestCompletion: shells get a script.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := culvert("completion", shell); r.status != exitOK || !strings.Contains(r.stdout, "culvert") {
			t.Errorf("%s: status %d, %s", shell, r.status, r.stderr)
		}
	}
}
