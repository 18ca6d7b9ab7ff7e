package encap

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goldenOutEnv names the directory that scripts/golden.sh wants filled.
const goldenOutEnv = "CULVERT_GOLDEN_OUT"

// goldenFields are the tshark fields that are compared, with what decodePacket
// says each of them is. A cell "=x" asks for x, "^x" for a protocol stack that
// begins with x, "*" for nothing. The script reads the names from the file "fields".
var goldenFields = []struct {
	name string
	want func(d *decoded, packet []byte) string
}{
	{"frame.len", func(_ *decoded, p []byte) string { return fmt.Sprintf("=%d", len(p)) }},
	{"frame.protocols", func(d *decoded, _ []byte) string { return "^raw:" + strings.Join(d.stack, ":") }},
	{"l2tp.version", func(d *decoded, _ []byte) string { return onlyIf(d.version >= 0, d.version) }},
	{"l2tp.type", func(d *decoded, _ []byte) string {
		if d.control {
			return "=1"
		}
		return onlyIf(d.version >= 0, 0)
	}},
	{"l2tp.sid", func(d *decoded, _ []byte) string {
		present := d.data || d.control && d.transport == TransportIP
		return onlyIf(present, fmt.Sprintf("0x%08x", uint32(d.id)))
	}},
	{"l2tp.cookie", func(d *decoded, _ []byte) string { return "=" + hex.EncodeToString(d.cookie()) }},
	{"l2tp.l2_spec_s", func(d *decoded, _ []byte) string {
		if d.sublayer.Valid() && d.sublayer.S() {
			return "=1"
		}
		return onlyIf(d.sublayer.Valid(), 0)
	}},
	{"l2tp.l2_spec_sequence", func(d *decoded, _ []byte) string {
		if !d.sublayer.Valid() {
			return "="
		}
		return fmt.Sprintf("=%d", d.sublayer.Seq())
	}},
	{"ppp.protocol", func(d *decoded, _ []byte) string {
		return onlyIf(d.proto != 0, fmt.Sprintf("0x%04x", uint16(d.proto)))
	}},
	{"eth.dst", func(d *decoded, _ []byte) string {
		return onlyIf(d.etherType != 0, mac(d, Ethernet.Destination))
	}},
	{"eth.src", func(d *decoded, _ []byte) string { return onlyIf(d.etherType != 0, mac(d, Ethernet.Source)) }},
	{"vlan.etype", func(d *decoded, _ []byte) string {
		return onlyIf(d.tags > 0, fmt.Sprintf("0x%04x", d.etherType))
	}},
	{"ip.src", func(d *decoded, _ []byte) string { return d.addressList(0, netip.Addr.Is4) }},
	{"ip.dst", func(d *decoded, _ []byte) string { return d.addressList(1, netip.Addr.Is4) }},
	{"ipv6.src", func(d *decoded, _ []byte) string { return d.addressList(0, netip.Addr.Is6) }},
	{"ipv6.dst", func(d *decoded, _ []byte) string { return d.addressList(1, netip.Addr.Is6) }},
	{"tcp.options.mss_val", func(d *decoded, _ []byte) string { return onlyIf(d.mss != 0, d.mss) }},
	{"icmp.mtu", func(d *decoded, _ []byte) string { return onlyIf(d.mtu != 0 && ipVersion(d.inner) == 4, d.mtu) }},
	{"icmpv6.mtu", func(d *decoded, _ []byte) string { return onlyIf(d.mtu != 0 && ipVersion(d.inner) == 6, d.mtu) }},
	{"ip.checksum.status", func(d *decoded, _ []byte) string { return d.sumList("ip") }},
	{"udp.checksum.status", func(d *decoded, _ []byte) string { return d.sumList("udp") }},
	{"tcp.checksum.status", func(d *decoded, _ []byte) string { return d.sumList("tcp") }},
	{"icmp.checksum.status", func(d *decoded, _ []byte) string { return d.sumList("icmp") }},
	{"icmpv6.checksum.status", func(d *decoded, _ []byte) string { return d.sumList("icmpv6") }},
	{"_ws.malformed", func(*decoded, []byte) string { return "=" }},
}

func onlyIf(present bool, v any) string {
	if !present {
		return "="
	}
	return fmt.Sprintf("=%v", v)
}

func mac(d *decoded, field func(Ethernet) []byte) string {
	if d.etherType == 0 {
		return ""
	}
	return net.HardwareAddr(field(Ethernet(d.frame))).String()
}

// cookie returns the bytes between Session ID and sublayer as they were received.
func (d *decoded) cookie() []byte {
	if !d.data {
		return nil
	}
	from := ipDataLen
	if d.transport == TransportUDP {
		from = udpDataLen
	}
	return d.l2tp[from : len(d.l2tp)-len(d.frame)-len(d.sublayer)]
}

// sumList returns the verdicts on one protocol's checksums, outermost first.
func (d *decoded) sumList(protocol string) string {
	var list []string
	for _, s := range d.sums {
		if s.protocol == protocol {
			list = append(list, fmt.Sprint(s.status))
		}
	}
	return "=" + strings.Join(list, ",")
}

