package encap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// pseudowire is what the tests know about a session besides its header.
type pseudowire struct {
	header DataHeader
	ppp    bool
}

// decoded is everything that this package can say about a packet, from the outer
// IP header down. It is compared with tables here and with tshark's fields by
// scripts/golden.sh.
type decoded struct {
	stack     []string // names as Wireshark gives them: "ip", "udp", "l2tp", "lcp", ...
	transport Transport
	l2tp      []byte // the L2TP part, a view
	control   bool
	data      bool // v3 data
	version   int  // of the header, -1 over IP where data has none
	id        SessionID
	sublayer  L2Sublayer
	frame     []byte // tunnelled frame, a view
	proto     PPPProtocol
	framing   PPPFraming
	info      []byte
	etherType uint16 // behind the tags
	tags      int
	inner     []byte // inner IP packet
	mss       int    // TCP MSS option where only NOPs precede it
	mtu       int    // of an ICMP too-big message
	sums      []sumStatus
	addresses []string // source, destination: outermost packet first, quoted one last
}

// sumStatus is the verdict on one checksum with the number that Wireshark gives it.
type sumStatus struct {
	protocol string // first part of the name of Wireshark's field
	status   int
}

const (
	sumGood       = 1
	sumUnverified = 2 // the packet is cut off
	sumAbsent     = 3
)

var upperNames = map[uint8]string{ProtocolICMP: "icmp", ProtocolTCP: "tcp", ProtocolUDP: "udp", ProtocolICMPv6: "icmpv6"}

var (
	errNotIP      = errors.New("not an IP packet")
	errNotL2TP    = errors.New("not L2TP")
	errNoSession  = errors.New("no such session")
	errNoSublayer = errors.New("no sublayer")
	errChecksum   = errors.New("checksum")
)

// decodePacket decodes a whole packet. Sessions are looked up by id alone, as
// RFC 3931 section 4.1 has it.
func decodePacket(packet []byte, sessions map[SessionID]pseudowire) (d decoded, err error) {
	protocol, payload, err := d.ip(packet)
	if err != nil {
		return d, err
	}
	d.version = -1
	switch protocol {
	case ProtocolUDP:
		u := UDP(payload)
		if !u.Valid() || u.SourcePort() != PortL2TP && u.DestinationPort() != PortL2TP {
			return d, errNotL2TP
		}
		d.stack = append(d.stack, "udp", "l2tp")
		d.transport, d.l2tp = TransportUDP, u.Payload()
	case ProtocolL2TP:
		d.stack = append(d.stack, "l2tp")
		d.transport, d.l2tp = TransportIP, payload
	default:
		return d, errNotL2TP
	}
	return d, d.message(sessions)
}

// ip decodes the packet's IP header, verifies checksums and goes on for the
// outermost one only through its return values.
func (d *decoded) ip(packet []byte) (protocol uint8, payload []byte, err error) {
	switch ipVersion(packet) {
	case 4:
		p := IPv4(packet)
		if !p.Valid() {
			return 0, nil, errNotIP
		}
		if err := d.verifyIPv4(p); err != nil {
			return 0, nil, err
		}
		d.stack = append(d.stack, "ip")
		d.addresses = append(d.addresses, p.Source().String(), p.Destination().String())
		protocol, payload = p.Protocol(), p.Payload()
		err = d.verifyUpper(protocol, payload, p.PseudoHeaderSum(protocol, len(payload)))
	case 6:
		p := IPv6(packet)
		if !p.Valid() {
			return 0, nil, errNotIP
		}
		d.stack = append(d.stack, "ipv6")
		d.addresses = append(d.addresses, p.Source().String(), p.Destination().String())
		var ok bool
		if protocol, payload, _, ok = p.Upper(); !ok {
			return 0, nil, errNotIP
		}
		err = d.verifyUpper(protocol, payload, p.PseudoHeaderSum(protocol, len(payload)))
	default:
		err = errNotIP
	}
	return protocol, payload, err
}

