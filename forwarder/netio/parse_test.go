package netio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// extendedErr builds the control message of an error queue entry as the kernel does.
func extendedErr(level, typ int32, errno uint32, origin, icmpType, code byte, info uint32, offender netip.AddrPort) []byte {
	var sa sockaddr
	n := 0
	if offender.Addr().IsValid() {
		n = putSockaddr(&sa, offender, 0)
	}
	b := make([]byte, cmsgHdrLen+extendedErrLen+n)
	putCmsgHeader(b, level, typ, extendedErrLen+n)
	d := b[cmsgHdrLen:]
	binary.NativeEndian.PutUint32(d, errno)
	d[4], d[5], d[6] = origin, icmpType, code
	binary.NativeEndian.PutUint32(d[8:], info)
	copy(d[extendedErrLen:], sa[:n])
	return b
}

func nameOf(a netip.AddrPort) []byte {
	var sa sockaddr
	n := putSockaddr(&sa, a, 0)
	return sa[:n]
}

// TestParseNetError feeds built control messages, whole and cut short at every length.
func TestParseNetError(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:1701"), netip.MustParseAddrPort("[2001:db8::1]:1701")
	r4, r6 := netip.MustParseAddrPort("192.0.2.9:0"), netip.MustParseAddrPort("[2001:db8::9]:0")
	ttl := make([]byte, intCmsgSpace)
	putIntCmsg(ttl, unix.SOL_IP, unix.IP_TTL, 64)
	for _, c := range []struct {
		name          string
		peer, control []byte
		want          NetError
		ok            bool
	}{
		{
			"fragmentation needed", nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.EMSGSIZE), unix.SO_EE_ORIGIN_ICMP, 3, 4, 1280, r4),
			NetError{Peer: v4, Errno: unix.EMSGSIZE, MTU: 1280, Type: 3, Code: 4, Offender: r4.Addr()},
			true,
		},
		{
			"after another message", nameOf(v6), append(bytes.Clone(ttl), extendedErr(unix.SOL_IPV6, unix.IPV6_RECVERR, uint32(unix.EMSGSIZE), unix.SO_EE_ORIGIN_ICMP6, 2, 0, 1280, r6)...),
			NetError{Peer: v6, Errno: unix.EMSGSIZE, MTU: 1280, Type: 2, Offender: r6.Addr()},
			true,
		},
		{
			"refused, info is no MTU", nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.ECONNREFUSED), unix.SO_EE_ORIGIN_ICMP, 3, 3, 77, r4),
			NetError{Peer: v4, Errno: unix.ECONNREFUSED, Type: 3, Code: 3, Offender: r4.Addr()},
			true,
		},
		{
			"local", nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.EMSGSIZE), unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1500, netip.AddrPort{}),
			NetError{Peer: v4, Errno: unix.EMSGSIZE, Local: true, MTU: 1500},
			true,
		},
		{
			"absurd MTU", nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.EMSGSIZE), unix.SO_EE_ORIGIN_LOCAL, 0, 0, 0xffffffff, netip.AddrPort{}),
			NetError{Peer: v4, Errno: unix.EMSGSIZE, Local: true, MTU: 65536},
			true,
		},
		{"time stamp", nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.ENOMSG), unix.SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 0, netip.AddrPort{}), NetError{}, false},
		{"nothing", nameOf(v4), ttl, NetError{}, false},
	} {
		if e, ok := parseNetError(c.peer, c.control); e != c.want || ok != c.ok {
			t.Errorf("%s: %+v, %t", c.name, e, ok)
		}
		for n := range c.control {
			if e, ok := parseNetError(c.peer, c.control[:n:n]); ok {
				t.Errorf("%s: %+v from %d of %d bytes", c.name, e, n, len(c.control))
			}
		}
	}
}

// TestPendingErrors states which errors may belong to another packet.
func TestPendingErrors(t *testing.T) {
	for _, e := range []unix.Errno{unix.EPERM, unix.ENOBUFS, unix.EAGAIN, unix.EBADF, unix.EINVAL, unix.ENOMEM, unix.EAFNOSUPPORT} {
		if pendingError(e) {
			t.Errorf("%v", e)
		}
	}
	for _, e := range []unix.Errno{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.EMSGSIZE, unix.EPROTO} {
		if !pendingError(e) {
			t.Errorf("%v", e)
		}
	}
	if !errors.Is(openError("x", true, unix.EPERM), unix.EPERM) {
		t.Error("errno hidden")
	}
}

