package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"culvert/internal/testenv"
)

// unit reads the values of a setting in culvert.service.
func unit(t *testing.T, setting string) []string {
	t.Helper()
	b, err := os.ReadFile("systemd/culvert.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + setting + `=(.*)$`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("the unit has no %s", setting)
	}
	return strings.Fields(string(m[1]))
}

// binary is the culvert under test.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "culvert")
	if built := os.Getenv("CULVERT_BIN"); built != "" { // copied: its directory may be root's alone
		b, err := os.ReadFile(built)
		if err == nil {
			err = os.WriteFile(path, b, 0o755) //nolint:gosec // somebody else has to execute it
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../cmd/culvert").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

const unprivileged = `
[api]
socket = %[2]q
[hooks]
session_up = "%[1]s/hook"
[tunnel.ip]
version = "l2tpv3"
encap = "ip"
local = "127.0.0.1"
peer = "127.0.0.2"
tid = 1
ptid = 2
[tunnel.ip.session.wire]
pseudowire = "eth"
sid = 1
psid = 2
interface_name = "cvwire"
addresses = ["10.78.0.1/24", "fd78::1/64"]
routes = ["10.80.0.0/16"]
[tunnel.udp]
version = "l2tpv3"
encap = "udp"
local = "127.0.0.1:1701"
peer = "127.0.0.2:1701"
tid = 3
ptid = 4
[tunnel.udp.session.line]
pseudowire = "ppp"
sid = 3
psid = 4
interface_name = "cvline"
`

// asNobody runs culvert as the unit does: as somebody without rights, with the unit's capabilities and no others.
const asNobody = `set -e
ip link set lo up
setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs \
  --inh-caps=-all,$3 --ambient-caps=-all,$3 --bounding-set=-all,$3 "$1" run --config "$2/c.toml" &
trap 'kill $!; wait $!' EXIT
for i in $(seq 100); do "$1" show tunnels --socket "$2/s" >/dev/null 2>&1 && break; sleep 0.1; done
for i in $(seq 100); do [ -e "$2/hook.done" ] && break; sleep 0.1; done
cat "$2/hook.done"
"$1" show sessions --socket "$2/s"
ip -br address
ip route
`

// TestUnprivileged: the capabilities of culvert.service are enough for devices, addresses, routes and both encapsulations.
func TestUnprivileged(t *testing.T) {
	testenv.RequireNetns(t)
	path := binary(t)
	dir, err := os.MkdirTemp("", "cvnobody") //nolint:usetesting // t.TempDir's parents are root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	moved := filepath.Join(dir, "culvert")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // nobody makes a socket there
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.toml"), fmt.Appendf(nil, unprivileged, dir, filepath.Join(dir, "s")), 0o644); err != nil { //nolint:gosec // no secret
		t.Fatal(err)
	}
	hook := fmt.Sprintf("#!/bin/sh\n(echo hook $1 $CULVERT_TUNNEL $CULVERT_SESSION $CULVERT_INTERFACE; "+
		"/bin/grep -E '^(Cap|NoNew)' /proc/self/status) >%[1]s/hook.out\n/bin/mv %[1]s/hook.out %[1]s/hook.done\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "hook"), []byte(hook), 0o755); err != nil { //nolint:gosec // nobody runs it
		t.Fatal(err)
	}
	caps := unit(t, "AmbientCapabilities")
	if got := unit(t, "CapabilityBoundingSet"); strings.Join(got, " ") != strings.Join(caps, " ") {
		t.Errorf("bounded by %v, not %v", got, caps)
	}
	var add []string
	for _, c := range caps {
		add = append(add, "+"+strings.ToLower(strings.TrimPrefix(c, "CAP_")))
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "-n", "bash", "-c", asNobody, "asNobody", moved, dir,
		strings.Join(add, ",")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`ip/wire +eth +cvwire +1 +2 +\d+ +up `, `udp/line +ppp +cvline +3 +4 +\d+ +establish `,
		`hook session_up ip wire cvwire\n`, `(?m)^CapEff:\t0+\nCapBnd:.*\nCapAmb:\t0+\nNoNewPrivs:\t1$`,
		`(?m)^cvwire +UP +10\.78\.0\.1/24 fd78::1/64`, `(?m)^cvline `, `(?m)^10\.80\.0\.0/16 dev cvwire `,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}
