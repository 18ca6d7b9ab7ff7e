package daemon

import (
	"net/netip"
	"testing"

	"culvert/internal/config"
	"culvert/internal/pool"
	"culvert/pppfsm"
)

// book is a daemon with a pool and no data plane, for the bookkeeping alone.
func book(t *testing.T) *daemon {
	t.Helper()
	r, err := pool.ParseRange("10.0.0.0/29")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{inUse: make(addressBook), namespaces: make(map[string]int32), cfg: &config.Config{Pools: []config.Pool{{Config: pool.Config{Name: "p", Ranges: []pool.Range{r}}}}}}
	if err := d.addPools(); err != nil {
		t.Fatal(err)
	}
	return d
}

func booked(name, netns string) *session {
	return &session{
		cfg: &config.Session{Name: name, NetNS: netns, PPP: &config.PPP{Pool: "p", Link: pppfsm.Config{
			LocalAddress: netip.MustParseAddr("192.0.2.1"), PeerAddress: netip.MustParseAddr("192.0.2.77"),
		}}},
		tunnel: &tunnel{cfg: &config.Tunnel{Name: "t"}}, ppp: &ppp{},
	}
}

// TestCollisions: an address is in use once in a namespace, but for our own ends, which may share one.
func TestCollisions(t *testing.T) {
	d := book(t)
	addr := netip.MustParseAddr
	up := func(local, peer string) pppfsm.IPv4Up { return pppfsm.IPv4Up{Local: addr(local), Peer: addr(peer)} }
	a, b, c := booked("a", ""), booked("b", ""), booked("c", "blue")
	same := booked("d", "/run/netns/blue")
	fixed, subscriber := booked("e", "green"), booked("f", "green")
	subscriber.cfg.PPP.Link.LocalAddress = netip.Addr{}
	another := booked("g", "green")
	for _, step := range []struct {
		s    *session
		up   pppfsm.IPv4Up
		want string
	}{
		{a, up("192.0.2.1", "192.0.2.2"), ""},
		{b, up("192.0.2.1", "192.0.2.2"), "the peer of another session has the address 192.0.2.2"},
		{b, up("192.0.2.9", "192.0.2.1"), "the address 192.0.2.1 is ours"},
		{b, up("192.0.2.2", "192.0.2.3"), "the peer of another session has the address 192.0.2.2"},
		{b, up("192.0.2.1", "10.0.0.3"), "the address 10.0.0.3 is for others, in pool p"},
		{b, up("10.0.0.3", "192.0.2.3"), "the address 10.0.0.3 is for others, in pool p"},
		{b, up("192.0.2.1", "192.0.2.3"), ""},
		{c, up("192.0.2.1", "192.0.2.2"), ""},
		{same, up("192.0.2.9", "192.0.2.2"), "the peer of another session has the address 192.0.2.2"},
		{fixed, up("192.0.2.1", "192.0.2.77"), ""},
		{another, up("192.0.2.1", "192.0.2.77"), ""}, // configured for both
		{subscriber, up("192.0.2.5", "192.0.2.77"), ""},
	} {
		if got := d.hold(step.s, step.up); got != step.want {
			t.Errorf("%s, %s: %q, want %q", step.s.cfg.Name, step.up.Peer, got, step.want)
		}
	}
	if len(d.inUse) != 8 {
		t.Errorf("in use: %v", d.inUse)
	}
	d.letGo(a)
	d.letGo(a) // again does nothing
	if why := d.whyNot(a, addr("192.0.2.1"), forPeer); why == "" {
		t.Error("our address is free while b has it")
	}
	if why := d.whyNot(a, addr("192.0.2.2"), forPeer); why != "" {
		t.Errorf("a's own address: %s", why)
	}
	d.letGo(b)
	d.letGo(c)
	d.letGo(another)
	subscriber.cfg.PPP.Link.LocalAddress = addr("192.0.2.5")
	if d.whyNot(subscriber, addr("192.0.2.77"), forPeer) != "" {
		t.Error("configured, but not to be had")
	}
	subscriber.cfg.PPP.Link.PeerAddress = netip.Addr{}
	if d.whyNot(subscriber, addr("192.0.2.77"), forPeer) == "" {
		t.Error("two peers have an address that each chose")
	}
	d.letGo(fixed)
	d.letGo(subscriber)
	if len(d.inUse) != 0 {
		t.Errorf("left in use: %v", d.inUse)
	}

	if poolKey(a, "joe") != poolKey(b, "joe") || poolKey(a, "") == poolKey(b, "") || poolKey(a, a.fullName()) == poolKey(a, "") {
		t.Error("not remembered by the name that was proved, else by the session's")
	}

	// Of a pool each has its own, and only that.
	lease, err := d.pools["p"].Allocate(poolKey(a, ""))
	if err != nil {
		t.Fatal(err)
	}
	a.ppp.lease = lease
	mine := d.pools["p"].Prefix(lease).Addr()
	if why := d.whyNot(a, mine, forPeer); why != "" {
		t.Error(why)
	}
	if d.whyNot(a, mine.Next(), forPeer) == "" || d.whyNot(b, mine, forPeer) == "" {
		t.Error("an address of the pool was free to take")
	}
}

// TestServerDUID: a version 4 UUID that stays the same.
func TestServerDUID(t *testing.T) {
	id := serverDUID()
	if len(id) != 18 || id[0] != 0 || id[1] != 4 || id[8]>>4 != 4 || id[10]>>6 != 2 {
		t.Errorf("% x", id)
	}
}
