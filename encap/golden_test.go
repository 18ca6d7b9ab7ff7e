package encap

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenPacket is one file of testdata/golden.
type goldenPacket struct {
	name   string
	packet []byte
}

// goldenPackets reads all files, in order of their names.
func goldenPackets(t testing.TB) []goldenPacket {
	t.Helper()
	names, err := filepath.Glob("testdata/golden/*.hex")
	if err != nil || len(names) != 65 {
		t.Fatalf("%d golden packets, error %v; want 65", len(names), err)
	}
	var ps []goldenPacket
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var packet []byte
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			b, err := hex.DecodeString(strings.Join(strings.Fields(line)[1:], ""))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			packet = append(packet, b...)
		}
		ps = append(ps, goldenPacket{strings.TrimSuffix(filepath.Base(name), ".hex"), packet})
	}
	return ps
}

func mustCookie(t testing.TB, s string) Cookie {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCookie(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// goldenSessions are the sessions of testdata/golden/README.md.
func goldenSessions(t testing.TB) map[SessionID]pseudowire {
	t.Helper()
	m := map[SessionID]pseudowire{}
	add := func(transport Transport, id SessionID, cookie string, s Sublayer, ppp bool) {
		m[id] = pseudowire{DataHeader{transport, id, mustCookie(t, cookie), s}, ppp}
	}
	add(TransportUDP, 0x0a0a0a0a, "0102030405060708", SublayerDefault, true)
	add(TransportUDP, 0x0b0b0b0b, "a1a2a3a4", SublayerNone, true)
	add(TransportIP, 0x00001001, "1122334455667788", SublayerNone, false)
	add(TransportIP, 0x00002002, "", SublayerDefault, false)
	add(TransportUDP, 0x0c0c0c0c, "0102030405060708", SublayerDefault, true)
	add(TransportIP, 0x0d0d0d0d, "a1a2a3a4", SublayerNone, false)
	add(TransportUDP, 0x0e0e0e0e, "", SublayerNone, true)
	add(TransportUDP, 0x0f0f0f0f, "", SublayerNone, true)
	return m
}

const unsequenced = -1

// goldenData is what the data packets contain. seq is unsequenced where the
// sublayer is missing or S is 0; info is how the PPP information or, for Ethernet,
// the frame begins.
var goldenData = map[string]struct {
	id    SessionID
	seq   int
	proto PPPProtocol
	info  string
	stack string
}{
	"d01": {0x0b0b0b0b, unsequenced, ProtoLCP, "0101000e010405b40506deadbeef", "ip:udp:l2tp:lcp"},
	"d02": {0x0a0a0a0a, 0, ProtoLCP, "01070013010405b40305c223050506cafef00d", "ip:udp:l2tp:lcp"},
	"d03": {0x0b0b0b0b, unsequenced, ProtoLCP, "02070013", "ip:udp:l2tp:lcp"},
	"d04": {0x0a0a0a0a, 1, ProtoLCP, "0201000e", "ip:udp:l2tp:lcp"},
	"d05": {0x0a0a0a0a, 2, ProtoCHAP, "012a001810000102030405", "ip:udp:l2tp:chap"},
	"d06": {0x0b0b0b0b, unsequenced, ProtoCHAP, "022a001910e034529a7255035fc609ca00ceadf331", "ip:udp:l2tp:chap"},
	"d07": {0x0a0a0a0a, 3, ProtoCHAP, "032a000b57656c636f6d65", "ip:udp:l2tp:chap"},
	"d08": {0x0b0b0b0b, unsequenced, ProtoIPCP, "01010016030600000000", "ip:udp:l2tp:ipcp"},
	"d09": {0x0a0a0a0a, 4, ProtoIPCP, "0301001603060a000002", "ip:udp:l2tp:ipcp"},
	"d10": {0x0a0a0a0a, 5, ProtoIPCP, "010900100206002d0f0103060a000001", "ip:udp:l2tp:ipcp"},
	"d11": {0x0b0b0b0b, unsequenced, ProtoIPCP, "0409000a0206002d0f01", "ip:udp:l2tp:ipcp"},
	"d12": {0x0b0b0b0b, unsequenced, ProtoIPv6CP, "0101000e010a021122fffe334455", "ip:udp:l2tp:ipv6cp"},
	"d13": {0x0a0a0a0a, 6, ProtoCCP, "0101000a1206", "ip:udp:l2tp:ccp"},
	"d14": {0x0b0b0b0b, unsequenced, ProtoLCP, "0805001080fd", "ip:udp:l2tp:lcp"},
	"d15": {0x0b0b0b0b, unsequenced, ProtoIPv4, "45000022", "ip:udp:l2tp:ip:icmp"},
	"d16": {0x0a0a0a0a, unsequenced, ProtoIPv4, "45000022", "ip:udp:l2tp:ip:icmp"},
	"d17": {0x0a0a0a0a, unsequenced, ProtoIPv6, "6000000000083aff", "ip:udp:l2tp:ipv6:icmpv6"},
	"d18": {0x0b0b0b0b, unsequenced, ProtoLCP, "0903", "ip:udp:l2tp:lcp"},
	"d19": {0x0a0a0a0a, 7, ProtoLCP, "0a03", "ip:udp:l2tp:lcp"},
	"d20": {0x0a0a0a0a, 0xffffff, ProtoLCP, "0508", "ip:udp:l2tp:lcp"},
	"e07": {0x00002002, 0, 0, "ffffffffffff", "ip:l2tp:ethertype:arp"},
	"e08": {0x00001001, unsequenced, 0, "", "ip:l2tp:ethertype:vlan:ethertype:ip:icmp"},
	"p01": {0x0f0f0f0f, unsequenced, ProtoPAP, "0101000e047573657204", "ip:udp:l2tp:pap"},
	"p02": {0x0f0f0f0f, unsequenced, ProtoPAP, "02010007026f6b", "ip:udp:l2tp:pap"},
	"p03": {0x0f0f0f0f, unsequenced, ProtoLCP, "0101002a01040578", "ip:udp:l2tp:lcp"},
	"p04": {0x0f0f0f0f, unsequenced, ProtoLCP, "030100090305c22305", "ip:udp:l2tp:lcp"},
	"p05": {0x0f0f0f0f, unsequenced, ProtoLCP, "0401", "ip:udp:l2tp:lcp"},
	"p06": {0x0f0f0f0f, unsequenced, ProtoLCP, "0c02", "ip:udp:l2tp:lcp"},
	"p07": {0x0f0f0f0f, unsequenced, ProtoLCP, "0703000c4d", "ip:udp:l2tp:lcp"},
	"p08": {0x0f0f0f0f, unsequenced, ProtoLCP, "06080004", "ip:udp:l2tp:lcp"},
	"p09": {0x0f0f0f0f, unsequenced, ProtoCHAP, "01010018105b5d7c7d", "ip:udp:l2tp:chap"},
	"p10": {0x0f0f0f0f, unsequenced, ProtoCHAP, "0201003a3121402324", "ip:udp:l2tp:chap"},
	"p11": {0x0f0f0f0f, unsequenced, ProtoCHAP, "03010038533d34303741", "ip:udp:l2tp:chap"},
	"p12": {0x0f0f0f0f, unsequenced, ProtoCHAP, "0401003d453d363931", "ip:udp:l2tp:chap"},
	"x04": {0x0c0c0c0c, 5, ProtoLCP, "09", "ipv6:udp:l2tp:lcp"},
	"x05": {0x0d0d0d0d, unsequenced, 0, "", "ipv6:l2tp:ethertype:arp"},
	"x07": {0x0e0e0e0e, unsequenced, ProtoIPv4, "45", "ip:udp:l2tp:ip:icmp"},
}

// TestGoldenData decodes every data packet down to the inner protocol and encodes
// the L2TP part and the outer headers again, byte for byte. Checksums of all
// layers are verified on the way by decodePacket.
func TestGoldenData(t *testing.T) {
	sessions := goldenSessions(t)
	seen := 0
	for _, g := range goldenPackets(t) {
		want, ok := goldenData[g.name[:3]]
		if !ok {
			continue
		}
		seen++
		t.Run(g.name, func(t *testing.T) {
			d, err := decodePacket(g.packet, sessions)
			if err != nil {
				t.Fatal(err)
			}
			if !d.data || d.control || d.id != want.id || d.proto != want.proto {
				t.Errorf("data %v, control %v, id %#x, protocol %v", d.data, d.control, d.id, d.proto)
			}
			seq := unsequenced
			if d.sublayer.Valid() && d.sublayer.S() {
				seq = int(d.sublayer.Seq())
			}
			if seq != want.seq {
				t.Errorf("sequence number %d, want %d", seq, want.seq)
			}
			if got := strings.Join(d.stack, ":"); got != want.stack {
				t.Errorf("stack %s, want %s", got, want.stack)
			}
			begin := d.info
			if d.proto == 0 {
				begin = d.frame
			}
			if !strings.HasPrefix(hex.EncodeToString(begin), want.info) {
				t.Errorf("frame %x, want it to begin with %s", begin, want.info)
			}
			if got := d.encode(sessions[d.id]); !bytes.Equal(got, d.l2tp) {
				t.Errorf("encoded again:\n%x, want\n%x", got, d.l2tp)
			}
		})
	}
	if seen != len(goldenData) {
		t.Errorf("%d of %d data packets found", seen, len(goldenData))
	}
}

// TestGoldenFraming checks the two packets that leave out parts of the header.
func TestGoldenFraming(t *testing.T) {
	sessions := goldenSessions(t)
	for _, g := range goldenPackets(t) {
		want := PPPFraming{}
		switch g.name[:3] {
		case "d16":
			want = PPPFraming{NoAddressControl: true, CompressProtocol: true}
		case "d17":
			want = PPPFraming{NoAddressControl: true}
		}
		if d, err := decodePacket(g.packet, sessions); err != nil || d.framing != want {
			t.Errorf("%s: framing %+v, error %v", g.name, d.framing, err)
		}
	}
}

// TestGoldenEthernet looks into the two frames that have something to look for.
func TestGoldenEthernet(t *testing.T) {
	sessions := goldenSessions(t)
	for _, g := range goldenPackets(t) {
		d, err := decodePacket(g.packet, sessions)
		if err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		switch g.name[:3] {
		case "e07":
			if len(d.frame) != 60 || d.etherType != EtherTypeARP || d.tags != 0 {
				t.Errorf("e07: %d bytes, type %#x, %d tags", len(d.frame), d.etherType, d.tags)
			}
		case "e08":
			tci := Ethernet(d.frame).Payload()[:2]
			if d.etherType != EtherTypeIPv4 || d.tags != 1 || tci[0]&0x0f != 0 || tci[1] != 100 {
				t.Errorf("e08: type %#x, %d tags, TCI %x", d.etherType, d.tags, tci)
			}
		}
	}
}

// TestGoldenControl checks that everything which is not v3 data is kept from the
// data path: control messages of both versions and v2 data.
func TestGoldenControl(t *testing.T) {
	sessions := goldenSessions(t)
	for _, g := range goldenPackets(t) {
		if _, ok := goldenData[g.name[:3]]; ok {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			d, err := decodePacket(g.packet, sessions)
			if err != nil {
				t.Fatal(err)
			}
			v2 := strings.HasPrefix(g.name, "v")
			v2data := strings.Contains(g.name, "-v2-data")
			if d.data || d.control == v2data {
				t.Errorf("data %v, control %v", d.data, d.control)
			}
			if v2 != (d.version == 2) || !v2 != (d.version == 3) {
				t.Errorf("version %d", d.version)
			}
		})
	}
}

// TestGoldenOuter writes the outer lengths and checksums of all packets again.
func TestGoldenOuter(t *testing.T) {
	for _, g := range goldenPackets(t) {
		b := bytes.Clone(g.packet)
		scrambleOuter(b)
		if bytes.Equal(b, g.packet) {
			t.Fatalf("%s: nothing scrambled", g.name)
		}
		reencodeOuter(b, strings.HasSuffix(g.name, "zerocsum"))
		if !bytes.Equal(b, g.packet) {
			t.Errorf("%s: got\n%x, want\n%x", g.name, b, g.packet)
		}
	}
}

// TestGoldenPrefixes cuts every packet at every byte, at each layer: nothing may
// panic, and a cut outer packet is never taken for a whole one.
func TestGoldenPrefixes(t *testing.T) {
	sessions := goldenSessions(t)
	for _, g := range goldenPackets(t) {
		for n := range g.packet {
			if _, err := decodePacket(g.packet[:n:n], sessions); err == nil {
				t.Fatalf("%s cut at %d of %d: no error", g.name, n, len(g.packet))
			}
		}
		whole, err := decodePacket(g.packet, sessions)
		if err != nil {
			t.Fatal(err)
		}
		for n := range whole.l2tp {
			cut := decoded{transport: whole.transport, l2tp: whole.l2tp[:n:n]}
			if err := cut.message(sessions); err == nil && whole.data && cut.inner != nil {
				t.Fatalf("%s, L2TP part cut at %d of %d: inner packet taken", g.name, n, len(whole.l2tp))
			}
		}
		for n := range whole.inner {
			p := bytes.Clone(whole.inner[:n:n])
			if ClampMSS(p, 100) || len(AppendTooBig(nil, p, 100)) != 0 {
				t.Fatalf("%s, inner packet cut at %d: acted on", g.name, n)
			}
		}
	}
}
