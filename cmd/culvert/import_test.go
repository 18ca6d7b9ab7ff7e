package main

import (
	"os"
	"strings"
	"testing"
)

// TestImport: a script becomes a file that check calls good, and a bad one an error with its line.
func TestImport(t *testing.T) {
	const script = "modprobe l2tp_eth\nip l2tp add tunnel tunnel_id 1 peer_tunnel_id 2 encap ip local 192.0.2.1 remote 192.0.2.2\n" +
		"ip l2tp add session tunnel_id 1 session_id 3 peer_session_id 4 name vpn0\n"
	t.Chdir(t.TempDir())
	if err := os.WriteFile("l2tp.sh", []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	r := culvert("import", "iproute", "l2tp.sh")
	if r.status != exitOK || !strings.Contains(r.stderr, "l2tp.sh: 1 thing not carried over") {
		t.Fatalf("%+v", r)
	}
	if r = culvert("check", "-c", writeConfig(t, r.stdout)); r.status != exitOK || !strings.Contains(r.stdout, "1 tunnel, 1 session") {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile("bad.sh", []byte(script+"ip l2tp add session\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, culvert("import", "iproute", "bad.sh"), exitFailure, "culvert: bad.sh:4: ip l2tp add: tunnel_id is missing")
	wantFailure(t, culvert("import", "iproute", "none.sh"), exitFailure, "culvert: open none.sh: no such file or directory")
	wantFailure(t, culvert("import", "iproute"), exitUsage, "culvert: one file is needed, not 0", "See `culvert import iproute --help`.")
}

// TestImportKernel: what it prints is a matter for internal/interop, where a kernel has tunnels.
func TestImportKernel(t *testing.T) {
	wantFailure(t, culvert("import", "kernel", "x"), exitUsage, "culvert: unexpected argument \"x\"", "See `culvert import kernel --help`.")
}

// TestImportKL2TPD: the files that pppd_args names are read.
func TestImportKL2TPD(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "[tunnel.t]\nversion = \"l2tpv2\"\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n[tunnel.t.session.s]\npseudowire = \"ppp\"\npppd_args = \"args\"\n"
	for name, content := range map[string]string{"k.toml": text, "args": "noauth mru 1400\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := culvert("import", "kl2tpd", "k.toml")
	if r.status != exitOK || !strings.Contains(r.stderr, "k.toml: 1 thing not carried over") || !strings.Contains(r.stdout, "pppd_options = 'noauth mru 1400'") {
		t.Fatalf("%+v", r)
	}
	if err := os.Remove("args"); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, culvert("import", "kl2tpd", "k.toml"), exitFailure, "culvert: k.toml: tunnel t, session s: pppd_args: open args: no such file or directory")
	if r = culvert("check", "-c", writeConfig(t, r.stdout)); r.status != exitOK || !strings.Contains(r.stdout, "1 tunnel, 1 session") {
		t.Errorf("%+v", r)
	}
}
