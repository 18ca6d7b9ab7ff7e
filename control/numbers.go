package control

import "strconv"

// CCID is a Control Connection ID (RFC 3931 section 4.1): chosen by the one who receives it in message headers, 0 while
// it is not known.
type CCID uint32

// MessageType is the value of the Message Type AVP (RFC 3931 section 3.1).
type MessageType uint16

// Message types of RFC 3931 section 3.1.
const (
	SCCRQ   MessageType = 1
	SCCRP   MessageType = 2
	SCCCN   MessageType = 3
	StopCCN MessageType = 4
	HELLO   MessageType = 6
	OCRQ    MessageType = 7
	OCRP    MessageType = 8
	OCCN    MessageType = 9
	ICRQ    MessageType = 10
	ICRP    MessageType = 11
	ICCN    MessageType = 12
	CDN     MessageType = 14
	WEN     MessageType = 15
	SLI     MessageType = 16
	ACK     MessageType = 20

	// ZLB is no message type of the wire: it stands for a message without AVPs, an acknowledgement and nothing else
	// (RFC 3931 section 6.15, RFC 2661 section 5.8). The value 0 is reserved.
	ZLB MessageType = 0
)

var messageNames = map[MessageType]string{
	SCCRQ: "SCCRQ", SCCRP: "SCCRP", SCCCN: "SCCCN", StopCCN: "StopCCN", HELLO: "HELLO",
	OCRQ: "OCRQ", OCRP: "OCRP", OCCN: "OCCN", ICRQ: "ICRQ", ICRP: "ICRP", ICCN: "ICCN",
	CDN: "CDN", WEN: "WEN", SLI: "SLI", ACK: "ACK", ZLB: "ZLB",
}

// String returns the RFC's name, or the number of a type that has none.
func (t MessageType) String() string {
	if n, ok := messageNames[t]; ok {
		return n
	}
	return "message type " + strconv.Itoa(int(t))
}

// known says that t is a message of RFC 3931.
func (t MessageType) known() bool { return t != ZLB && messageNames[t] != "" }

// sequenced says that t consumes a number (RFC 3931 sections 4.2, 6.15).
func (t MessageType) sequenced() bool { return t != ACK && t != ZLB }

// messageSet is a set of message types: bit n is type n.
type messageSet uint32

