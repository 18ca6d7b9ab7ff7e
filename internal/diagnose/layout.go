package diagnose

import (
	"encoding/binary"
	"fmt"

	"culvert/encap"
)

// layout is how packets can be read.
type layout struct {
	cookie   int // bytes
	sublayer bool
	kind     Pseudowire
}

func (l layout) String() string {
	sublayer := "no sublayer"
	if l.sublayer {
		sublayer = "the Default L2-Specific Sublayer"
	}
	return fmt.Sprintf("%d bytes of cookie, %s, %s frames", l.cookie, sublayer, l.kind)
}

func layoutOf(s *Session) layout {
	return layout{s.Expect.Cookie.Len(), s.Expect.Sublayer == encap.SublayerDefault, s.Pseudowire}
}

// frame gives the frame in the body of a packet read so, false where it cannot be one.
func (l layout) frame(body []byte) ([]byte, bool) {
	n := l.cookie
	if l.sublayer {
		// All but S and the number is reserved and zero, and so is the number without S (RFC 3931 section 4.6).
		if len(body) < n+4 || body[n]&0xbf != 0 || body[n] == 0 && (body[n+1] != 0 || body[n+2] != 0 || body[n+3] != 0) {
			return nil, false
		}
		n += 4
	}
	if len(body) < n {
		return nil, false
	}
	if f := body[n:]; l.kind == PPP && isPPP(f) || l.kind == Ethernet && isEthernet(f) {
		return f, true
	}
	return nil, false
}

// isPPP tells whether a frame is one of a PPP protocol that everybody speaks. Frames may be cut behind their first 16 bytes.
func isPPP(b []byte) bool {
	p, info, _, err := encap.ParsePPP(b)
	if err != nil || len(info) == 0 {
		return false
	}
	switch p {
	case encap.ProtoIPv4:
		return info[0]>>4 == 4
	case encap.ProtoIPv6:
		return info[0]>>4 == 6
	case encap.ProtoLCP, encap.ProtoIPCP, encap.ProtoIPv6CP, encap.ProtoCCP, encap.ProtoPAP, encap.ProtoCHAP, encap.ProtoEAP:
		// Code, Identifier and a Length that includes them (RFC 1661 section 5).
		return len(info) >= 4 && info[0] >= 1 && info[0] <= 15 && binary.BigEndian.Uint16(info[2:]) >= 4 && binary.BigEndian.Uint16(info[2:]) <= 1500
	}
	return false
}

// isEthernet does the same for a MAC frame.
func isEthernet(b []byte) bool {
	e := encap.Ethernet(b)
	if !e.Valid() || e.Source()[0]&1 != 0 {
		return false // nobody sends from a group (IEEE 802.3 section 3.2.3)
	}
	kind, payload := e.EtherType(), e.Payload()
	for (kind == 0x8100 || kind == 0x88a8) && len(payload) >= 4 {
		kind, payload = binary.BigEndian.Uint16(payload[2:]), payload[4:]
	}
	switch kind {
	case 0x0800:
		return len(payload) > 0 && payload[0]>>4 == 4
	case 0x86dd:
		return len(payload) > 0 && payload[0]>>4 == 6
	case 0x0806: // Ethernet and IPv4 (RFC 826)
		return len(payload) >= 4 && binary.BigEndian.Uint32(payload) == 0x00010800
	case 0x88cc, 0x8863, 0x8864, 0x888e:
		return true
	}
	return false
}

// readings are all layouts, those nearest to the configured one first.
func readings(as layout) []layout {
	var all []layout
	add := func(l layout) {
		for _, known := range all {
			if known == l {
				return
			}
		}
		all = append(all, l)
	}
	add(as)
	add(layout{as.cookie, !as.sublayer, as.kind})
	for _, kind := range []Pseudowire{as.kind, PPP + Ethernet - as.kind} {
		for _, sublayer := range []bool{as.sublayer, !as.sublayer} {
			for _, cookie := range []int{as.cookie, 0, 4, 8} {
				add(layout{cookie, sublayer, kind})
			}
		}
	}
	return all
}

// guess gives the layout under which most bodies make sense, and how many do. The configured one wins as long as a
// quarter does as configured: there are protocols that we do not know.
func guess(as layout, bodies [][]byte) (best layout, fit int) {
	for i, l := range readings(as) {
		n := 0
		for _, b := range bodies {
			if _, ok := l.frame(b); ok {
				n++
			}
		}
		if i == 0 && n > 0 && 4*n >= len(bodies) {
			return l, n
		}
		if n > fit {
			best, fit = l, n
		}
	}
	return best, fit
}
