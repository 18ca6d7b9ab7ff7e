package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"culvert/encap"
	"culvert/pppfsm"
)

// fakeNames resolves a few names without asking anybody.
type fakeNames struct{}

func (fakeNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	switch host {
	case "both.example":
		return []netip.Addr{netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("192.0.2.7")}, nil
	case "six.example":
		return []netip.Addr{netip.MustParseAddr("2001:db8::8")}, nil
	case "none.example":
		return nil, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (fakeNames) LookupPort(_ context.Context, _, service string) (int, error) {
	if service == "l2tp" {
		return 1701, nil
	}
	return 0, &net.DNSError{Err: "unknown port", Name: "udp/" + service, IsNotFound: true}
}

func parseText(tb testing.TB, text string) (*Config, error) {
	tb.Helper()
	return parse("f.toml", []byte(text), &names{ctx: tb.Context(), r: fakeNames{}})
}

func mustParse(tb testing.TB, text string) *Config {
	tb.Helper()
	c, err := parseText(tb, text)
	if err != nil {
		tb.Fatalf("unexpected errors:\n%v\nin:\n%s", err, text)
	}
	return c
}

// equateConfig compares addresses and cookies by value.
var equateConfig = cmp.Comparer(func(a, b encap.Cookie) bool { return a == b })

func compare(t *testing.T, want, got any) {
	t.Helper()
	opts := cmp.Options{
		cmpopts.IgnoreFields(Config{}, "Text"),
		equateConfig,
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	}
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

func cookie(tb testing.TB, b ...byte) encap.Cookie {
	tb.Helper()
	c, err := encap.NewCookie(b)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

const minimal = `[tunnel.t1]
local = "192.0.2.1"
peer = "192.0.2.2"
tid = 1
ptid = 2
`

func TestDefaults(t *testing.T) {
	got := mustParse(t, minimal+`
[tunnel.t1.session.s1]
pseudowire = "eth"
sid = 1
psid = 2
[tunnel.t1.session.s2]
pseudowire = "ppp"
sid = 3
psid = 4
`)
	want := &Config{
		File:     "f.toml",
		API:      API{Socket: "/run/culvert/culvert.sock"},
		Group:    DefaultGroup,
		LogLevel: "info", LogFormat: DefaultLogFormat,
		Offload: true,
		Tunnels: []Tunnel{{
			Name: "t1", Line: 1, Transport: encap.TransportUDP,
			Local: netip.MustParseAddrPort("192.0.2.1:1701"), Peer: netip.MustParseAddrPort("192.0.2.2:1701"),
			TID: 1, PTID: 2, DSCP: DSCPDefault, DF: true, UDPChecksum: true,
			RetryTimeout: time.Second, MaxRetries: 3, WindowSize: 4, FramingCaps: []string{"sync", "async"},
			Sessions: []Session{
				{
					Name: "s1", Line: 7, Pseudowire: PseudowireEthernet, SID: 1, PSID: 2, ClampMSS: true, TxQueueLen: 500,
					InterfaceName: "t1-s1",
				},
				{
					Name: "s2", Line: 11, Pseudowire: PseudowirePPP, SID: 3, PSID: 4, ClampMSS: true, TxQueueLen: 500,
					InterfaceName: "t1-s2",
					PPP: &PPP{Persist: true, Link: pppfsm.Config{
						IPv4: true, IPv6: true, RestartTimer: 3 * time.Second,
						MaxConfigure: 10, MaxTerminate: 2, MaxFailure: 5,
					}},
				},
			},
		}},
	}
	compare(t, want, got)
}

// TestGoL2TPKeys says each thing that ql2tpd.toml(5) and config.go of go-l2tp document, and checks what it means.
func TestGoL2TPKeys(t *testing.T) {
	got, err := Load("testdata/ql2tpd.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Tunnel{
		{
			Name: "udp4", Line: 4, Transport: encap.TransportUDP,
			Local: netip.MustParseAddrPort("127.0.0.1:5000"), Peer: netip.MustParseAddrPort("127.0.0.1:5001"),
			TID: 62719, PTID: 72819, DSCP: DSCPDefault, DF: true, UDPChecksum: true,
			HelloTimeout: 7500 * time.Millisecond, RetryTimeout: 1500 * time.Millisecond, MaxRetries: 5, WindowSize: 10,
			HostName: "example.net", FramingCaps: []string{"sync"},
			Sessions: []Session{{
				Name: "s1", Line: 18, Pseudowire: PseudowireEthernet, SID: 12389, PSID: 1234,
				Cookie:     cookie(t, 0x12, 0xe9, 0x54, 0x0f, 0xe2, 0x68, 0x72, 0xbc),
				PeerCookie: cookie(t, 0x74, 0x2e, 0x28, 0xa8),
				Sublayer:   encap.SublayerDefault, SeqNum: true, ReorderTimeout: 1500 * time.Millisecond,
				InterfaceName: "l2tpeth42", ClampMSS: true, TxQueueLen: 500,
			}},
		},
		{
			Name: "ip4", Line: 32, Transport: encap.TransportIP,
			Local: netip.MustParseAddrPort("127.0.0.1:0"), Peer: netip.MustParseAddrPort("127.0.0.2:0"),
			TID: 1, PTID: 4294967295, DSCP: DSCPDefault, DF: true, UDPChecksum: true,
			RetryTimeout: time.Second, MaxRetries: 3, WindowSize: 4, FramingCaps: []string{"sync", "async"},
			Sessions: []Session{{
				Name: "s1", Line: 40, Pseudowire: PseudowireEthernet, SID: 4294967295, PSID: 1,
				InterfaceName: "ip4-s1", ClampMSS: true, TxQueueLen: 500,
			}},
		},
		{
			Name: "ip6", Line: 49, Transport: encap.TransportIP,
			Local: netip.MustParseAddrPort("[2001:db8::1]:0"), Peer: netip.MustParseAddrPort("[2001:db8::2]:0"),
			TID: 2, PTID: 2, DSCP: DSCPDefault, DF: true, UDPChecksum: true,
			RetryTimeout: time.Second, MaxRetries: 3, WindowSize: 4, FramingCaps: []string{"sync", "async"},
			Sessions: []Session{},
		},
	}
	compare(t, want, got.Tunnels)
}

func TestProfile(t *testing.T) {
	got := mustParse(t, minimal+`
[tunnel.t1.session.s1]
pseudowire = "ppp"
sid = 1
psid = 2
ppp_profile = "p0"
mtu = 1400

[ppp.p0]
local_address = "10.0.0.1"
peer_address = "10.0.0.2"
mru = 1400
dns = ["10.0.0.53", "10.0.0.54"]
nbns = ["10.0.0.55"]
use_peer_dns = true
use_peer_nbns = true
ipv6 = true
local_interface_id = "::1:2"
peer_interface_id = "0000000000030004"
accomp = true
pcomp = false
ppp_framing = "hdlc"
lcp_echo_interval = 30
lcp_echo_failure = 4
lcp_restart = 1
lcp_max_configure = 20
lcp_max_terminate = 3
lcp_max_failure = 6
defaultroute = true
persist = false
silent = true
passive = true
`).Tunnels[0].Sessions[0].PPP
	want := &PPP{
		Profile: "p0", MRU: 1400, DefaultRoute: true,
		Link: pppfsm.Config{
			MRU: 1400, RequestACFC: true, NoPFC: true, Framing: pppfsm.FramingHDLC, IPv4: true, IPv6: true,
			LocalAddress: netip.MustParseAddr("10.0.0.1"), PeerAddress: netip.MustParseAddr("10.0.0.2"),
			DNS:        [2]netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.0.54")},
			NBNS:       [2]netip.Addr{netip.MustParseAddr("10.0.0.55")},
			UsePeerDNS: true, UsePeerNBNS: true,
			LocalID: [8]byte{5: 1, 7: 2}, PeerID: [8]byte{5: 3, 7: 4},
			EchoInterval: 30 * time.Second, EchoFailures: 4,
			RestartTimer: time.Second, MaxConfigure: 20, MaxTerminate: 3, MaxFailure: 6,
			Silent: true, Passive: true,
		},
	}
	compare(t, want, got)
}

// TestProfileIsCopied: sessions with one profile must not share it.
func TestProfileIsCopied(t *testing.T) {
	s := mustParse(t, minimal+`
[tunnel.t1.session]
a = { pseudowire = "ppp", sid = 1, psid = 1, ppp_profile = "p" }
b = { pseudowire = "ppp", sid = 2, psid = 2, ppp_profile = "p" }
[ppp.p]
`).Tunnels[0].Sessions
	if s[0].PPP == s[1].PPP {
		t.Error("two sessions share one PPP")
	}
}

func TestSessionKeys(t *testing.T) {
	got := mustParse(t, `
workers = 2
log_level = "debug"
offload = "off"
[api]
socket = "/tmp/x.sock"
metrics = "127.0.0.1:9115"
admin_group = "daemon"
[devices]
group = 77
[tunnel.t1]
version = "l2tpv3"
encap = "udp"
local = "[2001:db8::1]:1702"
peer = "2001:db8::2"
tid = 1
ptid = 2
ttl = 64
dscp = "copy"
df = false
udp_csum = false
path_mtu = 1480
underlay_overhead = 40
[tunnel.t1.session.s1]
pseudowire = "eth"
sid = 1
psid = 2
cookie = []
mtu = 1400
clamp_mss = false
txqueuelen = 16
mac = "02:00:00:00:00:01"
addresses = ["10.78.0.1/24", "fd78::1/64"]
routes = ["10.80.0.0/16", "10.81.0.0/16 via 10.78.0.2", "::/0 via fe80::2"]
bridge = "br0"
netns = "blue"
`)
	want := &Config{
		File: "f.toml", API: API{Socket: "/tmp/x.sock", Metrics: "127.0.0.1:9115", MetricsLine: 7, AdminGroup: "daemon", AdminGID: 1}, Workers: 2, Group: 77, LogLevel: "debug", LogFormat: DefaultLogFormat,
		Tunnels: []Tunnel{{
			Name: "t1", Line: 11, Transport: encap.TransportUDP,
			Local: netip.MustParseAddrPort("[2001:db8::1]:1702"), Peer: netip.MustParseAddrPort("[2001:db8::2]:1701"),
			TID: 1, PTID: 2, TTL: 64, DSCP: DSCPCopy, PathMTU: 1480, UnderlayOverhead: 40,
			RetryTimeout: time.Second, MaxRetries: 3, WindowSize: 4, FramingCaps: []string{"sync", "async"},
			Sessions: []Session{{
				Name: "s1", Line: 24, Pseudowire: PseudowireEthernet, SID: 1, PSID: 2, InterfaceName: "t1-s1",
				MTU: 1400, TxQueueLen: 16, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.78.0.1/24"), netip.MustParsePrefix("fd78::1/64")},
				Routes: []Route{
					{To: netip.MustParsePrefix("10.80.0.0/16")},
					{To: netip.MustParsePrefix("10.81.0.0/16"), Via: netip.MustParseAddr("10.78.0.2")},
					{To: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("fe80::2")},
				},
				Bridge: "br0", NetNS: "blue",
			}},
		}},
	}
	compare(t, want, got)
}

func TestEndpoints(t *testing.T) {
	for _, tc := range []struct{ encap, local, peer, wantLocal, wantPeer string }{
		{"udp", "192.0.2.1", "192.0.2.2:2000", "192.0.2.1:1701", "192.0.2.2:2000"},
		{"udp", "2001:db8::1", "[2001:db8::2]", "[2001:db8::1]:1701", "[2001:db8::2]:1701"},
		{"udp", "0.0.0.0:1701", "192.0.2.2:1701", "0.0.0.0:1701", "192.0.2.2:1701"},
		{"udp", "[::ffff:192.0.2.1]:5", "192.0.2.2:6", "192.0.2.1:5", "192.0.2.2:6"},
		{"udp", "192.0.2.1:l2tp", "both.example:l2tp", "192.0.2.1:1701", "192.0.2.7:1701"},
		{"udp", "2001:db8::1", "both.example:7", "[2001:db8::1]:1701", "[2001:db8::7]:7"},
		{"udp", "both.example", "six.example", "192.0.2.7:1701", ""},
		{"udp", "both.example", "2001:db8::9", "[2001:db8::7]:1701", "[2001:db8::9]:1701"},
		{"ip", "192.0.2.1", "192.0.2.2", "192.0.2.1:0", "192.0.2.2:0"},
		{"ip", "192.0.2.1:1701", "192.0.2.2:0", "192.0.2.1:0", "192.0.2.2:0"},
	} {
		t.Run(tc.encap+" "+tc.local+" "+tc.peer, func(t *testing.T) {
			c, err := parseText(t, "[tunnel.t]\nencap = \""+tc.encap+"\"\nlocal = \""+tc.local+"\"\npeer = \""+tc.peer+
				"\"\ntid = 1\nptid = 1\n")
			if tc.wantPeer == "" {
				if err == nil {
					t.Fatalf("no error for %v", c.Tunnels)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if l, p := c.Tunnels[0].Local.String(), c.Tunnels[0].Peer.String(); l != tc.wantLocal || p != tc.wantPeer {
				t.Errorf("got %s and %s, want %s and %s", l, p, tc.wantLocal, tc.wantPeer)
			}
		})
	}
}

// TestFileOrder: tunnels and sessions come in the order of the file, also when a session's table precedes its tunnel's.
func TestFileOrder(t *testing.T) {
	c := mustParse(t, `
[tunnel.z.session.s]
pseudowire = "eth"
sid = 1
psid = 1
[tunnel.a]
local = "192.0.2.1"
peer = "192.0.2.2"
tid = 1
ptid = 1
[tunnel.z]
local = "192.0.2.1"
peer = "192.0.2.2"
tid = 2
ptid = 2
[tunnel.a.session.s]
pseudowire = "eth"
sid = 2
psid = 1
`)
	if c.Tunnels[0].Name != "z" || c.Tunnels[1].Name != "a" || c.Tunnels[0].Line != 11 || c.Tunnels[0].Sessions[0].Line != 2 {
		t.Errorf("got %+v", c.Tunnels)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.toml")
	_, err := Load(missing)
	var e *Error
	if !errors.As(err, &e) || e.File != missing || e.Line != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %#v", err)
	}
	if want := missing + ": cannot open: no such file or directory"; err.Error() != want {
		t.Errorf("missing file: got %q, want %q", err, want)
	}
	if _, err = Load(dir); !errors.As(err, &e) || e.File != dir {
		t.Errorf("directory: %#v", err)
	}
	big := filepath.Join(dir, "big.toml")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, MaxSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err = Load(big); err == nil || err.Error() != big+":1: larger than 64 MiB" {
		t.Errorf("big file: %v", err)
	}
}

// TestManyErrors: a file of garbage is answered with a bounded number of errors.
func TestManyErrors(t *testing.T) {
	var text strings.Builder
	for i := range 3 * maxErrors {
		fmt.Fprintf(&text, "key%d = 1\n", i)
	}
	_, err := parseText(t, text.String())
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxErrors+1 || !strings.HasSuffix(lines[maxErrors], "more errors") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}
