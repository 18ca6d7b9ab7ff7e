//go:build interop

package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// EtherTypes of the tags (IEEE 802.1Q clause 9) and of what is inside.
const (
	typeCTag = 0x8100
	typeSTag = 0x88a8
	typeIPv4 = 0x0800
)

// The packet socket's word about a tag that the kernel took off a frame: struct tpacket_auxdata, packet(7).
const (
	auxSize           = 20
	auxVLANValid      = 1 << 4
	auxVLANTPIDValid  = 1 << 6
	packetOutgoing    = 4
	packetAuxdata     = 8
	ethPAll           = 0x0003
	vlanInner4Host    = "198.51.100.1"
	vlanInner4Peer    = "198.51.100.2"
	vlanHostMAC       = "02:00:00:00:00:01"
	vlanCTag, vlanSID = 7, 9
)

var (
	hostMAC = []byte{2, 0, 0, 0, 0, 1}
	peerMAC = []byte{2, 0, 0, 0, 0, 2}
)

// tag is one VLAN tag.
type tag struct{ typ, vid uint16 }

// frames is a packet socket on our TAP, playing the host of one VLAN. It makes and reads the tags itself, since not
// every kernel that runs these tests has 802.1Q devices.
type frames struct {
	fd   int
	tags []tag
	buf  [4096]byte
	oob  [128]byte
}

func openFrames(h *hostNS, ifindex int, tags []tag) (*frames, error) {
	f := &frames{tags: tags}
	err := h.do(func() (err error) {
		f.fd, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		tv := syscall.NsecToTimeval(int64(50 * time.Millisecond))
		return errors.Join(
			syscall.SetsockoptInt(f.fd, syscall.SOL_PACKET, packetAuxdata, 1),
			syscall.SetsockoptTimeval(f.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv),
			syscall.Bind(f.fd, &syscall.SockaddrLinklayer{Protocol: htons(ethPAll), Ifindex: ifindex}),
		)
	})
	return f, err
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (f *frames) close() { _ = syscall.Close(f.fd) }

// send puts an IPv4 packet into a tagged frame to the peer.
func (f *frames) send(packet []byte) error {
	b := append(append([]byte{}, peerMAC...), hostMAC...)
	for _, t := range f.tags {
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, t.typ), t.vid)
	}
	b = append(binary.BigEndian.AppendUint16(b, typeIPv4), packet...)
	_, err := syscall.SendmsgN(f.fd, b, nil, nil, 0)
	return err
}

// receive gives the IPv4 packet of the next frame with our tags, nil when none came for a moment.
func (f *frames) receive() ([]byte, error) {
	n, oobn, _, from, err := syscall.Recvmsg(f.fd, f.buf[:], f.oob[:], 0)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if ll, ok := from.(*syscall.SockaddrLinklayer); ok && ll.Pkttype == packetOutgoing {
		return nil, nil
	}
	b := f.buf[:n]
	if len(b) < 14 || !bytes.Equal(b[:6], hostMAC) {
		return nil, nil
	}
	rest := append(strippedTag(f.oob[:oobn]), b[12:]...)
	for _, t := range f.tags {
		if len(rest) < 6 || binary.BigEndian.Uint16(rest) != t.typ || binary.BigEndian.Uint16(rest[2:])&0xfff != t.vid {
			return nil, fmt.Errorf("frame with other tags: % x", rest[:min(len(rest), 12)])
		}
		rest = rest[4:]
	}
	if binary.BigEndian.Uint16(rest) != typeIPv4 {
		return nil, nil
	}
	return rest[2:], nil
}

// strippedTag gives the tag that the kernel took off the frame, as it was in the frame; nil when there was none.
func strippedTag(oob []byte) []byte {
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range msgs {
		if m.Header.Level != syscall.SOL_PACKET || m.Header.Type != packetAuxdata || len(m.Data) < auxSize {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&auxVLANValid == 0 {
			return nil
		}
		typ := uint16(typeCTag)
		if status&auxVLANTPIDValid != 0 {
			typ = binary.NativeEndian.Uint16(m.Data[18:])
		}
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, typ), binary.NativeEndian.Uint16(m.Data[16:]))
	}
	return nil
}

// echo makes an ICMP echo request or reply in an IPv4 packet of size bytes with the don't-fragment bit set.
func echo(typ byte, src, dst string, id, seq uint16, size int) []byte {
	b := make([]byte, size)
	b[0], b[8], b[9] = 0x45, 64, syscall.IPPROTO_ICMP
	binary.BigEndian.PutUint16(b[2:], uint16(size))
	b[6] = 0x40
	s, d := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	copy(b[12:], s[:])
	copy(b[16:], d[:])
	icmp := b[ip4Header:]
	icmp[0] = typ
	binary.BigEndian.PutUint16(icmp[4:], id)
	binary.BigEndian.PutUint16(icmp[6:], seq)
	for i := range icmp[icmpHeader:] {
		icmp[icmpHeader+i] = byte(size + i*3)
	}
	finish(b)
	return b
}

// finish fills in both checksums of an echo.
func finish(b []byte) {
	copy(b[10:12], []byte{0, 0})
	copy(b[ip4Header+2:ip4Header+4], []byte{0, 0})
	binary.BigEndian.PutUint16(b[10:], ^sum(b[:ip4Header]))
	binary.BigEndian.PutUint16(b[ip4Header+2:], ^sum(b[ip4Header:]))
}

