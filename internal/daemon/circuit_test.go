package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"culvert/control"
	"culvert/encap"
)

// lns is a peer made of package control alone, on one UDP socket: it accepts whatever it is asked for.
type lns struct {
	t  *testing.T
	c  *net.UDPConn
	ep *control.Endpoint
	do chan func(now time.Time) // run where the Endpoint is used
	up chan *control.Session
	// placed are the calls that have been asked for by OCRQ.
	placed chan *control.Session
	// reasons say why sessions and connections ended; only where it is used.
	reasons map[any]string
	done    chan struct{}
}

// Known implements control.Policy.
func (*lns) Known(netip.Addr) bool { return true }

// AcceptConnection implements control.Policy.
func (*lns) AcceptConnection(control.Path, *control.Message) (control.Profile, *control.Result) {
	return control.Profile{HostName: "lns", Pseudowires: []control.PseudowireType{control.PseudowireEthernet}}, nil
}

// AcceptCall implements control.Policy.
func (*lns) AcceptCall(*control.Conn, *control.Message) (control.Call, *control.Result) {
	return control.Call{Circuit: control.CircuitUp, CookieLen: 4, Sublayer: control.SublayerDefault}, nil
}

func newLNS(t *testing.T) *lns {
	t.Helper()
	return newLNSAt(t, "127.0.0.1", 0)
}

func newLNSAt(t *testing.T, host string, port int) *lns {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	l := &lns{
		t: t, c: c, do: make(chan func(time.Time)), up: make(chan *control.Session, 8),
		placed: make(chan *control.Session, 8), reasons: make(map[any]string), done: make(chan struct{}),
	}
	l.ep = control.NewEndpoint(control.Config{}, l, rand.Reader)
	go l.run()
	t.Cleanup(func() {
		_ = c.Close()
		<-l.done
	})
	return l
}

// run uses the Endpoint until the socket is closed.
func (l *lns) run() {
	defer close(l.done)
	b := make([]byte, 4096)
	for {
		_ = l.c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		n, from, err := l.c.ReadFromUDPAddrPort(b)
		now := time.Now()
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err == nil && encap.ControlUDP(b[:n]) {
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			l.ep.Receive(now, control.Path{Transport: encap.TransportUDP, Local: l.addr(), Remote: from}, b[:n])
		}
		select {
		case fn := <-l.do:
			fn(now)
		default:
		}
		l.ep.Tick(now)
		for _, a := range l.ep.Take() {
			switch a := a.(type) {
			case control.Send:
				_, _ = l.c.WriteToUDPAddrPort(a.Payload, a.Path.Remote)
			case control.PlaceCall:
				l.placed <- a.Session
			case control.SessionUp:
				l.up <- a.Session
			case control.SessionDown:
				l.reasons[a.Session] = a.Reason.String()
			case control.ConnDown:
				l.reasons[a.Conn] = a.Reason.String()
			}
		}
	}
}

func (l *lns) addr() netip.AddrPort { return l.c.LocalAddr().(*net.UDPAddr).AddrPort() }

// next waits for something to happen at the peer.
func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: not within 10 s", what)
		panic("unreachable")
	}
}

// TestCircuit: the peer's circuit status drives the carrier of an Ethernet device, and its CDN takes the device away until
// it lets us have the session again.
func TestCircuit(t *testing.T) {
	ns := newNS(t)
	peer := newLNS(t)
	a := run(t, fmt.Sprintf(`
[tunnel.up]
local = "127.0.0.2:%d"
peer = %q
path_mtu = 1500
[tunnel.up.session.wire]
pseudowire = "eth"
interface_name = "wire"
netns = %q
`, freePorts(t, 1)[0], peer.addr(), ns))
	call := next(t, "session at the peer", peer.up)
	eventually(t, "session up", func() bool { return a.session("wire").State == "up" })
	if p := call.Params(); call.RemoteEndID() != "wire" || p.Local.Cookie.Len() != 4 || p.Remote.Cookie.Len() != 8 {
		t.Errorf("session %q: %+v", call.RemoteEndID(), p)
	}
	// What is sent has the cookie of 4 bytes and the sublayer that the peer has asked for: 1500 - 28 - 8 - 4 - 4 - 14.
	if s := a.session("wire"); s.MTU != 1442 || s.PSID != uint32(call.ID()) {
		t.Errorf("session %+v", s)
	}
	for _, status := range []control.CircuitStatus{0, control.CircuitUp} {
		peer.do <- func(now time.Time) { call.SetCircuit(now, status) }
		want := "down"
		if status == control.CircuitUp {
			want = "up"
		}
		eventually(t, "session "+want, func() bool { return a.session("wire").State == want })
	}

	peer.do <- func(now time.Time) {
		call.Close(now, control.Result{Code: control.CallAdministrative, Text: "for a test"})
	}
	eventually(t, "device gone", func() bool { return !slices.Contains(links(t, ns), "wire") })
	if s := a.session("wire"); s.State == "up" {
		t.Errorf("session %+v", s)
	}
	again := next(t, "session asked for again", peer.up)
	eventually(t, "session up again", func() bool { return a.session("wire").State == "up" })
	if again.ID() == call.ID() {
		t.Error("it is the same session")
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if l := links(t, ns); len(l) != 0 {
		t.Fatalf("left behind: %v", l)
	}
}
