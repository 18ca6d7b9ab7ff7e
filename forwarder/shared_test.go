package forwarder

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
	"culvert/forwarder/tuntap/tuntaptest"
	"culvert/internal/testenv"
)

// sharedRig is a forwarder with two workers, a shared device with a wire for each queue, and sessions to one naive peer.
type sharedRig struct {
	*rig
	shared   *Shared
	wires    []*wire // [worker]
	sessions []*Session
	cfgs     []SessionConfig
}

// newSharedRig makes a rig with n sessions, of which session i has the address 10.0.0.(2+i) and belongs to worker i%2.
func newSharedRig(t testing.TB, n int, change func(*TunnelConfig, *SessionConfig)) *sharedRig {
	t.Helper()
	r := &sharedRig{rig: &rig{t: t, f: newForwarder(t, 2), peer: newPeer(t, "127.0.0.1"), local: freePort(t, "127.0.0.1")}}
	tc := TunnelConfig{Name: "t", Transport: encap.TransportUDP, Local: r.local, Peer: r.peer.addr(), TOS: -1, DF: true, PathMTU: 1500}
	sc := SharedConfig{Name: "sh"}
	for range 2 {
		w := newWire(t)
		r.wires = append(r.wires, w)
		sc.Queues = append(sc.Queues, w.dev)
	}
	var err error
	if r.shared, err = r.f.AddShared(sc); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c := SessionConfig{
			Name: fmt.Sprint("s", i), Pseudowire: PPP, LocalID: encap.SessionID(1000 + i), PeerID: encap.SessionID(2000 + i),
			SendCookie: cookie(t, 8), ExpectCookie: cookie(t, 4), Shared: r.shared,
		}
		if change != nil {
			change(&tc, &c)
		}
		if r.tun == nil {
			if r.tun, err = r.f.AddTunnel(tc); err != nil {
				t.Fatal(err)
			}
		}
		s, err := r.f.AddSession(r.tun, c)
		if err != nil {
			t.Fatal(err)
		}
		s.SetMTU(1438)
		s.SetLink(LinkState{IPv4: true, IPv6: true})
		r.sessions, r.cfgs = append(r.sessions, s), append(r.cfgs, c)
		r.claim(i, fmt.Sprintf("10.0.0.%d/32", 2+i))
	}
	return r
}

func (r *sharedRig) claim(i int, p string) {
	r.t.Helper()
	if err := r.shared.Claim(r.sessions[i], netip.MustParsePrefix(p)); err != nil {
		r.t.Fatal(err)
	}
}

// addressed is an IP packet of n bytes between two addresses.
func addressed(src, dst string, n int) []byte {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if s.Is6() {
		b := ipv6Packet(n, 1)
		copy(b[8:], s.AsSlice())
		copy(b[24:], d.AsSlice())
		return b
	}
	b := ipv4Packet(n, true, 1)
	copy(b[12:], s.AsSlice())
	copy(b[16:], d.AsSlice())
	p := encap.IPv4(b)
	p.SetChecksum(0)
	p.SetChecksum(p.ComputeChecksum())
	return b
}

func pppFrame(ip []byte) []byte {
	proto := encap.ProtoIPv4
	if ip[0]>>4 == 6 {
		proto = encap.ProtoIPv6
	}
	return append(encap.AppendPPPHeader(nil, proto, encap.PPPFraming{}), ip...)
}

// from sends an IP packet as the peer of session i does.
func (r *sharedRig) from(i int, ip []byte) {
	r.t.Helper()
	r.peer.send(r.local, append(r.tun.expect(r.cfgs[i]).AppendTo(nil), pppFrame(ip)...))
}

// arrives waits for an IP packet at the peer, as one of session i.
func (r *sharedRig) arrives(i int, ip []byte) {
	r.t.Helper()
	want := append(r.tun.header(r.cfgs[i]).AppendTo(nil), pppFrame(ip)...)
	if got := r.peer.recv(soon); !bytes.Equal(got, want) {
		r.t.Fatalf("peer got\n% x, want\n% x", got, want)
	}
}

