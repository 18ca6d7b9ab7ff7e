package tuntap

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// setLink sends one RTM_SETLINK with the attributes (rtnetlink(7)).
func (ns *namespace) setLink(index int, flags uint32, attrs ...*nl.RtAttr) error {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	msg.Flags = flags & unix.IFF_UP
	if flags != 0 {
		msg.Change = unix.IFF_UP
	}
	return ns.request(unix.RTM_SETLINK, msg, attrs...)
}

// linkDown in setLink's flags clears IFF_UP: any bit but IFF_UP itself.
const linkDown = unix.IFF_DEBUG

// request sends one message over the namespace's own socket and waits for its acknowledgement.
func (ns *namespace) request(kind int, msg *nl.IfInfomsg, attrs ...*nl.RtAttr) error {
	req := nl.NewNetlinkRequest(kind, unix.NLM_F_ACK)
	req.Sockets = ns.raw
	req.AddData(msg)
	for _, a := range attrs {
		req.AddData(a)
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// attr32 is an attribute with a 32-bit value.
func attr32(kind int, v uint32) *nl.RtAttr { return nl.NewRtAttr(kind, nl.Uint32Attr(v)) }

// addrGenNone switches off IPv6 address generation on a link: no link-local address, no router solicitation. The link
// has no IPv6, and nothing is to be done, when the kernel has none, it is disabled at boot, or the MTU is below 1280:
// EAFNOSUPPORT each time (net/core/rtnetlink.c validate_linkmsg, net/ipv6/addrconf.c inet6_validate_link_af).
func (ns *namespace) addrGenNone(index int) error {
	err := ns.setLink(index, 0, noAddrGen())
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	return err
}

// noAddrGen is the attribute for that.
func noAddrGen() *nl.RtAttr {
	mode := nl.NewRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{nl.IN6_ADDR_GEN_MODE_NONE})
	family := nl.NewRtAttr(unix.AF_INET6, mode.Serialize())
	return nl.NewRtAttr(unix.IFLA_AF_SPEC, family.Serialize())
}

// find returns the link of that name, nil when there is none.
func (ns *namespace) find(name string) (netlink.Link, error) {
	link, err := ns.handle.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("look up "+name, err)
	}
	return link, nil
}

// bridgeIndex finds the bridge to join.
func (ns *namespace) bridgeIndex(name string) (int, error) {
	link, err := ns.find(name)
	switch {
	case err != nil:
		return 0, err
	case link == nil:
		return 0, fmt.Errorf("%w: no interface %q (ip link add %s type bridge)", ErrBridge, name, name)
	case link.Type() != "bridge":
		return 0, fmt.Errorf("%w: %q is of type %s, not a bridge", ErrBridge, name, link.Type())
	}
	return link.Attrs().Index, nil
}

// DeleteGroup deletes all links of an interface group with one request, RTM_DELLINK by IFLA_GROUP, which waits for the
// kernel's grace periods once and not once a device: what a clean stop does with many devices before closing them.
// Whatever kind of link is in the group goes, so the group must be ours alone. A group without links is no error;
// group 0, the default of all links, is refused. netns is as in Config.NetNS.
func DeleteGroup(group uint32, netns string) error {
	if group == 0 {
		return fmt.Errorf("tuntap: %w: group 0 holds every link of the system", ErrGroup)
	}
	ns, err := acquire(netns)
	if err != nil {
		return fmt.Errorf("tuntap: delete group %d: %w", group, err)
	}
	defer ns.release()
	return ns.deleteGroup(group)
}

func (ns *namespace) deleteGroup(group uint32) error {
	err := ns.request(unix.RTM_DELLINK, nl.NewIfInfomsg(unix.AF_UNSPEC), attr32(unix.IFLA_GROUP, group))
	switch {
	case err == nil, errors.Is(err, unix.ENODEV):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("tuntap: delete group %d: %w: it holds a link that cannot be deleted (ip link show group %d)", group, ErrGroup, group)
	}
	return fmt.Errorf("tuntap: delete group %d: %w", group, explain("RTM_DELLINK", err))
}

// operState is the attribute that moves a link between up and dormant (Documentation/networking/operstates.rst).
func operState(s netlink.LinkOperState) *nl.RtAttr {
	return nl.NewRtAttr(unix.IFLA_OPERSTATE, []byte{byte(s)})
}
