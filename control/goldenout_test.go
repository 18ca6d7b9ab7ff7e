package control

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"culvert/encap"
)

// goldenOutEnv names the directory that scripts/golden.sh wants filled.
const goldenOutEnv = "CULVERT_GOLDEN_OUT"

// goldenFields are the tshark fields that are compared, with what this package says each of them is: "=x" asks for x,
// "^x" for a beginning, "*" for nothing. What says that something is wrong must be empty, digests among it.
var goldenFields = []struct {
	name string
	want func(p Packet, m *Message, g goldenPacket) string
}{
	{"frame.protocols", func(_ Packet, _ *Message, g goldenPacket) string {
		return map[encap.Transport]string{encap.TransportUDP: "^raw:ip:udp:l2tp", encap.TransportIP: "^raw:ip:l2tp"}[g.transport]
	}},
	{"l2tp.version", func(Packet, *Message, goldenPacket) string { return "=3" }},
	{"l2tp.type", func(Packet, *Message, goldenPacket) string { return "=1" }},
	{"l2tp.length", func(p Packet, _ *Message, _ goldenPacket) string { return fmt.Sprintf("=%d", len(p.raw)) }},
	{"l2tp.ccid", func(p Packet, _ *Message, _ goldenPacket) string { return fmt.Sprintf("=0x%08x", uint32(p.CCID)) }},
	{"l2tp.Ns", func(p Packet, _ *Message, _ goldenPacket) string { return fmt.Sprintf("=%d", p.Ns) }},
	{"l2tp.Nr", func(p Packet, _ *Message, _ goldenPacket) string { return fmt.Sprintf("=%d", p.Nr) }},
	{"l2tp.avp.type", func(p Packet, _ *Message, _ goldenPacket) string { return "=" + strings.Join(avpTypeList(p), ",") }},
	{"l2tp.avp.message_type", func(_ Packet, m *Message, _ goldenPacket) string { return onlyIf(m.Type != ZLB, int(m.Type)) }},
	{"l2tp.avp.host_name", showRow(AVPHostName)},
	{"l2tp.avp.vendor_name", showRow(AVPVendorName)},
	{"l2tp.avp.receive_window_size", showRow(AVPReceiveWindowSize)},
	{"l2tp.avp.assigned_control_conn_id", showRow(AVPAssignedCCID)},
	{"l2tp.avp.local_session_id", showRow(AVPLocalSessionID)},
	{"l2tp.avp.remote_session_id", showRow(AVPRemoteSessionID)},
	{"l2tp.avp.remote_end_id", showRow(AVPRemoteEndID)},
	{"l2tp.avp.layer2_specific_sublayer", showRow(AVPL2SpecificSublayer)},
	{"l2tp.avp.data_sequencing", showRow(AVPDataSequencing)},
	{"l2tp.avp.assigned_cookie", func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Has(AVPAssignedCookie), fmt.Sprintf("%x", m.AssignedCookie.AppendTo(nil)))
	}},
	{"l2tp.avp.circuit_status", func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Has(AVPCircuitStatus), m.CircuitStatus&CircuitUp)
	}},
	{"l2tp.result_code", func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Has(AVPResultCode), m.Result.Code)
	}},
	{"l2tp.avp.error_message", func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Result.Text != "", m.Result.Text)
	}},
	{"l2tp.avp.crc_errors", func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Has(AVPCircuitErrors), m.CircuitErrors.CRC)
	}},
	{"l2tp.avp.alignment_errors", func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Has(AVPCircuitErrors), m.CircuitErrors.Alignment)
	}},
	{"l2tp.incorrect_digest", nothing},
	{"_ws.malformed", nothing},
	{"_ws.expert.message", nothing},
	{"udp.checksum.status", func(_ Packet, _ *Message, g goldenPacket) string { return onlyIf(g.transport == encap.TransportUDP, 1) }},
}

func nothing(Packet, *Message, goldenPacket) string { return "=" }

func onlyIf(present bool, v any) string {
	if !present {
		return "="
	}
	return fmt.Sprintf("=%v", v)
}

func showRow(t AVPType) func(Packet, *Message, goldenPacket) string {
	return func(_ Packet, m *Message, _ goldenPacket) string {
		return onlyIf(m.Has(t), registry[rowOf(t)].show(m))
	}
}

// avpTypeList lists the attributes of a message but the hidden ones, of which tshark shows nothing.
func avpTypeList(p Packet) (list []string) {
	for rest := p.raw[HeaderLen:]; len(rest) > 0; {
		a, n, err := ParseAVP(rest)
		if err != nil {
			panic(err)
		}
		if !a.Hidden {
			list = append(list, fmt.Sprint(uint16(a.Type)))
		}
		rest = rest[n:]
	}
	return list
}

