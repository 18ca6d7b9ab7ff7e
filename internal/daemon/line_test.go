package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"culvert/client"
	"culvert/encap"
	"culvert/internal/mgmt"
	"culvert/pppfsm"
)

// wirePeer is the other end of a PPP session over UDP, played by the test: a socket and a pppfsm.Link.
type wirePeer struct {
	t      *testing.T
	conn   *net.UDPConn
	to     netip.AddrPort
	header []byte // of what it sends
	config pppfsm.Config
	link   *pppfsm.Link
	ups    int // networks of link that are up
	frames int // that came
	reason string
}

// lineConfig is a daemon with one PPP session to a wirePeer; more goes into its profile.
func lineConfig(ns string, ends [2]netip.AddrPort, more string) string {
	return fmt.Sprintf(`
[tunnel.t]
local = "%s"
peer = "%s"
path_mtu = 1500
tid = 1
ptid = 2
[tunnel.t.session.line]
pseudowire = "ppp"
sid = 11
psid = 22
interface_name = "line"
netns = "%s"
ppp_profile = "p"
[ppp.p]
local_address = "10.77.0.1"
peer_address = "10.77.0.2"
local_interface_id = "::1"
lcp_restart = 1
%s
`, ends[0], ends[1], ns, more)
}

// loopback gives the two ends of a tunnel: an address that is this process's and this test's own, so that tests may run
// at the same time.
func loopback() [2]netip.AddrPort {
	pid, n := os.Getpid(), names.Add(1)
	a := netip.AddrFrom4([4]byte{127, byte(64 + pid>>8&63), byte(pid), byte(n)})
	return [2]netip.AddrPort{netip.AddrPortFrom(a, 1701), netip.AddrPortFrom(a, 1702)}
}

func newWirePeer(t *testing.T, ends [2]netip.AddrPort) *wirePeer {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ends[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := &wirePeer{t: t, conn: conn, to: ends[0]}
	p.header = encap.DataHeader{Transport: encap.TransportUDP, SessionID: 11}.AppendTo(nil)
	p.config = pppfsm.Config{
		IPv4: true, IPv6: true, LocalID: [8]byte{7: 2}, DNS: [2]netip.Addr{netip.MustParseAddr("192.0.2.53")}, RestartTimer: time.Second,
	}
	p.restart()
	return p
}

// restart begins anew, without a word about what was before.
func (p *wirePeer) restart() {
	p.link = pppfsm.NewLink(p.config, rand.Reader)
	p.ups = 0
	p.link.Open(time.Now())
	p.link.Up(time.Now())
	p.act()
}

func (p *wirePeer) send(frame []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(append(slices.Clone(p.header), frame...), p.to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *wirePeer) act() {
	for _, a := range p.link.Take() {
		switch a := a.(type) {
		case pppfsm.SendFrame:
			p.send(a.Frame)
		case pppfsm.IPv4Up, pppfsm.IPv6Up:
			p.ups++
		case pppfsm.IPv4Down, pppfsm.IPv6Down:
			p.ups--
		case pppfsm.Finished:
			p.reason = a.Reason
		}
	}
}

// until plays the peer until cond holds.
func (p *wirePeer) until(what string, cond func() bool) {
	p.t.Helper()
	for end := time.Now().Add(15 * time.Second); !cond(); p.once() {
		if time.Now().After(end) {
			p.t.Fatalf("%s: not within 15 s; %+v", what, p.link.Status())
		}
	}
}

// during plays the peer for a while.
func (p *wirePeer) during(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		p.once()
	}
}

// once takes a frame or lets a little time pass.
func (p *wirePeer) once() {
	p.t.Helper()
	var b [4096]byte
	_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := p.conn.Read(b[:]); err == nil && n > len(p.header) {
		p.frames++
		p.link.Input(time.Now(), b[len(p.header):n])
	}
	p.link.Tick(time.Now())
	p.act()
}

func (p *wirePeer) up() bool { return p.ups == 2 }

// detail asks the daemon for all it knows of the session.
func (i *instance) detail(t *testing.T) mgmt.Session {
	t.Helper()
	s, err := client.New(i.socket).Session(context.Background(), "t/line")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// scriptLog makes a script that writes what it is called with into a file, and gives the keys for all events.
func scriptLog(t *testing.T) (keys, file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "log")
	var b strings.Builder
	for _, name := range []string{"ip_up", "ip_down", "ipv6_up", "ipv6_down", "auth_up", "auth_down"} {
		path := filepath.Join(dir, name)
		text := fmt.Sprintf("#!/bin/sh\n/bin/sleep 0.05\necho \"%s $*\" $(/usr/bin/env | /bin/sort | /bin/grep -vE '^(PWD|SHLVL|_|OLDPWD)=') >>%s\n", name, file)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s = %q\n", name, path)
	}
	return b.String() + "ipparam = \"blue\"\nlinkname = \"seven\"\n", file
}

// events are the first words of the lines of a script log.
func events(t *testing.T, file string) (names, lines []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		names, lines = append(names, name), append(lines, strings.TrimSpace(line))
	}
	return names, lines
}

