package forwarder

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/bridge"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
	"culvert/forwarder/tuntap/tuntaptest"
	"culvert/internal/testenv"
)

// bridgeRig is a forwarder with two workers, a shared TAP with a wire for each queue, and Ethernet sessions to one naive
// peer. Session i belongs to worker i%2.
type bridgeRig struct{ *sharedRig }

func newBridgeRig(t testing.TB, n int, change func(i int, c *SessionConfig)) bridgeRig {
	t.Helper()
	r := bridgeRig{&sharedRig{rig: &rig{t: t, f: newForwarder(t, 2), peer: newPeer(t, "127.0.0.1"), local: freePort(t, "127.0.0.1")}}}
	sc := SharedConfig{Name: "sh", Bridge: &bridge.Config{MaxMACs: 100, Aging: time.Minute, Own: [6]byte(tapMAC)}}
	for range 2 {
		w := newWire(t)
		r.wires = append(r.wires, w)
		sc.Queues = append(sc.Queues, w.dev)
	}
	var err error
	if r.shared, err = r.f.AddShared(sc); err != nil {
		t.Fatal(err)
	}
	r.tun, err = r.f.AddTunnel(TunnelConfig{
		Name: "t", Transport: encap.TransportUDP, Local: r.local, Peer: r.peer.addr(), TOS: -1, DF: true, PathMTU: 1500,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c := SessionConfig{
			Name: fmt.Sprint("s", i), LocalID: encap.SessionID(1000 + i), PeerID: encap.SessionID(2000 + i),
			SendCookie: cookie(t, 8), ExpectCookie: cookie(t, 4), Shared: r.shared, Isolated: true, MACLimit: 10,
		}
		if change != nil {
			change(i, &c)
		}
		s, err := r.f.AddSession(r.tun, c)
		if err != nil {
			t.Fatal(err)
		}
		s.SetMTU(1400)
		s.SetLink(LinkState{Ethernet: true})
		r.sessions, r.cfgs = append(r.sessions, s), append(r.cfgs, c)
	}
	return r
}

var (
	tapMAC   = []byte{2, 0, 0, 0, 0, 0xff}
	everyone = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// mac is the address of a host behind session i.
func mac(i int) []byte { return []byte{2, 0, 0, 0, 1, byte(i)} }

// ether is an Ethernet frame, whose payload begins with its type.
func ether(dst, src, payload []byte) []byte { return slices.Concat(dst, src, payload) }

var plainPayload = []byte{0x88, 0xb5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}

// from sends a frame as the peer of session i does.
func (r bridgeRig) from(i int, frame []byte) {
	r.t.Helper()
	r.peer.send(r.local, append(r.tun.expect(r.cfgs[i]).AppendTo(nil), frame...))
}

// arrives waits for a frame at the peer, once in each of some sessions, in any order.
func (r bridgeRig) arrives(frame []byte, sessions ...int) {
	r.t.Helper()
	var got, want []string
	for _, i := range sessions {
		want = append(want, hex.EncodeToString(append(r.tun.header(r.cfgs[i]).AppendTo(nil), frame...)))
		got = append(got, hex.EncodeToString(r.peer.recv(soon)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Fatalf("peer got\n%q, want\n%q", got, want)
	}
}

// learns lets the bridge know who is behind each session.
func (r bridgeRig) learns() {
	r.t.Helper()
	for i := range r.sessions {
		hello := ether(tapMAC, mac(i), plainPayload)
		r.wires[0].put(ether(mac(99), tapMAC, plainPayload)) // where the device's own address is
		for range r.sessions {
			r.peer.recv(soon)
		}
		r.from(i, hello)
		r.wires[i%2].expect(hello)
	}
}

// TestBridgeOut: whichever queue the kernel chooses, a frame goes to the session where its destination was seen, and to
// all as long as nobody has seen it.
func TestBridgeOut(t *testing.T) {
	r := newBridgeRig(t, 4, nil)
	for _, w := range r.wires {
		unknown, all := ether(mac(2), tapMAC, plainPayload), ether(everyone, tapMAC, plainPayload)
		w.put(unknown)
		r.arrives(unknown, 0, 1, 2, 3)
		w.put(all)
		r.arrives(all, 0, 1, 2, 3)
	}
	r.learns()
	for i := range r.sessions {
		for _, w := range r.wires {
			f := ether(mac(i), tapMAC, plainPayload)
			w.put(f)
			r.arrives(f, i)
		}
	}
	moved := ether(tapMAC, mac(2), plainPayload)
	r.from(3, moved)
	r.wires[1].expect(moved)
	f := ether(mac(2), tapMAC, plainPayload)
	r.wires[0].put(f)
	r.arrives(f, 3)
	r.shared.Bridge().Age(time.Hour)
	r.wires[0].put(f)
	r.arrives(f, 0, 1, 2, 3)
	r.from(3, moved)
	r.wires[1].expect(moved)
	r.sessions[3].SetLink(LinkState{})
	r.wires[0].put(f)
	r.arrives(f, 0, 1, 2)
	r.f.RemoveSession(r.sessions[0])
	r.wires[0].put(f)
	r.arrives(f, 1, 2)
	if n, _ := r.sessions[3].MACs(); n != 0 {
		t.Errorf("a session whose circuit is down has %d addresses", n)
	}
	r.dropped(DropMalformed, 0)
}

// TestBridgeIsolated: isolated sessions reach the device and each other not at all, by whatever kind of frame.
func TestBridgeIsolated(t *testing.T) {
	r := newBridgeRig(t, 2, nil)
	r.learns()
	for i, w := range r.wires {
		for _, dst := range [][]byte{everyone, {1, 0, 0x5e, 0, 0, 1}, mac(77)} {
			f := ether(dst, mac(i), plainPayload)
			r.from(i, f)
			w.expect(f)
		}
	}
	r.from(0, ether(mac(1), mac(0), plainPayload))
	r.dropped(DropIsolated, 1)
	if b := r.peer.recv(50 * time.Millisecond); b != nil {
		t.Errorf("the other session got % x", b)
	}
}

// TestBridgeBetweenSessions: what is not isolated exchanges frames with all others, and numbers stay in one row whichever
// loop a frame comes from.
func TestBridgeBetweenSessions(t *testing.T) {
	for _, numbered := range []bool{false, true} {
		t.Run(fmt.Sprint("numbered ", numbered), func(t *testing.T) {
			r := newBridgeRig(t, 4, func(i int, c *SessionConfig) {
				c.Isolated = i == 3
				if numbered {
					c.Sequence, c.SendSublayer = true, encap.SublayerDefault
				}
			})
			sent := make([]int, len(r.sessions))
			arrives := func(frame []byte, sessions ...int) {
				t.Helper()
				var got, want []string
				for _, i := range sessions {
					h := r.tun.header(r.cfgs[i]).AppendTo(nil)
					if numbered {
						encap.PutSeq(h[len(h)-encap.SublayerLen:], true, encap.Seq(sent[i]))
					}
					sent[i]++
					want = append(want, hex.EncodeToString(append(h, frame...)))
					got = append(got, hex.EncodeToString(r.peer.recv(soon)))
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("peer got\n%q, want\n%q", got, want)
				}
			}
			for i, others := range [][]int{{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}} {
				f := ether(everyone, mac(i), plainPayload)
				r.from(i, f)
				r.wires[i%2].expect(f)
				arrives(f, others...)
			}
			for range 3 {
				for _, way := range [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 3}, {3, 0}} {
					f := ether(mac(way[1]), mac(way[0]), plainPayload)
					r.from(way[0], f)
					arrives(f, way[1])
				}
			}
			for n := range 20 {
				f := ether(mac(n%4), tapMAC, plainPayload)
				r.wires[n/4%2].put(f)
				arrives(f, n%4)
			}
			r.dropped(DropMixed, 0)
			if rx, _, _ := r.sessions[0].Stats(); rx.Packets != 7 || rx.Bytes != 7*24 {
				t.Errorf("session 0 has received %+v", rx)
			}
		})
	}
}

// TestBridgeDrops: each frame that goes nowhere is counted under its reason.
func TestBridgeDrops(t *testing.T) {
	for _, tt := range []struct {
		reason DropReason
		tap    bool
		frame  []byte
	}{
		{DropMalformed, false, ether(tapMAC, mac(0), nil)},
		{DropMalformed, true, ether(mac(0), tapMAC, nil)},
		{DropSourceMAC, false, ether(tapMAC, []byte{0, 0, 0, 0, 0, 0}, plainPayload)},
		{DropSourceMAC, true, ether(mac(0), everyone, plainPayload)},
		{DropSpoofed, false, ether(everyone, tapMAC, plainPayload)},
		{DropReserved, false, ether([]byte{1, 0x80, 0xc2, 0, 0, 0}, mac(0), plainPayload)},
		{DropReserved, true, ether([]byte{1, 0x80, 0xc2, 0, 0, 0xe}, tapMAC, plainPayload)},
		{DropSamePort, false, ether(mac(0), mac(0), plainPayload)},
		{DropSamePort, true, ether(tapMAC, tapMAC, plainPayload)},
		{DropNoRoute, true, ether(everyone, tapMAC, plainPayload)},
	} {
		t.Run(fmt.Sprint(tt.reason, " ", tt.tap), func(t *testing.T) {
			r := newBridgeRig(t, 1, nil)
			if tt.reason == DropNoRoute {
				r.sessions[0].SetLink(LinkState{})
			}
			if tt.tap {
				r.wires[1].put(tt.frame)
			} else {
				r.from(0, tt.frame)
			}
			r.dropped(tt.reason, 1)
			_, _, d := r.sessions[0].Stats()
			if tt.tap {
				d = r.shared.Drops()
			}
			if d.Total() != 1 || d[tt.reason] != 1 {
				t.Errorf("where it came from, %v are counted", d)
			}
		})
	}
}

// TestBridgeTags: a session whose frames are tagged on its way only is in the untagged VLAN, one that keeps its tags in
// that of these.
func TestBridgeTags(t *testing.T) {
	r := newBridgeRig(t, 3, func(i int, c *SessionConfig) {
		c.Isolated = false
		switch i {
		case 1:
			c.Pseudowire, c.VLAN = EthernetVLAN, 7
		case 2:
			c.Pseudowire = EthernetVLAN
		}
	})
	tag := func(vlan byte) []byte { return append([]byte{0x81, 0, 0, vlan}, plainPayload...) }
	wire := func(i int, frame []byte) {
		t.Helper()
		if got, want := r.peer.recv(soon), append(r.tun.header(r.cfgs[i]).AppendTo(nil), frame...); !bytes.Equal(got, want) {
			t.Fatalf("peer got\n% x, want\n% x", got, want)
		}
	}
	untagged := ether(everyone, mac(1), plainPayload)
	r.from(1, ether(everyone, mac(1), tag(9)))
	r.wires[1].expect(untagged)
	wire(0, untagged) // and session 2 cannot have it
	back := ether(mac(1), mac(0), plainPayload)
	r.from(0, back)
	wire(1, ether(mac(1), mac(0), tag(7)))
	r.from(2, ether(mac(0), mac(2), tag(5))) // mac(0) is unknown in VLAN 5
	r.wires[0].expect(ether(mac(0), mac(2), tag(5)))
	got := map[string]bool{}
	for range 2 {
		got[hex.EncodeToString(r.peer.recv(soon))] = true
	}
	for i, frame := range [][]byte{ether(mac(0), mac(2), tag(5)), ether(mac(0), mac(2), append([]byte{0x81, 0, 0, 7}, tag(5)...))} {
		if !got[hex.EncodeToString(append(r.tun.header(r.cfgs[i]).AppendTo(nil), frame...))] {
			t.Errorf("session %d did not get % x: %v", i, frame, got)
		}
	}
	for _, w := range r.wires {
		f := ether(mac(2), tapMAC, tag(5))
		w.put(f)
		wire(2, f)
	}
	r.dropped(DropUntagged, 1)
}

// TestBridgeMTU: who sends what a session does not take is told where it is, behind the device or another session; for
// what is flooded nobody is.
func TestBridgeMTU(t *testing.T) {
	r := newBridgeRig(t, 2, func(i int, c *SessionConfig) {
		c.Isolated = false
		if i == 1 {
			c.Pseudowire, c.VLAN = EthernetVLAN, 7
		}
	})
	r.sessions[0].SetMTU(1000)
	hello := ether(everyone, mac(0), plainPayload)
	r.from(0, hello)
	r.wires[0].expect(hello)
	r.peer.recv(soon)
	packet := func(dst, src []byte, n int, df bool) []byte {
		return ether(dst, src, append([]byte{8, 0}, ipv4Packet(n, df, 1)...))
	}
	isAnswer := func(b, to []byte) {
		t.Helper()
		ip := encap.IPv4(b[min(14, len(b)):])
		if !bytes.HasPrefix(b, slices.Concat(to, mac(0), []byte{8, 0})) || !ip.Valid() || ip.Protocol() != 1 ||
			!bytes.Equal(ip[20:22], []byte{3, 4}) || int(ip[26])<<8|int(ip[27]) != 1000 {
			t.Fatalf("answer % x", b)
		}
	}
	r.wires[1].put(packet(mac(0), tapMAC, 1001, true))
	isAnswer(r.wires[0].get(soon), tapMAC)
	fits := packet(mac(0), tapMAC, 1000, true)
	r.wires[1].put(fits)
	r.arrives(fits, 0)
	r.peer.send(r.local, append(r.tun.expect(r.cfgs[1]).AppendTo(nil), ether(mac(0), mac(1), append([]byte{0x81, 0, 0, 3, 8, 0}, ipv4Packet(1001, true, 1)...))...))
	got := r.peer.recv(soon)
	front := len(r.tun.header(r.cfgs[1]).AppendTo(nil))
	if !bytes.Equal(got[:front], r.tun.header(r.cfgs[1]).AppendTo(nil)) || !bytes.Equal(got[front+12:front+16], []byte{0x81, 0, 0, 7}) {
		t.Fatalf("answer % x", got)
	}
	isAnswer(slices.Concat(got[front:front+12], got[front+16:]), mac(1))
	may := packet(mac(0), tapMAC, 1001, false) // nobody could be told
	r.wires[1].put(may)
	r.arrives(may, 0)
	r.wires[1].put(packet(mac(9), tapMAC, 1001, true)) // unknown: session 1 takes it
	if b := r.peer.recv(soon); len(b) < 1001 {
		t.Fatalf("flooded % x", b)
	}
	r.dropped(DropTooBig, 3)
	if b := r.wires[0].get(50 * time.Millisecond); b != nil {
		t.Errorf("what was flooded is answered: % x", b)
	}
}

// TestBridgeSuper: a super-packet is cut for its session, or for each one that it is flooded to.
func TestBridgeSuper(t *testing.T) {
	r := newBridgeRig(t, 3, nil)
	super := toEthernet(tcpSuper(10_000, 1300, 1, 7), 0)
	want := naiveCut(t, bytes.Clone(super), offload.LayerEthernet)
	if _, err := r.wires[1].host.Write(super); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for range 3 * len(want) {
		got[string(r.peer.recv(soon))]++
	}
	for i := range r.sessions {
		for _, f := range want {
			if n := got[string(append(r.tun.header(r.cfgs[i]).AppendTo(nil), f...))]; n != 1 {
				t.Fatalf("session %d got a packet %d times", i, n)
			}
		}
	}
	r.sessions[1].SetMTU(1300)
	if _, err := r.wires[1].host.Write(toEthernet(tcpSuper(10_000, 1300, 1, 7), 0)); err != nil {
		t.Fatal(err)
	}
	r.dropped(DropTooBig, uint64(len(want)))
}

// TestBridgePathAllocatesNothing counts the allocations of the process while frames go from one shared TAP through a session
// to another one, and on through a second session back to a third end.
func TestBridgePathAllocatesNothing(t *testing.T) {
	// a --(1000)-- middle --(1001)-- c: what a sends to c's host crosses the middle between two sessions.
	var hosts [3]*tuntap.Queue
	var ends [3]*Forwarder
	var shared [3]*Shared
	var local [3]netip.AddrPort
	for i := range ends {
		ends[i], local[i] = newForwarder(t, 1), freePort(t, "127.0.0.1")
		dev, host := tuntaptest.Pair(t)
		hosts[i] = host
		var err error
		if shared[i], err = ends[i].AddShared(SharedConfig{Name: "sh", Queues: []Device{dev}, Bridge: &bridge.Config{MaxMACs: 9, Aging: time.Hour}}); err != nil {
			t.Fatal(err)
		}
	}
	open := func(i, to int, id, peerID encap.SessionID) {
		tun, err := ends[i].AddTunnel(TunnelConfig{Name: "t", Local: local[i], Peer: local[to], TOS: -1, DF: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ends[i].AddSession(tun, SessionConfig{Name: "s", LocalID: id, PeerID: peerID, ClampMSS: true, Shared: shared[i], MACLimit: 9})
		if err != nil {
			t.Fatal(err)
		}
		s.SetMTU(1400)
		s.SetLink(LinkState{Ethernet: true})
	}
	open(0, 1, 1000, 1000)
	open(1, 0, 1000, 1000)
	open(1, 2, 1001, 1001)
	open(2, 1, 1001, 1001)
	frame := func(dst, src []byte) []byte {
		return append(make([]byte, deviceHeader), ether(dst, src, append([]byte{8, 0}, ipv4Packet(1000, true, 1)...))...)
	}
	there, back := &pair{a: hosts[0], b: hosts[2]}, &pair{a: hosts[2], b: hosts[0]}
	known, answer, all := frame(mac(2), mac(0)), frame(mac(0), mac(2)), frame(everyone, mac(0))
	out := make([]byte, 2000)
	step := func() error {
		for _, p := range []struct {
			*pair
			frame []byte
		}{{there, all}, {back, answer}, {there, known}} {
			if err := p.pass(p.frame, out); err != nil {
				return err
			}
		}
		return arrival(hosts[1], len(all), out) // what was flooded
	}
	for range 10 {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if n := testing.AllocsPerRun(20, func() {
		if e := step(); e != nil {
			err = e
		}
	}); n != 0 && !testenv.RaceEnabled || err != nil { // the race detector allocates
		t.Fatalf("%v allocations, error %v", n, err)
	}
}
