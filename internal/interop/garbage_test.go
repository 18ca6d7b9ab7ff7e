//go:build interop

package interop

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// inboundReasons are the drops of packets that came from the underlay; the rest concern what we send.
var inboundReasons = []string{
	"truncated", "version", "control", "session", "source", "cookie", "sequence", "malformed", "ppp_protocol",
	"untagged", "not_open", "punt", "device",
}

// forger sends packets to our end that seem to come from the tunnel's peer, port included.
type forger struct {
	l    *link
	fd   int
	to   syscall.Sockaddr
	sent int
}

func newForger(h *hostNS, l *link) (*forger, error) {
	f := &forger{l: l}
	family := syscall.AF_INET
	if l.host.Is6() {
		family, f.to = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: l.host.As16()}
	} else {
		f.to = &syscall.SockaddrInet4{Addr: l.host.As4()}
	}
	err := h.do(func() (err error) {
		// IPPROTO_RAW: we give the IP header ourselves (raw(7))
		f.fd, err = syscall.Socket(family, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
		return err
	})
	return f, err
}

func (f *forger) close() { _ = syscall.Close(f.fd) }

// send forges one packet with this payload of UDP or IP 115.
func (f *forger) send(t *testing.T, payload []byte) {
	t.Helper()
	proto := byte(115)
	if f.l.encap == "udp" {
		proto = syscall.IPPROTO_UDP
		payload = udpPacket(f.l, payload)
	}
	var b []byte
	if f.l.host.Is6() {
		b = make([]byte, ip6Header, ip6Header+len(payload))
		b[0], b[6], b[7] = 0x60, proto, 64
		binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
		copy(b[8:], f.l.peer.AsSlice())
		copy(b[24:], f.l.host.AsSlice())
	} else {
		b = make([]byte, ip4Header, ip4Header+len(payload))
		b[0], b[8], b[9] = 0x45, 64, proto
		binary.BigEndian.PutUint16(b[2:], uint16(ip4Header+len(payload)))
		copy(b[12:], f.l.peer.AsSlice())
		copy(b[16:], f.l.host.AsSlice())
		binary.BigEndian.PutUint16(b[10:], ^sum(b))
	}
	if err := syscall.Sendto(f.fd, append(b, payload...), 0, f.to); err != nil {
		t.Fatalf("forging %d bytes: %v", len(payload), err)
	}
	if f.sent++; f.sent%32 == 0 {
		time.Sleep(2 * time.Millisecond) // a socket's buffer is no part of this test
	}
}

// udpPacket puts a UDP header with its checksum before payload (RFC 768, RFC 8200 section 8.1).
func udpPacket(l *link, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b, uint16(l.peerPort))
	binary.BigEndian.PutUint16(b[2:], uint16(l.hostPort))
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	b = append(b, payload...)
	pseudo := append(append(l.peer.AsSlice(), l.host.AsSlice()...), 0, syscall.IPPROTO_UDP)
	pseudo = append(binary.BigEndian.AppendUint16(pseudo, uint16(len(b))), b...)
	c := ^sum(pseudo)
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], c)
	return b
}

// data is a valid data packet to our end around frame.
func (f *forger) data(frame []byte) []byte {
	var b []byte
	if f.l.encap == "udp" {
		b = append(b, 0, 3, 0, 0)
	}
	b = binary.BigEndian.AppendUint32(b, f.l.sid())
	b = append(b, f.l.kernelSends...)
	if f.l.sublayer {
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, frame...)
}

// garbage sends everything that is not right about L2TP, around frames that may be.
func (f *forger) garbage(t *testing.T, rnd *rand.Rand, frames [][]byte) {
	t.Helper()
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	for _, frame := range frames {
		whole := f.data(frame)
		for n := range len(whole) + 1 {
			f.send(t, whole[:n])
		}
		for i := range min(len(whole), 40) { // each byte of the headers wrong
			b := append([]byte{}, whole...)
			b[i] ^= 0x11
			f.send(t, b)
		}
		for i := range whole {
			f.send(t, append(append([]byte{}, whole[:i]...), random(rnd.IntN(60))...))
		}
	}
	for range 200 {
		f.send(t, random(rnd.IntN(1400)))
		f.send(t, f.data(random(rnd.IntN(1400))))
	}
	for _, word := range []uint16{0xc803, 0xc802, 0x0002, 0x0001, 0x000f, 0x4003, 0x0803} { // control, v2, L2F, none, reserved bits
		b := f.data(frames[0])
		binary.BigEndian.PutUint16(b, word)
		f.send(t, b)
	}
	f.send(t, f.data(random(64000))) // larger than any device takes
	f.send(t, random(64000))
	if f.l.encap == "ip" {
		f.send(t, append([]byte{0, 0, 0, 0, 0xc8, 3, 0, 12}, random(8)...)) // control connection
	}
}

