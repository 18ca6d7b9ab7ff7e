package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culvert/examples"
)

const goodConfig = `
workers = 2

[tunnel.t2]
version = "l2tpv3"
encap   = "ip"
local   = "2001:db8::1"
peer    = "2001:db8::2"
tid     = 3
ptid    = 4
path_mtu = 1492
underlay_overhead = 73

[tunnel.t2.session.e1]
pseudowire = "eth"
sid  = 7
psid = 8
interface_name = "cust-a"

[tunnel.t1]
version = "l2tpv3"
encap   = "udp"
local   = "192.0.2.1:1701"
peer    = "192.0.2.2:1701"
tid     = 1
ptid    = 2

[tunnel.t1.session.s2]
pseudowire = "ppp"
sid  = 1002
psid = 2003
interface_name = "sub00002"
mtu = 1400

[tunnel.t1.session.s1]
pseudowire  = "ppp"
sid  = 1001
psid = 2002
cookie      = [0x12, 0xe9, 0x54, 0x0f, 0xe2, 0x68, 0x72, 0xbc]
peer_cookie = [0x74, 0x2e, 0x28, 0xa8]
l2spec_type = "default"
interface_name = "sub00001"
`

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	const name = "culvert.toml"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheck(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := culvert("check", "--config", writeConfig(t, goodConfig))
	if r.status != exitOK || r.stderr != "" {
		t.Fatalf("status %d, stderr %q", r.status, r.stderr)
	}
	t.Chdir(dir)
	golden(t, "check.txt", r.stdout)
}

func TestCheckMany(t *testing.T) {
	var text strings.Builder
	text.WriteString("[tunnel.t1]\nversion = \"l2tpv3\"\nencap = \"udp\"\nlocal = \"192.0.2.1:1701\"\npeer = \"192.0.2.2:1701\"\ntid = 1\nptid = 2\n")
	for i := 1; i <= shownSessions+2; i++ {
		fmt.Fprintf(&text, "[tunnel.t1.session.s%02d]\npseudowire = \"eth\"\nsid = %d\npsid = %d\ninterface_name = \"d%d\"\n", i, i, i, i)
	}
	name := writeConfig(t, text.String())
	r := culvert("check", "-c", name)
	if r.status != exitOK || !strings.Contains(r.stdout, "\nt1/s20 ") || strings.Contains(r.stdout, "\nt1/s21 ") ||
		!strings.Contains(r.stdout, "\n... and 2 more sessions (--all shows them)\n") {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	r = culvert("check", "-c", name, "--all")
	if r.status != exitOK || !strings.Contains(r.stdout, "\nt1/s22 ") || strings.Contains(r.stdout, "more") {
		t.Errorf("--all: status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
}

// TestCheckDynamic: what control messages will assign is left open, and where peers may connect is shown.
func TestCheckDynamic(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		name string
		text []byte
	}{{"check-lac.txt", examples.LAC}, {"check-lns.txt", examples.LNS}} {
		r := culvert("check", "--config", writeConfig(t, string(end.text)))
		if r.status != exitOK || r.stderr != "" {
			t.Errorf("status %d, stderr %q", r.status, r.stderr)
		}
		t.Chdir(dir)
		golden(t, end.name, r.stdout)
	}
}

// TestCheckWarns: warnings go to standard error, and the file is good all the same.
func TestCheckWarns(t *testing.T) {
	text := strings.Replace(goodConfig, "mtu = 1400\n", "ppp_profile = \"p\"\n", 1) + "\n[ppp.p]\npppd_options = \"lock noauth\"\n"
	r := culvert("check", "--config", writeConfig(t, text))
	want := "culvert: warning: culvert.toml:45: ppp.p.pppd_options: pppd option \"lock\" has no effect: there is no serial line\n"
	if r.status != exitOK || r.stderr != want || !strings.HasPrefix(r.stdout, "culvert.toml: good: ") {
		t.Errorf("status %d, stdout %q, stderr %q", r.status, r.stdout, r.stderr)
	}
}

func TestCheckFails(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.toml")
	wantFailure(t, culvert("check", "--config", none), exitFailure, "culvert: "+none+": cannot open: no such file or directory")

	text := strings.Replace(goodConfig, "tid     = 3", "tid     = 3\nbogus = 1", 1)
	text = strings.Replace(text, `pseudowire = "eth"`, `pseudowire = "atm"`, 1)
	r := culvert("check", "--config", writeConfig(t, text))
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	if r.status != exitFailure || r.stdout != "" || len(lines) != 2 {
		t.Fatalf("status %d, stdout %q, stderr:\n%s", r.status, r.stdout, r.stderr)
	}
	for i, want := range []string{"culvert: culvert.toml:10: tunnel.t2.bogus: ", "culvert: culvert.toml:16: tunnel.t2.session.e1.pseudowire: "} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %q, want %q...", lines[i], want)
		}
	}
}
