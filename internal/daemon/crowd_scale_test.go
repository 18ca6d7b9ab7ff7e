package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/control"
	"culvert/encap"
	"culvert/internal/testenv"
)

// crowded is an access server for n subscribers on one device, or each on its own.
func crowded(ns, socket string, port, n int, named bool) string {
	device, local := `interface = "shared:subs"`, ""
	if named {
		local = `local_address = "10.0.0.1"`
		device = fmt.Sprintf("interface_name = \"sub{n}\"\ntxqueuelen = 16\nnetns = %q", ns)
	}
	return fmt.Sprintf(`
log_level = "warn"
[api]
socket = %q
[listen.udp]
local = "127.0.0.1:%d"
path_mtu = 1500
[peer.any]
secret = "long enough"
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
cookie_size = 0
ppp_profile = "p"
%s
[ppp.p]
%s
ipv6 = false
pool = "subs"
lcp_echo_interval = %d
[pool.subs]
ranges = ["10.64.0.0/11"]
`, socket, port, ns, device, local, max(10, n/20_000)) // at most 20,000 echoes a second
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
func crowdServer(t *testing.T, ns string, port, n int, named bool) (pid int, socket string) {
	t.Helper()
	dir := t.TempDir()
	socket = dir + "/s"
	writeFile(t, dir+"/c.toml", crowded(ns, socket, port, n, named))
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
	pid, socket := crowdServer(t, ns, port, n, false)
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
	talk := echoAt(t, ns)
	answered := 0
	c.data = func(m *member, ip []byte) {
		if len(ip) != 36 || netip.AddrFrom4([4]byte(ip[16:20])) != m.local || !bytes.Equal(ip[28:], m.payload()) {
			t.Errorf("member %d got % x", m.n, ip)
		}
		if !m.answered {
			m.answered = true
			answered++
		}
	}
	waiting := c.members()
	for began = time.Now(); len(waiting) > 0; waiting = slices.DeleteFunc(waiting, func(m *member) bool { return m.answered }) {
		want := answered
		for some := range slices.Chunk(waiting, 500) {
			for _, m := range some {
				c.send(m, pppDatagram(m.local, netip.AddrFrom4([4]byte{10, 0, 0, 1}), m.payload()))
			}
			want += len(some)
			until := time.Now().Add(time.Second) // what is lost is sent again
			c.until(limit, "answers", func() bool { return answered >= want || time.Now().After(until) })
			want = answered
		}
	}
	t.Logf("data through each of them in %v", time.Since(began).Round(time.Millisecond))
	if talk.wrong.Load() > 0 {
		t.Errorf("%d datagrams were wrong, the first: %v", talk.wrong.Load(), talk.first.Load())
	}
	c.until(limit, "echoes", func() bool { return c.echoes > n/100 })
	if os.Getenv(crowdEnv) != "" {
		c.echoCost(pid)
	}
	c.list(socket, n)
	sh, err := client.New(socket).Shared(context.Background())
	if err != nil || len(sh) != 1 || sh[0].Sessions != n || sh[0].Destinations != n || c.ended != 0 {
		t.Errorf("device %+v, error %v, %d sessions ended", sh, err, c.ended)
	}
	c.t.Logf("torn down in %v", c.leave(socket, limit))
}

// echoAt has the server's host answer with what it gets, until the test ends.
func echoAt(t *testing.T, ns string) *numbers {
	t.Helper()
	var server *net.UDPConn
	inside(t, ns, func() (err error) {
		server, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: numbersPort})
		return err
	})
	_ = server.SetReadBuffer(8 << 20)
	talk := &numbers{}
	talk.done.Add(1)
	go talk.echo(server)
	t.Cleanup(func() {
		_ = server.Close()
		talk.done.Wait()
	})
	return talk
}

// members are those that are open.
func (c *crowd) members() []*member {
	return slices.SortedFunc(maps.Values(c.byID), func(a, b *member) int { return a.n - b.n })
}

