package forwarder

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
)

// hello looks like a control message to the data plane: T, L and S bits, version 3, some CCID.
func hello(n int) []byte {
	return append([]byte{0xc8, 3, byte(n >> 8), byte(n), 0, 0, 0, 1, 0, 0, 0, 0}, make([]byte, n-12)...)
}

func openControl(t *testing.T, f *Forwarder, local netip.AddrPort, strangers bool) *Control {
	t.Helper()
	c, err := f.OpenControl(ControlConfig{Transport: encap.TransportUDP, Local: local, Strangers: strangers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// heard waits for a control message, and gives a copy of it; the zero one when none comes.
func heard(t *testing.T, from <-chan ControlMessage, f *Forwarder) ControlMessage {
	t.Helper()
	select {
	case m := <-from:
		c := m
		c.Payload = bytes.Clone(m.Payload)
		f.ReleaseControl(m)
		return c
	case <-time.After(soon):
		t.Fatal("no control message")
		return ControlMessage{}
	}
}

func TestControlMessages(t *testing.T) {
	r := newRig(t, 2, nil)
	c := openControl(t, r.f, r.local, false)
	known, strangers := r.f.ControlMessages()

	// The peer of a tunnel is heard, from any port, and answered from the port it has addressed.
	for _, p := range []*peer{r.peer, newPeer(t, "127.0.0.1")} {
		p.send(r.local, hello(20))
		m := heard(t, known, r.f)
		if m.Transport != encap.TransportUDP || m.Local != r.local || m.Remote != p.addr() || !bytes.Equal(m.Payload, hello(20)) {
			t.Fatalf("got %+v", m)
		}
		if err := c.Send(m.Remote, hello(30)); err != nil {
			t.Fatal(err)
		}
		if got := p.recv(soon); !bytes.Equal(got, hello(30)) {
			t.Fatalf("peer got % x", got)
		}
	}

	// Nobody else is, before somebody is expected or strangers are wanted.
	other := newPeer(t, "127.0.0.9")
	other.send(r.local, hello(12))
	r.dropped(DropControl, 1)
	c.Expect(netip.MustParseAddr("127.0.0.9"))
	other.send(r.local, hello(13))
	if m := heard(t, known, r.f); len(m.Payload) != 13 || m.Remote != other.addr() {
		t.Fatalf("got %+v", m)
	}
	c.Forget(netip.MustParseAddr("127.0.0.9"))
	other.send(r.local, hello(12))
	r.dropped(DropControl, 2)
	all := openControl(t, r.f, r.local, true)
	other.send(r.local, hello(14))
	if m := heard(t, strangers, r.f); len(m.Payload) != 14 {
		t.Fatalf("got %+v", m)
	}
	if len(all.l.known) != 1 {
		t.Fatalf("known: %v", all.l.known)
	}
}

// TestControlFlood: a stranger's flood is cut, keeps no peer's message out, and data passes.
func TestControlFlood(t *testing.T) {
	r := newRig(t, 1, nil)
	openControl(t, r.f, r.local, true)
	known, strangers := r.f.ControlMessages()
	other := newPeer(t, "127.0.0.9")
	for range 20 * strangerQueue {
		other.send(r.local, hello(12))
	}
	r.peer.send(r.local, hello(15))
	if m := heard(t, known, r.f); len(m.Payload) != 15 {
		t.Fatalf("got %+v", m)
	}
	frame := etherFrame(60, 7)
	r.peer.send(r.local, r.packet(frame))
	r.wire.expect(frame)
	if n := len(strangers); n == 0 || n > strangerQueue {
		t.Fatalf("%d messages of strangers wait", n)
	}
	if n := r.f.Stats()[0].Drops[DropPunt]; n == 0 {
		t.Fatal("nothing was dropped")
	}
}

// TestControlOverIP: session id 0 over IP 115, both ways, without ports.
func TestControlOverIP(t *testing.T) {
	f := newForwarder(t, 2)
	a, b := netip.MustParseAddr("127.0.0.21"), netip.MustParseAddr("127.0.0.22")
	var ends []*Control
	for _, addr := range []netip.Addr{a, b} {
		c, err := f.OpenControl(ControlConfig{Transport: encap.TransportIP, Local: netip.AddrPortFrom(addr, 0), Strangers: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		ends = append(ends, c)
	}
	ends[0].Expect(b)
	ends[1].Expect(a)
	known, _ := f.ControlMessages()
	for i, to := range []netip.Addr{b, a} {
		sent := append([]byte{0, 0, 0, 0}, hello(16)...)
		if err := ends[i].Send(netip.AddrPortFrom(to, 0), sent); err != nil {
			t.Fatal(err)
		}
		m := heard(t, known, f)
		from := []netip.Addr{a, b}[i]
		if m.Transport != encap.TransportIP || m.Local != netip.AddrPortFrom(to, 0) || m.Remote != netip.AddrPortFrom(from, 0) ||
			!bytes.Equal(m.Payload, sent) {
			t.Fatalf("got %+v", m)
		}
	}
}

// TestControlSharesTheAddress: the last user of a local address closes it, whoever that is.
func TestControlSharesTheAddress(t *testing.T) {
	f := newForwarder(t, 1)
	local := freePort(t, "127.0.0.1")
	c, err := f.OpenControl(ControlConfig{Transport: encap.TransportUDP, Local: local})
	if err != nil {
		t.Fatal(err)
	}
	tun, err := f.AddTunnel(TunnelConfig{Name: "t", Transport: encap.TransportUDP, Local: local, Peer: freePort(t, "127.0.0.2"), PathMTU: 1500})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(f.listeners) != 1 {
		t.Fatal("the tunnel's sockets are gone")
	}
	f.RemoveTunnel(tun)
	if len(f.listeners) != 0 {
		t.Fatal("sockets are left")
	}
	if _, err := f.OpenControl(ControlConfig{Transport: encap.TransportUDP, Local: netip.MustParseAddrPort("192.0.2.99:1701")}); err == nil {
		t.Fatal("an address of another host was opened")
	}
}
