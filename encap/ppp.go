package encap

import "errors"

// Errors of ParsePPP.
var (
	// ErrPPPTruncated says that a frame ends before or inside its Protocol field.
	ErrPPPTruncated = errors.New("PPP frame ends inside its header")
	// ErrPPPProtocol says that a Protocol field breaks the rules of RFC 1661 section 2.
	ErrPPPProtocol = errors.New("PPP protocol field is malformed")
)

// Address and Control of a PPP frame in HDLC-like framing, RFC 1662 section 3.1.
const (
	pppAllStations = 0xff
	pppUI          = 0x03
)

// MaxPPPHeaderLen is the longest header of a PPP frame in a tunnel: Address,
// Control and two bytes of Protocol. There are no flags, no FCS and no stuffing.
const MaxPPPHeaderLen = 4

// PPPFraming says which parts of the PPP header are left out. The zero value
// leaves out nothing: FF 03 and a two-byte Protocol, always understood.
type PPPFraming struct {
	// NoAddressControl leaves out FF 03 (RFC 1661 section 6.6, ACFC).
	NoAddressControl bool
	// CompressProtocol sends protocols up to 0xff as one byte (RFC 1661 section 6.5,
	// PFC).
	CompressProtocol bool
}

// ParsePPP splits a PPP frame as it travels in a tunnel. It takes every form
// whatever was negotiated: with and without FF 03, Protocol in one byte (odd) or
// two. f is the form found; AppendPPPHeader(nil, p, f) gives the bytes in front
// of info again. info shares b's memory and may be empty; padding is not removed.
//
// Errors: ErrPPPTruncated; ErrPPPProtocol when the field's last byte is even or
// it is 0x00ff, which is reserved (RFC 1661 sections 2, 6.6). With ErrPPPProtocol all
// results are set nevertheless, because such a frame counts as one of an unknown
// protocol and is answered by a Protocol-Reject (RFC 1661 sections 2, 5.7).
func ParsePPP(b []byte) (p PPPProtocol, info []byte, f PPPFraming, err error) {
	if len(b) >= 2 && b[0] == pppAllStations && b[1] == pppUI {
		b = b[2:]
	} else {
		f.NoAddressControl = true
	}
	if len(b) >= 1 && b[0]&1 != 0 {
		f.CompressProtocol = true
		p, info = PPPProtocol(b[0]), b[1:]
	} else if len(b) >= 2 {
		p, info = PPPProtocol(b[0])<<8|PPPProtocol(b[1]), b[2:]
	} else {
		return 0, nil, PPPFraming{}, ErrPPPTruncated
	}
	if p&1 == 0 || p == protoReserved {
		return p, info, f, ErrPPPProtocol
	}
	return p, info, f, nil
}

// AppendPPPHeader appends the header of a frame of protocol p to b: FF 03 unless
// f leaves it out, then the Protocol in one byte when f asks for it and p is
// compressible, else in two. LCP is above 0xff and so always has two bytes
// (RFC 1661 section 6.5); that LCP keeps FF 03 (RFC 1661 section 6.6) is the caller's to see to.
func AppendPPPHeader(b []byte, p PPPProtocol, f PPPFraming) []byte {
	if !f.NoAddressControl {
		b = append(b, pppAllStations, pppUI)
	}
	if f.CompressProtocol && p.compressible() {
		return append(b, byte(p))
	}
	return append(b, byte(p>>8), byte(p))
}

// PPPHeaderLen returns the bytes that AppendPPPHeader appends: 1 to 4.
func PPPHeaderLen(p PPPProtocol, f PPPFraming) int {
	n := MaxPPPHeaderLen
	if f.NoAddressControl {
		n -= 2
	}
	if f.CompressProtocol && p.compressible() {
		n--
	}
	return n
}
