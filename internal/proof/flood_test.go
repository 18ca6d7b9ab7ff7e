package proof

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"culvert/control"
	"culvert/encap"
	"culvert/internal/testenv"
)

const (
	floodRate = 100_000 // SCCRQs a second, where the machine has the time
	floodTick = 5 * time.Millisecond
	halfOpen  = 1024 // control.Config.MaxHalfOpen by default
	strangers = 1000 // SCCRQs of strangers a second that are looked at (RequestRate)
)

// floodedText is a responder that knows one peer by its secret, and would take anybody else without one.
const floodedText = `
[listen.udp]
local = "10.0.0.1"
[peer.known]
addresses = ["10.0.0.2"]
secret = "the secret"
digest = "sha1"
hide_avps = true
host_name = "lns"
hello_timeout = 300
[peer.strict]
name = "strict"
host_name = "lns"
secret = "another one"
[peer.anybody]
host_name = "lns"
[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sub_{n}"
n = "0-3"
interface_name = "sub{n}"
ppp_profile = "p"
[ppp.p]
local_address = "10.77.0.1"
pool = "subs"
[pool.subs]
ranges = ["10.64.0.0/24"]
`

const floodedPeerText = `
[tunnel.up]
local = "10.0.0.2"
peer = "10.0.0.1"
secret = "the secret"
digest = "sha1"
hide_avps = true
host_name = "lac"
hello_timeout = 300
[ppp.p]
lcp_echo_interval = 1
lcp_echo_failure = 10
[tunnel.up.session.a]
pseudowire = "ppp"
remote_end_id = "sub_0"
interface_name = "ppp0"
ppp_profile = "p"
[tunnel.up.session.b]
pseudowire = "ppp"
remote_end_id = "sub_1"
interface_name = "ppp1"
ppp_profile = "p"
`

// TestFlood: 100,000 SCCRQs a second from random addresses to the port of an established tunnel disturb neither its HELLOs
// nor its data, take a bounded number of answers, none of which is larger than its question, and a bounded memory.
func TestFlood(t *testing.T) {
	count, pings := 4*floodRate, 300
	if testenv.RaceEnabled {
		count = floodRate / 2
	}
	lns, lac, f := newNode(t, "lns"), newNode(t, "lac"), newFlooder(t)
	join(lns, lac, "wire", []string{"10.0.0.1/24"}, []string{"10.0.0.2/24"})
	join(lns, f.node, "world", []string{"10.0.1.1/24"}, []string{"10.0.1.2/24"})
	if _, err := lns.ns.Run(t.Context(), "ip", "route", "add", "default", "via", "10.0.1.2"); err != nil {
		t.Fatal(err)
	}
	lns.configure(floodedText)
	lac.configure(floodedPeerText)
	lns.start()
	lac.start()
	lac.allUp(2)
	lns.allUp(2)
	lac.pingAll(t, targets(2, 0), 1)
	stop := f.listen(t, "world", f.answer)
	before, memory := lac.tunnels()["up"], lns.memory()
	far := lns.tunnels()["known:1"]

	done := make(chan float64)
	go func() { done <- f.flood(lns, count) }()
	lost := lac.steadyPings(t, "ppp0", pings)
	rate := <-done
	grown := lns.memory() - memory
	time.Sleep(300 * time.Millisecond) // the last answers
	stop()

	took := float64(count) / rate
	t.Logf("%d SCCRQs, %.0f/s; %d of %d pings came back; memory %+d KB; answers %v", count, rate, pings-lost, pings, grown>>10, f.answers)
	if lost != 0 {
		t.Errorf("%d of %d pings lost", lost, pings)
	}
	f.check(t, took)
	if grown > 64<<20 {
		t.Errorf("%d MB more memory", grown>>20)
	}
	for n, was := range map[*node]string{lac: "up", lns: "known:1"} {
		now, old := n.tunnels()[was], before
		if n == lns {
			old = far
		}
		if now.State != "established" || now.TID != old.TID || now.Sessions != 2 || now.Control.Reason != "" {
			t.Errorf("%s: tunnel %+v, was %+v", n.name, now, old)
		} else if now.Control.Received < old.Control.Received+uint64(took/0.3)/2 {
			t.Errorf("%s: only %d messages in %.1f s of HELLOs", n.name, now.Control.Received-old.Control.Received, took)
		} else {
			t.Logf("%s: %d messages sent, %d received, %d retransmitted", n.name, now.Control.Sent-old.Control.Sent,
				now.Control.Received-old.Control.Received, now.Control.Retransmissions-old.Control.Retransmissions)
		}
	}
	lac.allUp(2)
	lac.stop()
	lns.stop()
}

