package migrate

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/encap"
	"culvert/internal/config"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// TestIPRoute: the whole of a script, as a file that loads.
func TestIPRoute(t *testing.T) {
	text, err := os.ReadFile("testdata/site-a.sh")
	if err != nil {
		t.Fatal(err)
	}
	got, err := IPRoute("site-a.sh", text)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/site-a.toml", got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/site-a.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c, err := config.Parse("site-a.toml", got)
	if err != nil {
		t.Fatal(err)
	}
	sent, _ := encap.NewCookie([]byte{0x12, 0xe9, 0x54, 0x0f, 0xe2, 0x68, 0x72, 0xbc})
	expected, _ := encap.NewCookie([]byte{0x74, 0x2e, 0x28, 0xa8})
	s := c.Tunnels[1].Sessions[0]
	if s.Cookie != sent || s.PeerCookie != expected || s.SID != 16 || s.PSID != 17 || s.Sublayer != encap.SublayerNone {
		t.Errorf("%+v", s)
	}
	if s = c.Tunnels[0].Sessions[0]; s.Sublayer != encap.SublayerDefault || s.SeqNum || s.MTU != 1446 {
		t.Errorf("%+v", s) // iproute2's default sublayer is not ours
	}
}

const udpTunnel = "ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 2 local 192.0.2.1 remote 192.0.2.2 udp_sport 1701 udp_dport 1702"

