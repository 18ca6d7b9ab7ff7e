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

// hasty is an initiator that sends data before the message that sets its session up.
type hasty struct {
	t     *testing.T
	c     *net.UDPConn
	ep    *control.Endpoint
	call  *control.Session
	early []byte // the frame that overtakes the ICCN
	hold  time.Duration
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
		send, ok := a.(control.Send)
		if !ok {
			continue
		}
		if p, _, err := control.ParsePacket(encap.TransportUDP, send.Payload); err != nil {
			h.t.Error(err)
		} else if typ, _, _ := p.Type(); typ == control.ICCN && h.early != nil {
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
		early: []byte{0xff, 0x03, 0xc0, 0x21, 1, id, 0, 4}, // Configure-Request without options (RFC 1661 section 5.1)
	}
	profile := control.Profile{HostName: "lac", Pseudowires: []control.PseudowireType{control.PseudowirePPP}}
	conn, err := h.ep.Dial(time.Now(), h.path(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))), profile)
	if err == nil {
		h.call, err = conn.Open(time.Now(), control.Call{PseudowireType: control.PseudowirePPP, RemoteEndID: "sub", CookieLen: -1, Circuit: control.CircuitUp})
	}
	if err != nil {
		t.Fatal(err)
	}
	ack := []byte{0xff, 0x03, 0xc0, 0x21, 2, id, 0, 4}
	acked := false
	for end := time.Now().Add(15 * time.Second); !acked && time.Now().Before(end); {
		h.turn(func(b []byte) { acked = acked || bytes.HasSuffix(b, ack) })
	}
	if !acked {
		t.Error("the frame that came before the ICCN was not answered")
	}
}