// conversation lets two nodes say everything there is to say and returns it in order.
func conversation(t *testing.T, tr encap.Transport, change func(p *Profile)) (all []goldenPacket) {
	t.Helper()
	w := newWorld(1, weather{delay: time.Millisecond})
	pa, pb := testProfile("lac.example"), testProfile("lns.example")
	change(&pa)
	change(&pb)
	a, b := w.node("192.0.2.1:40001", pa, Config{}), w.node("192.0.2.2:1701", pb, Config{})
	w.filter = func(from *node, typ MessageType, payload []byte) []byte {
		all = append(all, goldenPacket{fmt.Sprintf("%02d-%v-of-%s", len(all), typ, from.name), tr, payload})
		return payload
	}
	path := a.path(b)
	path.Transport = tr
	c, err := a.Dial(w.now, path, pa)
	if err != nil {
		t.Fatal(err)
	}
	a.collect()
	w.run(time.Second, nil)
	b.call = Call{Circuit: CircuitUp, CookieLen: 4, TxConnectSpeed: 1e9}
	s := a.open(t, c, Call{RemoteEndID: "pw-1", Sublayer: SublayerDefault, Sequencing: SequencingAll, TieBreaker: true, RxConnectSpeed: 5e7, TxConnectSpeed: 1e8, PhysicalChannelID: 3})
	out := a.open(t, c, Call{RemoteEndID: "pw-2", Outgoing: true, PseudowireType: PseudowireEthernet, CookieLen: -1})
	w.run(time.Second, nil)
	b.placed[0].CallUp(w.now)
	s.SetCircuit(w.now, 0)
	s.ReportErrors(w.now, CircuitErrors{CRC: 1, Alignment: 6})
	a.collect()
	b.collect()
	w.run(65*time.Second, nil) // HELLO
	out.Close(w.now, Result{CallError, ErrorResources, "no resources"})
	a.collect()
	w.run(time.Second, nil)
	c.Close(w.now, Result{Code: StopShutdown})
	a.collect()
	w.run(2*time.Minute, nil)
	w.check(t)
	return all
}

// outer puts a payload into UDP and IPv4, from who is named in the packet's name.
func outer(g goldenPacket) []byte {
	from, to := []byte{192, 0, 2, 1}, []byte{192, 0, 2, 2}
	ports := []uint16{40001, encap.PortL2TP}
	if strings.Contains(g.name, "lns") {
		from, to, ports = to, from, []uint16{encap.PortL2TP, 40001}
	}
	b, protocol := g.payload, byte(encap.ProtocolL2TP)
	if g.transport == encap.TransportUDP {
		protocol = encap.ProtocolUDP
		b = nil
		for _, v := range append(ports, uint16(encap.UDPLen+len(g.payload)), 0) {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		b = append(b, g.payload...)
		pseudo := append(append([]byte{}, from...), to...)
		pseudo = append(pseudo, 0, protocol, byte(len(b)>>8), byte(len(b)))
		binary.BigEndian.PutUint16(b[6:], ^encap.Checksum(b, encap.Checksum(pseudo, 0)))
	}
	h := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0}
	h = append(append(h, from...), to...)
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(b)))
	binary.BigEndian.PutUint16(h[10:], ^encap.Checksum(h, 0))
	return append(h, b...)
}

// TestWriteGolden fills the directory CULVERT_GOLDEN_OUT with what scripts/golden.sh gives to tshark: whole
// conversations, over both transports, with and without digests, and what we say about each message. Every type of
// message is among them.
func TestWriteGolden(t *testing.T) {
	dir := os.Getenv(goldenOutEnv)
	if dir == "" {
		dir = t.TempDir() // nobody reads it, but that it can be written is tested
	}
	var names []string
	for _, f := range goldenFields {
		names = append(names, f.name)
	}
	writeLines(t, filepath.Join(dir, "fields"), names)
	seen := map[MessageType]bool{}
	for _, c := range []struct {
		name   string
		tr     encap.Transport
		change func(p *Profile)
	}{
		{"udp-plain", encap.TransportUDP, func(*Profile) {}},
		{"udp-md5", encap.TransportUDP, func(p *Profile) { p.Secrets = secrets(goldenSecret) }},
		{"udp-sha1-tie", encap.TransportUDP, func(p *Profile) { p.Secrets, p.Digest, p.TieBreaker = secrets(goldenSecret), DigestModeSHA1, true }},
		{"udp-hidden", encap.TransportUDP, func(p *Profile) { p.Secrets, p.HideAVPs = secrets(goldenSecret), true }},
		{"udp-challenge", encap.TransportUDP, func(p *Profile) { p.Secrets, p.Challenge, p.Digest = secrets(goldenSecret), true, DigestOff }},
		{"ip-plain", encap.TransportIP, func(*Profile) {}},
		{"ip-md5", encap.TransportIP, func(p *Profile) { p.Secrets = secrets(goldenSecret) }},
		{"ip-sha1", encap.TransportIP, func(p *Profile) { p.Secrets, p.Digest = secrets(goldenSecret), DigestModeSHA1 }},
	} {
		var dump, want []string
		for _, g := range conversation(t, c.tr, c.change) {
			p, _, err := ParsePacket(g.transport, g.payload)
			if err != nil {
				t.Fatal(err)
			}
			m, err := p.Decode(Decoder{})
			if hidden := err != nil; hidden != (c.name == "udp-hidden" && strings.Contains("ICRQ OCRQ ICRP OCRP", m.Type.String())) {
				t.Fatalf("%s: error %v", g.name, err)
			}
			seen[m.Type] = true
			cells := []string{c.name + "-" + g.name}
			for _, f := range goldenFields {
				cells = append(cells, f.want(p, &m, g))
			}
			want = append(want, strings.Join(cells, "\t"))
			dump = append(dump, hexDump(outer(g)))
		}
		base := filepath.Join(dir, c.name)
		writeLines(t, base+".txt", dump)
		writeLines(t, base+".want", want)
		writeLines(t, base+".options", []string{"-o", "l2tp.shared_secret:" + goldenSecret})
	}
	if len(seen) != len(messageNames) {
		t.Errorf("only %v are said", seen)
	}
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