// TestSharedOut: whichever queue the kernel chooses, a packet goes to the session with the longest prefix of its
// destination.
func TestSharedOut(t *testing.T) {
	r := newSharedRig(t, 4, nil)
	r.claim(0, "10.8.0.0/16")
	r.claim(1, "10.8.1.0/24")
	r.claim(2, "10.8.1.7/32")
	r.claim(3, "2001:db8:1::/64")
	r.claim(0, "2001:db8::/32")
	for _, tt := range []struct {
		dst string
		i   int
	}{
		{"10.0.0.2", 0},
		{"10.0.0.3", 1},
		{"10.0.0.5", 3},
		{"10.8.7.7", 0},
		{"10.8.1.8", 1},
		{"10.8.1.7", 2},
		{"2001:db8:1::7", 3},
		{"2001:db8:2::7", 0},
	} {
		src := "10.9.9.9"
		if netip.MustParseAddr(tt.dst).Is6() {
			src = "2001:db8:ffff::1"
		}
		for _, w := range r.wires {
			ip := addressed(src, tt.dst, 100)
			w.put(ip)
			r.arrives(tt.i, ip)
		}
	}
	r.dropped(DropNoRoute, 0)
	for _, ip := range [][]byte{addressed("10.9.9.9", "10.0.0.99", 100), addressed("2001:db8::1", "2001:db9::1", 100)} {
		r.wires[0].put(ip)
	}
	r.dropped(DropNoRoute, 2)
	if d := r.shared.Drops(); d[DropNoRoute] != 2 || d.Total() != 2 {
		t.Errorf("the device counts %v", d)
	}
}

// TestSharedIn: a peer's packet reaches the device with a source of its own session, and with no other one.
func TestSharedIn(t *testing.T) {
	r := newSharedRig(t, 2, nil)
	r.claim(0, "10.8.0.0/16")
	r.claim(1, "10.8.1.0/24")
	r.claim(1, "2001:db8:1::/64")
	for i, src := range map[int][]string{0: {"10.0.0.2", "10.8.7.7"}, 1: {"10.0.0.3", "10.8.1.9", "2001:db8:1::7"}} {
		for _, a := range src {
			dst := "10.9.9.9"
			if netip.MustParseAddr(a).Is6() {
				dst = "2001:db8:ffff::1"
			}
			ip := addressed(a, dst, 100)
			r.from(i, ip)
			r.wires[i%2].expect(ip)
		}
	}
	r.dropped(DropSpoofed, 0)
	for i, src := range map[int][]string{0: {"10.0.0.3", "10.8.1.9", "0.0.0.0", "2001:db8:1::7"}, 1: {"10.0.0.2", "10.8.7.7", "127.0.0.1"}} {
		for _, a := range src {
			dst := "10.9.9.9"
			if netip.MustParseAddr(a).Is6() {
				dst = "2001:db8:ffff::1"
			}
			r.from(i, addressed(a, dst, 100))
		}
	}
	r.dropped(DropSpoofed, 7)
}

// TestSharedLinkLocal: what belongs to one link does not pass, but what asks for the router does not come this far.
func TestSharedLinkLocal(t *testing.T) {
	r := newSharedRig(t, 1, nil)
	r.sessions[0].SetLink(LinkState{IPv6: true, Router: true})
	r.wires[0].put(addressed("2001:db8::1", "ff02::1", 100))
	r.wires[1].put(addressed("fe80::1", "fe80::2", 100))
	r.from(0, addressed("fe80::2", "fe80::1", 100))
	r.from(0, addressed("::", "ff02::16", 100))
	r.dropped(DropLinkLocal, 4)
	ask := append([]byte(nil), routerSolicitation...)
	copy(ask[8:24], netip.MustParseAddr("fe80::2").AsSlice())
	r.from(0, ask)
	select {
	case e := <-r.f.Events():
		if e.Kind != EventRouter || e.Session != r.sessions[0] || !bytes.Equal(e.Frame, ask) {
			t.Errorf("event %+v", e)
		}
		r.f.Release(e)
	case <-time.After(soon):
		t.Error("the solicitation did not come")
	}
}