// FuzzControl walks control messages: each lies within the buffer, behind the one before, and what the encoder would
// write for it is what was there.
func FuzzControl(f *testing.F) {
	two := make([]byte, 2*intCmsgSpace)
	putSegmentCmsg(two[putIntCmsg(two, unix.SOL_IP, unix.IP_TTL, 5):], 1400)
	f.Add(two)
	gro := make([]byte, intCmsgSpace)
	putIntCmsg(gro, unix.SOL_UDP, unix.UDP_GRO, 1400)
	f.Add(gro)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := segmentSize(b); n < 0 || n > 0xffff {
			t.Fatalf("segment size %d", n)
		}
		rest := b
		for {
			m, next, ok := nextCmsg(rest)
			if !ok {
				return
			}
			if len(next) >= len(rest) || cap(m.data) != len(m.data) || cmsgHdrLen+len(m.data)+len(next) > len(rest) {
				t.Fatalf("%d bytes of data and %d left of %d", len(m.data), len(next), len(rest))
			}
			again := make([]byte, cmsgHdrLen)
			putCmsgHeader(again, m.level, m.typ, len(m.data))
			if !bytes.Equal(append(again, m.data...), rest[:cmsgHdrLen+len(m.data)]) {
				t.Fatalf("% x does not come back", rest)
			}
			rest = next
		}
	})
}

// FuzzSockaddr parses socket addresses: what is valid survives a round trip, and has neither zone nor mapped form.
func FuzzSockaddr(f *testing.F) {
	for _, a := range []string{"192.0.2.1:1701", "[2001:db8::1]:1701", "[::ffff:192.0.2.1]:9", "[fe80::1]:1"} {
		f.Add(nameOf(netip.MustParseAddrPort(a)))
	}
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := parseSockaddr(b)
		if !a.IsValid() {
			if a != (netip.AddrPort{}) {
				t.Fatalf("half an address: %+v", a)
			}
			return
		}
		if a.Addr().Is4In6() || a.Addr().Zone() != "" || parseSockaddr(nameOf(a)) != a {
			t.Fatalf("%v from % x", a, b)
		}
	})
}

// FuzzNetError parses error queue entries: anything accepted is an ICMP error or local, and its fields are in range.
func FuzzNetError(f *testing.F) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:1701"), netip.MustParseAddrPort("[2001:db8::1]:0")
	f.Add(nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.EMSGSIZE), unix.SO_EE_ORIGIN_ICMP, 3, 4, 1280, v4))
	f.Add(nameOf(v6), extendedErr(unix.SOL_IPV6, unix.IPV6_RECVERR, uint32(unix.ECONNREFUSED), unix.SO_EE_ORIGIN_ICMP6, 1, 4, 0, v6))
	f.Add(nameOf(v4), extendedErr(unix.SOL_IP, unix.IP_RECVERR, uint32(unix.EMSGSIZE), unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1500, netip.AddrPort{}))
	f.Fuzz(func(t *testing.T, name, control []byte) {
		e, ok := parseNetError(name, control)
		switch {
		case !ok && e != (NetError{}):
			t.Fatalf("refused and yet %+v", e)
		case ok && (e.MTU < 0 || e.MTU > 65536 || e.MTU != 0 && e.Errno != unix.EMSGSIZE):
			t.Fatalf("MTU in %+v", e)
		case ok && e.Local && e.Offender.IsValid():
			t.Fatalf("local and from %v", e.Offender)
		case ok && e.Peer != parseSockaddr(name):
			t.Fatalf("peer in %+v", e)
		}
	})
}

// FuzzIPv4Header finds the payload of raw IPv4 packets: never outside, and where the header says.
func FuzzIPv4Header(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 24, 0, 0, 0, 0, 64, 115, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 0, 1})
	f.Add([]byte{0x4f, 0, 0, 24})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := ipv4HeaderLen(b)
		if n < 0 || n > len(b) {
			t.Fatalf("%d of %d", n, len(b))
		}
		if n < len(b) && (n < 20 || b[0] != 0x40|byte(n/4)) {
			t.Fatalf("%d bytes of header in % x", n, b)
		}
	})
}
