//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tcpBytes is what a transfer moves in each direction.
const tcpBytes = 3 << 20

// TestTCP moves data through TCP both ways and compares it, and looks at the MSS that either end gets to see: routes
// tell both to announce 1460, which does not fit (docs/mtu.md), so that only our clamping can have made it right.
func TestTCP(t *testing.T) {
	for _, tr := range transports {
		for _, pseudowire := range []string{"eth", "ppp"} {
			t.Run(tr.name+"/"+pseudowire, func(t *testing.T) {
				count(t, "TCP", tr.name)
				lab := useLab(t)
				l := newLink(tr, 8, true, true)
				if pseudowire == "ppp" {
					c := l.ppp(t, lab, true, silent, "")
					l.pppUp(t, c)
					lab.peer.run(t, "ip route replace %s dev pppk src %s advmss 1460", pppHost, pppPeer)
					hostRoute(t, lab, pppPeer.String(), pppHost, l.device())
					transfer(t, lab, l, pppHost, "pppk", l.mtu(true))
					c.pppDrops(t)
					return
				}
				c := l.ethernet(t, lab, true, l.toml("eth", ethernetAddresses))
				lab.peer.run(t, "ip route replace 192.0.2.0/24 dev l2e src %s advmss 1460", innerPeer4)
				hostRoute(t, lab, "192.0.2.0/24", innerHost4, l.device())
				transfer(t, lab, l, innerHost4, "l2e", l.mtu(false))
				c.noDrops(t)
			})
		}
	}
}

func hostRoute(t *testing.T, lab *lab, to string, src netip.Addr, device string) {
	t.Helper()
	if err := ip("-n", lab.host.name, "route", "replace", to, "dev", device, "src", src.String(), "advmss", "1460"); err != nil {
		t.Fatal(err)
	}
}

// transfer has the guest send data to our end, which sends other data back.
func transfer(t *testing.T, lab *lab, l *link, ours netip.Addr, device string, mtu int) {
	t.Helper()
	s := &tcpServer{back: randomBytes(uint64(l.n), tcpBytes), done: make(chan error, 1)}
	if err := s.start(lab.host, ours); err != nil {
		t.Fatal(err)
	}
	defer s.ln.Close()
	sniffer, err := newSniffer(lab.host, lab.host.device(t, l.device()).Attrs().Index)
	if err != nil {
		t.Fatal(err)
	}
	defer sniffer.close()
	lab.peer.run(t, "head -c %d /dev/urandom >/tmp/there; rm -f /tmp/syn.err; timeout 20 tcpdump -nn --immediate-mode -i %s -c 2 'tcp[13] & 2 != 0' >/tmp/syn 2>/tmp/syn.err & dump=$!; until_ok 100 grep -q listening /tmp/syn.err", tcpBytes, device)
	lab.peer.run(t, "nc %s %d </tmp/there >/tmp/back", ours, s.ln.Addr().(*net.TCPAddr).Port)
	select {
	case err := <-s.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("our end of the TCP connection does not end")
	}
	want := fmt.Sprintf("%x\n%s", s.got, digest(s.back))
	if out := lab.peer.run(t, "sha256sum </tmp/there | cut -d' ' -f1; sha256sum </tmp/back | cut -d' ' -f1"); out != want {
		t.Errorf("the guest's data there and back:\n%s\nours:\n%s", out, want)
	}
	dump := lab.peer.run(t, "wait $dump; cat /tmp/syn")
	mss := fmt.Sprintf("mss %d,", mtu-40)
	if lines := strings.Split(dump, "\n"); len(lines) != 2 || !strings.Contains(lines[0], "mss 1460,") || !strings.Contains(lines[1], mss) {
		t.Errorf("the kernel should send mss 1460 and get %s:\n%s", mss, dump)
	}
	if got, err := sniffer.mss(); err != nil || got != mtu-40 {
		t.Errorf("our end got mss %d (%v), want %d", got, err, mtu-40)
	}
}

func randomBytes(seed uint64, n int) []byte {
	src := rand.NewPCG(seed, 4)
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.NativeEndian.AppendUint64(b, src.Uint64())
	}
	return b[:n]
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// tcpServer takes one connection, reads it to its end, and sends back.
type tcpServer struct {
	ln   net.Listener
	back []byte
	got  []byte // digest of what came; valid when done
	done chan error
}

func (s *tcpServer) start(h *hostNS, on netip.Addr) error {
	err := h.do(func() (err error) {
		s.ln, err = net.Listen("tcp", netip.AddrPortFrom(on, 0).String())
		return err
	})
	if err == nil {
		go func() { s.done <- s.serve() }()
	}
	return err
}

func (s *tcpServer) serve() error {
	c, err := s.ln.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	h := sha256.New()
	if _, err := io.Copy(h, c); err != nil {
		return err
	}
	s.got = h.Sum(nil)
	_, err = io.Copy(c, bytes.NewReader(s.back))
	return err
}

// sniffer sees the IP packets that our device delivers and sends.
type sniffer struct{ fd int }

func newSniffer(h *hostNS, ifindex int) (*sniffer, error) {
	s := &sniffer{}
	return s, h.do(func() (err error) {
		s.fd, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		tv := syscall.NsecToTimeval(int64(time.Second))
		return errors.Join(
			syscall.SetsockoptTimeval(s.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv),
			syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<20),
			syscall.Bind(s.fd, &syscall.SockaddrLinklayer{Protocol: htons(typeIPv4), Ifindex: ifindex}),
		)
	})
}

func (s *sniffer) close() { _ = syscall.Close(s.fd) }

// mss gives the option (RFC 9293 section 3.7.1) of the first SYN that the device delivered.
func (s *sniffer) mss() (int, error) {
	b := make([]byte, 65536)
	for {
		n, _, err := syscall.Recvfrom(s.fd, b, 0)
		if err != nil {
			return 0, err
		}
		const syn = 2
		if n < ip4Header+24 || b[9] != syscall.IPPROTO_TCP || b[ip4Header+13] != syn {
			continue
		}
		if b[ip4Header+20] != 2 || b[ip4Header+21] != 4 {
			return 0, errors.New("the SYN does not begin with its MSS")
		}
		return int(binary.BigEndian.Uint16(b[ip4Header+22:])), nil
	}
}
