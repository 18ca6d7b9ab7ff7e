package control

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culvert/encap"
)

// goldenPacket is one file of testdata/golden: the payload of UDP or of protocol 115.
type goldenPacket struct {
	name      string
	transport encap.Transport
	payload   []byte
}

func goldenPackets(t testing.TB) []goldenPacket {
	t.Helper()
	names, err := filepath.Glob("testdata/golden/*.hex")
	if err != nil || len(names) != 24 {
		t.Fatalf("%d golden packets, error %v; want 24", len(names), err)
	}
	var ps []goldenPacket
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(line, "#") {
				b = append(b, unhex(t, strings.Join(strings.Fields(line)[1:], ""))...)
			}
		}
		p := goldenPacket{name: strings.TrimSuffix(filepath.Base(name), ".hex"), transport: encap.TransportUDP}
		outer, protocol := encap.IPv4Len, b[9]
		if b[0]>>4 == 6 {
			outer, protocol = encap.IPv6Len, b[6]
		}
		if protocol == encap.ProtocolL2TP {
			p.transport = encap.TransportIP
		} else {
			outer += encap.UDPLen
		}
		p.payload = b[outer:]
		ps = append(ps, p)
	}
	return ps
}

func golden(t testing.TB, name string) goldenPacket {
	t.Helper()
	for _, p := range goldenPackets(t) {
		if strings.HasPrefix(p.name, name) {
			return p
		}
	}
	t.Fatalf("no golden packet %s", name)
	return goldenPacket{}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goldenSecret, goldenNonces and goldenPadding are those of testdata/golden/README.md.
const (
	goldenSecret  = "golden-secret"
	goldenNonceA  = "\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf"
	goldenNonceB  = "\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf"
	goldenPadding = "\xee\xee\xee\xee"
)

// goldenMessages is what the messages say, and whether the initiator sent them (otherwise the responder).
var goldenMessages = map[string]struct {
	fromA bool
	text  string
}{
	"c01": {true, "SCCRQ, Control Message Authentication Nonce (16 bytes), Host Name lac.example, Router ID 3221225985, Assigned Control Connection ID 287454020, Pseudowire Capabilities List [PPP Ethernet Ethernet VLAN], Receive Window Size 8, Tie Breaker 4822678189205111, Vendor Name golden"},
	"c02": {false, "SCCRP, Control Message Authentication Nonce (16 bytes), Host Name lns.example, Router ID 3221225986, Assigned Control Connection ID 1432778632, Pseudowire Capabilities List [PPP Ethernet Ethernet VLAN], Receive Window Size 4"},
	"c03": {true, "SCCCN"},
	"c04": {false, "ACK"},
	"c05": {true, "ICRQ, Local Session ID 168430090, Remote Session ID 0, Serial Number 1, Pseudowire Type PPP, Remote End ID pw-1, Circuit Status 3, Assigned Cookie cookie(8), L2-Specific Sublayer 1, Data Sequencing 1"},
	"c06": {false, "ICRP, Local Session ID 185273099, Remote Session ID 168430090, Circuit Status 3, Assigned Cookie cookie(4), L2-Specific Sublayer 0"},
	"c07": {true, "ICCN, Local Session ID 168430090, Remote Session ID 185273099, Tx Connect Speed 100000000, Rx Connect Speed 50000000"},
	"c08": {false, "HELLO"},
	"c09": {true, "SLI, Local Session ID 168430090, Remote Session ID 185273099, Circuit Status 0"},
	"c10": {false, "CDN, Result Code 2 (general error, insufficient resources: no resources), Local Session ID 185273099, Remote Session ID 168430090"},
	"c11": {true, "StopCCN, Result Code 6 (shutting down), Assigned Control Connection ID 287454020"},
	"e01": {true, "SCCRQ, Control Message Authentication Nonce (16 bytes), Host Name pe1, Router ID 3221225985, Assigned Control Connection ID 16777217, Pseudowire Capabilities List [Ethernet Ethernet VLAN]"},
	"e02": {false, "SCCRP, Control Message Authentication Nonce (16 bytes), Host Name pe2, Router ID 3221225986, Assigned Control Connection ID 33554434, Pseudowire Capabilities List [Ethernet Ethernet VLAN]"},
	"e03": {true, "SCCCN"},
	"e04": {true, `ICRQ, Local Session ID 4097, Remote Session ID 0, Serial Number 7, Pseudowire Type Ethernet, Remote End ID \x00\x00\x00d, Circuit Status 3, Assigned Cookie cookie(8), L2-Specific Sublayer 0`},
	"e05": {false, "ICRP, Local Session ID 8194, Remote Session ID 4097, Circuit Status 3, L2-Specific Sublayer 1, Data Sequencing 2"},
	"e06": {true, "ICCN, Local Session ID 4097, Remote Session ID 8194"},
	"x01": {true, "SCCRQ, Host Name host-a, Router ID 3221225985, Assigned Control Connection ID 16909060, Pseudowire Capabilities List [PPP], Receive Window Size 4"},
	"x02": {true, "ZLB"},
	"x03": {true, "HELLO"},
	"x06": {true, "SCCRQ, Host Name host-a6, Router ID 167772161, Assigned Control Connection ID 16909061, Pseudowire Capabilities List [PPP]"},
}

// goldenVerify checks a golden message's digests.
func goldenVerify(p Packet, name string, secret string) verdict {
	var n nonces
	if t, _, _ := p.Type(); t != SCCRQ && name[0] != 'x' {
		n = nonces{[]byte(goldenNonceA), []byte(goldenNonceB)}
		if !goldenMessages[name].fromA {
			n.sender, n.receiver = n.receiver, n.sender
		}
	}
	if name[0] == 'x' {
		secret = ""
	}
	return verify(p, []Keys{DeriveKeys([]byte(secret))}, n)
}

// TestGolden decodes all golden messages and encodes them again, byte for byte, digests and hidden cookie included.
func TestGolden(t *testing.T) {
	seen := 0
	for _, g := range goldenPackets(t) {
		name := g.name[:3]
		want, ok := goldenMessages[name]
		if !ok {
			continue
		}
		seen++
		t.Run(g.name, func(t *testing.T) {
			p, n, err := ParsePacket(g.transport, g.payload)
			if err != nil || n != len(g.payload) {
				t.Fatalf("%d bytes, error %v", n, err)
			}
			keys := DeriveKeys([]byte(goldenSecret))
			m, err := p.Decode(Decoder{Keys: &keys, Strict: true})
			if err != nil || m.String() != want.text || m.Ignored != 0 {
				t.Errorf("error %v, %d ignored, got\n%s\nwant\n%s", err, m.Ignored, m.String(), want.text)
			}
			e := Encoder{}
			v := goldenVerify(p, name, goldenSecret)
			if v.present {
				if e.Digests = []DigestType{v.typ}; !v.ok || v.typ != map[byte]DigestType{'c': DigestMD5, 'x': DigestMD5, 'e': DigestSHA1}[name[0]] {
					t.Errorf("digest %+v", v)
				}
			} else if name[0] != 'x' {
				t.Error("no digest found")
			}
			if name == "e04" {
				e.Hidden, e.Keys, e.Padding = []AVPType{AVPAssignedCookie}, &keys, []byte(goldenPadding)
				e.Vector = unhex(t, "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf")
				if c, _ := encap.NewCookie(unhex(t, "1122334455667788")); m.AssignedCookie != c {
					t.Error("another cookie was revealed")
				}
			}
			raw := e.Append(nil, p.Header, &m)
			var ns nonces
			if m.Type != SCCRQ && name[0] != 'x' {
				ns = nonces{[]byte(goldenNonceA), []byte(goldenNonceB)}
				if !want.fromA {
					ns.sender, ns.receiver = ns.receiver, ns.sender
				}
			}
			if name[0] == 'x' {
				keys = DeriveKeys(nil)
			}
			sign(raw, []*Keys{&keys}, ns)
			if again := onWire(g.transport, raw); !bytes.Equal(again, g.payload) {
				t.Errorf("encoded again:\n%x, want\n%x", again, g.payload)
			}
		})
	}
	if seen != len(goldenMessages) {
		t.Errorf("%d of %d messages found", seen, len(goldenMessages))
	}
}

// TestGoldenDigestsMatter flips every bit of the authenticated golden messages: no digest may survive it.
func TestGoldenDigestsMatter(t *testing.T) {
	for _, g := range goldenPackets(t) {
		p, _, err := ParsePacket(g.transport, g.payload)
		if err != nil || !goldenVerify(p, g.name[:3], goldenSecret).present {
			continue
		}
		if goldenVerify(p, g.name[:3], "golden-secreT").ok != (g.name[0] == 'x') {
			t.Errorf("%s: verified with another secret", g.name)
		}
		raw := p.raw
		for i := range 8 * len(raw) {
			p.raw = bytes.Clone(raw)
			p.raw[i/8] ^= 1 << (i % 8)
			if goldenVerify(p, g.name[:3], goldenSecret).ok {
				t.Errorf("%s: verified with bit %d changed", g.name, i)
			}
		}
	}
}

// TestGoldenOthers: an unknown AVP with M, and version 2.
func TestGoldenOthers(t *testing.T) {
	g := golden(t, "x08")
	p, _, err := ParsePacket(g.transport, g.payload)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Decode(Decoder{})
	if err == nil || err.Error() != "attribute 999: unknown AVP with the M bit set" || m.AssignedCCID != 0x01020306 {
		t.Errorf("x08: CCID %#x, error %v", m.AssignedCCID, err)
	}
	g = golden(t, "v01") // an SCCRQ of RFC 2661 has a header that version 3 cannot tell from its own
	if p, _, err = ParsePacket(g.transport, g.payload); err != nil || p.Version != 2 {
		t.Errorf("v01: version %d, error %v", p.Version, err)
	}
	if m, err = p.Decode(Decoder{}); err == nil || m.HostName != "lac2" || string(m.Challenge) != "0123456789:;<=>?" {
		t.Errorf("v01: %s, error %v", m.String(), err)
	}
	g = golden(t, "v06")
	if _, _, err = ParsePacket(g.transport, g.payload); !errors.Is(err, ErrVersion) {
		t.Errorf("v06: error %v", err)
	}
}

// TestGoldenHiddenV2 reveals the hidden AVP of v06, whose key is the secret itself (RFC 2661 section 4.3): the cipher is
// the same, over two blocks.
func TestGoldenHiddenV2(t *testing.T) {
	cipher := unhex(t, "ca4d2298ff9e884431753a51edf0a61d613e51a9c4")
	vector := unhex(t, "505152535455565758595a5b5c5d5e5f")
	if v := naiveHide([]byte(goldenSecret), 22, vector, []byte("5551234567890123456"), nil); !bytes.Equal(v, cipher) {
		t.Errorf("hidden: %x", v)
	}
}