func (d *decoded) verifyIPv4(p IPv4) error {
	if Checksum(p[:p.HeaderLen()], 0) != 0xffff {
		return fmt.Errorf("IPv4 %w", errChecksum)
	}
	d.sums = append(d.sums, sumStatus{"ip", sumGood})
	return nil
}

// verifyUpper verifies the checksums of the four protocols with a name.
func (d *decoded) verifyUpper(protocol uint8, payload []byte, pseudo uint16) error {
	name := upperNames[protocol]
	if name == "" {
		return nil
	}
	if u := UDP(payload); protocol == ProtocolUDP && u.Valid() && u.Checksum() == 0 {
		d.sums = append(d.sums, sumStatus{name, sumAbsent})
		return nil
	}
	if protocol == ProtocolICMP {
		pseudo = 0
	}
	if Checksum(payload, pseudo) != 0xffff {
		return fmt.Errorf("%s %w", name, errChecksum)
	}
	d.sums = append(d.sums, sumStatus{name, sumGood})
	return nil
}

// message decodes the L2TP part.
func (d *decoded) message(sessions map[SessionID]pseudowire) error {
	var body []byte
	if d.transport == TransportUDP {
		if len(d.l2tp) < 2 {
			return errNotL2TP
		}
		d.version = int(d.l2tp[1] & versionMask)
		d.control = ControlUDP(d.l2tp)
		m := UDPData(d.l2tp)
		if d.data = m.Valid(); !d.data {
			return nil
		}
		d.id, body = m.SessionID(), m.Body()
	} else {
		if d.control = ControlIP(d.l2tp); d.control {
			if len(d.l2tp) < 6 {
				return errNotL2TP
			}
			d.version = int(d.l2tp[5] & versionMask)
			return nil
		}
		m := IPData(d.l2tp)
		if d.data = m.Valid(); !d.data {
			return errNotL2TP
		}
		d.id, body = m.SessionID(), m.Body()
	}
	s, ok := sessions[d.id]
	if !ok || s.header.Transport != d.transport {
		return errNoSession
	}
	var err error
	if d.sublayer, d.frame, err = s.header.Split(body); err != nil {
		return err
	}
	if d.sublayer.Valid() != (s.header.Sublayer == SublayerDefault) {
		return errNoSublayer
	}
	if s.ppp {
		return d.pppFrame()
	}
	return d.ethernet()
}

func (d *decoded) pppFrame() (err error) {
	if d.proto, d.info, d.framing, err = ParsePPP(d.frame); err != nil {
		return err
	}
	switch d.proto {
	case ProtoIPv4, ProtoIPv6:
		return d.innerIP(d.info)
	}
	d.stack = append(d.stack, strings.ToLower(d.proto.String()))
	return nil
}

func (d *decoded) ethernet() error {
	e := Ethernet(d.frame)
	if !e.Valid() {
		return errNotIP
	}
	etherType, payload, ok := e.Network()
	if !ok {
		return errNotIP
	}
	d.etherType = etherType
	d.tags = (len(e) - EthernetLen - len(payload)) / VLANTagLen
	d.stack = append(d.stack, "ethertype")
	for range d.tags {
		d.stack = append(d.stack, "vlan", "ethertype")
	}
	switch etherType {
	case EtherTypeARP:
		d.stack = append(d.stack, "arp")
		return nil
	case EtherTypeIPv4, EtherTypeIPv6:
		return d.innerIP(payload)
	}
	return errNotIP
}

func (d *decoded) innerIP(packet []byte) error {
	d.inner = packet
	protocol, payload, err := d.ip(packet)
	if err != nil {
		return err
	}
	name := upperNames[protocol]
	if name == "" {
		return errNotIP
	}
	d.stack = append(d.stack, name)
	switch s, m := TCP(payload), ICMP(payload); {
	case protocol == ProtocolTCP && s.Valid():
		if o := bytes.TrimLeft(s.Options(), "\x01"); len(o) >= 4 && o[0] == tcpOptMSS {
			d.mss = int(binary.BigEndian.Uint16(o[2:4]))
		}
	case protocol == ProtocolICMP && m.Valid() && m.Type() == icmpUnreachable && m.Code() == icmpFragNeeded:
		d.mtu = m.NextHopMTU()
		return d.quoted(m.Payload())
	case protocol == ProtocolICMPv6 && m.Valid() && m.Type() == icmpv6TooBig:
		d.mtu = int(m.MTU())
		return d.quoted(m.Payload())
	}
	return nil
}

