package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"culvert/internal/mgmt"
)

// openToAll lets everybody connect.
func openToAll(t *testing.T, socket string) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestAdminGroup: members of the group may change things, whether it is their primary group or one of many others; others
// who may connect only read.
func TestAdminGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to be somebody else")
	}
	const nobody, admins = 65534, 7001
	many := make([]uint32, 200) // more than there is room for at first
	for i := range many {
		many[i] = uint32(8000 + i)
	}
	grouped := serve(t, source{}, mgmt.WithChanges(&changer{}), mgmt.WithAdmins("net-admins", admins))
	plain := serve(t, source{}, mgmt.WithChanges(&changer{}))
	openToAll(t, grouped)
	openToAll(t, plain)
	const refused = "culvert: only root and the user that culvert runs as, and members of the group net-admins, may change anything\n"
	for _, tt := range []struct {
		name, socket string
		who          syscall.Credential
		refused      string // empty: it is done
	}{
		{"stranger", grouped, syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{admins + 1}}, refused},
		{"primary", grouped, syscall.Credential{Uid: nobody, Gid: admins}, ""},
		{"supplementary", grouped, syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{5, admins}}, ""},
		{"one of many", grouped, syscall.Credential{Uid: nobody, Gid: nobody, Groups: append(slices.Clone(many), admins)}, ""},
		{"none of many", grouped, syscall.Credential{Uid: nobody, Gid: nobody, Groups: many}, refused},
		{"no group configured", plain, syscall.Credential{Uid: nobody, Gid: admins}, "culvert: only root and the user that culvert runs as may change anything\n"},
		{"root", grouped, syscall.Credential{}, ""},
	} {
		as := func(args ...string) (string, error) {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append(args, "--socket", tt.socket)...) // its path may be closed to others
			cmd.Env, cmd.Dir = append(os.Environ(), mainEnv+"=1"), "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &tt.who}
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := as("show", "drops"); err != nil {
			t.Errorf("%s may not read: %v\n%s", tt.name, err, out)
		}
		out, err := as("drain")
		if (err != nil) != (tt.refused != "") || tt.refused != "" && out != tt.refused {
			t.Errorf("%s: %v\n%swant:\n%s", tt.name, err, out, tt.refused)
		}
	}
}
