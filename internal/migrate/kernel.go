package migrate

import (
	"errors"
	"fmt"

	"culvert/internal/l2tpnl"
)

// errNoTunnels says that there is nothing to make a configuration of.
var errNoTunnels = errors.New("the kernel has no L2TPv3 tunnels in this network namespace")

// Kernel gives the configuration that makes the tunnels of a kernel.
func Kernel(tunnels []l2tpnl.Tunnel) ([]byte, error) {
	s := &script{name: "the kernel's tunnels", command: "import kernel"}
	for i := range tunnels {
		if t := &tunnels[i]; t.Version == 3 {
			s.tunnels = append(s.tunnels, s.kernelTunnel(t))
		} else {
			s.remark("tunnel %d: L2TPv%d", t.ID, t.Version)
		}
	}
	if len(s.tunnels) == 0 {
		return nil, errNoTunnels
	}
	return s.render()
}

func (s *script) remark(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *script) kernelTunnel(from *l2tpnl.Tunnel) *tunnel {
	t := &tunnel{
		id: from.ID, peer: from.PeerID, encap: "udp",
		local: from.Local.Addr(), remote: from.Remote.Addr(), sport: from.Local.Port(), dport: from.Remote.Port(),
		checksum: from.Checksum,
	}
	if from.IP {
		t.encap = "ip"
	}
	for i := range from.Sessions {
		if x := s.kernelSession(from.ID, &from.Sessions[i]); x != nil {
			t.sessions = append(t.sessions, x)
		}
	}
	return t
}

// kernelSession gives nil for what no session of ours can be.
func (s *script) kernelSession(tunnel uint32, from *l2tpnl.Session) *session {
	x := &session{
		id: from.ID, peer: from.PeerID, cookie: from.Cookie, peerCookie: from.PeerCookie,
		sublayer: from.Sublayer != l2tpnl.SublayerNone, numbered: from.SendSeq,
	}
	remark := func(format string, args ...any) {
		s.remark("tunnel %d, session %d: %s", tunnel, from.ID, fmt.Sprintf(format, args...))
	}
	switch from.PWType {
	case l2tpnl.Ethernet:
		x.pseudowire = "eth"
	case l2tpnl.PPP:
		x.pseudowire = "ppp"
		remark("pppd's options: see pppd_options")
	default:
		remark("its pseudowire type, %d", from.PWType)
		return nil
	}
	if from.Sublayer == l2tpnl.SublayerUnknown && !from.SendSeq && !from.RecvSeq {
		remark("its L2-Specific Sublayer, which the kernel tells in debugfs alone (modprobe l2tp_debugfs): this is the default of `ip l2tp`")
	}
	if from.RecvSeq {
		remark("packets without a number are taken, too")
	}
	x.device.name = from.Interface
	d := from.Device
	switch {
	case x.pseudowire == "ppp":
	case d == nil:
		remark("addresses and the like of its interface %s, which is not in this network namespace", quote(from.Interface))
	default:
		x.device.mtu, x.device.queue, x.device.mac, x.device.bridge = d.MTU, d.TxQueueLen, d.MAC, d.Bridge
		x.device.addresses, x.device.routes = d.Addresses, d.Routes
	}
	return x
}
