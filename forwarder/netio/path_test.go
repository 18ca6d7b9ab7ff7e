package netio

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"culvert/encap"
)

// route is three namespaces in a row, a - router - b, with an MTU of 1300 behind the router.
type route struct{ a, router, b *space }

const narrow = 1300

func newRoute(t *testing.T) route {
	t.Helper()
	r := route{newSpace(t), newSpace(t), newSpace(t)}
	r.link(r.a, "192.0.2.1/24", "2001:db8:a::1/64", "192.0.2.254/24", "2001:db8:a::fe/64", "toa", 1500)
	r.link(r.b, "198.51.100.1/24", "2001:db8:b::1/64", "198.51.100.254/24", "2001:db8:b::fe/64", "tob", narrow)
	r.a.ip("route", "add", "default", "via", "192.0.2.254")
	r.a.ip("-6", "route", "add", "default", "via", "2001:db8:a::fe")
	r.b.ip("route", "add", "default", "via", "198.51.100.254")
	r.b.ip("-6", "route", "add", "default", "via", "2001:db8:b::fe")
	r.router.exec("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0",
		"net.ipv6.icmp.ratelimit=0")
	r.b.exec("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
	r.settle(kinds[0])
	r.settle(kinds[1])
	return r
}

// settle waits until packets go through: new links and IPv6 neighbours take a second or two.
func (r route) settle(k kind) {
	r.a.t.Helper()
	at := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 9) }
	a := r.a.open(GroupConfig{Local: at(k.sideA()), Workers: 1})
	b := r.b.open(GroupConfig{Local: at(k.sideB()), Workers: 1})
	defer func() { _ = a.Close(); _ = b.Close() }()
	tx, d := NewTxBatch(1), dest(r.a.t, at(k.sideB()))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		tx.Reset()
		tx.Add(k.data(1, 0, 4), d, -1, 0)
		_, _ = a.Data(0).Send(tx)
		if len(drain(r.a.t, b.Data(0), 5*time.Millisecond)) != 0 {
			drain(r.a.t, b.Data(0), quiet)
			return
		}
	}
	r.a.t.Fatal("no packet gets through the router")
}

// link joins an end to the router; the end's device is "up0", the router's has the name given.
func (r route) link(end *space, end4, end6, router4, router6, name string, mtu int) {
	end.t.Helper()
	tmp := fmt.Sprintf("cv%d%s", os.Getpid(), name)
	command(end.t, "ip", "link", "add", tmp, "netns", r.router.name, "type", "veth", "peer", "name", "up0", "netns", end.name)
	r.router.ip("link", "set", tmp, "name", name)
	for _, x := range []struct {
		s           *space
		dev, v4, v6 string
	}{{end, "up0", end4, end6}, {r.router, name, router4, router6}} {
		x.s.ip("address", "add", x.v4, "dev", x.dev)
		x.s.ip("address", "add", x.v6, "dev", x.dev, "nodad")
		x.s.ip("link", "set", x.dev, "mtu", fmt.Sprint(mtu), "up")
	}
}

func (k kind) sideA() netip.AddrPort { return k.pick("192.0.2.1", "2001:db8:a::1") }
func (k kind) sideB() netip.AddrPort { return k.pick("198.51.100.1", "2001:db8:b::1") }

// collectErrors reads the error queues of all sockets until want errors were seen or two seconds are over.
func collectErrors(g *Group, want int) (out []NetError) {
	for end := time.Now().Add(patience); len(out) < want && time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, s := range g.Sockets() {
			s.ReadErrors(func(e NetError) { out = append(out, e) })
		}
	}
	return out
}

// TestPathMTU learns a smaller MTU from the router's ICMP message, and then gets EMSGSIZE from the own stack.
func TestPathMTU(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		r := newRoute(t) // each its own: routes remember MTUs
		a := r.a.open(GroupConfig{Transport: k.transport, Local: k.sideA(), Workers: 3})
		b := r.b.open(GroupConfig{Transport: k.transport, Local: k.sideB(), Workers: 1})
		wantMTU(t, r, k, 1500)
		d := dest(t, k.sideB())
		send(t, a.Data(1), d, k.data(1, 0, 1400))
		errs := collectErrors(a, 1)
		if len(errs) != 1 {
			t.Fatalf("%d errors: %+v", len(errs), errs)
		}
		want := NetError{Peer: k.sideB(), Errno: unix.EMSGSIZE, MTU: narrow, Type: 3, Code: 4, Offender: k.pick("192.0.2.254", "2001:db8:a::fe").Addr()}
		if k.ipv6 {
			want.Type, want.Code = 2, 0
		}
		if errs[0] != want {
			t.Errorf("error %+v\ninstead of %+v", errs[0], want)
		}
		wantMTU(t, r, k, narrow)
		localTooBig(t, k, a, d)
		fragments(t, r, k, a, b, d)
	})
}