// TestRenegotiationRunsOnce: the peer's first frames come before we are there, and it begins anew on an open link
// without a goodbye. Everything goes down once and comes up once, and scripts hear of it in order.
func TestRenegotiationRunsOnce(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	keys, file := scriptLog(t)
	p := newWirePeer(t, ends)
	p.during(50 * time.Millisecond)
	i := run(t, lineConfig(ns, ends, keys+"use_peer_dns = true\nlcp_echo_interval = 1\n"))
	p.until("up", p.up)
	p.until("state", func() bool { return i.session("line").State == "up" })
	p.until("echo", func() bool { e := i.detail(t).Link.Echo; return e.Sent > 0 && e.Lost == 0 && e.RTTLast > 0 })
	p.restart()
	p.until("up again", p.up)
	p.until("scripts", func() bool { n, _ := events(t, file); return len(n) >= 6 })

	s := i.detail(t)
	if s.State != "up" || s.Link.Phase != "network" || s.Link.Seconds <= 0 || s.Link.Counters["frames_in"] == 0 ||
		len(s.Link.LocalOptions) != 2 || !strings.HasPrefix(s.Link.PeerOptions[1], "magic 0x") || s.Link.Failures != 0 {
		t.Errorf("%+v, %+v", s, s.Link)
	}
	if err := i.stop(); err != nil {
		t.Fatal(err)
	}
	names, lines := events(t, file)
	up4, up6, down4, down6 := slices.Index(names, "ip_up"), slices.Index(names, "ipv6_up"), slices.Index(names, "ip_down"), slices.Index(names, "ipv6_down")
	count := map[string]int{}
	for _, n := range names {
		count[n]++
	}
	if len(names) != 8 || count["ip_up"] != 2 || count["ip_down"] != 2 || count["ipv6_up"] != 2 || count["ipv6_down"] != 2 || down4 < up4 || down6 < up6 {
		t.Fatalf("scripts %q", names)
	}
	const env = "DEVICE=t/line DNS1=192.0.2.53 IFNAME=line IPLOCAL=10.77.0.1 IPREMOTE=10.77.0.2 LINKNAME=seven ORIG_UID=0 PPPLOGNAME=root SPEED=0 USEPEERDNS=1"
	if want := "ip_up line t/line 0 10.77.0.1 10.77.0.2 blue " + env; lines[up4] != want {
		t.Errorf("got  %s\nwant %s", lines[up4], want)
	}
	if want := "ip_down line t/line 0 10.77.0.1 10.77.0.2 blue BYTES_RCVD="; !strings.HasPrefix(lines[down4], want) ||
		!strings.Contains(lines[down4], " BYTES_SENT=") || !strings.Contains(lines[down4], " CONNECT_TIME=") {
		t.Errorf("got  %s", lines[down4])
	}
	if want := "ipv6_up line t/line 0 fe80::1 fe80::2 blue DEVICE=t/line IFNAME=line LINKNAME=seven LLLOCAL=fe80::1 LLREMOTE=fe80::2 ORIG_UID=0 PPPLOGNAME=root SPEED=0"; lines[up6] != want {
		t.Errorf("got  %s\nwant %s", lines[up6], want)
	}
}

