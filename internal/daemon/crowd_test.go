package daemon

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"culvert/control"
	"culvert/encap"
	"culvert/pppfsm"
)

// crowd is very many subscribers on one connection, as little as they can be: package control, and a pppfsm.Link each,
// on one socket, all in one goroutine.
type crowd struct {
	t      testing.TB
	udp    *net.UDPConn
	path   control.Path
	ep     *control.Endpoint
	conn   *control.Conn
	byID   map[encap.SessionID]*member
	asked  int // sessions
	opened int // with IPCP open
	ended  int
	echoes int
	data   func(*member, []byte) // gets the IP packets that arrive
	out    []byte
}

// member is one subscriber.
type member struct {
	n      int
	call   *control.Session
	link   *pppfsm.Link
	header []byte
	local  netip.Addr // zero: IPCP is not open
	// answered: the server's host has answered.
	answered bool
}

type nobody struct{}

func (nobody) Known(netip.Addr) bool { return true }
func (nobody) AcceptConnection(control.Path, *control.Message) (control.Profile, *control.Result) {
	return control.Profile{}, &control.Result{Code: control.StopUnauthorized}
}

func (nobody) AcceptCall(*control.Conn, *control.Message) (control.Call, *control.Result) {
	return control.Call{}, &control.Result{Code: control.CallNever}
}

// newCrowd dials the server.
func newCrowd(t testing.TB, server netip.AddrPort, secret string) *crowd {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = udp.SetReadBuffer(8 << 20)
	local := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	c := &crowd{
		t: t, udp: udp, byID: make(map[encap.SessionID]*member),
		path: control.Path{Local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), Remote: server},
		ep:   control.NewEndpoint(control.Config{}, nobody{}, rand.Reader),
	}
	t.Cleanup(func() { _ = udp.Close() })
	c.conn, err = c.ep.Dial(time.Now(), c.path, control.Profile{
		HostName: "crowd", Pseudowires: []control.PseudowireType{control.PseudowirePPP}, Secrets: [][]byte{[]byte(secret)}, MaxSessions: 1 << 20,
		Reliability: control.Reliability{WindowSize: 1024},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask asks for n more sessions, of Remote End IDs sub_0, sub_1 and so on.
func (c *crowd) ask(n int) {
	now := time.Now()
	for range n {
		m := &member{n: c.asked}
		call, err := c.conn.Open(now, control.Call{
			PseudowireType: control.PseudowirePPP, RemoteEndID: fmt.Sprint("sub_", m.n), CookieLen: -1, Circuit: control.CircuitUp,
		})
		if err != nil {
			c.t.Fatal(err)
		}
		m.call, call.Data = call, m
		c.asked++
	}
}

// until runs the crowd until done says so, for a bounded time.
func (c *crowd) until(limit time.Duration, what string, done func() bool) {
	c.t.Helper()
	b := make([]byte, 70000)
	end, slow := time.Now().Add(limit), time.Now()
	for now := time.Now(); !done(); now = time.Now() {
		if now.After(end) {
			c.t.Fatalf("%s: %d asked, %d open, %d ended", what, c.asked, c.opened, c.ended)
		}
		if now.Sub(slow) > time.Second { // what was lost is sent again
			slow = now
			for _, m := range c.byID {
				if !m.local.IsValid() {
					m.link.Tick(now)
					c.carryOut(m)
				}
			}
		}
		c.ep.Tick(now)
		c.actions(now)
		for range 64 {
			n := c.ready(b)
			if n <= 0 {
				_ = c.udp.SetReadDeadline(now.Add(20 * time.Millisecond))
				if n, _ = c.udp.Read(b); n <= 0 {
					break
				}
			}
			c.receive(b[:n], now)
		}
	}
}

// ready reads what is there already, without waiting.
func (c *crowd) ready(b []byte) (n int) {
	raw, err := c.udp.SyscallConn()
	if err == nil {
		_ = raw.Read(func(fd uintptr) bool {
			n, _, _ = syscall.Recvfrom(int(fd), b, syscall.MSG_DONTWAIT)
			return true
		})
	}
	return n
}

func (c *crowd) receive(b []byte, now time.Time) {
	d := encap.UDPData(b)
	if !d.Valid() {
		c.ep.Receive(now, c.path, append([]byte(nil), b...))
		c.actions(now)
		return
	}
	m := c.byID[d.SessionID()]
	if m == nil {
		return
	}
	proto, info, _, err := encap.ParsePPP(d.Body())
	if err == nil && proto == encap.ProtoIPv4 && c.data != nil {
		c.data(m, info)
		return
	}
	if proto == encap.ProtoLCP && len(info) > 0 && info[0] == 9 {
		c.echoes++
	}
	m.link.Input(now, d.Body())
	c.carryOut(m)
}

// carryOut does what a link wants done.
func (c *crowd) carryOut(m *member) {
	for _, a := range m.link.Take() {
		switch a := a.(type) {
		case pppfsm.SendFrame:
			c.send(m, a.Frame)
		case pppfsm.IPv4Up:
			m.local = a.Local
			c.opened++
		case pppfsm.IPv4Down:
			m.local = netip.Addr{}
			c.opened--
		}
	}
}

// send sends a PPP frame.
func (c *crowd) send(m *member, frame []byte) {
	c.out = append(append(c.out[:0], m.header...), frame...)
	_, _ = c.udp.WriteToUDPAddrPort(c.out, c.path.Remote)
}

func (c *crowd) actions(now time.Time) {
	for acts := c.ep.Take(); len(acts) > 0; acts = c.ep.Take() {
		for _, a := range acts {
			switch a := a.(type) {
			case control.Send:
				_, _ = c.udp.WriteToUDPAddrPort(a.Payload, c.path.Remote)
			case control.SessionUp:
				m := a.Session.Data.(*member)
				p := a.Session.Params()
				m.header = encap.DataHeader{
					Transport: encap.TransportUDP, SessionID: p.Remote.SessionID, Cookie: p.Remote.Cookie, Sublayer: p.Remote.Sublayer,
				}.AppendTo(nil)
				m.link = pppfsm.NewLink(pppfsm.Config{IPv4: true, RestartTimer: 5 * time.Second}, rand.Reader)
				c.byID[a.Session.ID()] = m
				m.link.Open(now)
				m.link.Up(now)
				c.carryOut(m)
			case control.SessionDown:
				c.ended++
			case control.ConnDown:
				c.t.Errorf("connection down: %s", a.Reason)
			}
		}
	}
}