// TestSharedClaims: nobody gets what another session has, whoever leaves gives it back, and what takes a session's place
// takes its destinations along.
func TestSharedClaims(t *testing.T) {
	r := newSharedRig(t, 3, nil)
	p := netip.MustParsePrefix("10.0.0.2/32")
	if err := r.shared.Claim(r.sessions[1], p); !errors.Is(err, ErrClaimed) || err.Error() != "another session has this destination: s0 has 10.0.0.2/32" {
		t.Errorf("claimed twice: %v", err)
	}
	if err := r.shared.Claim(r.sessions[0], p); err != nil {
		t.Errorf("its own again: %v", err)
	}
	for _, bad := range []string{"ff00::/8", "fe80::1/128", "224.0.0.1/32", "0.0.0.0/32", "127.0.0.0/8", "::ffff:10.0.0.9/128"} {
		if err := r.shared.Claim(r.sessions[0], netip.MustParsePrefix(bad)); !errors.Is(err, ErrNoClaim) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if r.shared.Refused() != 1 || r.shared.Routes() != 3 {
		t.Errorf("%d refused, %d destinations", r.shared.Refused(), r.shared.Routes())
	}
	r.shared.Unclaim(r.sessions[1], p) // not its own: no effect
	r.shared.Unclaim(r.sessions[0], p)
	r.from(0, addressed("10.0.0.2", "10.9.9.9", 100))
	r.dropped(DropSpoofed, 1)
	r.claim(1, "10.0.0.2/32")
	ip := addressed("10.9.9.9", "10.0.0.2", 100)
	r.wires[0].put(ip)
	r.arrives(1, ip)
	r.shared.Move(p, r.sessions[1], r.sessions[2])
	r.wires[0].put(ip)
	r.arrives(2, ip)
	r.from(2, addressed("10.0.0.2", "10.9.9.9", 100))
	r.wires[0].expect(addressed("10.0.0.2", "10.9.9.9", 100))
}

// TestSharedNumbered: sequence numbers of a session stay in one row, whichever queues its packets come out of.
func TestSharedNumbered(t *testing.T) {
	r := newSharedRig(t, 2, func(_ *TunnelConfig, c *SessionConfig) {
		c.Sequence, c.SendSublayer, c.ExpectSublayer = true, encap.SublayerDefault, encap.SublayerDefault
	})
	for n := range 50 {
		i := n % 2
		ip := addressed("10.9.9.9", fmt.Sprintf("10.0.0.%d", 2+i), 100+n)
		r.wires[n/2%2].put(ip)
		h := r.tun.header(r.cfgs[i]).AppendTo(nil)
		encap.PutSeq(h[len(h)-4:], true, encap.Seq(n/2))
		if got, want := r.peer.recv(soon), append(h, pppFrame(ip)...); !bytes.Equal(got, want) {
			t.Fatalf("packet %d: peer got\n% x, want\n% x", n, got, want)
		}
	}
}

// TestSharedNumberedInBulk: more than the queue between two loops holds is dropped and counted, the rest keeps its order.
func TestSharedNumberedInBulk(t *testing.T) {
	r := newSharedRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) {
		c.Sequence, c.SendSublayer = true, encap.SublayerDefault
	})
	const n = 400
	for i := range n {
		ip := addressed("10.9.9.9", "10.0.0.2", 100)
		ip[50], ip[51] = byte(i>>8), byte(i)
		r.wires[1].put(ip)
	}
	last, seq := -1, -1
	for range n {
		b := r.peer.recv(soon)
		if len(b) == 0 {
			break
		}
		front := len(b) - 100
		number, got := int(b[front+50])<<8|int(b[front+51]), int(b[front-8+2])<<8|int(b[front-8+3])|int(b[front-8+1])<<16
		if number <= last || got != seq+1 {
			t.Fatalf("packet %d behind %d, number %d behind %d", number, last, got, seq)
		}
		last, seq = number, got
	}
	var d Drops
	for _, w := range r.f.Stats() {
		for i := range d {
			d[i] += w.Drops[i]
		}
	}
	if seq+1+int(d[DropMixed]) != n || d.Total() != d[DropMixed] {
		t.Errorf("%d packets came, dropped %v", seq+1, d)
	}
}

