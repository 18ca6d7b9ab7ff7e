package l2tpnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Attributes of linux/l2tp.h, enum l2tp_attr_t.
const (
	attrPWType        = 1
	attrEncapType     = 2
	attrProtoVersion  = 7
	attrIfName        = 8
	attrConnID        = 9
	attrPeerConnID    = 10
	attrSessionID     = 11
	attrPeerSessionID = 12
	attrUDPChecksum   = 13
	attrCookie        = 15
	attrPeerCookie    = 16
	attrRecvSeq       = 18
	attrSendSeq       = 19
	attrIPSource      = 24
	attrIPDest        = 25
	attrUDPSource     = 26
	attrUDPDest       = 27
	attrIP6Source     = 31
	attrIP6Dest       = 32
	attrNoChecksum6TX = 33
)

// Pseudowire types of linux/l2tp.h, which are those of RFC 4446 section 3.2.
const (
	EthernetVLAN = 4
	Ethernet     = 5
	PPP          = 7
)

// encapIP is L2TP_ENCAPTYPE_IP.
const encapIP = 1

// Tunnel is a tunnel of the kernel.
type Tunnel struct {
	Version       int // of the protocol: 2 or 3
	ID, PeerID    uint32
	IP            bool           // protocol 115 instead of UDP
	Local, Remote netip.AddrPort // ports are 0 with IP
	Checksum      bool           // of UDP
	Sessions      []Session
}

// Session is a session of a tunnel.
type Session struct {
	tunnel             uint32
	ID, PeerID         uint32
	PWType             int
	Cookie, PeerCookie []byte
	SendSeq, RecvSeq   bool
	Interface          string // empty: the kernel does not tell
	Sublayer           Sublayer
	Device             *Device // of that interface; nil: there is none of the name in this network namespace
}

// Sublayer says whether a session has the Default L2-Specific Sublayer.
type Sublayer int

// What is known of a sublayer.
const (
	SublayerUnknown Sublayer = iota
	SublayerNone
	SublayerDefault
)

// Device is how an interface is set up.
type Device struct {
	MTU, TxQueueLen   int
	MAC, Bridge       string
	Addresses, Routes []string
}

// attributes are those of one message, by type.
type attributes map[uint16][]byte

// errMalformed says that a message is not made of attributes.
var errMalformed = errors.New("netlink: malformed message")

// parse reads the attributes behind the generic netlink header of a message: 2 bytes length, 2 type, value, padded to 4.
func parse(message []byte) (attributes, error) {
	const genlHeader, header, typeMask = 4, 4, 0x3fff
	if len(message) < genlHeader {
		return nil, errMalformed
	}
	a := attributes{}
	for b := message[genlHeader:]; len(b) > 0; {
		if len(b) < header {
			return nil, errMalformed
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < header || n > len(b) {
			return nil, errMalformed
		}
		a[binary.NativeEndian.Uint16(b[2:])&typeMask] = b[header:n]
		b = b[min((n+3)&^3, len(b)):]
	}
	return a, nil
}

// number reads an integer of 1, 2 or 4 bytes in host order, which is what the kernel sends; 0 when it is not there.
func (a attributes) number(attr uint16) uint32 {
	switch v := a[attr]; len(v) {
	case 1:
		return uint32(v[0])
	case 2:
		return uint32(binary.NativeEndian.Uint16(v))
	case 4:
		return binary.NativeEndian.Uint32(v)
	}
	return 0
}

func (a attributes) address(v4, v6, port uint16) netip.AddrPort {
	addr, ok := netip.AddrFromSlice(a[v4])
	if !ok || !addr.Is4() {
		addr, ok = netip.AddrFromSlice(a[v6])
	}
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(a.number(port)))
}

// parseTunnel reads a message of L2TP_CMD_TUNNEL_GET.
func parseTunnel(message []byte) (Tunnel, error) {
	a, err := parse(message)
	if err != nil {
		return Tunnel{}, err
	}
	t := Tunnel{
		Version: int(a.number(attrProtoVersion)),
		ID:      a.number(attrConnID),
		PeerID:  a.number(attrPeerConnID),
		IP:      a.number(attrEncapType) == encapIP,
		Local:   a.address(attrIPSource, attrIP6Source, attrUDPSource),
		Remote:  a.address(attrIPDest, attrIP6Dest, attrUDPDest),
	}
	if !t.Local.IsValid() || !t.Remote.IsValid() {
		return t, fmt.Errorf("netlink: tunnel %d without addresses", t.ID)
	}
	if t.Local.Addr().Is4() {
		t.Checksum = a.number(attrUDPChecksum) != 0
	} else {
		_, without := a[attrNoChecksum6TX]
		t.Checksum = !without
	}
	return t, nil
}

// parseSession reads a message of L2TP_CMD_SESSION_GET.
func parseSession(message []byte) (Session, error) {
	a, err := parse(message)
	if err != nil {
		return Session{}, err
	}
	return Session{
		tunnel:     a.number(attrConnID),
		ID:         a.number(attrSessionID),
		PeerID:     a.number(attrPeerSessionID),
		PWType:     int(a.number(attrPWType)),
		Cookie:     a[attrCookie],
		PeerCookie: a[attrPeerCookie],
		SendSeq:    a.number(attrSendSeq) != 0,
		RecvSeq:    a.number(attrRecvSeq) != 0,
		Interface:  strings.TrimRight(string(a[attrIfName]), "\x00"),
	}, nil
}

// sublayers reads debugfs' l2tp/tunnels: which sessions have which sublayer.
func sublayers(text string) map[uint32]Sublayer {
	known := make(map[uint32]Sublayer)
	session := uint32(0)
	for line := range strings.Lines(text) {
		var offset, kind, length uint32
		if _, err := fmt.Sscanf(line, "  SESSION %d,", &session); err == nil {
			continue
		}
		if n, _ := fmt.Sscanf(line, "   offset %d l2specific %d/%d", &offset, &kind, &length); n == 3 && session != 0 {
			known[session] = SublayerNone
			if kind == 1 { // L2TP_L2SPECTYPE_DEFAULT
				known[session] = SublayerDefault
			}
			session = 0
		}
	}
	return known
}
