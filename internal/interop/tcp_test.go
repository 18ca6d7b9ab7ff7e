//go:build interop

package interop

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a transfer moves in each direction: enough to see every size of super-packet, and enough for counters and
// sequence numbers to have run long.
const (
	tcpBytes  = 3 << 20
	bulkBytes = 100 << 20
)

// tcpSize is what goes over a transport each way. The guest is emulated: the large transfers are left to IPv4, whose
// two kinds of outer packets take different ways through culvert; IPv6 differs in the addresses only.
func (tr transport) tcpSize() int {
	if tr.host.Is4() {
		return bulkBytes
	}
	return tcpBytes
}

// TestTCP moves data through TCP both ways and compares it, and looks at the MSS that either end gets to see: routes
// tell both to announce 1460, which does not fit (docs/mtu.md), so that only our clamping can have made it right.
// Neither kernel may have met a wrong checksum meanwhile.
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
					transfer(t, c, l, pppHost, "pppk", l.mtu(true))
					c.pppDrops(t)
					return
				}
				c := l.ethernet(t, lab, true, l.toml("eth", ethernetAddresses))
				lab.peer.run(t, "ip route replace 192.0.2.0/24 dev l2e src %s advmss 1460", innerPeer4)
				hostRoute(t, lab, "192.0.2.0/24", innerHost4, l.device())
				transfer(t, c, l, innerHost4, "l2e", l.mtu(false))
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

// transfer sends data to the guest, which sends the same back, while both ends see each other's MSS.
func transfer(t *testing.T, c *culvert, l *link, ours netip.Addr, device string, mtu int) {
	t.Helper()
	lab := c.lab
	if s := c.session(t, l.sid()); !slices.Contains(s.Offloads, "tso4") {
		t.Errorf("our device has offloads %q, want tso4 among them", s.Offloads)
	}
	sniffer, err := newSniffer(lab.host, lab.host.device(t, l.device()).Attrs().Index)
	if err != nil {
		t.Fatal(err)
	}
	defer sniffer.close()
	lab.peer.run(t, "rm -f /tmp/syn.err; timeout 120 tcpdump -nn --immediate-mode -i %s -c 2 'tcp[13] & 2 != 0' >/tmp/syn 2>/tmp/syn.err & dump=$!; until_ok 100 grep -q listening /tmp/syn.err", device)
	thereAndBack(t, lab, ours, l.tcpSize(), uint64(l.n))
	dump := lab.peer.run(t, "wait $dump; cat /tmp/syn")
	mss := fmt.Sprintf("mss %d,", mtu-40)
	if lines := strings.Split(dump, "\n"); len(lines) != 2 || !strings.Contains(lines[0], "mss 1460,") || !strings.Contains(lines[1], mss) {
		t.Errorf("the kernel should send mss 1460 and get %s:\n%s", mss, dump)
	}
	if got, err := sniffer.mss(); err != nil || got != mtu-40 {
		t.Errorf("our end got mss %d (%v), want %d", got, err, mtu-40)
	}
}

// tcpWait bounds one way of a transfer.
const tcpWait = 60 * time.Second

// thereAndBack gives the guest size bytes over one TCP connection and takes them back over another, to our address.
// Digests must agree, and the checksum errors that the two kernels count may not move.
func thereAndBack(t *testing.T, lab *lab, ours netip.Addr, size int, seed uint64) {
	t.Helper()
	s := &tcpServer{there: randomBytes(seed, size), done: make(chan error, 1)}
	if err := s.start(lab.host, ours); err != nil {
		t.Fatal(err)
	}
	defer s.ln.Close()
	before := checksumErrors(t, lab)
	began := time.Now()
	nc := fmt.Sprintf("nc %s %d", ours, s.ln.Addr().(*net.TCPAddr).Port)
	lab.peer.runFor(t, tcpWait, nc+" </dev/null >/tmp/there")
	there := time.Since(began)
	began = time.Now()
	lab.peer.runFor(t, tcpWait, nc+" </tmp/there")
	t.Logf("%d MiB to the guest in %v, back in %v", size>>20, there.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	select {
	case err := <-s.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(tcpWait):
		t.Fatal("our end of the TCP connection does not end")
	}
	if sent := digest(s.there); s.back != sent { // the guest is slow at digests, and what came right back came right there
		t.Errorf("sent %s, the guest got %s, %s came back", sent, lab.peer.run(t, "sha256sum </tmp/there"), s.back)
	}
	lab.peer.run(t, "rm /tmp/there")
	if after := checksumErrors(t, lab); after != before {
		t.Errorf("checksum errors in the guest and here: %d before, %d after", before, after)
	}
}

// checksumErrors sums what the guest's kernel and ours, in its namespace, have counted under "InCsumErrors".
func checksumErrors(t *testing.T, lab *lab) (sum [2]uint64) {
	t.Helper()
	texts := [2]string{lab.peer.run(t, "cat /proc/net/snmp /proc/net/snmp6")}
	if err := lab.host.do(func() error {
		for _, f := range []string{"snmp", "snmp6"} {
			b, err := os.ReadFile("/proc/thread-self/net/" + f)
			if err != nil {
				return err
			}
			texts[1] += string(b)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		n, fields := snmpSum(text, "InCsumErrors")
		if fields != 7 && fields != 5 { // Icmp, Tcp, Udp, Icmp6, Udp6, and on kernels that have it UdpLite, UdpLite6
			t.Fatalf("%d counters of checksum errors in\n%s", fields, text)
		}
		sum[i] = n
	}
	return sum
}

// snmpSum adds up the counters whose names end in name: columns of /proc/net/snmp, whose lines come in pairs, and lines
// of snmp6.
func snmpSum(text, name string) (sum uint64, fields int) {
	add := func(value string) {
		n, err := strconv.ParseUint(value, 10, 64)
		if err == nil {
			sum, fields = sum+n, fields+1
		}
	}
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && strings.HasSuffix(f[0], name):
			add(f[1])
		case len(names) == len(f) && names[0] == f[0]:
			for i := range f {
				if names[i] == name {
					add(f[i])
				}
			}
			names = nil
		default:
			names = f
		}
	}
	return sum, fields
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

// tcpServer sends to the first connection it takes, and reads the second one to its end.
type tcpServer struct {
	ln    net.Listener
	there []byte
	back  string // digest of what came; valid when done
	done  chan error
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
	err := s.accept(func(c net.Conn) error {
		_, err := c.Write(s.there)
		return err
	})
	if err != nil {
		return err
	}
	h := sha256.New()
	err = s.accept(func(c net.Conn) error {
		_, err := io.Copy(h, c)
		return err
	})
	s.back = hex.EncodeToString(h.Sum(nil))
	return err
}

func (s *tcpServer) accept(serve func(net.Conn) error) error {
	c, err := s.ln.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(tcpWait))
	return serve(c)
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
