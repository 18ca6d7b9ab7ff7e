package encap

// MTU returns the largest IP packet that fits into one outer packet of path
// bytes: path less outer IP header (20, or 40 with outerIPv6), UDP header, data
// header h and what precedes the inner packet, which is FF 03 and a two-byte
// Protocol with ppp (the longest PPP header, so the figure is the MRU to
// advertise, RFC 1661 section 6.1) and an untagged Ethernet header without (RFC 4719
// section 3.3). Directions differ where their headers do. IP options and IPsec are not
// counted. The result is never negative. Note that IPv6 needs 1280 whatever
// comes out (RFC 8200 section 5): below that the outer packet has to be fragmented
// (RFC 3931 section 4.1.4).
func MTU(path int, h DataHeader, outerIPv6, ppp bool) int {
	n := path - h.Len()
	if outerIPv6 {
		n -= IPv6Len
	} else {
		n -= IPv4Len
	}
	if h.Transport == TransportUDP {
		n -= UDPLen
	}
	if ppp {
		n -= MaxPPPHeaderLen
	} else {
		n -= EthernetLen
	}
	return max(n, 0)
}