// TestConfigureFlood: ten thousand Configure-Requests as fast as the wire takes them get few answers, the others are
// counted, and the link comes up when it is over.
func TestConfigureFlood(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	i := run(t, lineConfig(ns, ends, ""))
	p := newWirePeer(t, ends)
	p.until("up", p.up)
	p.frames = 0
	begin := time.Now()
	for n := range 10_000 {
		p.send([]byte{0xff, 3, 0xc0, 0x21, 1, byte(n), 0, 4})
		if n%50 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	p.until("all counted", func() bool {
		s := i.session("line")
		return s.RxPackets+s.Drops["punt"] >= 10_000
	})
	took := time.Since(begin)
	if limit := 2 * (256 + int(took.Seconds()+1)*100); p.frames > limit {
		t.Errorf("%d answers in %v", p.frames, took)
	}
	if s := i.session("line"); s.Drops["punt"] < 5000 {
		t.Errorf("drops %v in %v", s.Drops, took)
	}
	p.restart()
	p.until("up again", p.up)
	p.until("state", func() bool { return i.session("line").State == "up" })
}

// TestIdleLine: a line without data ends, tells the peer why, and stays down without persist; data keeps it.
func TestIdleLine(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	i := run(t, lineConfig(ns, ends, "idle = 1\npersist = false\nlcp_echo_interval = 1\nlcp_echo_adaptive = true\n"))
	p := newWirePeer(t, ends)
	p.until("up", p.up)
	p.until("state", func() bool { return i.session("line").State == "up" })
	packet := append([]byte{0xff, 3, 0, 0x21, 0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 253, 0, 0}, 10, 77, 0, 2, 10, 77, 0, 1)
	for range 15 {
		p.send(packet)
		p.during(100 * time.Millisecond)
	}
	if !p.up() {
		t.Fatalf("ended while data flowed: %q", p.reason)
	}
	if l := i.detail(t).Link; l.RxDataPackets < 15 || l.Counters["echo_requests_out"] != 0 {
		t.Errorf("%+v", l)
	}
	p.until("end", func() bool { return p.reason != "" })
	if p.reason != `terminated by peer: "Link inactive"` {
		t.Errorf("reason %q", p.reason)
	}
	if s := i.session("line"); s.State != "down" || s.PPP.Reason != "Link inactive" {
		t.Errorf("%+v, %+v", s, s.PPP)
	}
}

// TestMaxFail: after so many attempts without a network a link stays down, and between two is the time of holdoff.
func TestMaxFail(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ends[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	i := run(t, lineConfig(ns, ends, "maxfail = 2\nholdoff = 1\nlcp_max_configure = 1\n"))
	var came []time.Time
	listen := func(d time.Duration) {
		var b [2048]byte
		_ = conn.SetReadDeadline(time.Now().Add(d))
		for {
			if _, err := conn.Read(b[:]); err != nil {
				return
			}
			came = append(came, time.Now())
		}
	}
	eventually(t, "given up", func() bool { listen(20 * time.Millisecond); return i.detail(t).Link.Failures == 2 })
	listen(1500 * time.Millisecond) // longer than holdoff
	if len(came) != 2 {
		t.Fatalf("%d Configure-Requests", len(came))
	}
	if d := came[1].Sub(came[0]); d < 1900*time.Millisecond { // Restart timer and holdoff
		t.Errorf("second attempt after %v", d)
	}
	if s := i.detail(t); s.State != "down" || s.Link.Failures != 2 || s.PPP.Reason != "no answer to Configure-Requests" {
		t.Errorf("%+v, %+v", s, s.Link)
	}
}

// TestLoopedLine: the other end sends back what comes, and the link ends and says why.
func TestLoopedLine(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ends[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	i := run(t, lineConfig(ns, ends, "persist = false\n"))
	header := encap.DataHeader{Transport: encap.TransportUDP, SessionID: 11}.AppendTo(nil)
	var b [2048]byte
	const want = "looped link: our own magic number came back"
	for end := time.Now().Add(15 * time.Second); i.session("line").PPP.Reason != want; {
		if time.Now().After(end) {
			t.Fatalf("%+v", i.session("line").PPP)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if n, err := conn.Read(b[:]); err == nil {
			copy(b[:], header)
			_, _ = conn.WriteToUDPAddrPort(b[:n], ends[0])
		}
	}
	if s := i.detail(t); s.State != "down" || s.Link.Counters["loops"] < 10 {
		t.Errorf("%+v, %+v", s, s.Link)
	}
}

// TestPeerMRU: the device's MTU follows what the peer takes, but never more than the path holds.
func TestPeerMRU(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	i := run(t, lineConfig(ns, ends, "ipv6 = false\n"))
	p := newWirePeer(t, ends)
	for _, tt := range []struct{ mru, mtu int }{{128, 128}, {1400, 1400}, {1500, 1460}, {65535, 1460}} {
		p.config.MRU, p.config.IPv6 = tt.mru, false
		p.restart()
		p.until("up", func() bool { return p.ups == 1 })
		p.until("MTU", func() bool {
			s := i.session("line")
			return s.State == "up" && s.MTU == tt.mtu && s.PPP.PeerMRU == tt.mru
		})
	}
}

// TestAuthScripts: auth_up and auth_down, and nothing to undo where nothing was done.
func TestAuthScripts(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	keys, file := scriptLog(t)
	d, err := start(parse(t, lineConfig(ns, ends, keys)), Options{Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	s := d.sessions[0]
	now := time.Now()
	s.ppp.began(s, now)
	d.authUp(s, "ali\x00ce\n")
	d.ipUp(s, pppfsm.IPv4Up{Local: netip.MustParseAddr("10.77.0.1")})
	d.hookDown(s, &s.ppp.ip, now.Add(90*time.Second))
	d.authDown(s, now.Add(100*time.Second))
	d.authDown(s, now) // once is enough
	d.teardown()
	names, lines := events(t, file)
	if want := []string{"auth_up", "ip_up", "ip_down", "auth_down"}; !slices.Equal(names, want) {
		t.Fatalf("scripts %q", lines)
	}
	if want := "auth_up line ali?ce? root t/line 0 DEVICE=t/line IFNAME=line LINKNAME=seven ORIG_UID=0 PEERNAME=ali?ce? PPPLOGNAME=root SPEED=0"; lines[0] != want {
		t.Errorf("got  %s\nwant %s", lines[0], want)
	}
	if want := "ip_up line t/line 0 10.77.0.1  blue "; !strings.HasPrefix(lines[1], want) || !strings.Contains(lines[1], " PEERNAME=ali?ce? ") {
		t.Errorf("got  %s\nwant %s", lines[1], want)
	}
	if !strings.Contains(lines[2], " CONNECT_TIME=90 ") || !strings.Contains(lines[3], " CONNECT_TIME=100 ") || strings.Contains(lines[0], "BYTES") {
		t.Errorf("scripts %q", lines)
	}
	if h := d.hookUp(s, "/bin/true", "/bin/true", nil, nil); h != nil { // the runner is closed
		t.Error("a script that was refused is to be undone")
	}
	if n := s.ppp.scriptsRefused; n != 1 {
		t.Errorf("%d refused", n)
	}
}
