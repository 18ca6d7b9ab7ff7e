package encap

// Transport says what carries an L2TPv3 packet (RFC 3931 section 4.1).
type Transport uint8

// The two transports of RFC 3931. The zero value is UDP, the transport a
// configuration without "encap" means.
const (
	// TransportUDP puts an 8-byte data header into UDP, RFC 3931 section 4.1.2.1.
	TransportUDP Transport = iota
	// TransportIP puts a 4-byte data header directly into IP, RFC 3931 section 4.1.1.1.
	TransportIP
)

// String returns the configuration's word for the transport: "udp" or "ip".
func (t Transport) String() string {
	switch t {
	case TransportUDP:
		return "udp"
	case TransportIP:
		return "ip"
	}
	return "transport(?)"
}

// Numbers of RFC 3931 that both ends of a tunnel need.
const (
	// ProtocolL2TP is the IP protocol number of L2TPv3, RFC 3931 section 4.1.1.
	ProtocolL2TP = 115
	// PortL2TP is the registered UDP port, RFC 3931 section 4.1.2.2.
	PortL2TP = 1701
)

// SessionID is the Session ID field of a data packet, RFC 3931 section 4.1: chosen by
// the receiver, the only key to the session. Zero is reserved (over IP it marks
// a control message, RFC 3931 section 4.1.1.2).
type SessionID uint32

// Sublayer is the L2-Specific Sublayer type of one direction of a session, as
// AVP 69 numbers it (RFC 3931 section 5.4.4).
type Sublayer uint8

// The sublayer types in use here.
const (
	// SublayerNone means that the tunnelled frame follows the cookie.
	SublayerNone Sublayer = 0
	// SublayerDefault is the four-byte sublayer of RFC 3931 section 4.6.
	SublayerDefault Sublayer = 1
)

// SublayerLen is the size of the Default L2-Specific Sublayer, RFC 3931 section 4.6.
const SublayerLen = 4

// Len returns the bytes that the sublayer takes in a packet: 0 or 4.
func (s Sublayer) Len() int {
	if s == SublayerDefault {
		return SublayerLen
	}
	return 0
}

// String returns the configuration's word for the sublayer: "none" or "default".
func (s Sublayer) String() string {
	switch s {
	case SublayerNone:
		return "none"
	case SublayerDefault:
		return "default"
	}
	return "sublayer(?)"
}
