package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

const module = "culvert/"

// mayKnow lists, for the packages whose place in the order is fixed, the packages of ours they may import.
var mayKnow = map[string][]string{
	"client":            {"internal/version"},
	"docs":              {},
	"encap":             {},
	"pppfsm":            {"encap", "snapshot"},
	"control":           {"encap", "snapshot"},
	"forwarder":         {"encap", "forwarder/bridge", "forwarder/lpm", "forwarder/netio", "forwarder/offload", "forwarder/tuntap", "snapshot"},
	"forwarder/bridge":  {"encap"},
	"forwarder/lpm":     {},
	"forwarder/netio":   {"encap", "snapshot"},
	"forwarder/offload": {"encap"},
	"forwarder/tuntap":  {"encap"},
	"internal/auth":     {"pppfsm", "snapshot"},
	"internal/config":   {"control", "encap", "internal/auth", "internal/ipv6link", "internal/pool", "pppfsm"},
	"internal/doctor":   {},
	"internal/ipv6link": {"encap"},
	"internal/pool":     {},
	"internal/metrics":  {"internal/mgmt"},
	"internal/l2tpnl":   {},
	"internal/migrate":  {"internal/config", "internal/l2tpnl"},
	"internal/mgmt":     {"client", "docs", "internal/version"},
	"snapshot":          {},
	"internal/script":   {},
	"internal/levels":   {},
	"internal/human":    {},
	"internal/top":      {"client", "internal/human", "internal/top/quiet"},
	"internal/version":  {},
	"internal/netlab":   {},
	"internal/testenv":  {},
	"internal/archtest": {},
}

// standardOnly are the packages that use nothing but the standard library and what mayKnow lists.
var standardOnly = []string{
	"client", "docs", "encap", "control", "pppfsm", "internal/version", "internal/testenv", "internal/archtest", "internal/pool",
	"internal/diagnose", "internal/doctor", "snapshot", "forwarder/bridge", "forwarder/lpm", "internal/human",
}

// composers are the packages that may know the forwarder: the one that puts the process together, and benchmarks.
var composers = []string{"internal/daemon", "bench"}

// startsProcess are the files outside forwarder/netio and forwarder/tuntap that may use x/sys/unix: those that set
// up the process itself (limits, threads, signals).
var startsProcess = []string{}

func within(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

func withinAny(dir string, parents ...string) bool {
	return slices.ContainsFunc(parents, func(p string) bool { return within(dir, p) })
}

func TestImportsGoDownward(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, path := range f.imports {
			ours, isOurs := strings.CutPrefix(path, module)
			if known, fixed := mayKnow[f.dir]; fixed && isOurs && !f.test && !slices.Contains(known, ours) {
				t.Errorf("%s imports %s: %s may know only %q of ours", f.path, path, f.dir, known)
			}
			if isOurs && !f.test && within(ours, "forwarder") && !withinAny(f.dir, "forwarder") && !withinAny(f.dir, composers...) {
				t.Errorf("%s imports %s: only %q may know the forwarder", f.path, path, composers)
			}
			if isOurs && !f.test && ours == "internal/daemon" && f.dir != "cmd/culvert" {
				t.Errorf("%s imports %s: only cmd/culvert starts the daemon", f.path, path)
			}
			if within(ours, "cmd") && isOurs {
				t.Errorf("%s imports %s: commands are nobody's library", f.path, path)
			}
		}
	}
}

func TestStandardLibraryOnly(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || !slices.Contains(standardOnly, f.dir) {
			continue
		}
		for _, path := range f.imports {
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s: %s uses the standard library only", f.path, path, f.dir)
			}
		}
	}
}

func TestSystemCallsWhereTheyBelong(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || withinAny(f.dir, "forwarder/netio", "forwarder/tuntap", "bench") || slices.Contains(startsProcess, f.path) {
			continue
		}
		if slices.Contains(f.imports, "golang.org/x/sys/unix") {
			t.Errorf("%s imports golang.org/x/sys/unix: only forwarder/netio, forwarder/tuntap and %q may", f.path, startsProcess)
		}
	}
	for _, path := range startsProcess {
		if !slices.ContainsFunc(goFiles(t), func(f file) bool { return f.path == path }) {
			t.Errorf("%s is excepted but does not exist", path)
		}
	}
}

// origin is the file that takes the time once, when the program starts, to count from.
const origin = "pppfsm/moment.go"

// TestAutomataHaveNoClock: time is passed in, so that tests run hours of protocol in milliseconds, and so are random
// bytes, goroutines and sockets somebody else's.
func TestAutomataHaveNoClock(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Sleep", "Tick"}
	for _, f := range goFiles(t) {
		if f.test || !withinAny(f.dir, "pppfsm", "control", "encap", "snapshot", "internal/pool", "internal/ipv6link") {
			continue
		}
		if slices.Contains(f.imports, "net") && f.dir != "internal/ipv6link" { // the DHCPv6 library's addresses
			t.Errorf("%s imports net: protocol packages have no sockets", f.path)
		}
		for _, path := range []string{"os", "syscall", "crypto/rand", "math/rand", "math/rand/v2", "context", "log", "log/slog"} {
			if slices.Contains(f.imports, path) {
				t.Errorf("%s imports %s: protocol packages take bytes and time and give actions", f.path, path)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) && (f.path != origin || n.Sel.Name != "Now") {
					t.Errorf("%s uses time.%s", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}