// TestSharedMTU: the device's MTU says nothing about a session, so a packet that its peer does not take is answered, or
// sent all the same where nobody could be told.
func TestSharedMTU(t *testing.T) {
	r := newSharedRig(t, 1, nil)
	r.sessions[0].SetMTU(1000)
	r.wires[0].put(addressed("10.9.9.9", "10.0.0.2", 1001))
	answer := encap.IPv4(r.wires[0].get(soon))
	if !answer.Valid() || answer.Protocol() != 1 || answer[20] != 3 || answer[21] != 4 || int(answer[26])<<8|int(answer[27]) != 1000 {
		t.Errorf("answer % x", answer)
	}
	r.dropped(DropTooBig, 1)
	fits := addressed("10.9.9.9", "10.0.0.2", 1000)
	r.wires[0].put(fits)
	r.arrives(0, fits)
	may := addressed("10.9.9.9", "10.0.0.2", 1001)
	may[6] = 0
	p := encap.IPv4(may)
	p.SetChecksum(0)
	p.SetChecksum(p.ComputeChecksum())
	r.wires[1].put(may)
	r.arrives(0, may)
}

// TestSharedSuper: a super-packet is cut for its session by the loop that read it.
func TestSharedSuper(t *testing.T) {
	r := newSharedRig(t, 1, nil)
	b := tcpSuper(10_000, 1300, 1, 7) // to 10.0.0.2
	want := naiveCut(t, bytes.Clone(b), offload.LayerIP)
	if _, err := r.wires[1].host.Write(b); err != nil {
		t.Fatal(err)
	}
	for _, ip := range want {
		r.arrives(0, ip)
	}
	r.sessions[0].SetMTU(1300)
	if _, err := r.wires[1].host.Write(tcpSuper(10_000, 1300, 1, 7)); err != nil {
		t.Fatal(err)
	}
	r.dropped(DropTooBig, uint64(len(want)))
}