func wantMTU(t *testing.T, r route, k kind, want int) {
	t.Helper()
	r.a.do(func() {
		for _, local := range []netip.AddrPort{k.sideA(), {}, k.pick("0.0.0.0", "::")} {
			if mtu, err := PathMTU(k.transport, local, k.sideB()); mtu != want || err != nil {
				t.Errorf("path MTU from %v: %d, %v", local, mtu, err)
			}
		}
	})
}

// localTooBig sends a packet that the stack now knows to be too long, between two that are not.
func localTooBig(t *testing.T, k kind, a *Group, d *Dest) {
	t.Helper()
	b := NewTxBatch(3)
	b.Add(k.data(1, 0, 20), d, -1, 0)
	b.Add(k.data(1, 0, 1400), d, -1, 0)
	b.Add(k.data(1, 0, 20), d, -1, 0)
	if n, err := a.Data(2).Send(b); n != 1 || !errors.Is(err, unix.EMSGSIZE) || b.Cursor() != 1 {
		t.Errorf("sent %d, cursor %d: %v", n, b.Cursor(), err)
	}
	if b.Skip(); true {
		if n, err := a.Data(2).Send(b); n != 1 || err != nil {
			t.Errorf("after it: %d, %v", n, err)
		}
	}
	n := a.Data(2).ReadErrors(func(e NetError) {
		if e.Peer.Addr() != k.sideB().Addr() || e.Errno != unix.EMSGSIZE || !e.Local || e.MTU != narrow || e.Offender.IsValid() {
			t.Errorf("local error %+v", e)
		}
	})
	if n == 0 {
		t.Error("no local error queued")
	}
}

// fragments sends packets above the MTU with DF clear: the kernel fragments and reassembles, steering included.
func fragments(t *testing.T, r route, k kind, a, b *Group, d *Dest) {
	t.Helper()
	var s *Socket
	var err error
	r.a.do(func() { s, err = a.Sender(0, Variant{DF: DFClear}) })
	if err != nil {
		t.Fatal(err)
	}
	drain(t, b.Data(0), quiet)
	pkt := k.data(7, 0x12345678, 4000)
	send(t, s, d, pkt)
	if got := readOne(t, b.Data(0)); !bytes.Equal(got.data, pkt) || got.source != k.sideA() {
		t.Errorf("%d bytes from %v instead of %d", len(got.data), got.source, len(pkt))
	}
}

