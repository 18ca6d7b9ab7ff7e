package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunUsage(t *testing.T) {
	wantFailure(t, culvert("run"), exitUsage, `culvert: required flag(s) "config" not set`, "See `culvert run --help`.")
	wantFailure(t, culvert("run", "-c", "x", "y"), exitUsage, `culvert: unexpected argument "y"`, "See `culvert run --help`.")
	for _, level := range []string{"loud", ""} {
		wantFailure(t, culvert("run", "-c", "x", "--log-level="+level), exitUsage,
			fmt.Sprintf("culvert: unknown log level %q, only debug, info, warn, error", level), "See `culvert run --help`.")
	}
	wantFailure(t, culvert("demo", "now"), exitUsage, `culvert: unexpected argument "now"`, "See `culvert demo --help`.")
}

// TestRunFails ends before anything is brought up, so it needs no rights.
func TestRunFails(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.toml")
	wantFailure(t, culvert("run", "-c", none), exitFailure, "culvert: "+none+": cannot open: no such file or directory")

	socket := serve(t, source{})
	name := writeConfig(t, goodConfig)
	running := "culvert: another culvert is running on " + socket
	wantFailure(t, culvert("run", "-c", name, "--socket", socket), exitFailure, running)
	name = writeConfig(t, strings.Replace(goodConfig, "workers = 2", fmt.Sprintf("[api]\nsocket = %q\n", socket), 1))
	wantFailure(t, culvert("run", "-c", name), exitFailure, running)
}
