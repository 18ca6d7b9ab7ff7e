package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestCapture(t *testing.T) {
	socket := serve(t, source{})
	file := filepath.Join(t.TempDir(), "f.pcapng")
	said := regexp.MustCompile(`^capturing to \S+, interrupt to end\n5 packets captured, 2 dropped, in \d+\.\d s\n$`)
	r := culvert("capture", "--socket", socket, "--tunnel", "t1", "--count", "5", "-w", file)
	b, err := os.ReadFile(file)
	if r.status != exitOK || err != nil || string(b) != "5 packets" || r.stdout != "" || !said.MatchString(r.stderr) {
		t.Errorf("%+v, %v, %q", r, err, b)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	if r = culvert("capture", "--socket", socket, "--tunnel", "t1", "--count", "5", "-w", "-"); r.status != exitOK || r.stdout != "5 packets" {
		t.Errorf("%+v", r)
	}
	// An interrupt ends it in order.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	if status := execute(ctx, []string{"capture", "--socket", socket, "--tunnel", "t1", "-w", "-"}, &stdout, &stderr); status != exitOK || stdout.String() != "0 packets" {
		t.Errorf("status %d, %q, %q", status, stdout.String(), stderr.String())
	}
}

func TestCaptureFails(t *testing.T) {
	socket := serve(t, source{})
	file := filepath.Join(t.TempDir(), "f.pcapng")
	wantFailure(t, culvert("capture", "--socket", socket, "--tunnel", "nobody", "-w", file), exitFailure, `culvert: no tunnel "nobody"`)
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was made")
	}
	see := "See `culvert capture --help`."
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"one of --tunnel, --session and --peer is needed", []string{"-w", file}},
		{"one of --tunnel, --session and --peer is needed", []string{"-w", file, "--tunnel", "a", "--peer", "::1"}},
		{"--write is needed: a file, or - for standard output", []string{"--tunnel", "a"}},
		{`--peer "host" is not an address`, []string{"-w", file, "--peer", "host"}},
		{"--snaplen -1 is below 0", []string{"-w", file, "--tunnel", "a", "--snaplen", "-1"}},
		{"--duration -1s is below 0", []string{"-w", file, "--tunnel", "a", "--duration", "-1s"}},
	} {
		wantFailure(t, culvert(append([]string{"capture"}, tt.args...)...), exitUsage, "culvert: "+tt.want, see)
	}
}
