// Package tuntap makes the TUN and TAP devices that sessions end in, gives them their link settings, addresses and
// routes, and moves packets through their files.
//
// # Devices
//
// A device is created under the name the configuration gives it, never under a name of the kernel's choice. The steps
// of Create, in this order, are: create the device persistently through songgao/water; close water's file and attach
// an own one, because water cannot ask for virtio headers (IFF_VNET_HDR); take persistence off, so that the device
// dies with the process however it ends; set group, transmit queue length, MTU and MAC address; switch off IPv6 address
// generation; carrier off; join the bridge; up. CreateAll makes TUN devices without the detour through water. A TUN device
// is a PPP link to the kernel (link/ppp), whichever way it came. A device is therefore up, with no carrier, when Create returns:
// addresses can be added, and the host sees "NO-CARRIER" until the session's SetCarrier(true). When a step fails the
// device is gone again.
//
// A name that is taken is refused with ErrExists, with one exception: a TUN or TAP device of the wanted kind, in the
// group that Config.Group names, with no process attached, is a leftover of a crash and is deleted and made anew. A
// process killed in the fraction of a millisecond between water's creation and TUNSETPERSIST leaves a device that is
// not yet in the group; that one has to be deleted by hand, as the text of ErrExists says.
//
// IPv6 address generation is off (addr_gen_mode none) for two reasons: PPP's IPV6CP brings the interface identifier
// (RFC 5072), and with it on the time per device grows with the number of devices. Until somebody adds a link-local
// address the kernel neither has one nor solicits routers. Adding one through AddAddress does what it does on any
// interface: MLD reports, and a router solicitation where accept_ra asks for it.
//
// # Packets
//
// A Queue is one non-blocking file of the device. Every frame carries a 10-byte virtio_net_hdr in front (HeaderLen), in
// both directions. Until Queue.SetOffload the kernel delivers whole packets with complete checksums and a header of
// zeros; after it, packets without checksum and super-packets of up to 64 KB, which package offload takes apart. Written
// frames may be super-packets either way; a plain packet has a header of zeros. TUN frames are IP packets, TAP frames
// Ethernet frames without FCS.
//
// # Namespaces
//
// Config.NetNS names a network namespace by its name under /run/netns or by a path. Only the creation of the device
// needs a thread inside it: that runs on a locked OS thread which is given up when it cannot return. The netlink
// sockets of a namespace are shared by all its devices and closed with the last one; descriptors of queues work from
// anywhere. All of this assumes one descriptor table for the process: a thread that has called unshare(CLONE_FILES)
// can read and write queues of its table, but must not call this package for anything else.
//
// # Ownership and concurrency
//
// A Device's methods may be called from any goroutine. A Queue has at most one reader and any number of writers, and
// Device.Close must come after the last of them has returned: the descriptor's number is free from then on. Buffers
// belong to the caller and are not kept.
//
// # Supported standards
//
//   - Linux Documentation/networking/tuntap.rst: TUNSETIFF, TUNSETPERSIST, TUNSETVNETHDRSZ, TUNSETCARRIER (5.0),
//     TUNSETOFFLOAD (USO from 6.2 on)
//   - virtio 1.2 section 5.1.6 (struct virtio_net_hdr, the legacy layout of 10 bytes without num_buffers)
//   - rtnetlink(7): RTM_SETLINK, RTM_DELLINK by IFLA_GROUP, addresses, routes
//   - RFC 2863 section 3.1.12: ifOperStatus follows the carrier
//   - RFC 8200 section 5: IPv6 does not exist on a link with an MTU below 1280
//
// Devices with several queues (CreateMulti) are for many sessions to share: IFF_MULTI_QUEUE costs 3.8 MB and 11.6 ms a
// device. Left out: NAPI mode, and of the offloads UFO, which Linux has removed.
package tuntap
