//go:build interop

package interop

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// transport is one way to carry L2TPv3 between the two ends.
type transport struct {
	name, encap          string
	host, peer, stranger netip.Addr
}

var transports = []transport{
	{"udp4", "udp", host4, peer4, stranger4},
	{"udp6", "udp", host6, peer6, stranger6},
	{"ip4", "ip", host4, peer4, stranger4},
	{"ip6", "ip", host6, peer6, stranger6},
}

// link is one static tunnel with one session, told to both ends. The fields of the kernel's end differ from ours only
// where a test bends them.
type link struct {
	transport
	n                    int // distinct for every link: all ids come from it
	cookie               int // bytes, in both directions
	sublayer, seq        bool
	hostPort, peerPort   int
	kernelSends          []byte // cookie the kernel puts on its packets
	kernelExpects        []byte
	kernelLocal          netip.Addr // where the kernel's packets come from
	kernelSID, kernelPID uint32     // the kernel's session id, and what it believes to be ours
	kernelOptions        string     // extra words for `ip l2tp add tunnel`
	lost                 early
}

// early is how many packets either end sent before the other was there: at least, at most.
type early struct{ oursMin, oursMax, theirsMin, theirsMax uint64 }

var linkCount int

// newLink numbers a link and fills in what follows from that.
func newLink(tr transport, cookie int, sublayer, seq bool) *link {
	linkCount++
	l := &link{transport: tr, n: linkCount, cookie: cookie, sublayer: sublayer, seq: seq, hostPort: 1701, peerPort: 1701}
	l.kernelSends, l.kernelExpects = l.cookieBytes(0x80), l.cookieBytes(0x10)
	l.kernelLocal, l.kernelSID, l.kernelPID = tr.peer, uint32(2_000_000_000+l.n), l.sid()
	return l
}

func (l *link) cookieBytes(salt byte) []byte {
	b := make([]byte, l.cookie)
	for i := range b {
		b[i] = salt ^ byte(l.n*31+i*57)
	}
	return b
}

// shape names what distinguishes links of one transport.
func (l *link) shape() string {
	s := fmt.Sprintf("cookie%d-none", l.cookie)
	if l.sublayer {
		s = fmt.Sprintf("cookie%d-default", l.cookie)
	}
	if l.seq {
		s += "-seq"
	}
	return s
}

func (l *link) tid() int       { return 100 + l.n }
func (l *link) kernelTID() int { return 40_000 + l.n }
func (l *link) sid() uint32    { return uint32(1000 + l.n) }
func (l *link) device() string { return "cv" + strconv.Itoa(l.n) }

// mtu is what fits into 1500 bytes of underlay: RFC 3931 sections 4.1.1.1, 4.1.2.1 and 4.6, computed here once more so
// that a mistake in culvert can not agree with itself. An Ethernet header takes 14 bytes of the rest, PPP's FF 03 and
// protocol 4.
func (l *link) mtu(ppp bool) int {
	mtu := 1500 - l.header()
	if l.encap == "udp" {
		mtu -= 8
	}
	if l.host.Is6() {
		mtu -= 40
	} else {
		mtu -= 20
	}
	if ppp {
		return mtu - 4
	}
	return mtu - 14
}

// end is what one end of a link calls its own.
type end struct {
	addr   netip.Addr
	port   int
	tid    int
	sid    uint32
	device string
	sends  []byte // cookie on its packets
}

func (l *link) ours() end {
	return end{l.host, l.hostPort, l.tid(), l.sid(), l.device(), l.cookieBytes(0x10)}
}

func (l *link) theirs() end {
	return end{l.peer, l.peerPort, l.kernelTID(), uint32(2_000_000_000 + l.n), peerDevice, l.cookieBytes(0x80)}
}

// toml is our end; extra lines go into the session's table.
func (l *link) toml(pseudowire string, extra ...string) string {
	return l.tomlOf(l.ours(), l.theirs(), pseudowire, extra)
}

// peerTOML is the other end for a culvert there.
func (l *link) peerTOML(pseudowire string, extra ...string) string {
	return l.tomlOf(l.theirs(), l.ours(), pseudowire, extra)
}

