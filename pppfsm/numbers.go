package pppfsm

// Code is the Code field of a control packet (RFC 1661 §5, RFC 1570 §1; IANA
// "PPP LCP and IPCP codes").
type Code uint8

// Codes. Every control protocol has 1 to 7; the others are LCP's alone.
const (
	CodeConfigureRequest Code = 1  // RFC 1661 §5.1
	CodeConfigureAck     Code = 2  // RFC 1661 §5.2
	CodeConfigureNak     Code = 3  // RFC 1661 §5.3
	CodeConfigureReject  Code = 4  // RFC 1661 §5.4
	CodeTerminateRequest Code = 5  // RFC 1661 §5.5
	CodeTerminateAck     Code = 6  // RFC 1661 §5.5
	CodeCodeReject       Code = 7  // RFC 1661 §5.6
	CodeProtocolReject   Code = 8  // RFC 1661 §5.7
	CodeEchoRequest      Code = 9  // RFC 1661 §5.8
	CodeEchoReply        Code = 10 // RFC 1661 §5.8
	CodeDiscardRequest   Code = 11 // RFC 1661 §5.9
	CodeIdentification   Code = 12 // RFC 1570 §1.1
	CodeTimeRemaining    Code = 13 // RFC 1570 §1.2
)

// LCP option types (RFC 1661 §6; IANA "PPP LCP Configuration Options"). All
// others are rejected.
const (
	optMRU     = 1 // Maximum-Receive-Unit, RFC 1661 §6.1
	optACCM    = 2 // Async-Control-Character-Map, RFC 1662 §7.1
	optAuth    = 3 // Authentication-Protocol, RFC 1661 §6.2
	optQuality = 4 // Quality-Protocol, RFC 1661 §6.3
	optMagic   = 5 // Magic-Number, RFC 1661 §6.4
	optPFC     = 7 // Protocol-Field-Compression, RFC 1661 §6.5
	optACFC    = 8 // Address-and-Control-Field-Compression, RFC 1661 §6.6
)

// IPCP option types (RFC 1332 §3, RFC 1877 §1).
const (
	optIPAddresses   = 1   // IP-Addresses, deprecated, RFC 1332 §3.1
	optIPCompression = 2   // IP-Compression-Protocol, RFC 1332 §3.2
	optIPAddress     = 3   // IP-Address, RFC 1332 §3.3
	optDNS1          = 129 // Primary DNS Server Address, RFC 1877 §1.1
	optNBNS1         = 130 // Primary NBNS Server Address, RFC 1877 §1.2
	optDNS2          = 131 // Secondary DNS Server Address, RFC 1877 §1.3
	optNBNS2         = 132 // Secondary NBNS Server Address, RFC 1877 §1.4
)

// IPV6CP option types (RFC 5072 §4; compression is RFC 5172).
const (
	optInterfaceID = 1 // Interface-Identifier, RFC 5072 §4.1
)