func messages(types ...MessageType) (s messageSet) {
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

func (s messageSet) has(t MessageType) bool { return t < 32 && s&(1<<t) != 0 }

// Sets of messages that share AVPs (RFC 3931 sections 6.1 to 6.15).
var (
	connMessages    = messages(SCCRQ, SCCRP)
	callMessages    = messages(ICRQ, ICRP, ICCN, OCRQ, OCRP, OCCN)
	requestMessages = messages(ICRQ, OCRQ)
	sessionMessages = callMessages | messages(CDN, WEN, SLI)
)

// AVPType is an Attribute Type under Vendor ID 0 (RFC 3931 section 10.1).
type AVPType uint16

// Attribute types of RFC 3931 section 5.4, and two of RFC 2661 that authenticate tunnels.
const (
	AVPMessageType        AVPType = 0
	AVPResultCode         AVPType = 1
	AVPTieBreaker         AVPType = 5
	AVPHostName           AVPType = 7
	AVPVendorName         AVPType = 8
	AVPReceiveWindowSize  AVPType = 10
	AVPChallenge          AVPType = 11
	AVPChallengeResponse  AVPType = 13
	AVPSerialNumber       AVPType = 15
	AVPPhysicalChannelID  AVPType = 25
	AVPCircuitErrors      AVPType = 34
	AVPRandomVector       AVPType = 36
	AVPExtendedVendorID   AVPType = 58
	AVPMessageDigest      AVPType = 59
	AVPRouterID           AVPType = 60
	AVPAssignedCCID       AVPType = 61
	AVPPseudowireCapsList AVPType = 62
	AVPLocalSessionID     AVPType = 63
	AVPRemoteSessionID    AVPType = 64
	AVPAssignedCookie     AVPType = 65
	AVPRemoteEndID        AVPType = 66
	AVPPseudowireType     AVPType = 68
	AVPL2SpecificSublayer AVPType = 69
	AVPDataSequencing     AVPType = 70
	AVPCircuitStatus      AVPType = 71
	AVPPreferredLanguage  AVPType = 72
	AVPNonce              AVPType = 73
	AVPTxConnectSpeed     AVPType = 74
	AVPRxConnectSpeed     AVPType = 75
)

// Attributes that other documents define and that may be ignored, see harmless.
const (
	avpLastOfRFC2661        AVPType = 39
	avpPPPDisconnectCause   AVPType = 46  // RFC 3145
	avpFailoverCapability   AVPType = 76  // RFC 4951 section 4.1
	avpConnectSpeedUpdate   AVPType = 97  // RFC 5515
	avpConnectSpeedUpdateOn AVPType = 98  // RFC 5515
	avpECNCapability        AVPType = 103 // RFC 9601

	avpTypes = 128 // above all of them
)

// String returns the RFC's name, or the number of an attribute that has none.
func (t AVPType) String() string {
	if i := rowOf(t); i >= 0 {
		return registry[i].name
	}
	switch t {
	case AVPMessageType:
		return "Message Type"
	case AVPRandomVector:
		return "Random Vector"
	case AVPMessageDigest:
		return "Message Digest"
	case AVPExtendedVendorID:
		return "Extended Vendor ID"
	}
	return "attribute " + strconv.Itoa(int(t))
}

// PseudowireType is a value of the Pseudowire Type AVP (RFC 3931 section 5.4.4).
type PseudowireType uint16

// Pseudowire types: IANA's registry, and 7, which is unassigned and what everybody uses for PPP.
const (
	PseudowireEthernetVLAN PseudowireType = 4 // RFC 4719
	PseudowireEthernet     PseudowireType = 5 // RFC 4719
	PseudowireHDLC         PseudowireType = 6 // RFC 4349
	PseudowirePPP          PseudowireType = 7
)

// String returns "PPP", "Ethernet", "Ethernet VLAN", "HDLC" or the number.
func (p PseudowireType) String() string {
	switch p {
	case PseudowireEthernetVLAN:
		return "Ethernet VLAN"
	case PseudowireEthernet:
		return "Ethernet"
	case PseudowireHDLC:
		return "HDLC"
	case PseudowirePPP:
		return "PPP"
	}
	return "pseudowire type " + strconv.Itoa(int(p))
}

// SublayerType is a value of the L2-Specific Sublayer AVP (RFC 3931 section 5.4.4): what its sender wants to receive.
type SublayerType uint16

// Sublayers that culvert can carry.
const (
	SublayerNone    SublayerType = 0
	SublayerDefault SublayerType = 1
)

// Sequencing is a value of the Data Sequencing AVP (RFC 3931 section 5.4.4): what its sender wants to receive.
type Sequencing uint16

// Levels of data sequencing.
const (
	SequencingNone  Sequencing = 0
	SequencingNonIP Sequencing = 1 // only frames that are not IP carry numbers
	SequencingAll   Sequencing = 2
)

// CircuitStatus is the value of the Circuit Status AVP (RFC 3931 section 5.4.5, RFC 5641 section 2).
type CircuitStatus uint16

// Bits of CircuitStatus.
const (
	CircuitUp         CircuitStatus = 0x0001 // A: no fault
	CircuitNew        CircuitStatus = 0x0002 // N: in ICRQ and ICRP (RFC 4719 section 2.3.3), ignored when received
	CircuitACReceive  CircuitStatus = 0x0004 // R: local attachment circuit, receive fault
	CircuitACTransmit CircuitStatus = 0x0008 // T
	CircuitPSNReceive CircuitStatus = 0x0010 // I: packet network
	CircuitPSNSend    CircuitStatus = 0x0020 // E
	CircuitStandby    CircuitStatus = 0x0040 // S
)

// Up reports whether the circuit can carry frames.
func (c CircuitStatus) Up() bool { return c&CircuitUp != 0 }
