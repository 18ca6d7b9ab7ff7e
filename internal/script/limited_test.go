package script

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test binary run the script of that path and print what it prints.
const helperEnv = "CULVERT_SCRIPT_TEST_RUN"

const (
	capNetAdmin = 12 // linux/capability.h
	capNetRaw   = 13
	nobody      = 65534
)

// showPrivileges prints who a script is and what it may do.
const showPrivileges = `/bin/grep -E '^(Uid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs):' /proc/self/status`

func printPrivileges(path string) {
	res := run(context.Background(), Job{Path: path}, time.Minute)
	own, err := os.ReadFile("/proc/self/status") // ours must be as before: of the first thread
	fmt.Printf("%s\n%v %v\n", res.output, res.err, err)
	fmt.Println("OURS", regexp.MustCompile(`(?m)^CapAmb:.*`).FindString(string(own)))
}

// privileges gives what showPrivileges has printed, by name.
func privileges(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			all[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	if len(all) < 7 {
		t.Fatalf("printed %q", text)
	}
	return all
}

func mask(capabilities ...int) string {
	m := uint64(0)
	for _, c := range capabilities {
		m |= 1 << c
	}
	return fmt.Sprintf("%016x", m)
}

// TestWithoutCapabilities: whoever we are, a script has the capabilities that its job names and no others, and cannot
// get any.
func TestWithoutCapabilities(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	other := &Identity{UID: nobody, GID: nobody, Groups: []uint32{7, 9}}
	for name, tt := range map[string]struct {
		as                *As
		uid, groups, caps string
	}{
		"root":                        {nil, "0 0 0 0", "", mask()},
		"root with a capability":      {&As{Capabilities: []uintptr{capNetAdmin}}, "0 0 0 0", "", mask(capNetAdmin)},
		"a user":                      {&As{User: other}, "65534 65534 65534 65534", "7 9", mask()},
		"a user who has a capability": {&As{User: other, Capabilities: []uintptr{capNetRaw}}, "65534 65534 65534 65534", "7 9", mask(capNetRaw)},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "script")
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			_ = os.Chmod(d, 0o755) //nolint:gosec // the other user has to get there
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+showPrivileges), 0o755); err != nil { //nolint:gosec // the same
			t.Fatal(err)
		}
		res := run(context.Background(), Job{Path: path, As: tt.as}, time.Minute)
		if res.err != nil {
			t.Fatalf("%s: %v", name, res.err)
		}
		p := privileges(t, res.output)
		if p["NoNewPrivs"] != "1" || p["Uid"] != tt.uid || p["CapPrm"] != tt.caps || p["CapEff"] != tt.caps || p["CapAmb"] != tt.caps ||
			p["CapInh"] != tt.caps || tt.groups != "" && p["Groups"] != tt.groups {
			t.Errorf("%s: %v", name, p)
		}
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil || strings.Contains(string(own), "CapEff:\t"+mask()) || !strings.Contains(string(own), "NoNewPrivs:\t0") {
		t.Errorf("our own: %s, %v", own, err)
	}
}

// TestWithoutAmbientCapabilities: neither do those get through that a unit gives us as ambient ones.
func TestWithoutAmbientCapabilities(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("", "cvscript") //nolint:usetesting // t.TempDir's parents are root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary, script := filepath.Join(dir, "test"), filepath.Join(dir, "script")
	for path, text := range map[string][]byte{binary: self, script: []byte("#!/bin/sh\n" + showPrivileges)} {
		if err := os.WriteFile(path, text, 0o755); err != nil { //nolint:gosec // somebody else runs it
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the same
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{helperEnv + "=" + script}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: []uintptr{capNetAdmin, capNetRaw},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	theirs, ours, _ := strings.Cut(string(out), "OURS")
	if !strings.Contains(ours, mask(capNetAdmin, capNetRaw)) {
		t.Fatalf("we had no ambient capabilities: %s", out)
	}
	p := privileges(t, theirs)
	if p["NoNewPrivs"] != "1" || p["CapPrm"] != mask() || p["CapEff"] != mask() || p["CapAmb"] != mask() || p["CapInh"] != mask() {
		t.Errorf("%v", p)
	}
}
