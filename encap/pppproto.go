package encap

import "strconv"

// PPPProtocol is the Protocol field of a PPP frame in its two-byte form,
// RFC 1661 section 2. 0xxx-3xxx carry network data, 8xxx-bxxx the control protocols of
// these, cxxx-fxxx control the link.
type PPPProtocol uint16

// Protocols with a name here, from the registry of RFC 1661 section 2 and the documents
// noted. They are all that a tunnel endpoint meets in practice; the majority is
// only named so that a Protocol-Reject can be logged readably.
const (
	ProtoIPv4          PPPProtocol = 0x0021 // RFC 1332 section 2
	ProtoVJCompressed  PPPProtocol = 0x002d // RFC 1332 section 4
	ProtoVJPlain       PPPProtocol = 0x002f // RFC 1332 section 4
	ProtoMultilink     PPPProtocol = 0x003d // RFC 1990 section 3
	ProtoIPv6          PPPProtocol = 0x0057 // RFC 5072 section 2
	ProtoLinkCompress  PPPProtocol = 0x00fb // RFC 1962 section 3: one link of a bundle
	ProtoCompressed    PPPProtocol = 0x00fd // RFC 1962 section 3
	ProtoIPCP          PPPProtocol = 0x8021 // RFC 1332 section 3
	ProtoIPXCP         PPPProtocol = 0x802b // RFC 1552 section 2
	ProtoECP           PPPProtocol = 0x8053 // RFC 1968 section 2
	ProtoLinkECP       PPPProtocol = 0x8055 // RFC 1968 section 2: one link of a bundle
	ProtoIPv6CP        PPPProtocol = 0x8057 // RFC 5072 section 3
	ProtoLinkCCP       PPPProtocol = 0x80fb // RFC 1962 section 2: one link of a bundle
	ProtoCCP           PPPProtocol = 0x80fd // RFC 1962 section 2
	ProtoLCP           PPPProtocol = 0xc021 // RFC 1661 section 5
	ProtoPAP           PPPProtocol = 0xc023 // RFC 1334 section 2
	ProtoLQR           PPPProtocol = 0xc025 // RFC 1989 section 2
	ProtoCBCP          PPPProtocol = 0xc029 // Microsoft call-back control
	ProtoCHAP          PPPProtocol = 0xc223 // RFC 1994 section 4
	ProtoEAP           PPPProtocol = 0xc227 // RFC 3748 appendix A
	protoReserved      PPPProtocol = 0x00ff // RFC 1661 section 6.6: never valid
	maxCompressedProto PPPProtocol = 0x00ff // RFC 1661 section 6.5
)

// compressible reports whether p may be sent in one byte: not above 0xff, odd as
// every valid protocol, and not the reserved 0xff, which a following 03 would
// turn into Address and Control (RFC 1661 section 6.6).
func (p PPPProtocol) compressible() bool {
	return p < maxCompressedProto && p&1 != 0
}

// String returns the protocol's usual name, or "ppp-0x1234".
func (p PPPProtocol) String() string {
	if s, ok := pppNames[p]; ok {
		return s
	}
	const digits = 4
	s := strconv.FormatUint(uint64(p), 16)
	return "ppp-0x" + "0000"[:digits-len(s)] + s
}

var pppNames = map[PPPProtocol]string{
	ProtoIPv4: "IPv4", ProtoVJCompressed: "VJ compressed TCP",
	ProtoVJPlain: "VJ uncompressed TCP", ProtoMultilink: "multilink",
	ProtoIPv6: "IPv6", ProtoLinkCompress: "link-compressed", ProtoCompressed: "compressed",
	ProtoIPCP: "IPCP", ProtoIPXCP: "IPXCP", ProtoECP: "ECP", ProtoLinkECP: "link ECP",
	ProtoIPv6CP: "IPV6CP", ProtoLinkCCP: "link CCP", ProtoCCP: "CCP",
	ProtoLCP: "LCP", ProtoPAP: "PAP", ProtoLQR: "LQR", ProtoCBCP: "CBCP",
	ProtoCHAP: "CHAP", ProtoEAP: "EAP",
}
