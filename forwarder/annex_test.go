package forwarder

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/tuntap"
	"culvert/internal/testenv"
)

// annexed makes a forwarder that moves every device away, and n sessions with their wires.
func annexed(t *testing.T, workers, n int, change func(*TunnelConfig, *SessionConfig)) (*Forwarder, *peer, *Tunnel, []*Session, []*wire) {
	t.Helper()
	f, err := New(Options{Workers: workers, Descriptors: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	p := newPeer(t, "127.0.0.1")
	tc := TunnelConfig{Name: "t", Local: freePort(t, "127.0.0.1"), Peer: p.addr(), TOS: -1, DF: true, PathMTU: 1500}
	wires := make([]*wire, n)
	all := make([]NewSession, n)
	for i := range all {
		wires[i] = newWire(t)
		c := SessionConfig{Name: fmt.Sprint(i), LocalID: encap.SessionID(1 + i), PeerID: encap.SessionID(1001 + i), Device: wires[i].dev}
		if change != nil {
			change(&tc, &c)
		}
		all[i].Config = c
	}
	tun, err := f.AddTunnel(tc)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Tunnel = tun
	}
	sessions, errs := f.AddSessions(all)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		s.SetMTU(1438)
		s.SetLink(LinkState{Ethernet: true, IPv4: true, IPv6: true})
	}
	return f, p, tun, sessions, wires
}

// TestAnnex: sessions whose devices are in another descriptor table pass frames both ways, each its own and in order, and
// count them; what is removed or moved to another tunnel goes on or ends as elsewhere.
func TestAnnex(t *testing.T) {
	const n, rounds = 9, 40
	f, p, tun, sessions, wires := annexed(t, 2, n, nil)
	if f.Annexes() != 1 || wires[3].dev.Table() == nil {
		t.Fatalf("%d annexes", f.Annexes())
	}
	frame := func(i, k int) []byte { return etherFrame(100+k, byte(i)) }
	expect := func(s *Session, i, k int) {
		t.Helper()
		if got, want := p.recv(soon), append(s.header, frame(i, k)...); !bytes.Equal(got, want) {
			t.Fatalf("session %d sent\n% x, want\n% x", i, got, want)
		}
	}
	for k := range rounds {
		for i := range sessions {
			h := tun.expect(sessions[i].cfg).AppendTo(nil)
			p.send(tun.cfg.Local, append(h, frame(i, k)...))
		}
		for i := range sessions {
			wires[i].expect(frame(i, k))
		}
	}
	for i, s := range sessions { // one by one: the peer has one socket for all
		for k := range rounds {
			wires[i].put(frame(i, k))
		}
		for k := range rounds {
			expect(s, i, k)
		}
	}
	for _, s := range sessions {
		wait(t, "counters", func() bool {
			rx, tx, d := s.Stats()
			return rx.Packets == rounds && tx.Packets == rounds && rx.Bytes == tx.Bytes && d.Total() == 0
		})
	}
	var sum WorkerStats
	for _, w := range f.Stats() {
		sum.Rx.Packets += w.Rx.Packets
		sum.Tx.Packets += w.Tx.Packets
		sum.Sessions += w.Sessions
	}
	if sum.Rx.Packets != n*rounds || sum.Tx.Packets != n*rounds || sum.Sessions != n {
		t.Errorf("workers: %+v", sum)
	}
	sessions[0].Inject([]byte{0xff, 3, 0xc0, 0x21, 1})
	if f.Flush(); len(p.recv(soon)) == 0 {
		t.Error("nothing injected")
	}

	// The device comes back with another session, as when a peer moves.
	f.RemoveSession(sessions[4])
	again, err := f.AddSession(tun, sessions[4].cfg)
	if err != nil {
		t.Fatal(err)
	}
	again.SetLink(LinkState{Ethernet: true})
	wires[4].put(frame(4, 1))
	expect(again, 4, 1)

	// What is gone: its frames stay in the device, and those of the peer are nobody's.
	f.RemoveSessions(sessions[:4])
	wires[0].put(frame(0, 2))
	p.send(tun.cfg.Local, append(tun.expect(sessions[0].cfg).AppendTo(nil), frame(0, 2)...))
	wires[5].put(frame(5, 2))
	expect(sessions[5], 5, 2)
	if b := wires[0].get(50 * time.Millisecond); b != nil {
		t.Errorf("a removed session's device got % x", b)
	}
}

// TestAnnexTooBig: who sends what does not fit the path is told through the device, wherever that is.
func TestAnnexTooBig(t *testing.T) {
	_, _, _, sessions, wires := annexed(t, 1, 1, func(t *TunnelConfig, s *SessionConfig) {
		t.PathMTU, s.Pseudowire = 1000, PPP
	})
	wires[0].put(ipv4Packet(1200, true, 1))
	b := wires[0].get(soon)
	if len(b) < 28 || b[9] != 1 || b[20] != 3 || b[21] != 4 {
		t.Fatalf("got % x", b)
	}
	if _, _, d := sessions[0].Stats(); d[DropTooBig] != 1 {
		t.Error(d)
	}
}

// TestAnnexDeviceGone: a device that fails is reported and not read any more.
func TestAnnexDeviceGone(t *testing.T) {
	f, _, _, sessions, wires := annexed(t, 1, 2, nil)
	_ = wires[1].host.Close()
	e := <-f.Events()
	if e.Kind != EventDeviceGone || e.Session != sessions[1] {
		t.Fatal(e)
	}
	if _, _, d := sessions[1].Stats(); d[DropDevice] != 1 {
		t.Error(d)
	}
	if err := wires[1].dev.Close(); err != nil || wires[1].dev.FD() != -1 {
		t.Error(err)
	}
	if err := wires[1].dev.Close(); !errors.Is(err, tuntap.ErrClosed) {
		t.Error(err)
	}
}

// TestAnnexEnds: with the forwarder its threads end, and take their descriptors with them.
func TestAnnexEnds(t *testing.T) {
	f, _, _, _, wires := annexed(t, 1, 2, nil)
	tid := f.annexes.all[0].thread.Load()
	f.Close()
	wait(t, "end of the thread", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return errors.Is(err, os.ErrNotExist)
	})
	if _, err := wires[0].host.Write([]byte("anybody?")); err == nil {
		t.Error("the device's file is still open")
	}
}

// wait is for what happens soon.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * soon); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// TestAnnexAllocatesNothing: neither direction allocates once it has buffers.
func TestAnnexAllocatesNothing(t *testing.T) {
	roomForLoops(t)
	_, p, tun, sessions, wires := annexed(t, 1, 1, nil)
	frame := etherFrame(200, 1)
	packet, dev := append(tun.expect(sessions[0].cfg).AppendTo(nil), frame...), append(make([]byte, tuntap.HeaderLen), frame...)
	b := make([]byte, 2000)
	turn := func() {
		if _, err := p.conn.WriteToUDPAddrPort(packet, tun.cfg.Local); err != nil {
			t.Error(err)
		}
		if n, err := wires[0].host.Read(b); err != nil || n != len(dev) {
			t.Error(n, err)
		}
		if _, err := wires[0].host.Write(dev); err != nil {
			t.Error(err)
		}
		if n, err := p.conn.Read(b); err != nil || n != len(packet) {
			t.Error(n, err)
		}
	}
	for range 100 {
		turn()
	}
	if n := testing.AllocsPerRun(100, turn); n >= 1 && !testenv.RaceEnabled {
		t.Errorf("%v allocations a packet there and back", n)
	}
}
