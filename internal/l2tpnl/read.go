package l2tpnl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

// Commands of linux/l2tp.h.
const (
	tunnelGet  = 4
	sessionGet = 8
)

// debugfs has what netlink does not tell; it needs the module l2tp_debugfs.
const debugfs = "/sys/kernel/debug/l2tp/tunnels"

// ErrNone says that the kernel has no L2TP.
var ErrNone = errors.New("the kernel has no L2TP tunnels: its module l2tp_netlink is not loaded")

// Read gives the tunnels of this network namespace with their sessions, in the order of their ids.
func Read() ([]Tunnel, error) {
	family, err := netlink.GenlFamilyGet("l2tp")
	if errors.Is(err, syscall.ENOENT) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("netlink family l2tp: %w", err)
	}
	tunnels, err := dump(int(family.ID), tunnelGet, parseTunnel)
	if err != nil {
		return nil, fmt.Errorf("L2TP tunnels: %w", err)
	}
	sessions, err := dump(int(family.ID), sessionGet, parseSession)
	if err != nil {
		return nil, fmt.Errorf("L2TP sessions: %w", err)
	}
	var known map[uint32]Sublayer
	if text, err := os.ReadFile(debugfs); err == nil {
		known = sublayers(string(text))
	}
	slices.SortFunc(tunnels, func(a, b Tunnel) int { return int(int64(a.ID) - int64(b.ID)) })
	slices.SortFunc(sessions, func(a, b Session) int { return int(int64(a.ID) - int64(b.ID)) })
	for i := range tunnels {
		t := &tunnels[i]
		for _, s := range sessions {
			if s.tunnel != t.ID {
				continue
			}
			s.Sublayer = known[s.ID]
			if s.Device, err = readDevice(s.Interface); err != nil {
				return nil, fmt.Errorf("interface %s: %w", s.Interface, err)
			}
			t.Sessions = append(t.Sessions, s)
		}
	}
	return tunnels, nil
}

// dump asks for all objects of a kind. A dump that things changed under is not complete (netlink(7), NLM_F_DUMP_INTR).
func dump[T any](family int, command uint8, parse func([]byte) (T, error)) (all []T, err error) {
	var messages [][]byte
	for range 5 {
		r := nl.NewNetlinkRequest(family, syscall.NLM_F_DUMP)
		r.AddData(&nl.Genlmsg{Command: command, Version: 1})
		if messages, err = r.Execute(syscall.NETLINK_GENERIC, 0); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		x, err := parse(m)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// readDevice says how an interface is set up, nil when there is none of the name.
func readDevice(name string) (*Device, error) {
	if name == "" {
		return nil, nil
	}
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a := link.Attrs()
	d := &Device{MTU: a.MTU, TxQueueLen: a.TxQLen, MAC: a.HardwareAddr.String()}
	if a.MasterIndex != 0 {
		master, err := netlink.LinkByIndex(a.MasterIndex)
		if err != nil {
			return nil, err
		}
		d.Bridge = master.Attrs().Name
	}
	if err := d.readAddresses(link); err != nil {
		return nil, err
	}
	return d, d.readRoutes(link)
}

// readAddresses takes those that somebody has set: not IPv6 link-local ones, nor what a router has advertised. The peer of
// an address is reached by a route.
func (d *Device) readAddresses(link netlink.Link) error {
	list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	for _, a := range list {
		if a.Flags&syscall.IFA_F_PERMANENT == 0 || a.IP.IsLinkLocalUnicast() {
			continue
		}
		if a.Peer == nil || a.Peer.IP.Equal(a.IP) {
			d.Addresses = append(d.Addresses, a.IPNet.String())
			continue
		}
		if own, ok := netip.AddrFromSlice(a.IP); ok {
			own = own.Unmap()
			d.Addresses = append(d.Addresses, netip.PrefixFrom(own, own.BitLen()).String())
		}
		d.Routes = append(d.Routes, (&net.IPNet{IP: a.Peer.IP.Mask(a.Peer.Mask), Mask: a.Peer.Mask}).String())
	}
	return err
}

// readRoutes takes those of the main table that somebody has set: not what the kernel makes of an address.
func (d *Device) readRoutes(link netlink.Link) error {
	list, err := netlink.RouteList(link, netlink.FAMILY_ALL)
	for _, r := range list {
		if r.Protocol == syscall.RTPROT_KERNEL || r.Protocol == syscall.RTPROT_RA || r.Type != syscall.RTN_UNICAST {
			continue
		}
		text := destination(r.Dst, r.Family)
		if r.Gw != nil {
			text += " via " + r.Gw.String()
		}
		d.Routes = append(d.Routes, text)
	}
	return err
}

func destination(dst *net.IPNet, family int) string {
	switch {
	case dst != nil:
		return dst.String()
	case family == netlink.FAMILY_V6:
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0).String()
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0).String()
}