// memory is the resident size in bytes (proc_pid_status(5)).
func (n *node) memory() int {
	n.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.process.PID()))
	if err != nil {
		n.t.Fatal(err)
	}
	kb := 0
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	n.t.Fatalf("no VmRSS in %s", b)
	return 0
}

// steadyPings sends an echo request through a device every 10 ms, whatever comes back, and returns how many were never
// answered.
func (n *node) steadyPings(t *testing.T, device string, count int) (lost int) {
	t.Helper()
	const id = 0xf100
	e, err := n.echoer(target{device, pppFarEnd})
	if err != nil {
		t.Fatal(err)
	}
	defer e.conn.Close()
	answered := make(chan int)
	go func() {
		seen := make(map[uint16]bool)
		end := time.Now().Add(patience)
		for len(seen) < count {
			seq, err := e.receive(id, end)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			seen[seq] = true
		}
		answered <- len(seen)
	}()
	for seq := range count {
		if err := e.send(id, uint16(seq)); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.AfterFunc(5*time.Second, func() { _ = e.conn.SetReadDeadline(time.Now()) })
	return count - <-answered
}

// flooder is a namespace that stands for the rest of the world: it asks from any address and sees what is answered.
type flooder struct {
	*node
	t         *testing.T
	questions [2][]byte // SCCRQs of a stranger, and of one who pretends to know a secret

	mu      sync.Mutex
	answers map[control.MessageType]int
	largest int
	odd     string
}

func newFlooder(t *testing.T) *flooder {
	t.Helper()
	f := &flooder{node: newNode(t, "world"), t: t, answers: make(map[control.MessageType]int)}
	for i, name := range []string{"stranger", "strict"} {
		m := control.NewMessage(control.SCCRQ)
		m.HostName, m.RouterID, m.AssignedCCID = name, 1, 1
		m.Pseudowires = []control.PseudowireType{control.PseudowirePPP, control.PseudowireEthernet}
		for _, a := range []control.AVPType{control.AVPHostName, control.AVPRouterID, control.AVPAssignedCCID, control.AVPPseudowireCapsList} {
			m.Add(a)
		}
		f.questions[i] = (&control.Encoder{}).Append(nil, control.Header{}, &m)
	}
	return f
}

// flood sends SCCRQs from random addresses at floodRate, or as fast as it goes, and returns the rate it has reached.
func (f *flooder) flood(to *node, count int) float64 {
	fd := f.packetSocket(f.t, "world")
	defer unix.Close(fd)
	frames := [2][]byte{f.frame(to, f.questions[0]), f.frame(to, f.questions[1])}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible
	start := time.Now()
	for sent := 0; sent < count; {
		due := min(count, int(time.Since(start).Seconds()*floodRate)+1)
		for ; sent < due; sent++ {
			b := frames[sent%2]
			f.disguise(b, rng)
			if _, err := unix.Write(fd, b); err != nil && !errors.Is(err, unix.ENOBUFS) {
				f.t.Error(err)
				return 1
			}
		}
		time.Sleep(floodTick)
	}
	return float64(count) / time.Since(start).Seconds()
}

const ipAt, udpAt, l2tpAt = 14, 34, 42

var floodTo = netip.MustParseAddr("10.0.0.1")

// frame puts a message into Ethernet, IPv4 and UDP.
func (f *flooder) frame(to *node, msg []byte) []byte {
	f.t.Helper()
	mac := func(n *node) (a net.HardwareAddr) {
		err := n.ns.Do(func() error {
			l, err := netlink.LinkByName("world")
			if err == nil {
				a = l.Attrs().HardwareAddr
			}
			return err
		})
		if err != nil {
			f.t.Error(err)
		}
		return a
	}
	b := append(append([]byte{}, mac(to)...), mac(f.node)...)
	b = append(b, 8, 0, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(l2tpAt-ipAt+len(msg)))
	b = append(b, 0, 0, 0x40, 0, 64, encap.ProtocolUDP, 0, 0, 0, 0, 0, 0)
	b = append(b, floodTo.AsSlice()...)
	for _, v := range []uint16{0, encap.PortL2TP, uint16(l2tpAt - udpAt + len(msg)), 0} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(b, msg...)
}

// disguise gives a frame a source address and port and a CCID of their own, and the checksums; UDP's may be left out
// (RFC 768).
func (f *flooder) disguise(b []byte, rng *rand.Rand) {
	r := rng.Uint64()
	first := 11 + byte(r%100) // 11.0.0.0 to 110.255.255.255: not ours, not loopback, no multicast
	b[ipAt+12], b[ipAt+13], b[ipAt+14], b[ipAt+15] = first, byte(r>>8), byte(r>>16), byte(r>>24)
	binary.BigEndian.PutUint16(b[udpAt:], uint16(r>>32)|1024)
	binary.BigEndian.PutUint16(b[ipAt+10:], 0)
	binary.BigEndian.PutUint16(b[ipAt+10:], ^encap.Checksum(b[ipAt:udpAt], 0))
	at := f.ccidAt(b[l2tpAt:])
	binary.BigEndian.PutUint32(b[l2tpAt+at:], rng.Uint32()|1)
}

// ccidAt finds the value of the Assigned Control Connection ID AVP (RFC 3931 section 5.4.3) in an SCCRQ.
func (f *flooder) ccidAt(msg []byte) int {
	for at := control.HeaderLen; ; {
		a, n, err := control.ParseAVP(msg[at:])
		if err != nil {
			panic(err)
		}
		if a.Type == control.AVPAssignedCCID {
			return at + n - 4
		}
		at += n
	}
}

// answer counts what the responder sends to the world.
func (f *flooder) answer(b []byte) {
	if len(b) < l2tpAt || b[ipAt+9] != encap.ProtocolUDP || !bytes.Equal(b[ipAt+12:ipAt+16], floodTo.AsSlice()) {
		return // a question, or ARP
	}
	msg := b[l2tpAt:min(len(b), ipAt+int(binary.BigEndian.Uint16(b[ipAt+2:])))]
	p, _, err := control.ParsePacket(encap.TransportUDP, msg)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.odd = fmt.Sprintf("%x: %v", msg, err)
		return
	}
	typ, _, _ := p.Type()
	f.answers[typ]++
	f.largest = max(f.largest, len(msg))
}

// check looks at the answers: to a bounded part of the questions, none larger than the smallest question, and not more
// SCCRPs than there may be half-open connections.
func (f *flooder) check(t *testing.T, seconds float64) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for typ, n := range f.answers {
		if total += n; typ != control.SCCRP && typ != control.StopCCN {
			t.Errorf("%d answers are %v", n, typ)
		}
	}
	if f.odd != "" {
		t.Errorf("an answer is %s", f.odd)
	}
	if most := int(strangers * (seconds + 2)); total > most {
		t.Errorf("%d answers in %.1f s, no more than %d expected", total, seconds, most)
	}
	if smallest := min(len(f.questions[0]), len(f.questions[1])); f.largest > smallest {
		t.Errorf("an answer of %d bytes to a question of %d", f.largest, smallest)
	}
	if f.answers[control.SCCRP] == 0 || f.answers[control.SCCRP] > halfOpen || f.answers[control.StopCCN] == 0 {
		t.Errorf("answers %v, at most %d SCCRPs and both kinds expected", f.answers, halfOpen)
	}
}