// ethernetFrames are the frames that garbage is made from: an experimental EtherType that nobody answers.
func ethernetFrames() [][]byte {
	b := append(append([]byte{}, peerMAC...), hostMAC...)
	return [][]byte{append(b, append([]byte{0x88, 0xb5}, make([]byte, 46)...)...)}
}

// pppFrames are LCP, IPCP and data frames, right ones and ones whose lengths are wrong.
func pppFrames() [][]byte {
	hdlc := func(b ...byte) []byte { return append([]byte{0xff, 0x03}, b...) }
	return [][]byte{
		hdlc(0xc0, 0x21, 1, 1, 0, 14, 1, 4, 5, 0xdc, 5, 6, 1, 2, 3, 4), // Configure-Request: MRU, magic number
		hdlc(0xc0, 0x21, 1, 2, 0, 8, 1, 0, 5, 0xdc),                    // option of length 0
		hdlc(0xc0, 0x21, 1, 3, 0, 8, 1, 1, 5, 0xdc),                    // of length 1
		hdlc(0xc0, 0x21, 1, 4, 0, 8, 1, 40, 5, 0xdc),                   // beyond the packet
		hdlc(0xc0, 0x21, 1, 5, 0, 200, 1, 4, 5, 0xdc),                  // packet beyond the frame
		hdlc(0xc0, 0x21, 1, 6, 0, 3),                                   // shorter than its header
		hdlc(0xc0, 0x21, 1, 7, 0, 0),
		hdlc(0xc0, 0x21, 9, 8, 0, 8, 1, 2, 3, 4),          // Echo-Request
		hdlc(0xc0, 0x21, 99, 9, 0, 4),                     // unknown code
		hdlc(0xc0, 0x21, 7, 10, 0, 8, 1, 1, 0, 4),         // Code-Reject
		hdlc(0xc0, 0x21, 8, 11, 0, 6, 0x80, 0x21),         // Protocol-Reject
		hdlc(0x80, 0x21, 1, 1, 0, 10, 3, 6, 10, 77, 0, 2), // IPCP before LCP is open
		hdlc(0x80, 0x57, 1, 1, 0, 14, 1, 10, 1, 2, 3, 4, 5, 6, 7, 8),
		hdlc(0x00, 0x21, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1),
		{0x21, 0x45, 0, 0, 20},
		hdlc(0x00, 0x57, 0x60),
		hdlc(0x00, 0x20, 1), // no protocol has an even number
		hdlc(0x01, 0x21, 1),
		hdlc(0x80, 0xfd, 1, 1, 0, 4), // CCP
	}
}

// TestGarbage: whatever the peer sends is delivered or counted, harms nobody, and the pseudowire works afterwards.
func TestGarbage(t *testing.T) {
	for _, tr := range transports {
		for _, pseudowire := range []string{"eth", "ppp"} {
			t.Run(tr.name+"/"+pseudowire, func(t *testing.T) {
				count(t, "garbage, then traffic", tr.name)
				lab := useLab(t)
				l := newLink(tr, 8, true, false)
				extra, profile, frames := ethernetAddresses, "", ethernetFrames()
				if pseudowire == "ppp" {
					extra, profile, frames = `ppp_profile = "p0"`, pppProfile(), pppFrames()
				}
				c := startCulvert(t, lab, l.toml(pseudowire, extra)+profile)
				f, err := newForger(lab.host, l)
				if err != nil {
					t.Fatal(err)
				}
				defer f.close()
				f.garbage(t, rand.New(rand.NewPCG(uint64(l.n), 1701)), frames)
				accounted(t, c, l, f.sent)
				works(t, c, l, pseudowire)
			})
		}
	}
}

// accounted waits until every one of sent packets is received or dropped for a reason.
func accounted(t *testing.T, c *culvert, l *link, sent int) {
	t.Helper()
	eventually(t, 5*time.Second, func() string {
		moved, s := c.drops(t), c.session(t, l.sid())
		total := s.RxPackets
		for _, r := range inboundReasons {
			total += moved[r]
		}
		if total != uint64(sent) {
			return fmt.Sprintf("%d of %d packets accounted for: %d received, dropped %v", total, sent, s.RxPackets, moved)
		}
		return ""
	})
}

// works brings the kernel's end up and sends something both ways.
func works(t *testing.T, c *culvert, l *link, pseudowire string) {
	t.Helper()
	var ours, theirs netip.Addr
	if pseudowire == "ppp" {
		l.startPPPD(t, c.lab.peer, "")
		l.pppUp(t, c)
		ours, theirs = pppHost, pppPeer
	} else {
		l.kernelEthernet(t, c.lab.peer)
		kernelUp(t, c.lab.peer, kernelAddresses...)
		ours, theirs = innerHost4, innerPeer4
	}
	mtu := l.mtu(pseudowire == "ppp")
	everySize(t, c.lab, theirs, 0, mtu)
	peerPings(t, c.lab, ours.String(), mtu)
}
