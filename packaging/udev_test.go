// Package packaging holds no code, only files for a host's system software and tests of them.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"culvert/internal/config"
	"culvert/internal/testenv"
)

// simulate makes two TUN devices, one of our group and one of nobody's, and prints what udev would make of them, in
// namespaces of its own with our rules beside the system's.
const simulate = `set -e
mount -t sysfs sysfs /sys
mkdir -p /run/udev
mount -t tmpfs tmpfs /run/udev
mkdir /run/udev/rules.d
cp "$1" /run/udev/rules.d/
ip tuntap add sub7 mode tun
ip link set sub7 group "$2"
ip tuntap add vpn0 mode tun
for d in sub7 vpn0; do
  echo "device $d"
  udevadm test -a add /sys/class/net/$d 2>&1
done
`

func TestUdevRules(t *testing.T) {
	testenv.RequireNetns(t)
	rules, err := filepath.Abs("udev/99-zz-culvert.rules")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "-n", "-m", "bash", "-c", simulate, "simulate", rules,
		strconv.Itoa(config.DefaultGroup)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ours, other, ok := strings.Cut(string(out), "device vpn0\n")
	if !ok {
		t.Fatalf("no second device:\n%s", out)
	}
	lines := strings.Split(ours, "\n")
	for _, l := range lines {
		if strings.Contains(l, filepath.Base(rules)) && (strings.Contains(l, "nvalid") || strings.Contains(l, "ignoring")) {
			t.Errorf("udev complains: %s", l)
		}
	}
	for _, want := range []string{"CULVERT=1", "SYSTEMD_READY=0", "NM_UNMANAGED=1", "ID_MM_DEVICE_IGNORE=1"} {
		if !slices.Contains(lines, want) {
			t.Errorf("our device has no %s:\n%s", want, ours)
		}
		if slices.Contains(strings.Split(other, "\n"), want) {
			t.Errorf("somebody else's device has %s:\n%s", want, other)
		}
	}
	if strings.Contains(ours, "run: '/") {
		t.Errorf("a process runs for our device:\n%s", ours)
	}
}

// TestSnippetsAgree: the property that networkd matches is the one that the rule sets.
func TestSnippetsAgree(t *testing.T) {
	for file, want := range map[string]string{
		"udev/99-zz-culvert.rules":    `ENV{CULVERT}="1"`,
		"networkd/10-culvert.network": "Property=CULVERT=1\n",
		"NetworkManager/culvert.conf": "managed=0\n",
		"README.md":                   "99-zz-culvert.rules",
	} {
		b, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, without %q", file, err, want)
		}
	}
}