// quoted decodes the headers of the packet in an ICMP error, whose end is cut off.
func (d *decoded) quoted(packet []byte) error {
	var protocol uint8
	switch p4, p6 := IPv4(packet), IPv6(packet); {
	case ipVersion(packet) == 4 && len(packet) >= IPv4Len && len(packet) >= p4.HeaderLen():
		if err := d.verifyIPv4(p4); err != nil {
			return err
		}
		d.stack = append(d.stack, "ip")
		d.addresses = append(d.addresses, p4.Source().String(), p4.Destination().String())
		protocol = p4.Protocol()
	case ipVersion(packet) == 6 && len(packet) >= IPv6Len:
		d.stack = append(d.stack, "ipv6")
		d.addresses = append(d.addresses, p6.Source().String(), p6.Destination().String())
		protocol = p6.NextHeader()
	default:
		return errNotIP
	}
	if name := upperNames[protocol]; name != "" {
		d.stack = append(d.stack, name)
		d.sums = append(d.sums, sumStatus{name, sumUnverified})
	}
	return nil
}

// encode builds the L2TP part of d again from what was decoded.
func (d *decoded) encode(s pseudowire) []byte {
	b := s.header.AppendTo(nil)
	if s.header.Sublayer == SublayerDefault {
		PutSeq(b[len(b)-SublayerLen:], d.sublayer.S(), d.sublayer.Seq())
	}
	if s.ppp {
		b = AppendPPPHeader(b, d.proto, d.framing)
		return append(b, d.info...)
	}
	e := Ethernet(d.frame)
	b = append(b, e.Destination()...)
	b = append(b, e.Source()...)
	b = binary.BigEndian.AppendUint16(b, e.EtherType())
	return append(b, e.Payload()...)
}

// reencodeOuter writes the length and checksum fields of the outer headers again.
// The caller has put other values there.
func reencodeOuter(packet []byte, zeroUDPChecksum bool) {
	var payload []byte
	var pseudo func(uint8, int) uint16
	var protocol uint8
	if ipVersion(packet) == 4 {
		p := IPv4(packet)
		p.SetTotalLength(len(packet))
		p.SetChecksum(p.ComputeChecksum())
		payload, pseudo, protocol = p.Payload(), p.PseudoHeaderSum, p.Protocol()
	} else {
		p := IPv6(packet)
		p.SetPayloadLength(len(packet) - IPv6Len)
		payload, pseudo, protocol = p.Payload(), p.PseudoHeaderSum, p.NextHeader()
	}
	if protocol != ProtocolUDP {
		return
	}
	u := UDP(payload)
	u.SetLength(len(payload))
	u.SetChecksum(0)
	if !zeroUDPChecksum {
		sum := ^Checksum(payload, pseudo(ProtocolUDP, len(payload)))
		if sum == 0 {
			sum = 0xffff // RFC 768
		}
		u.SetChecksum(sum)
	}
}

// scrambleOuter overwrites what reencodeOuter writes.
func scrambleOuter(packet []byte) {
	var payload []byte
	if ipVersion(packet) == 4 {
		p := IPv4(packet)
		payload = p.Payload()
		if p.Protocol() != ProtocolUDP {
			payload = nil
		}
		p.SetTotalLength(0xdead)
		p.SetChecksum(0xdead)
	} else {
		p := IPv6(packet)
		payload = p.Payload()
		if p.NextHeader() != ProtocolUDP {
			payload = nil
		}
		p.SetPayloadLength(0xdead)
	}
	if payload != nil {
		UDP(payload).SetLength(0xdead)
		UDP(payload).SetChecksum(0xdead)
	}
}
