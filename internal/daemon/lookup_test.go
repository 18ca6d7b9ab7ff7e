package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/internal/config"
)

// resolver is a DNS that a test changes. While stuck it does not answer.
type resolver struct {
	mu    sync.Mutex
	addrs []netip.Addr
	err   error
	stuck bool
	asked int
	names map[string]bool // with the network
}

func (r *resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.names[network+" "+host] = true
	if r.stuck {
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		return nil, ctx.Err()
	}
	return r.addrs, r.err
}

func (r *resolver) set(stuck bool, err error, addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck, r.err, r.addrs = stuck, err, nil
	for _, a := range addrs {
		r.addrs = append(r.addrs, netip.MustParseAddr(a))
	}
}

func (r *resolver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// named is a configuration with one tunnel to a peer that has a name.
func named(t *testing.T, ns string, local, peer int) *config.Config {
	t.Helper()
	cfg := parse(t, fmt.Sprintf(`
[tunnel.up]
local = "127.0.0.2:%d"
peer = "127.0.0.1:%d"
path_mtu = 1500
retry_timeout = 50
max_retries = 1
[tunnel.up.session.wire]
pseudowire = "eth"
interface_name = "wire"
netns = %q
`, local, peer, ns))
	cfg.Tunnels[0].PeerName, cfg.Tunnels[0].Peer = "peer.example", netip.AddrPortFrom(netip.Addr{}, uint16(peer))
	return cfg
}

// TestPeerName: the peer's name is resolved whenever it is dialed, and all its addresses have their turn.
func TestPeerName(t *testing.T) {
	ns, ports := newNS(t), freePorts(t, 2)
	first, second := newLNSAt(t, "127.0.0.21", ports[0]), newLNSAt(t, "127.0.0.22", ports[0])
	dns := &resolver{names: make(map[string]bool)}
	dns.set(false, nil, "2001:db8::1", "127.0.0.20", "127.0.0.21") // the second one does not answer
	a := runWith(t, named(t, ns, ports[1], ports[0]), Options{Resolver: dns})
	next(t, "session at the first peer", first.up)
	eventually(t, "the first peer's address", func() bool { return a.tunnel("up").Peer == first.addr().String() })

	// The peer moves; what is left of it at the old address says goodbye.
	asked := dns.count()
	dns.set(false, nil, "127.0.0.22")
	hangUp(first)
	next(t, "session at the second peer", second.up)
	if n := dns.count(); n == asked {
		t.Error("the name was not resolved again")
	}
	if len(dns.names) != 1 || !dns.names["ip4 peer.example"] {
		t.Errorf("asked for %v", dns.names)
	}
}

// TestResolverFails: without an answer of the resolver the peer is not dialed, but where it had an address before; and one
// that says nothing holds up nobody.
func TestResolverFails(t *testing.T) {
	ns, ports := newNS(t), freePorts(t, 2)
	dns := &resolver{names: make(map[string]bool)}
	dns.set(false, errors.New("no such host"))
	d, err := start(named(t, ns, ports[1], ports[0]), Options{Log: zap.NewNop(), Resolver: dns})
	if err != nil {
		t.Fatal(err)
	}
	now, l := time.Now(), d.plane.dialers[0]
	answer := func() {
		t.Helper()
		next(t, "answer of the resolver", d.lookups.wake)
		d.resolved(now)
	}
	pass := func() {
		now = now.Add(2 * redialMost)
		d.mu.Lock()
		d.due(now)
		d.mu.Unlock()
	}
	later := func() { // what is under way has failed, and the next attempt is due
		for range 10 {
			if l.conn != nil {
				pass()
			}
		}
		pass()
	}
	answer()
	if m, _ := (source{d}).Tunnel("up"); l.conn != nil || m.Peer != "peer.example" || !strings.Contains(m.Control.Reason, "no such host") {
		t.Errorf("tunnel %+v", m)
	}
	dns.set(false, nil, "127.0.0.30")
	later()
	answer()
	good := netip.MustParseAddr("127.0.0.30")
	if l.conn == nil || l.peer != good || d.plane.dialed[good] != 1 {
		t.Errorf("dialed %v of %v", l.peer, l.addrs)
	}
	for i := range 2 { // the resolver fails, then knows another one
		dns.set(false, errors.New("no such host"))
		later()
		answer()
		if l.conn == nil || l.peer != good {
			t.Fatalf("dialed %v of %v", l.peer, l.addrs)
		}
		good = netip.AddrFrom4([4]byte{127, 0, 0, byte(31 + i)})
		dns.set(false, nil, good.String())
		later()
		answer()
		if l.conn == nil || l.peer != good || len(d.plane.dialed) != 1 {
			t.Fatalf("dialed %v of %v", l.peer, l.addrs)
		}
	}
	dns.set(true, nil)
	asked := dns.count()
	later()
	eventually(t, "a question without answer", func() bool { return dns.count() > asked })
	pass() // goes on all the same
	d.stop()
}

// hangUp closes all connections of a peer.
func hangUp(l *lns) {
	within(l, func(now time.Time) bool {
		l.ep.Conns(func(c *control.Conn) bool {
			c.Close(now, control.Result{Code: control.StopShutdown})
			return true
		})
		return true
	})
}

// TestChoose: addresses that were dialed in vain come last, whatever order they are in now.
func TestChoose(t *testing.T) {
	at := func(list ...int) (all []netip.Addr) {
		for _, i := range list {
			all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
		return all
	}
	var l dialer
	for i, r := range []struct {
		addrs []netip.Addr
		want  int
		up    bool // then it comes up
	}{
		{at(1, 2, 3), 1, false},
		{at(3, 1, 2), 3, false},
		{at(1, 2, 3), 2, false},
		{at(2, 1, 3), 2, false}, // all were: anew
		{at(2, 1), 1, false},
		{at(4), 4, false},
		{at(4, 1, 2), 1, true},
		{at(4, 1, 2), 1, false},
		{at(4, 1, 2), 2, false},
	} {
		l.addrs = r.addrs
		got := l.choose()
		if want := at(r.want)[0]; got != want {
			t.Errorf("%d: %v, want %v", i, got, want)
		}
		if !r.up {
			l.failed = append(l.failed, got)
		}
	}
}
