//go:build interop

package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Sizes of what surrounds an echo's data.
const (
	icmpHeader = 8
	ip4Header  = 20
	ip6Header  = 40
)

// Echo types (RFC 792, RFC 4443 section 4).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

// inFlight is how many requests a sweep has under way: fewer than the shortest queue on their way holds.
const inFlight = 8

var errLost = errors.New("no answer")

// pinger sends ICMP echo requests of exact sizes from the host namespace and checks the answers byte for byte. The
// don't-fragment bit is on and the kernel may send no larger packet than the device's MTU.
type pinger struct {
	fd  int
	v6  bool
	id  uint16
	dst syscall.Sockaddr
	buf [65536]byte
}

// newPinger opens a pinger to an address; ifindex chooses the device of a link-local one, else it is 0.
func newPinger(h *hostNS, dst netip.Addr, ifindex int) (*pinger, error) {
	p := &pinger{v6: dst.Is6(), id: uint16(os.Getpid())}
	err := h.do(func() error {
		if p.v6 {
			p.dst = &syscall.SockaddrInet6{Addr: dst.As16(), ZoneId: uint32(ifindex)}
			return p.open(syscall.AF_INET6, syscall.IPPROTO_ICMPV6, syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER)
		}
		p.dst = &syscall.SockaddrInet4{Addr: dst.As4()}
		return p.open(syscall.AF_INET, syscall.IPPROTO_ICMP, syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER)
	})
	return p, err
}

func (p *pinger) open(family, proto, level, discover int) (err error) {
	p.fd, err = syscall.Socket(family, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, proto)
	if err != nil {
		return err
	}
	tv := syscall.NsecToTimeval(int64(50 * time.Millisecond))
	err = errors.Join(
		syscall.SetsockoptInt(p.fd, level, discover, syscall.IP_PMTUDISC_DO), // IPV6_PMTUDISC_DO has the same value
		syscall.SetsockoptTimeval(p.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv),
		syscall.Connect(p.fd, p.dst),
	)
	if err != nil {
		p.close()
	}
	return err
}

func (p *pinger) close() { _ = syscall.Close(p.fd) }

func (p *pinger) header() int {
	if p.v6 {
		return ip6Header
	}
	return ip4Header
}

// request makes the echo request whose whole IP packet has size bytes.
func (p *pinger) request(size int) []byte {
	b := make([]byte, size-p.header())
	b[0] = echoRequest4
	if p.v6 {
		b[0] = echoRequest6 // the kernel fills in the checksum
	}
	binary.BigEndian.PutUint16(b[4:], p.id)
	binary.BigEndian.PutUint16(b[6:], uint16(size))
	for i := range b[icmpHeader:] {
		b[icmpHeader+i] = byte(size + i*7)
	}
	if !p.v6 {
		binary.BigEndian.PutUint16(b[2:], ^sum(b))
	}
	return b
}

// sum is the folded ones-complement sum of RFC 1071. It is written again here so that a wrong one in culvert can not
// agree with itself.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// sweep sends one request of every size from low to high, bytes of the whole IP packet, and wants every answer.
func (p *pinger) sweep(low, high int) error {
	low = max(low, p.header()+icmpHeader)
	missing := map[int]bool{}
	next := low
	last := time.Now()
	for next <= high || len(missing) > 0 {
		for next <= high && len(missing) < inFlight {
			if err := p.send(next); err != nil {
				return fmt.Errorf("sending %d bytes: %w", next, err)
			}
			missing[next] = true
			next++
		}
		size, err := p.receive()
		if err != nil {
			return err
		}
		if missing[size] {
			delete(missing, size)
			last = time.Now()
		} else if time.Since(last) > 2*time.Second {
			return fmt.Errorf("%w to packets of %v bytes", errLost, missing)
		}
	}
	return nil
}

func (p *pinger) send(size int) error {
	for {
		_, err := syscall.SendmsgN(p.fd, p.request(size), nil, nil, 0)
		if err != syscall.EINTR {
			return err
		}
	}
}

// receive gives the size of the next packet that answered one of ours, 0 when none came for a moment.
func (p *pinger) receive() (int, error) {
	n, _, err := syscall.Recvfrom(p.fd, p.buf[:], 0)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return 0, nil
	case err != nil:
		return 0, err
	}
	b, reply := p.buf[:n], byte(echoReply6)
	if !p.v6 { // raw IPv4 sockets give the IP header, raw IPv6 ones don't
		reply = echoReply4
		if n < ip4Header {
			return 0, nil
		}
		b = b[int(b[0]&15)*4:]
	}
	if len(b) < icmpHeader || b[0] != reply || binary.BigEndian.Uint16(b[4:]) != p.id {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint16(b[6:]))
	if got := len(b) + p.header(); got != size {
		return 0, fmt.Errorf("answer to %d bytes has %d", size, got)
	}
	if want := p.request(size); string(want[icmpHeader:]) != string(b[icmpHeader:]) {
		return 0, fmt.Errorf("answer to %d bytes has other data", size)
	}
	return size, nil
}

// none sends count requests of the size and reports an error when anything comes back within the wait.
func (p *pinger) none(size, count int, wait time.Duration) error {
	for range count {
		if err := p.send(size); err != nil && !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.ENETDOWN) {
			return err
		}
	}
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); {
		if got, err := p.receive(); err == nil && got != 0 {
			return errors.New("an answer came")
		}
	}
	return nil
}
