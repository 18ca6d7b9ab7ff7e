package migrate

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/encap"
	"culvert/internal/config"
)

func noFile(string) ([]byte, error) { return nil, os.ErrNotExist }

// TestGoL2TP: kl2tpd's tunnel becomes a dynamic one of L2TPv3 with a PPP profile, ql2tpd's stays as it is.
func TestGoL2TP(t *testing.T) {
	text, err := os.ReadFile("testdata/kl2tpd.toml")
	if err != nil {
		t.Fatal(err)
	}
	args := func(path string) ([]byte, error) {
		if path != "/etc/kl2tpd/args.txt" {
			t.Errorf("%s is read", path)
		}
		return []byte("noauth mru\n1400 lcp-echo-interval 10\n\nuser joe password secret usepeerdns\n"), nil
	}
	got, err := GoL2TP("kl2tpd.toml", text, args)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("result", got)
	if err != nil {
		t.Fatal(err)
	}
	a, s := c.Tunnels[0], c.Tunnels[1]
	if a.TID != 0 || a.WindowSize != 10 || a.HostName != "basil.example" || len(a.Sessions) != 2 || a.Sessions[0].Sublayer != encap.SublayerDefault {
		t.Errorf("%+v", a)
	}
	for _, x := range a.Sessions {
		if x.PPP == nil || x.PPP.MRU != 1400 || x.PPP.Prover == nil || x.PPP.Prover.User != "joe" || x.PPP.Profile != "access-one" {
			t.Errorf("%+v", x.PPP)
		}
	}
	if s.TID != 1 || s.PTID != 2 || s.Sessions[0].InterfaceName != "lan0" || s.Sessions[0].Cookie.Len() != 4 {
		t.Errorf("%+v", s)
	}
	var notes []string
	for line := range strings.Lines(string(got)) {
		if rest, ok := strings.CutPrefix(line, "# not carried over: "); ok {
			notes = append(notes, strings.TrimSpace(rest))
		}
	}
	want := []string{
		"tunnel access: L2TPv2, so the other end must change to L2TPv3, too",
		"tunnel access: tid, which the control connection assigns",
		"tunnel access: ptid, which the control connection assigns",
		"tunnel access, session one: sid, which the control connection assigns",
		"tunnel access, session one: psid, which the control connection assigns",
		"tunnel access, session pppoe: pseudowire pppac",
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// TestQL2TPD: a file of ql2tpd means the same before and after.
func TestQL2TPD(t *testing.T) {
	text, err := os.ReadFile("../../examples/ql2tpd.toml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := GoL2TP("f", text, noFile)
	if err != nil {
		t.Fatal(err)
	}
	before, err := config.Parse("f", text)
	if err != nil {
		t.Fatal(err)
	}
	after, err := config.Parse("f", got)
	if err != nil {
		t.Fatal(err)
	}
	if d := before.Compare(after, nil); d.Tunnels.Kept != 1 || d.Sessions.Kept != 1 || len(d.Restart) != 0 {
		t.Errorf("differs: %+v", d)
	}
}

func TestGoL2TPErrors(t *testing.T) {
	const session = "[tunnel.t]\nlocal=\"192.0.2.1\"\npeer=\"192.0.2.2\"\nversion=\"l2tpv2\"\n[tunnel.t.session.s]\npseudowire=\"ppp\"\n"
	tests := []struct{ text, want string }{
		{"[tunnel", "f:1: toml: "},
		{"", "f: "},
		{session + "pppd_args=\"/x\"", "f: tunnel t, session s: pppd_args: "},
		{session + "pppd_arg=\"/x\"", "f: tunnel.t.session.s.pppd_arg: unknown key"},
	}
	for _, tt := range tests {
		if got, err := GoL2TP("f", []byte(tt.text), noFile); got != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
	if _, err := GoL2TP("f", []byte(session+"pppd_args=\"/x\""), noFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	unknown := func(string) ([]byte, error) { return []byte("nonsense"), nil }
	if _, err := GoL2TP("f", []byte(session+"pppd_args=\"/x\""), unknown); err == nil || !strings.HasPrefix(err.Error(), "f: ppp.t-s.pppd_options: ") {
		t.Errorf("an option that nobody knows: %v", err)
	}
}

// FuzzGoL2TP: whatever the file, the result loads, and has no more tunnels than it.
func FuzzGoL2TP(f *testing.F) {
	seed, err := os.ReadFile("testdata/kl2tpd.toml")
	if err != nil {
		f.Fatal(err)
	}
	resolver := net.DefaultResolver // nobody is asked for the names that come up
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	f.Cleanup(func() { net.DefaultResolver = resolver })
	f.Add(seed, []byte("noauth mru 1400"))
	f.Add([]byte("[tunnel.\"a.b\"]\nversion=\"l2tpv2\"\nlocal=\"192.0.2.1\"\npeer=\"192.0.2.2\"\n[tunnel.\"a.b\".session]\ns=1\n"), []byte(nil))
	f.Fuzz(func(t *testing.T, text, args []byte) {
		got, err := GoL2TP("file", text, func(string) ([]byte, error) { return args, nil })
		if err != nil {
			for l := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(l, "file:") {
					t.Errorf("error without a file: %q", l)
				}
			}
			return
		}
		if _, err := config.Parse("result", got); err != nil {
			t.Fatal(err)
		}
	})
}
