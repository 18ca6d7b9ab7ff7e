package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/control"
	"culvert/encap"
)

// within runs fn where the peer's Endpoint is used.
func within[T any](l *lns, fn func(now time.Time) T) T {
	done := make(chan T, 1)
	l.do <- func(now time.Time) { done <- fn(now) }
	return <-done
}

// dialed is a connection of the peer to a daemon.
type dialed struct {
	l *lns
	c *control.Conn
}

// dial connects as a router that says it is that one.
func (l *lns) dial(to netip.AddrPort, hostName string, routerID uint32, secrets ...string) dialed {
	l.t.Helper()
	p := control.Profile{
		HostName: hostName, RouterID: routerID, Pseudowires: []control.PseudowireType{control.PseudowireEthernet},
		Reliability: control.Reliability{RetryTimeout: 100 * time.Millisecond, MaxRetries: 5},
	}
	for _, s := range secrets {
		p.Secrets = append(p.Secrets, []byte(s))
	}
	return dialed{l, within(l, func(now time.Time) *control.Conn {
		c, err := l.ep.Dial(now, control.Path{Transport: encap.TransportUDP, Local: l.addr(), Remote: to}, p)
		if err != nil {
			l.t.Error(err)
		}
		return c
	})}
}

// state is how the connection is: "up", why it ended, or "" while neither.
func (d dialed) state() string {
	return within(d.l, func(time.Time) string {
		if d.c.State() == control.Established {
			return "up"
		}
		return d.l.reasons[d.c]
	})
}

// must waits until the connection is up or has ended for a reason that has want in it.
func (d dialed) must(want string) dialed {
	d.l.t.Helper()
	eventually(d.l.t, "connection "+want, func() bool { return strings.Contains(d.state(), want) })
	return d
}

// silence is for how many seconds the daemon has not heard of the connection.
func (d dialed) silence(i *instance) float64 {
	d.l.t.Helper()
	id := within(d.l, func(time.Time) control.CCID { return d.c.Status().Local })
	for _, tn := range tunnelsOf(d.l.t, i.socket) {
		if tn.PTID != uint32(id) {
			continue
		}
		more, err := client.New(i.socket).Tunnel(context.Background(), tn.Name)
		if err != nil {
			d.l.t.Fatal(err)
		}
		return more.Control.Silence
	}
	return 0
}

// asks asks for a session and waits for it to be up, or to have ended for a reason that has want in it.
func (d dialed) asks(remoteEndID, want string) *control.Session {
	d.l.t.Helper()
	s := within(d.l, func(now time.Time) *control.Session {
		s, err := d.c.Open(now, control.Call{
			RemoteEndID: remoteEndID, PseudowireType: control.PseudowireEthernet, Circuit: control.CircuitUp,
		})
		if err != nil {
			d.l.t.Error(err)
		}
		return s
	})
	d.l.ends(s, want)
	return s
}

// ends waits until a session is up, or has ended for a reason that has want in it.
func (l *lns) ends(s *control.Session, want string) {
	l.t.Helper()
	state := ""
	eventually(l.t, "session "+want, func() bool {
		state = within(l, func(time.Time) string {
			if s.State() == control.Established {
				return "up"
			}
			return l.reasons[s]
		})
		return state != "" && (state != "up" || want == "up")
	})
	if !strings.Contains(state, want) {
		l.t.Fatalf("session %s: %s, want %s", s.RemoteEndID(), state, want)
	}
}

const takeOver = `
[listen.udp]
local = "127.0.0.1:%d"
path_mtu = 1500
[peer.open]
name = "open"
max_tunnels = 2
[peer.few]
name = "few"
secret = "the secret"
max_tunnels = 2
[peer.routers]
secret = "the secret"
[profile.session.wire]
pseudowire = "eth"
remote_end_id = "wire_{n}"
n = "0-9"
interface_name = "wire{n}"
netns = %q
`

// TestTakeOver: a router that comes back, and has proven who it is, gets what its older connection has, which does not get
// it back. Another router, or one without proof, does not.
func TestTakeOver(t *testing.T) {
	ns, port := newNS(t), freePorts(t, 1)[0]
	lns := run(t, fmt.Sprintf(takeOver, port, ns))
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	const secret, inUse, taken = "the secret", "in use", "taken over"
	l := newLNS(t)

	first := l.dial(to, "lac", 1, secret).must("up")
	held := first.asks("wire_0", "up")
	kept := first.asks("wire_1", "up")
	l.dial(to, "lac", 2, secret).must("up").asks("wire_0", inUse)
	l.dial(to, "other", 1, secret).must("up").asks("wire_0", inUse)
	second := l.dial(to, "lac", 1, secret).must("up")
	again := second.asks("wire_0", "up")
	l.ends(held, taken)
	first.asks("wire_0", inUse)
	third := l.dial(to, "lac", 0, secret).must("up") // says no more than that
	third.asks("wire_0", "up")
	l.ends(again, taken)
	l.ends(kept, "up")
	if got := links(t, ns); !sameNames(got, []string{"wire0", "wire1"}) {
		t.Errorf("devices %v", got)
	}
	allUp(t, lns.socket, 2)
	// The place is free when its last holder goes, not before.
	within(l, func(now time.Time) bool { third.c.Close(now, control.Result{Code: control.StopGeneral}); return true })
	eventually(t, "device gone", func() bool { return len(links(t, ns)) == 1 })
	first.asks("wire_0", "up")

	open := l.dial(to, "open", 1).must("up")
	opened := open.asks("wire_2", "up")
	l.dial(to, "open", 1).must("up").asks("wire_2", inUse)
	l.dial(to, "open", 1).must("resources")
	l.ends(opened, "up")
	open.must("up")
}

// TestTakeOverTunnels: at max_tunnels a router that has proven who it is takes the place of that connection of its own
// which was heard of the longest ago.
func TestTakeOverTunnels(t *testing.T) {
	ns, port := newNS(t), freePorts(t, 1)[0]
	lns := run(t, fmt.Sprintf(takeOver, port, ns))
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	l := newLNS(t)
	quiet := l.dial(to, "few", 1, "the secret").must("up")
	other := l.dial(to, "few", 2, "the secret").must("up")
	other.asks("wire_0", "up")
	l.dial(to, "few", 3, "the secret").must("resources")
	l.dial(to, "few", 1, "not the secret").must("does not answer")
	quiet.must("up")
	next := l.dial(to, "few", 1, "the secret").must("up")
	quiet.must("taken over")
	wire := next.asks("wire_1", "up")
	status := control.CircuitUp
	eventually(t, "silence of the other one", func() bool { // whose device may still have something to say
		status ^= control.CircuitUp
		within(l, func(now time.Time) bool { wire.SetCircuit(now, status); return true })
		return other.silence(lns) > 0.3 && next.silence(lns) < 0.2
	})
	last := l.dial(to, "few", 0, "the secret").must("up")
	other.must("taken over")
	next.must("up")
	last.asks("wire_0", "up")
	if n := len(tunnelsOf(t, lns.socket)); n != 2 {
		t.Errorf("%d tunnels", n)
	}
}
