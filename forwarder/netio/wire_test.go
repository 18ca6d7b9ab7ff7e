package netio

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// outer is what the tests look at in a captured packet.
type outer struct {
	ttl, tos byte
	df       bool
	udpCheck uint16
	length   int
}

// capture opens a packet socket on the loopback of a namespace.
func capture(t *testing.T, ns *space) int {
	t.Helper()
	fd := -1
	ns.do(func() {
		var err error
		all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// find returns the outer headers of the captured packet that ends with want.
func find(t *testing.T, fd int, k kind, want []byte) outer {
	t.Helper()
	buf := make([]byte, 70000)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if p := buf[:n]; bytes.HasSuffix(p, want) && len(p) >= 28 {
			return parseOuter(p, k)
		}
	}
	t.Fatal("packet not captured")
	return outer{}
}

func parseOuter(p []byte, k kind) outer {
	if !k.ipv6 {
		return outer{p[8], p[1], p[6]&0x40 != 0, binary.BigEndian.Uint16(p[26:]), len(p)}
	}
	o := outer{ttl: p[7], tos: byte(binary.BigEndian.Uint16(p) >> 4), length: len(p)}
	if len(p) >= 48 {
		o.udpCheck = binary.BigEndian.Uint16(p[46:])
	}
	return o
}

// TestHeadersOnTheWire checks TTL, TOS, DF and zero checksums in captured packets.
func TestHeadersOnTheWire(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		ns.exec("sysctl", "-qw", "net.ipv4.ip_default_ttl=61", "net.ipv6.conf.lo.hop_limit=62")
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1, AcceptZeroChecksum6: true})
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
		fd := capture(t, ns)
		system := byte(61)
		if k.ipv6 {
			system = 62
		}
		udp := k.transport == kinds[0].transport
		for i, c := range []struct {
			o        DestOptions
			tos      int
			v        Variant
			ttl, raw byte
		}{
			{DestOptions{TOS: -1}, -1, Variant{}, system, 0},
			{DestOptions{TTL: 9, TOS: -1}, -1, Variant{}, 9, 0},
			{DestOptions{TTL: 255, TOS: 0xb8}, -1, Variant{DF: DFClear}, 255, 0xb8},
			{DestOptions{TTL: 1, TOS: 0xff}, 0, Variant{DF: DFClear}, 1, 0},
			{DestOptions{TOS: 0xb8}, 0x03, Variant{}, system, 0x03},
			{DestOptions{TOS: -1}, 0x2e, Variant{NoChecksum: true}, system, 0x2e},
			{DestOptions{TTL: 7, TOS: 0}, 0xff, Variant{NoChecksum: true, DF: DFClear}, 7, 0xff},
		} {
			var s *Socket
			var err error
			ns.do(func() { s, err = peer.Sender(0, c.v) })
			if err != nil {
				t.Fatal(err)
			}
			d, err := NewDest(k.local(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			pkt := k.data(uint32(i+1), 0xc0ffee00+uint32(i), 40)
			b := NewTxBatch(1)
			b.Add(pkt, d, c.tos, 0)
			if n, err := s.Send(b); n != 1 || err != nil {
				t.Fatalf("case %d: %d, %v", i, n, err)
			}
			o := find(t, fd, k, pkt)
			if o.ttl != c.ttl || o.tos != c.raw || !k.ipv6 && o.df != (c.v.DF == DFSet) || udp && (o.udpCheck == 0) != c.v.NoChecksum {
				t.Errorf("case %d: on the wire %+v", i, o)
			}
			if r := readOne(t, g.Data(0)); !bytes.Equal(r.data, pkt) || r.source != k.remote() {
				t.Errorf("case %d: received % x from %v", i, r.data, r.source)
			}
		}
	})
}

// TestZeroChecksum6Refused checks that UDP over IPv6 without checksum is dropped unless allowed (RFC 6935).
func TestZeroChecksum6Refused(t *testing.T) {
	ns := newSpace(t)
	k := kinds[1]
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
	peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1, Variant: Variant{NoChecksum: true}})
	send(t, peer.Data(0), dest(t, k.local()), k.data(1, 1, 4))
	if got := drain(t, g.Data(0), quiet); len(got) != 0 {
		t.Errorf("accepted % x", got[0].data)
	}
}