// hangUp ends a member's session.
func (c *crowd) hangUp(m *member, now time.Time) {
	delete(c.byID, m.call.ID())
	m.call.Close(now, control.Result{Code: control.CallAdministrative})
	if m.local.IsValid() {
		c.opened--
	}
}

// leave has all members hang up, and waits until the server has nothing left of them.
func (c *crowd) leave(socket string, limit time.Duration) (took time.Duration) {
	c.t.Helper()
	began := time.Now()
	for _, m := range c.byID {
		c.hangUp(m, began)
	}
	asked := began
	c.until(limit, "ends", func() bool {
		if time.Since(asked) < 20*time.Millisecond {
			return false
		}
		asked = time.Now()
		sh, err := client.New(socket).Shared(context.Background())
		return err == nil && sh[0].Sessions == 0 && sh[0].Destinations == 0
	})
	return time.Since(began).Round(time.Millisecond)
}

// echoCost shows how evenly echoes come, and what the server takes for them.
func (c *crowd) echoCost(pid int) {
	var perSecond []int
	used := cpuTime(c.t, pid)
	for range 20 {
		from, end := c.echoes, time.Now().Add(time.Second)
		c.until(time.Minute, "a second", func() bool { return time.Now().After(end) })
		perSecond = append(perSecond, c.echoes-from)
	}
	c.t.Logf("echoes a second: %v; %.0f ms of CPU a second", perSecond, 50*(cpuTime(c.t, pid)-used).Seconds())
}

// cpuTime is what a process has used, system calls included.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // proc_pid_stat(5), from field 3 on
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ
}

// list has all sessions listed, while another client sees how long questions that need the daemon's lock wait, and echoes
// go on.
func (c *crowd) list(socket string, n int) {
	c.t.Helper()
	var listed int
	var took, worst time.Duration
	listing, asking := make(chan error, 1), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		began := time.Now()
		for _, err := range client.New(socket).Sessions(context.Background(), client.Filter{}) {
			if err != nil {
				listing <- err
				return
			}
			listed++
		}
		took = time.Since(began)
		listing <- nil
	}()
	go func() {
		other := client.New(socket)
		for {
			select {
			case <-done:
				asking <- nil
				return
			default:
			}
			began := time.Now()
			if _, err := other.Pools(context.Background()); err != nil {
				asking <- err
				return
			}
			worst = max(worst, time.Since(began))
		}
	}()
	c.until(2*time.Minute, "a list", func() bool {
		select {
		case err := <-listing:
			if err != nil {
				c.t.Error(err)
			}
			return true
		default:
			return false
		}
	})
	close(done)
	if err := <-asking; err != nil || listed != n {
		c.t.Errorf("%d of %d sessions listed, error %v", listed, n, err)
	}
	c.t.Logf("all listed in %v; meanwhile the slowest of other answers took %v", took.Round(time.Millisecond), worst.Round(time.Microsecond))
}

// TestCrowdRounds: sessions that come and go leave nothing behind: the server's memory stays what it was after the first
// rounds. CULVERT_TEST_CROWD=10000 asks for another number a round.
func TestCrowdRounds(t *testing.T) {
	n := 2000
	if testenv.RaceEnabled {
		n = 200
	}
	if text := os.Getenv(crowdEnv); text != "" {
		n, _ = strconv.Atoi(text)
	}
	ns, port := newNS(t), freePorts(t, 1)[0]
	pid, socket := crowdServer(t, ns, port, n, false)
	c := newCrowd(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)), "long enough")
	limit := time.Minute + time.Duration(n)*2*time.Millisecond
	var memory [10]int
	for round := range memory {
		c.ask(n)
		c.until(limit, "all open", func() bool { return c.opened == n })
		c.leave(socket, limit)
		memory[round] = status(t, pid, "VmRSS") >> 10
	}
	t.Logf("KB of process memory after each round: %v", memory)
	// The race detector keeps memory of its own for all that was ever touched: it says nothing about ours.
	if !testenv.RaceEnabled && memory[9] > memory[2]+memory[2]/5 {
		t.Errorf("memory grows: %v", memory)
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