// TestUnreachable gets "port unreachable" and "protocol unreachable" from a host where nothing listens, each once, and
// neither sending nor reading is disturbed by them.
func TestUnreachable(t *testing.T) {
	r := newRoute(t)
	forKinds(t, func(t *testing.T, k kind) {
		a := r.a.open(GroupConfig{Transport: k.transport, Local: k.sideA(), Workers: 3})
		defer func() { _ = a.Close() }()
		want := NetError{Peer: k.sideB(), Errno: unix.ECONNREFUSED, Type: 3, Code: 3, Offender: k.sideB().Addr()}
		switch k.name {
		case "udp6":
			want.Type, want.Code = 1, 4
		case "ip4":
			want.Errno, want.Code = unix.ENOPROTOOPT, 2
		case "ip6":
			want.Errno, want.Type, want.Code = unix.EPROTO, 4, 1
		}
		p := newPoller(t)
		for i, s := range a.Sockets() {
			if err := p.Add(s.FD(), uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		d := dest(t, k.sideB())
		send(t, a.Data(1), d, k.data(1, 0, 4))
		ev := make([]Event, 8)
		if n, err := p.Wait(ev, patience); n == 0 || err != nil || !ev[0].Error || ev[0].Readable {
			t.Errorf("poller: %d, %v, %+v", n, err, ev[0])
		}
		time.Sleep(10 * time.Millisecond)
		// An error is pending now, on a socket chosen by the kernel: nobody may notice.
		for _, s := range a.Sockets() {
			if _, err := s.ReadBatch(NewRxBatch(1, 0, 100)); !errors.Is(err, ErrWouldBlock) {
				t.Errorf("%v: read: %v", s, err)
			}
		}
		send(t, a.Data(1), d, k.data(1, 0, 4))
		time.Sleep(10 * time.Millisecond)
		for w := range 3 {
			send(t, a.Data(w), dest(t, k.pick("192.0.2.254", "2001:db8:a::fe")), k.control(1)) // to somebody else
		}
		errs := collectErrors(a, 5)
		if len(errs) != 5 {
			t.Errorf("%d errors instead of 5: %+v", len(errs), errs)
		}
		others := 0
		for _, e := range errs {
			if e.Peer.Addr() != k.sideB().Addr() {
				others++
			} else if e != want {
				t.Errorf("error %+v\ninstead of %+v", e, want)
			}
		}
		if others != 3 {
			t.Errorf("%d errors about the router instead of 3", others)
		}
		if n, err := p.Wait(ev, 0); n != 0 || err != nil {
			t.Errorf("still events when all errors are read: %+v, %v", ev[:n], err)
		}
	})
}

// TestErrorsBounded queues more errors than one call may report.
func TestErrorsBounded(t *testing.T) {
	ns := newSpace(t)
	k := kinds[0]
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
	ns.exec("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000", "net.ipv4.icmp_msgs_burst=10000")
	d := dest(t, k.remote())
	for range 150 {
		send(t, g.Data(0), d, k.data(1, 0, 4))
	}
	time.Sleep(100 * time.Millisecond)
	var counts []int
	for _, s := range g.Sockets() {
		for n := 1; n > 0; {
			if n = s.ReadErrors(func(NetError) {}); n > 0 {
				counts = append(counts, n)
			}
		}
	}
	if fmt.Sprint(counts) != "[64 64 22]" {
		t.Errorf("errors reported: %v", counts)
	}
}

// TestLinkLocal talks between link-local addresses with zones.
func TestLinkLocal(t *testing.T) {
	r := newRoute(t)
	r.a.ip("address", "add", "fe80::a/64", "dev", "up0", "nodad")
	r.router.ip("address", "add", "fe80::b/64", "dev", "toa", "nodad")
	for _, k := range []kind{kinds[1], kinds[3]} {
		t.Run(k.name, func(t *testing.T) {
			a := r.a.open(GroupConfig{Transport: k.transport, Local: k.at("fe80::a%up0"), Workers: 2})
			b := r.router.open(GroupConfig{Transport: k.transport, Local: k.at("fe80::b%toa"), Workers: 2})
			any6 := r.a.open(GroupConfig{Transport: k.transport, Local: netip.AddrPortFrom(netip.IPv6Unspecified(), 1702), Workers: 1})
			var toA, toB *Dest
			var s *Socket
			var err1, err2, err3 error
			r.router.do(func() { toA, err1 = NewDest(k.at("fe80::a%toa"), DestOptions{TOS: -1}) })
			r.a.do(func() {
				toB, err2 = NewDest(k.at("fe80::b%up0"), DestOptions{TOS: -1})
				s, err3 = a.Sender(1, Variant{DF: DFClear})
				if mtu, err := PathMTU(k.transport, k.at("fe80::a%up0"), k.at("fe80::b%up0")); mtu != 1500 || err != nil {
					t.Errorf("path MTU %d, %v", mtu, err)
				}
			})
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*Socket{a.Data(0), s, any6.Data(0)} {
				send(t, s, toB, k.data(3, 0, 4))
				if got := readOne(t, b.Data(1)); got.source.Addr().Zone() != "" || !got.source.Addr().IsLinkLocalUnicast() {
					t.Errorf("source %v", got.source)
				}
			}
			send(t, b.Data(0), toA, k.data(4, 0, 4))
			if got := readOne(t, a.Data(0)); got.source != k.at("fe80::b") {
				t.Errorf("source %v", got.source)
			}
		})
	}
}

// TestUnspecifiedLocal receives on the wildcard address and answers from the address that the route chooses.
func TestUnspecifiedLocal(t *testing.T) {
	r := newRoute(t)
	forKinds(t, func(t *testing.T, k kind) {
		a := r.a.open(GroupConfig{Transport: k.transport, Local: k.pick("0.0.0.0", "::"), Workers: 3})
		b := r.b.open(GroupConfig{Transport: k.transport, Local: k.sideB(), Workers: 1})
		defer func() { _ = a.Close(); _ = b.Close() }()
		send(t, b.Data(0), dest(t, k.sideA()), k.data(4, 9, 4), k.control(1))
		if got := readOne(t, a.Data(1)); got.source != k.sideB() {
			t.Errorf("source %v", got.source)
		}
		readOne(t, a.Control())
		send(t, a.Data(1), dest(t, k.sideB()), k.data(4, 9, 4))
		if got := readOne(t, b.Data(0)); got.source != k.sideA() {
			t.Errorf("source %v", got.source)
		}
	})
}

// TestPathMTUErrors checks refusals.
func TestPathMTUErrors(t *testing.T) {
	ns := newSpace(t)
	ns.do(func() {
		at := netip.MustParseAddrPort
		for _, c := range []struct {
			local, peer netip.AddrPort
			is          error
		}{
			{at("127.0.0.1:1"), netip.AddrPort{}, ErrAddress},
			{at("127.0.0.1:1"), at("[::1]:1"), ErrAddress},
			{at("198.51.100.1:1"), at("127.0.0.1:1"), unix.EADDRNOTAVAIL},
			{netip.AddrPort{}, at("198.51.100.1:1"), unix.ENETUNREACH},
		} {
			if mtu, err := PathMTU(encap.TransportUDP, c.local, c.peer); mtu != 0 || !errors.Is(err, c.is) {
				t.Errorf("%v to %v: %d, %v", c.local, c.peer, mtu, err)
			}
		}
	})
}