// TestErrors: what would make a tunnel or session differ is refused, with the line.
func TestErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "ip link set lo up", "f: no `ip l2tp add tunnel` in it"},
		{"variable", "\n" + strings.Replace(udpTunnel, "192.0.2.1", "$LOCAL", 1), `f:2: ip l2tp add: has a '$', which only a shell understands`},
		{"open quote", udpTunnel + " 'udp", `f:1: ip l2tp add: has a '\'', which only a shell understands`},
		{"no id", "ip l2tp add tunnel", "f:1: ip l2tp add: tunnel_id is missing"},
		{"id 0", "ip l2tp add tunnel tunnel_id 0", `f:1: ip l2tp add: tunnel_id must be a number from 1 to 4294967295, not "0"`},
		{"no object", "ip l2tp add tunnel_id 1", "f:1: ip l2tp add: neither tunnel nor session"},
		{"no value", "ip l2tp add tunnel tunnel_id", "f:1: ip l2tp add: tunnel_id has no value"},
		{"unknown word", udpTunnel + " offset 8", `f:1: ip l2tp add: unknown word "offset"`},
		{"twice", udpTunnel + " encap udp encap ip", "f:1: ip l2tp add: encap is there twice"},
		{"wrong object", udpTunnel + " cookie 00000000", "f:1: ip l2tp add: cookie is not for a tunnel"},
		{"no port", "ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 2 local 192.0.2.1 remote 192.0.2.2", "f:1: ip l2tp add: udp_sport is missing"},
		{"remote any", strings.Replace(udpTunnel, "192.0.2.2", "any", 1), `f:1: ip l2tp add: remote "any" is not an address`},
		{"other namespace", "ip -n blue l2tp add tunnel", "f:1: ip l2tp add: in another network namespace: start culvert there"},
		{"same tunnel", udpTunnel + "\n" + udpTunnel, "f:2: ip l2tp add: tunnel_id 1 is there already"},
		{"no tunnel", "ip l2tp add session tunnel_id 1 session_id 3 peer_session_id 4", "f:1: ip l2tp add: no tunnel has tunnel_id 1"},
		{"cookie", udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4 cookie 0123", "f:2: ip l2tp add: cookie must have 8 or 16 hexadecimal digits"},
		{"numbers", udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4 l2spec_type none seq send", "f:2: ip l2tp add: seq send needs l2spec_type default: numbers are in that sublayer"},
		{"same session", udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4\nip l2tp add session tid 1 sid 3 psid 5", "f:3: ip l2tp add: session_id 3 is there already"},
		{"same interface", udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4 name a\nip l2tp add session tid 1 sid 4 psid 5 name a", `f:3: ip l2tp add: there is an interface "a" already`},
		{"found by config", udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4\nip link set l2tpeth0 mtu 70000", "f:2: tunnel.t1.session.s3.mtu: must be 68 to 65535, not 70000"},
	}
	for _, tt := range tests {
		got, err := IPRoute("f", []byte(tt.text))
		if err == nil || err.Error() != tt.want || got != nil {
			t.Errorf("%s: %v, not %s\n%s", tt.name, err, tt.want, got)
		}
	}
	if _, err := IPRoute("f", []byte(strings.Repeat("ip l2tp add\n", 200))); strings.Count(err.Error(), "\n") != maxErrors {
		t.Errorf("%d errors are not the limit", strings.Count(err.Error(), "\n"))
	}
}

// TestDevices: what is done to an interface, and what is not carried over.
func TestDevices(t *testing.T) {
	begin := udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4 name a\n"
	tests := []struct{ text, want string }{
		{"ip link set a up", ""},
		{"link set a mtu 1400", "mtu            = 1400"}, // as for ip -batch
		{"/sbin/ip -4 a add 10.0.0.1/24 dev a", `addresses      = ["10.0.0.1/24"]`},
		{"ip addr add dev a local 10.0.0.1", `addresses      = ["10.0.0.1/32"]`},
		{"ip route add default via 10.0.0.2 dev a", `routes         = ["0.0.0.0/0 via 10.0.0.2"]`},
		{"ip r add default dev a via fd00::1", `routes         = ["::/0 via fd00::1"]`},
		{"ip link set a name b\nip addr add 10.0.0.1/24 dev b", `addresses      = ["10.0.0.1/24"]`},
		{"ip addr add 10.0.0.1/24 dev c", `# not carried over: f:3: ip addr add: "c" is no interface of a session before it`},
		{"ip link set a mtu 1400 down", `# not carried over: f:3: ip link set: "down" is not known here`},
		{"ip route add 10.0.0.0/8 dev a metric 5", "# not carried over: f:3: ip route add: not known here"},
		{"ip route add 10.0.0.0/8 via 'fe80::1%x\"]' dev a", `# not carried over: f:3: ip route add: "fe80::1%x\"]" is not possible here`},
		{"ip link set a netns 77", `# not carried over: f:3: ip link set: netns "77" is not possible here`},
		{"ip l2tp del tunnel tunnel_id 1", "# not carried over: f:3: ip l2tp del: only add means something here"},
		{"'a\nb' c", `# not carried over: f:3: a\nb: not a command of ip`},
	}
	for _, tt := range tests {
		got, err := IPRoute("f", []byte(begin+tt.text))
		if err != nil || !strings.Contains(string(got), tt.want+"\n") {
			t.Errorf("%s: %v, no %s in\n%s", tt.text, err, tt.want, got)
		}
		if rest := strings.Contains(string(got), "mtu "); strings.Contains(tt.text, "down") && rest {
			t.Errorf("half of a command is carried over:\n%s", got)
		}
	}
}

// FuzzIPRoute: whatever the script, the result has exactly its tunnels and sessions, loads, and has no line but those that
// we write.
func FuzzIPRoute(f *testing.F) {
	seed, err := os.ReadFile("testdata/site-a.sh")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(udpTunnel + "\nip l2tp add session tid 1 sid 3 psid 4 name a udp6_csum_rx off\nip link set a netns '\"]\\'"))
	line := regexp.MustCompile(`^($|#|\[tunnel\.t\d+(\.session\.s\d+)?\]$|[a-z0-9_]+ += )`)
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := IPRoute("script", text)
		if err != nil {
			for l := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(l, "script:") {
					t.Errorf("error without a file: %q", l)
				}
			}
			return
		}
		for l := range bytes.SplitSeq(got, []byte("\n")) {
			if !line.Match(l) {
				t.Errorf("a line that is not ours: %q", l)
			}
		}
		c, err := config.Parse("result", got)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := read("script", text)
		same(t, s, c)
	})
}

func same(t *testing.T, s *script, c *config.Config) {
	t.Helper()
	if len(s.tunnels) != len(c.Tunnels) {
		t.Fatalf("%d tunnels, not %d", len(c.Tunnels), len(s.tunnels))
	}
	for i, a := range s.tunnels {
		b := c.Tunnels[i]
		if a.id != b.TID || a.peer != b.PTID || a.local != b.Local.Addr() || a.remote != b.Peer.Addr() ||
			a.sport != b.Local.Port() || a.dport != b.Peer.Port() || len(a.sessions) != len(b.Sessions) {
			t.Errorf("%+v became %+v", a, b)
			continue
		}
		for j, x := range a.sessions {
			y := b.Sessions[j]
			sent, _ := encap.NewCookie(x.cookie)
			expected, _ := encap.NewCookie(x.peerCookie)
			if encap.SessionID(x.id) != y.SID || encap.SessionID(x.peer) != y.PSID || sent != y.Cookie || expected != y.PeerCookie ||
				x.numbered != y.SeqNum || x.device.name != y.InterfaceName || len(x.device.addresses) != len(y.Addresses) {
				t.Errorf("%+v became %+v", x, y)
			}
		}
	}
}
