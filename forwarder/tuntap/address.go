package tuntap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddress gives the link an address. Without a peer, local's length is that of the subnet behind the link. With one
// the link is point-to-point (IFA_LOCAL local, IFA_ADDRESS peer, rtnetlink(7)), local's length is that of the peer's
// prefix, so 32 or 128 as a rule, and the kernel adds the route to it. IPv6 addresses are usable at once: duplicate
// address detection is left out (IFA_F_NODAD; IPV6CP has settled it, RFC 5072 section 4.1). Adding what is there
// already is no error. Errors wrap ErrAddress.
func (d *Device) AddAddress(local netip.Prefix, peer netip.Addr) error {
	a, err := address(local, peer)
	if err != nil {
		return fmt.Errorf("tuntap: %s: %w", d.name, err)
	}
	return d.use("add address "+local.String(), func() error {
		a.LinkIndex = d.index
		return wrap(ErrAddress, noIPv6(local, d.ns.handle.AddrReplace(nil, a)), nil)
	})
}

// RemoveAddress takes away what AddAddress gave. An address that is not there is no error.
func (d *Device) RemoveAddress(local netip.Prefix, peer netip.Addr) error {
	a, err := address(local, peer)
	if err != nil {
		return fmt.Errorf("tuntap: %s: %w", d.name, err)
	}
	return d.use("remove address "+local.String(), func() error {
		a.LinkIndex = d.index
		return wrap(ErrAddress, d.ns.handle.AddrDel(nil, a), unix.EADDRNOTAVAIL)
	})
}

// wrap gives err its sentinel, and hides the errno that means there was nothing to do.
func wrap(sentinel, err, nothing error) error {
	if err == nil || (nothing != nil && errors.Is(err, nothing)) {
		return nil
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

// noIPv6 recognises the answers of a link, or a kernel, without IPv6 (net/ipv6/addrconf.c inet6_rtm_newaddr and
// net/ipv6/route.c ip6_route_info_create): EACCES for disable_ipv6, EINVAL or ENODEV for a small MTU, EOPNOTSUPP and
// EAFNOSUPPORT for a kernel without it.
func noIPv6(p netip.Prefix, err error) error {
	if err == nil || !p.Addr().Is6() {
		return err
	}
	for _, e := range []unix.Errno{unix.EACCES, unix.EINVAL, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w (%s)", ErrNoIPv6, e.Error()) // a text only: EACCES here is not ErrPermission's
		}
	}
	return err
}

func address(local netip.Prefix, peer netip.Addr) (*netlink.Addr, error) {
	if !local.IsValid() || local.Addr().Is4In6() || peer.IsValid() && (peer.Is4In6() || peer.Is4() != local.Addr().Is4()) {
		return nil, fmt.Errorf("%w: local %s, peer %s", ErrAddress, local, peer)
	}
	a := &netlink.Addr{IPNet: ipNet(local)}
	if peer.IsValid() {
		a.Peer = ipNet(netip.PrefixFrom(peer.WithZone(""), local.Bits()))
		if peer.Is4() {
			a.Broadcast = net.IPv4zero // a point-to-point link has none; the library would make one up
		}
	}
	if local.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a, nil
}

// ipNet is p in the library's terms, host bits kept.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// AddRoute sends a prefix into the device: directly (scope link) when via is not valid, else through that neighbour.
// It is a static route of the main table. The same route through this device already there is no error; through another
// device it is: nothing is replaced. Errors wrap ErrRoute.
func (d *Device) AddRoute(to netip.Prefix, via netip.Addr) error {
	r, err := d.route(to, via)
	if err != nil {
		return err
	}
	return d.use("add route "+to.String(), func() error {
		err := d.ns.handle.RouteAdd(r)
		if errors.Is(err, unix.EEXIST) {
			if d.hasRoute(r) {
				return nil
			}
			return fmt.Errorf("%w: the system has another route to it (%w)", ErrRoute, err)
		}
		return wrap(ErrRoute, noIPv6(to, err), nil)
	})
}

// RemoveRoute takes away what AddRoute gave. A route that is not there is no error: the kernel drops the routes of a
// link that goes down.
func (d *Device) RemoveRoute(to netip.Prefix, via netip.Addr) error {
	r, err := d.route(to, via)
	if err != nil {
		return err
	}
	return d.use("remove route "+to.String(), func() error {
		return wrap(ErrRoute, d.ns.handle.RouteDel(r), unix.ESRCH)
	})
}

func (d *Device) route(to netip.Prefix, via netip.Addr) (*netlink.Route, error) {
	if !to.IsValid() || to.Addr().Is4In6() || via.IsValid() && (via.Is4In6() || via.Is4() != to.Addr().Is4()) {
		return nil, fmt.Errorf("tuntap: %s: %w: to %s via %s", d.name, ErrRoute, to, via)
	}
	r := &netlink.Route{LinkIndex: d.index, Dst: ipNet(to.Masked()), Protocol: unix.RTPROT_STATIC, Table: unix.RT_TABLE_MAIN}
	if via.IsValid() {
		r.Gw = via.AsSlice()
	} else if to.Addr().Is4() {
		r.Scope = netlink.SCOPE_LINK
	}
	return r, nil
}

// hasRoute reports whether exactly r is in the main table.
func (d *Device) hasRoute(r *netlink.Route) bool {
	family := netlink.FAMILY_V4
	if r.Dst.IP.To4() == nil {
		family = netlink.FAMILY_V6
	}
	mask := netlink.RT_FILTER_DST | netlink.RT_FILTER_OIF | netlink.RT_FILTER_TABLE
	found, err := d.ns.handle.RouteListFiltered(family, r, mask)
	if err != nil {
		return false
	}
	for i := range found {
		if found[i].Gw.Equal(r.Gw) {
			return true
		}
	}
	return false
}