// addressList returns sources (0) or destinations (1) of one IP version.
func (d *decoded) addressList(offset int, is func(netip.Addr) bool) string {
	var list []string
	for i := offset; i < len(d.addresses); i += 2 {
		if is(netip.MustParseAddr(d.addresses[i])) {
			list = append(list, d.addresses[i])
		}
	}
	return "=" + strings.Join(list, ",")
}

// goldenGroup is a set of packets that tshark reads with the same options.
type goldenGroup struct {
	name    string
	options []string // arguments of tshark
	packets []goldenPacket
}

// tsharkOptions tell tshark what no signalling has told it about a session.
func tsharkOptions(s pseudowire) []string {
	cookie := map[int]string{0: "None", 4: "4 Byte Cookie", 8: "8 Byte Cookie"}[s.header.Cookie.Len()]
	sublayer, wire := "None", "eth"
	if s.header.Sublayer == SublayerDefault {
		sublayer = "Default L2-Specific"
	}
	if s.ppp {
		wire = "ppp"
	}
	return []string{"-o", "l2tp.cookie_size:" + cookie, "-o", "l2tp.l2_specific:" + sublayer, "-d", "l2tp.pw_type==0," + wire}
}

// TestWriteGolden fills the directory CULVERT_GOLDEN_OUT with what scripts/golden.sh
// gives to tshark: the golden packets and packets of our own making, grouped by the
// options they need, and what our decoder says about each.
func TestWriteGolden(t *testing.T) {
	dir := os.Getenv(goldenOutEnv)
	if dir == "" {
		dir = t.TempDir() // nobody reads it, but that it can be written is tested
	}
	sessions := goldenSessions(t)
	own := ownPackets(t, sessions)
	var names []string
	for _, f := range goldenFields {
		names = append(names, f.name)
	}
	writeLines(t, filepath.Join(dir, "fields"), names)
	for i, g := range goldenGroups(t, own, sessions) {
		base := filepath.Join(dir, fmt.Sprintf("%02d-%s", i, g.name))
		var text, want []string
		for _, p := range g.packets {
			d, err := decodePacket(p.packet, sessions)
			if err != nil {
				t.Errorf("%s: %v", p.name, err)
				continue
			}
			text = append(text, hexDump(p.packet))
			want = append(want, p.name+"\t"+strings.Join(goldenCells(&d, p.packet), "\t"))
		}
		writeLines(t, base+".txt", text)
		writeLines(t, base+".want", want)
		writeLines(t, base+".options", g.options)
	}
}

// innerFields are fields of what L2TP carries. Wireshark looks into L2TPv2 data,
// this package does not, so there they are not compared.
var innerFields = []string{"ppp.protocol", "ip.src", "ip.dst", "ip.checksum.status", "icmp.checksum.status"}

func goldenCells(d *decoded, packet []byte) (cells []string) {
	v2data := d.version == 2 && !d.control
	for _, f := range goldenFields {
		if v2data && slices.Contains(innerFields, f.name) {
			cells = append(cells, "*")
			continue
		}
		cells = append(cells, f.want(d, packet))
	}
	return cells
}

func writeLines(t *testing.T, name string, lines []string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(strings.Join(append(lines, ""), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hexDump is text2pcap's input format.
func hexDump(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); i += 16 {
		fmt.Fprintf(&s, "%06x  % x\n", i, b[i:min(i+16, len(b))])
	}
	return s.String()
}

// goldenGroups puts conversation 1, which tshark follows through its signalling,
// first and in order; then all other messages without data of v3; then the data
// packets by the shape of their session.
func goldenGroups(t *testing.T, own []goldenPacket, sessions map[SessionID]pseudowire) []goldenGroup {
	t.Helper()
	conversation := goldenGroup{name: "conversation1"}
	end := goldenGroup{}
	other := goldenGroup{name: "control"}
	var shaped []goldenGroup
	for _, p := range append(goldenPackets(t), own...) {
		_, isData := goldenData[p.name[:3]]
		switch {
		case p.name[0] == 'c' && p.name[:3] >= "c10":
			end.packets = append(end.packets, p) // tears down what d* needs
		case p.name[0] == 'c' || p.name[0] == 'd':
			conversation.packets = append(conversation.packets, p)
		case p.name[0] == 'o' || isData:
			shaped = addShaped(t, shaped, p, sessions)
		default:
			other.packets = append(other.packets, p)
		}
	}
	conversation.packets = append(conversation.packets, end.packets...)
	return append([]goldenGroup{conversation, other}, shaped...)
}

func addShaped(t *testing.T, groups []goldenGroup, p goldenPacket, sessions map[SessionID]pseudowire) []goldenGroup {
	t.Helper()
	d, err := decodePacket(p.packet, sessions)
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	s := sessions[d.id]
	options := tsharkOptions(s)
	for i := range groups {
		if slices.Equal(groups[i].options, options) {
			groups[i].packets = append(groups[i].packets, p)
			return groups
		}
	}
	wire := "eth"
	if s.ppp {
		wire = "ppp"
	}
	name := fmt.Sprintf("cookie%d-%s-%s", s.header.Cookie.Len(), s.header.Sublayer, wire)
	return append(groups, goldenGroup{name, options, []goldenPacket{p}})
}
