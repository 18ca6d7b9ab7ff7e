package daemon

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"culvert/control"
	"culvert/encap"
)

// hasty is a peer that sends data before the message that sets its session up.
type hasty struct {
	t      *testing.T
	c      *net.UDPConn
	ep     *control.Endpoint
	call   *control.Session
	early  []byte // the frame that overtakes the message
	before control.MessageType
	hold   time.Duration
}

// turn takes in what has arrived within 10 ms, gives data to fn, and sends what there is to say.
func (h *hasty) turn(fn func(b []byte)) {
	h.t.Helper()
	b := make([]byte, 4096)
	_ = h.c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	n, from, err := h.c.ReadFromUDPAddrPort(b)
	now := time.Now()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
	case err != nil:
		h.t.Fatal(err)
	case encap.ControlUDP(b[:n]):
		h.ep.Receive(now, h.path(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), b[:n])
	default:
		fn(b[:n])
	}
	h.ep.Tick(now)
	for _, a := range h.ep.Take() {
		if ready, ok := a.(control.SessionReady); ok {
			h.call = ready.Session
		}
		send, ok := a.(control.Send)
		if !ok {
			continue
		}
		if p, _, err := control.ParsePacket(encap.TransportUDP, send.Payload); err != nil {
			h.t.Error(err)
		} else if typ, _, _ := p.Type(); typ == h.before && h.early != nil {
			h.write(send.Path.Remote, append(h.call.Params().Remote.AppendTo(nil), h.early...))
			h.early = nil
			time.Sleep(h.hold)
		}
		h.write(send.Path.Remote, send.Payload)
	}
}

func (h *hasty) write(to netip.AddrPort, b []byte) {
	if _, err := h.c.WriteToUDPAddrPort(b, to); err != nil {
		h.t.Error(err)
	}
}

func (h *hasty) path(to netip.AddrPort) control.Path {
	return control.Path{Transport: encap.TransportUDP, Local: h.c.LocalAddr().(*net.UDPAddr).AddrPort(), Remote: to}
}

// TestEarlyFrame: LCP that overtakes the ICCN is not lost (the peer sends it once) but answered when the session is up.
func TestEarlyFrame(t *testing.T) {
	port := freePorts(t, 1)[0]
	run(t, fmt.Sprintf(`
[listen.udp]
local = "127.0.0.1:%d"
[peer.any]
host_name = "lns"
[profile.session.sub]
pseudowire = "ppp"
netns = %q
ppp_profile = "p"
[ppp.p]
local_address = "10.77.0.1"
peer_address = "10.77.0.2"
`, port, newNS(t)))
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const id = 0x42
	h := &hasty{
		t: t, c: c, ep: control.NewEndpoint(control.Config{}, policy{}, rand.Reader), hold: 100 * time.Millisecond,
		early: request(id), before: control.ICCN,
	}
	profile := control.Profile{HostName: "lac", Pseudowires: []control.PseudowireType{control.PseudowirePPP}}
	conn, err := h.ep.Dial(time.Now(), h.path(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))), profile)
	if err == nil {
		h.call, err = conn.Open(time.Now(), control.Call{PseudowireType: control.PseudowirePPP, RemoteEndID: "sub", CookieLen: -1, Circuit: control.CircuitUp})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.wantAck(id)
}

// request is a Configure-Request without options (RFC 1661 section 5.1).
func request(id byte) []byte { return []byte{0xff, 0x03, 0xc0, 0x21, 1, id, 0, 4} }

// wantAck waits for the answer to that.
func (h *hasty) wantAck(id byte) {
	h.t.Helper()
	ack := []byte{0xff, 0x03, 0xc0, 0x21, 2, id, 0, 4}
	acked := false
	for end := time.Now().Add(15 * time.Second); !acked && time.Now().Before(end); {
		h.turn(func(b []byte) { acked = acked || bytes.HasSuffix(b, ack) })
	}
	if !acked {
		h.t.Errorf("the frame that came before the %v was not answered", h.before)
	}
}

// agreeable takes every connection and call.
type agreeable struct{}

func (agreeable) Known(netip.Addr) bool { return true }

func (agreeable) AcceptConnection(control.Path, *control.Message) (control.Profile, *control.Result) {
	return control.Profile{HostName: "lns", Pseudowires: []control.PseudowireType{control.PseudowirePPP}}, nil
}

func (agreeable) AcceptCall(*control.Conn, *control.Message) (control.Call, *control.Result) {
	return control.Call{CookieLen: -1, Circuit: control.CircuitUp}, nil
}

// TestEarlyAnswer: LCP that overtakes the ICRP, with the cookie that our ICRQ has assigned, is answered as well.
func TestEarlyAnswer(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const id = 0x43
	h := &hasty{
		t: t, c: c, ep: control.NewEndpoint(control.Config{}, agreeable{}, rand.Reader), hold: 100 * time.Millisecond,
		early: request(id), before: control.ICRP,
	}
	d := run(t, fmt.Sprintf(`
[tunnel.up]
local = "127.0.0.1:%d"
peer = %q
[tunnel.up.session.line]
pseudowire = "ppp"
netns = %q
ppp_profile = "p"
[ppp.p]
lcp_restart = 60
`, freePorts(t, 1)[0], c.LocalAddr(), newNS(t)))
	h.wantAck(id)
	if n := d.drops(t)["session"]; n != 0 {
		t.Errorf("%d packets of an unknown session", n)
	}
}