// TestSharedComesAndGoes: sessions, tunnels and the device can go and come, with packets on the way to them.
func TestSharedComesAndGoes(t *testing.T) {
	r := newSharedRig(t, 2, nil)
	ip := addressed("10.9.9.9", "10.0.0.2", 100)
	r.f.RemoveSession(r.sessions[0])
	r.wires[0].put(ip) // its claim is still there
	r.dropped(DropNotOpen, 1)
	r.sessions[0].Inject([]byte{0xff, 3, 0xc0, 0x21})
	if r.f.Flush(); r.peer.recv(50*time.Millisecond) != nil {
		t.Error("a removed session sends")
	}
	r.shared.Unclaim(r.sessions[0], netip.MustParsePrefix("10.0.0.2/32"))
	r.f.RemoveSession(r.sessions[1])
	r.shared.Unclaim(r.sessions[1], netip.MustParsePrefix("10.0.0.3/32"))
	r.f.RemoveTunnel(r.tun)
	for _, w := range r.f.workers {
		w.out.call(func() {
			if len(w.out.queues) != 0 || len(w.out.tunnels) != 0 {
				t.Errorf("worker %d holds %d queues", w.id, len(w.out.queues))
			}
		})
	}
	r.f.RemoveShared(r.shared)
	if _, err := r.f.AddShared(SharedConfig{Name: "few", Queues: r.shared.cfg.Queues[:1]}); !errors.Is(err, ErrQueues) {
		t.Errorf("one queue for two workers: %v", err)
	}
	again, err := r.f.AddShared(SharedConfig{Name: "again", Queues: r.shared.cfg.Queues})
	if err != nil {
		t.Fatal(err)
	}
	tun, err := r.f.AddTunnel(r.tun.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.tun, r.cfgs[0].Shared = tun, again
	if r.sessions[0], err = r.f.AddSession(tun, r.cfgs[0]); err != nil {
		t.Fatal(err)
	}
	r.sessions[0].SetMTU(1438)
	r.sessions[0].SetLink(LinkState{IPv4: true})
	r.shared = again
	r.claim(0, "10.0.0.2/32")
	r.wires[1].put(ip)
	r.arrives(0, ip)
	eth := SessionConfig{Name: "e", LocalID: 9, PeerID: 9, Shared: again}
	if _, err := r.f.AddSession(tun, eth); !errors.Is(err, ErrSharedKind) {
		t.Errorf("Ethernet on a TUN: %v", err)
	}
}

// TestSharedDeviceGone: the control side hears of it once for each queue.
func TestSharedDeviceGone(t *testing.T) {
	r := newSharedRig(t, 1, nil)
	_ = r.wires[0].host.Close()
	select {
	case e := <-r.f.Events():
		if e.Kind != EventDeviceGone || e.Shared != r.shared || e.Session != nil {
			t.Errorf("event %+v", e)
		}
	case <-time.After(soon):
		t.Error("no event")
	}
}

// TestSharedPathAllocatesNothing counts the allocations of the process while packets go from one shared device to
// another, by the session's own worker, by another one, and with handing over.
func TestSharedPathAllocatesNothing(t *testing.T) {
	for _, numbered := range []bool{false, true} {
		for _, queue := range []int{0, 1} {
			t.Run(fmt.Sprintf("numbered %v, queue %d", numbered, queue), func(t *testing.T) {
				a, b := newSharedEnd(t, numbered, 1000, 2000), newSharedEnd(t, numbered, 2000, 1000)
				a.open(t, b, "10.0.0.2/32")
				b.open(t, a, "10.0.0.1/32")
				p := &pair{a: a.hosts[queue], b: b.hosts[0]} // session 2000 is worker 0's
				frame := append(make([]byte, tuntap.HeaderLen), addressed("10.0.0.1", "10.0.0.2", 1000)...)
				out := make([]byte, 2000)
				for range 10 {
					if err := p.pass(frame, out); err != nil {
						t.Fatal(err)
					}
				}
				var err error
				if n := testing.AllocsPerRun(200, func() {
					if e := p.pass(frame, out); e != nil {
						err = e
					}
				}); n != 0 && !testenv.RaceEnabled || err != nil { // the race detector allocates
					t.Fatalf("%v allocations a packet, error %v", n, err)
				}
			})
		}
	}
}

// sharedEnd is a forwarder with two workers, a shared device and one session.
type sharedEnd struct {
	f      *Forwarder
	local  netip.AddrPort
	shared *Shared
	hosts  []*tuntap.Queue
	cfg    SessionConfig
}

func newSharedEnd(t testing.TB, numbered bool, id, peerID encap.SessionID) *sharedEnd {
	t.Helper()
	e := &sharedEnd{f: newForwarder(t, 2), local: freePort(t, "127.0.0.1")}
	c := SharedConfig{Name: "sh"}
	for range 2 {
		dev, host := tuntaptest.Pair(t)
		c.Queues, e.hosts = append(c.Queues, dev), append(e.hosts, host)
	}
	var err error
	if e.shared, err = e.f.AddShared(c); err != nil {
		t.Fatal(err)
	}
	e.cfg = SessionConfig{Name: "s", Pseudowire: PPP, LocalID: id, PeerID: peerID, ClampMSS: true, Shared: e.shared}
	if numbered {
		e.cfg.Sequence, e.cfg.SendSublayer, e.cfg.ExpectSublayer = true, encap.SublayerDefault, encap.SublayerDefault
	}
	return e
}

// open adds the session, whose peer has the addresses p.
func (e *sharedEnd) open(t testing.TB, peer *sharedEnd, p string) {
	t.Helper()
	tun, err := e.f.AddTunnel(TunnelConfig{Name: "t", Local: e.local, Peer: peer.local, TOS: -1, DF: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.f.AddSession(tun, e.cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.SetMTU(1400)
	s.SetLink(LinkState{IPv4: true})
	if err := e.shared.Claim(s, netip.MustParsePrefix(p)); err != nil {
		t.Fatal(err)
	}
}
