package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/encap"
	"culvert/internal/testenv"
)

// crowded is an access server for very many subscribers on one device.
func crowded(ns, socket string, port int) string {
	return fmt.Sprintf(`
log_level = "warn"
[api]
socket = %q
[listen.udp]
local = "127.0.0.1:%d"
path_mtu = 1500
[peer.any]
secret = "long enough"
addresses = ["127.0.0.1/32"]
window_size = 1024
max_sessions = 1048576
[shared.subs]
netns = %q
addresses = ["10.0.0.1/32"]
routes = ["10.0.0.0/8"]
[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sub_{n}"
n = "0-1048575"
interface = "shared:subs"
cookie_size = 0
ppp_profile = "p"
[ppp.p]
ipv6 = false
pool = "subs"
lcp_echo_interval = 10
[pool.subs]
ranges = ["10.64.0.0/11"]
`, socket, port, ns)
}

// status is a number of /proc/PID/status, in bytes where that says kB.
func status(t *testing.T, pid int, key string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			f := strings.Fields(rest)
			n, err := strconv.Atoi(f[0])
			if err != nil {
				t.Fatal(err)
			}
			if len(f) > 1 {
				n <<= 10
			}
			return n
		}
	}
	t.Fatalf("no %s", key)
	return 0
}

// crowdServer runs it in a process of its own.
func crowdServer(t *testing.T, ns string, port int) (pid int, socket string) {
	t.Helper()
	dir := t.TempDir()
	socket = dir + "/s"
	writeFile(t, dir+"/c.toml", crowded(ns, socket, port))
	cmd := exec.Command(testBinary(t))
	cmd.Env = append(cmd.Environ(), helperEnv+"="+dir+"/c.toml")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(sigterm)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended: %v", err)
		}
	})
	eventually(t, "server", func() bool {
		_, err := client.New(socket).Pools(context.Background())
		return err == nil
	})
	return cmd.Process.Pid, socket
}

// crowdEnv is for measurements: how many subscribers, where not few.
const crowdEnv = "CULVERT_TEST_CROWD"

// TestCrowd: a process of its own takes very many subscribers on one device, each with an address of its own, data both
// ways, and echoes. What it takes is printed; CULVERT_TEST_CROWD=1000000 asks for another number than is proved always.
func TestCrowd(t *testing.T) {
	n := 10_000
	if testenv.RaceEnabled {
		n = 1000
	}
	if text := os.Getenv(crowdEnv); text != "" {
		n, _ = strconv.Atoi(text)
	}
	ns, port := newNS(t), freePorts(t, 1)[0]
	pid, socket := crowdServer(t, ns, port)
	before := status(t, pid, "VmRSS")
	c := newCrowd(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)), "long enough")
	began := time.Now()
	c.ask(n)
	limit := time.Minute + time.Duration(n)*2*time.Millisecond
	c.until(limit, "all open", func() bool { return c.opened == n })
	took := time.Since(began)
	t.Logf("%d sessions in %v, %.0f a second; %d bytes of process memory each, %d at the most, %d MB without any", n, took.Round(time.Millisecond),
		float64(n)/took.Seconds(), (status(t, pid, "VmRSS")-before)/n, (status(t, pid, "VmHWM")-before)/n, before>>20)

	// Each one talks to the server's host, and gets its own answer.
	var server *net.UDPConn
	inside(t, ns, func() (err error) {
		server, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: numbersPort})
		return err
	})
	_ = server.SetReadBuffer(8 << 20)
	talk := &numbers{}
	talk.done.Add(1)
	go talk.echo(server)
	defer talk.done.Wait()
	defer func() { _ = server.Close() }()
	answered := make(map[int]bool, n)
	c.data = func(m *member, ip []byte) {
		if len(ip) != 36 || netip.AddrFrom4([4]byte(ip[16:20])) != m.local || !bytes.Equal(ip[28:], m.payload()) {
			t.Errorf("member %d got % x", m.n, ip)
		}
		answered[m.n] = true
	}
	for len(answered) < n {
		round := 0
		for _, m := range c.byID {
			if !answered[m.n] {
				c.send(m, pppDatagram(m.local, netip.AddrFrom4([4]byte{10, 0, 0, 1}), m.payload()))
				if round++; round == 500 {
					break
				}
			}
		}
		want := len(answered) + round
		until := time.Now().Add(time.Second) // what is lost is sent again
		c.until(limit, "answers", func() bool { return len(answered) == want || time.Now().After(until) })
	}
	if talk.wrong.Load() > 0 {
		t.Errorf("%d datagrams were wrong, the first: %v", talk.wrong.Load(), talk.first.Load())
	}
	c.until(limit, "echoes", func() bool { return c.echoes > n/100 })
	sh, err := client.New(socket).Shared(context.Background())
	if err != nil || len(sh) != 1 || sh[0].Sessions != n || sh[0].Destinations != n || c.ended != 0 {
		t.Errorf("device %+v, error %v, %d sessions ended", sh, err, c.ended)
	}
}

// payload is a member's own.
func (m *member) payload() []byte {
	a := m.local.As4()
	return append(binary.BigEndian.AppendUint32(nil, uint32(m.n)), a[:]...)
}

// pppDatagram is a UDP datagram without checksum in a PPP frame, to the port of numbers and from it.
func pppDatagram(from, to netip.Addr, payload []byte) []byte {
	b := encap.AppendPPPHeader(nil, encap.ProtoIPv4, encap.PPPFraming{})
	front, n := len(b), encap.IPv4Len+encap.UDPLen+len(payload)
	b = append(b, 0x45, 0, byte(n>>8), byte(n), 0, 0, 0x40, 0, 64, encap.ProtocolUDP, 0, 0)
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	ip := encap.IPv4(b[front:])
	ip.SetChecksum(ip.ComputeChecksum())
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, numbersPort), numbersPort)
	b = append(b, 0, byte(n-encap.IPv4Len), 0, 0)
	return append(b, payload...)
}