// request asks the peer and wants the same data back, within two seconds.
func (f *frames) request(seq, size int) error {
	ask := echo(echoRequest4, vlanInner4Host, vlanInner4Peer, 1, uint16(seq), size)
	if err := f.send(ask); err != nil {
		return err
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		b, err := f.receive()
		if err != nil {
			return err
		}
		if len(b) < ip4Header+icmpHeader || b[ip4Header] != echoReply4 || !bytes.Equal(b[ip4Header+4:ip4Header+8], ask[ip4Header+4:ip4Header+8]) {
			continue
		}
		if !bytes.Equal(b[ip4Header+icmpHeader:], ask[ip4Header+icmpHeader:]) {
			return fmt.Errorf("answer to %d bytes differs", size)
		}
		return nil
	}
	return fmt.Errorf("%w to a tagged packet of %d bytes", errLost, size)
}

// tooBig sends a packet that does not fit and wants to be told so by ICMP (RFC 1191 section 4), inside our tags and from
// the one it was meant for.
func (f *frames) tooBig(size, mtu int) error {
	ask := echo(echoRequest4, vlanInner4Host, vlanInner4Peer, 1, 9999, size)
	if err := f.send(ask); err != nil {
		return err
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		b, err := f.receive()
		if err != nil {
			return err
		}
		if len(b) < 2*ip4Header+2*icmpHeader || b[ip4Header] != 3 || b[ip4Header+1] != 4 {
			continue
		}
		if got := int(binary.BigEndian.Uint16(b[ip4Header+6:])); got != mtu {
			return fmt.Errorf("told of an MTU of %d, want %d", got, mtu)
		}
		if !bytes.Equal(b[ip4Header+icmpHeader:2*ip4Header+2*icmpHeader], ask[:ip4Header+icmpHeader]) {
			return errors.New("told about another packet")
		}
		return nil
	}
	return fmt.Errorf("%w: nothing said about a tagged packet of %d bytes", errLost, size)
}

// answer plays the host until stop is closed: whoever asks gets the same data back.
func (f *frames) answer(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		b, err := f.receive()
		if err != nil {
			return err
		}
		if len(b) < ip4Header+icmpHeader || b[ip4Header] != echoRequest4 {
			continue
		}
		reply := bytes.Clone(b)
		copy(reply[12:16], b[16:20])
		copy(reply[16:20], b[12:16])
		reply[ip4Header] = echoReply4
		finish(reply)
		if err := f.send(reply); err != nil {
			return err
		}
	}
}

// TestVLAN: tagged frames pass as they are (RFC 4719 section 3.1), with one tag and with two.
func TestVLAN(t *testing.T) {
	kinds := []struct {
		name, kernel, device string
		tags                 []tag
	}{
		{
			"one-tag", "ip link add link l2e name l2e.7 type vlan id 7", "l2e.7",
			[]tag{{typeCTag, vlanCTag}},
		},
		{
			"two-tags", "ip link add link l2e name l2e.9 type vlan proto 802.1ad id 9 && ip link set l2e.9 up && " +
				"ip link add link l2e.9 name l2e.7 type vlan id 7", "l2e.7",
			[]tag{{typeSTag, vlanSID}, {typeCTag, vlanCTag}},
		},
	}
	for _, tr := range transports {
		for _, k := range kinds {
			t.Run(tr.name+"/"+k.name, func(t *testing.T) {
				count(t, "Ethernet, VLAN tags", tr.name)
				lab := useLab(t)
				l := newLink(tr, 8, true, false)
				c := l.ethernet(t, lab, true, l.toml("eth"))
				lab.peer.run(t, "%s && ip addr add %s/24 dev %s && ip link set %s mtu %d up && ip neigh add %s lladdr %s dev %s",
					k.kernel, vlanInner4Peer, k.device, k.device, l.mtu(false)-4*len(k.tags), vlanInner4Host, vlanHostMAC, k.device)
				f, err := openFrames(lab.host, lab.host.device(t, l.device()).Attrs().Index, k.tags)
				if err != nil {
					t.Fatal(err)
				}
				defer f.close()
				testTagged(t, lab, f, l.mtu(false)-4*len(k.tags))
				if len(k.tags) == 1 { // packet sockets let one tag exceed the MTU, not two
					if err := f.tooBig(l.mtu(false), l.mtu(false)-4); err != nil {
						t.Error(err)
					}
				}
				l.agree(t, c, true)
				c.noDrops(t, "too_big")
				c.stop(t)
			})
		}
	}
}

// testTagged asks in both directions, with packets up to mtu inside the tags.
func testTagged(t *testing.T, lab *lab, f *frames, mtu int) {
	t.Helper()
	for i, size := range []int{28, 42, 46, 128, 576, mtu - 1, mtu} {
		if err := f.request(i+1, size); err != nil {
			t.Fatal(err)
		}
	}
	stop, done := make(chan struct{}), make(chan error)
	go func() { done <- f.answer(stop) }()
	out, code, err := lab.peer.try(30*time.Second, fmt.Sprintf("pings %s 18 100 %d %d", vlanInner4Host, mtu-29, mtu-28))
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err != nil || code != 0 {
		t.Fatalf("peer: exit %d, %v\n%s", code, err, out)
	}
}