func (l *link) tomlOf(e, far end, pseudowire string, extra []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	local, peer := e.addr.String(), far.addr.String()
	if l.encap == "udp" {
		local = netip.AddrPortFrom(e.addr, uint16(e.port)).String()
		peer = netip.AddrPortFrom(far.addr, uint16(far.port)).String()
	}
	line("[tunnel.t1]\nversion = \"l2tpv3\"\nencap = %q\nlocal = %q\npeer = %q", l.encap, local, peer)
	line("tid = %d\nptid = %d\n", e.tid, far.tid)
	line("[tunnel.t1.session.s1]\npseudowire = %q\nsid = %d\npsid = %d", pseudowire, e.sid, far.sid)
	line("interface_name = %q", e.device)
	if l.cookie > 0 {
		line("cookie = %s", tomlBytes(e.sends))
		line("peer_cookie = %s", tomlBytes(far.sends))
	}
	if l.sublayer {
		line("l2spec_type = \"default\"")
	}
	if l.seq {
		line("seqnum = true")
	}
	for _, x := range extra {
		line("%s", x)
	}
	return b.String()
}

func tomlBytes(b []byte) string {
	var parts []string
	for _, c := range b {
		parts = append(parts, fmt.Sprintf("0x%02x", c))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// kernelMAC is the address of every l2e: a new one for each would leave stale neighbours at the other end.
const kernelMAC = "02:00:00:00:00:02"

// kernelEthernet makes the kernel's end with `ip l2tp`: device l2e, which is down yet.
func (l *link) kernelEthernet(t *testing.T, p *peer) {
	t.Helper()
	tunnel := fmt.Sprintf("ip l2tp add tunnel tunnel_id %d peer_tunnel_id %d encap %s local %s remote %s",
		l.kernelTID(), l.tid(), l.encap, l.kernelLocal, l.host)
	if l.encap == "udp" {
		tunnel += fmt.Sprintf(" udp_sport %d udp_dport %d", l.peerPort, l.hostPort)
	}
	tunnel += l.kernelOptions
	session := fmt.Sprintf("ip l2tp add session name l2e tunnel_id %d session_id %d peer_session_id %d", l.kernelTID(), l.kernelSID, l.kernelPID)
	if l.cookie > 0 {
		session += fmt.Sprintf(" cookie %x peer_cookie %x", l.kernelSends, l.kernelExpects)
	}
	if l.sublayer {
		session += " l2spec_type default"
	} else {
		session += " l2spec_type none"
	}
	if l.seq {
		session += " seq both"
	}
	t.Cleanup(func() { l.removeKernelEthernet(t, p) })
	// the kernel closes the socket of a deleted tunnel some time later, hence the repetition
	p.run(t, "until_ok 20 %s && %s", tunnel, session)
}

// kernelUp sets l2e up with these addresses.
func kernelUp(t *testing.T, p *peer, addresses ...string) {
	t.Helper()
	c := "ip link set l2e address " + kernelMAC + " up"
	for _, a := range addresses {
		c += " && ip addr add " + a + " dev l2e"
		if strings.Contains(a, ":") {
			c += " nodad"
		}
	}
	p.run(t, "%s", c)
}

// ethernet starts both ends, in either order, with the inner addresses. The kernel sends nothing before ours is there.
func (l *link) ethernet(t *testing.T, lab *lab, kernelFirst bool, config string) *culvert {
	t.Helper()
	if kernelFirst {
		l.kernelEthernet(t, lab.peer)
		c := startCulvert(t, lab, config)
		kernelUp(t, lab.peer, kernelAddresses...)
		return c
	}
	c := startCulvert(t, lab, config)
	l.lost.oursMin = c.session(t, l.sid()).TxPackets
	l.kernelEthernet(t, lab.peer)
	kernelUp(t, lab.peer, kernelAddresses...)
	l.lost.oursMax = c.session(t, l.sid()).TxPackets
	return c
}

func (l *link) removeKernelEthernet(t *testing.T, p *peer) {
	t.Helper()
	p.quiet(t, fmt.Sprintf("ip l2tp del tunnel tunnel_id %d; until_ok 40 [ ! -e /sys/class/net/l2e ]", l.kernelTID()))
}

// l2tpppp is the command line that makes the kernel's end with a PPP session and runs pppd on it.
func (l *link) l2tpppp(pppd string) string {
	c := fmt.Sprintf("l2tpppp --encap %s --local %s --remote %s --tid %d --ptid %d --sid %d --psid %d",
		l.encap, l.kernelLocal, l.host, l.kernelTID(), l.tid(), l.kernelSID, l.kernelPID)
	if l.encap == "udp" {
		c += fmt.Sprintf(" --sport %d --dport %d", l.peerPort, l.hostPort)
	}
	if l.cookie > 0 {
		c += " --cookie " + hex.EncodeToString(l.kernelSends) + " --peer-cookie " + hex.EncodeToString(l.kernelExpects)
	}
	if l.sublayer {
		c += " --l2spec default"
	}
	if l.seq {
		c += " --seq both"
	}
	return c + " -- " + pppd
}

// kernelStats is what the kernel counts for the link's session: packets with an L2TP header that were sent and
// received, and errors on receipt (unwanted cookies, old sequence numbers).
type kernelStats struct{ tx, txBytes, txErrors, rx, rxBytes, rxErrors uint64 }

func (l *link) kernelStats(t *testing.T, p *peer) (s kernelStats) {
	t.Helper()
	out := p.run(t, `awk '/^  SESSION %d,/{on=1} on && / tx [0-9]/{print $3, $5; exit}' /sys/kernel/debug/l2tp/tunnels`, l.kernelSID)
	if _, err := fmt.Sscanf(out, "%d/%d/%d %d/%d/%d", &s.tx, &s.txBytes, &s.txErrors, &s.rx, &s.rxBytes, &s.rxErrors); err != nil {
		t.Fatalf("kernel's session statistics: %q", out)
	}
	return s
}

// agree waits until culvert and the kernel have counted the same packets in both directions, and the same bytes of
// frames too where bytes says so and nothing was lost early. Packets may still be under way when it is called.
func (l *link) agree(t *testing.T, c *culvert, bytes bool) {
	t.Helper()
	eventually(t, 3*time.Second, func() string {
		k := l.kernelStats(t, c.lab.peer)
		s := c.session(t, l.sid())
		if k.rxErrors != 0 || k.txErrors != 0 {
			t.Fatalf("the kernel counts errors: %+v", k)
		}
		notOpen := s.Drops["not_open"] // of either direction
		if !between(s.TxPackets, k.rx, l.lost.oursMin, l.lost.oursMax) || !between(k.tx, s.RxPackets, l.lost.theirsMin, l.lost.theirsMax+notOpen) {
			return fmt.Sprintf("we count %d sent, %d received, dropped %v; the kernel %d received, %d sent; early %+v", s.TxPackets, s.RxPackets, s.Drops, k.rx, k.tx, l.lost)
		}
		// the kernel counts the L2TP header with the frame
		rxBytes, txBytes := k.rxBytes-k.rx*uint64(l.header()), k.txBytes-k.tx*uint64(l.header())
		if bytes && (l.lost.oursMax == 0 && s.TxBytes != rxBytes || l.lost.theirsMax == 0 && s.RxBytes != txBytes) {
			return fmt.Sprintf("we count %d bytes sent, %d received; the kernel %d received, %d sent", s.TxBytes, s.RxBytes, rxBytes, txBytes)
		}
		return ""
	})
}

// between tells whether sent less received is what got lost early.
func between(sent, received, lostMin, lostMax uint64) bool {
	return received+lostMin <= sent && sent <= received+lostMax
}

// header is the size of the L2TP header, without UDP's.
func (l *link) header() int {
	n := 4 + l.cookie
	if l.encap == "udp" {
		n += 4
	}
	if l.sublayer {
		n += 4
	}
	return n
}
