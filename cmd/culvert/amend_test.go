package main

import (
	"os"
	"path/filepath"
	"testing"

	"culvert/internal/mgmt"
)

func TestAddAndDel(t *testing.T) {
	socket := serve(t, source{}, mgmt.WithChanges(&changer{}))
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("[tunnel.x]"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := culvert("add", "tunnel", file, "--socket", socket)
	want := "added: 1 tunnel ([tunnel.x])\nremoved: nothing\nchanged: nothing\nupdated: nothing\nkept: nothing\n"
	if r.status != exitOK || r.stdout != want || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"tunnel", "t"}, {"session", "t/s"}} {
		r = culvert(append([]string{"del"}, append(args, "--socket", socket)...)...)
		want = "added: nothing\nremoved: 1 session (" + args[1] + ")\nchanged: nothing\nupdated: nothing\nkept: nothing\n"
		if r.status != exitFailure || r.stdout != want || r.stderr != "culvert: f:1: k: bad\n" {
			t.Errorf("%+v", r)
		}
	}
	wantFailure(t, culvert("del", "session", "x", "--socket", socket), exitFailure, `culvert: body: session name "x" is not of the form tunnel/session`)
	wantFailure(t, culvert("add", "session"), exitUsage, "culvert: one file is needed, or - for standard input, not 0", "See `culvert add session --help`.")
	wantFailure(t, culvert("add", "session", filepath.Join(filepath.Dir(file), "none")), exitFailure, "culvert: open "+filepath.Dir(file)+"/none: no such file or directory")
}
