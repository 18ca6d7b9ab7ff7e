// Package testenv tells tests what this machine lets them do, so that a test which must run on CI can never be
// skipped there unnoticed.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// RequireNetns skips the test with the reason when it cannot make network namespaces and TUN devices (not root, no
// ip(8), no /dev/net/tun), and fails it instead when CULVERT_REQUIRE_NETNS=1, as `make test` sets it.
func RequireNetns(t testing.TB) {
	t.Helper()
	reason := ""
	switch _, err := exec.LookPath("ip"); {
	case os.Geteuid() != 0:
		reason = "needs root"
	case err != nil:
		reason = "needs ip(8) of iproute2"
	default:
		f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if err != nil {
			reason = "needs /dev/net/tun: " + err.Error()
			break
		}
		_ = f.Close()
	}
	if reason != "" {
		lacking(t, reason)
	}
}

// RequireProgram gives the path of a program that the test needs. Without it the test is skipped, or fails, as in
// RequireNetns.
func RequireProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, "needs "+name+", which `make deps` installs")
	}
	return path
}

func lacking(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CULVERT_REQUIRE_NETNS") == "1" {
		t.Fatalf("must run here (CULVERT_REQUIRE_NETNS=1) but %s", reason)
	}
	t.Skip(reason)
}
