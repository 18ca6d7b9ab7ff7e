package doctor

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Columns and values of /proc/net/netlink.
const (
	netlinkColumns = 10
	routeProtocol  = 0  // NETLINK_ROUTE
	ueventProtocol = 15 // NETLINK_KOBJECT_UEVENT
	linkGroup      = 1  // the bit of RTNLGRP_LINK
)

// inNamespace keeps every listener out: links are only told within their namespace.
const inNamespace = "sessions in a network namespace of their own (netns)"

// remedies for programs that are known to listen, by what /proc/PID/comm says, which has at most 15 bytes.
var remedies = map[string]string{
	"systemd-udevd":   "packaging/udev/99-zz-culvert.rules; or " + inNamespace,
	"(udev-worker)":   "packaging/udev/99-zz-culvert.rules; or " + inNamespace,
	"systemd-network": "packaging/networkd/10-culvert.network; or " + inNamespace,
	"systemd-resolve": "systemctl disable --now systemd-resolved; or " + inNamespace,
	"systemd":         "packaging/udev/99-zz-culvert.rules, which makes no units of our devices; or " + inNamespace,
	"NetworkManager":  "packaging/NetworkManager/culvert.conf; or " + inNamespace,
	"ModemManager":    "packaging/udev/99-zz-culvert.rules, or systemctl disable --now ModemManager",
	"networkd-dispat": "systemctl disable --now networkd-dispatcher",
	"avahi-daemon":    "allow-interfaces= in /etc/avahi/avahi-daemon.conf",
	"dhcpcd":          "denyinterfaces in /etc/dhcpcd.conf",
	"connmand":        "NetworkInterfaceBlacklist= in /etc/connman/main.conf",
}

// listenersFrom is the number of sessions from which somebody who is told of each of their links is in the way: a rule
// of thumb, as what they do about a link differs.
const listenersFrom = 1000

// listeners finds who is told of every new link in this network namespace.
func listeners(h *Host) []Finding {
	names := owners(h, linkSockets(h.text("proc/net/netlink")))
	if len(names) == 0 {
		return []Finding{good("nobody else listens for new links")}
	}
	var all []Finding
	for _, name := range slices.Sorted(slices.Values(names)) {
		remedy := cmp.Or(remedies[name], inNamespace)
		all = append(all, limit(listenersFrom, remedy, "%s is told of each new link", name))
	}
	return slices.Compact(all) // of several sockets of one
}

// linkSocket is a socket that hears of links.
type linkSocket struct {
	port  int64  // its owner's process id, most often
	inode string // of the socket
}

func linkSockets(table string) (all []linkSocket) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < netlinkColumns {
			continue
		}
		protocol, err1 := strconv.Atoi(f[1])
		port, err2 := strconv.ParseInt(f[2], 10, 64)
		groups, err3 := strconv.ParseUint(f[3], 16, 32)
		if cmp.Or(err1, err2, err3) != nil || port == 0 {
			continue // the head line, or the kernel's own
		}
		if protocol == routeProtocol && groups&linkGroup != 0 || protocol == ueventProtocol && groups != 0 {
			all = append(all, linkSocket{port, f[netlinkColumns-1]})
		}
	}
	return all
}

// owners names the processes that hold sockets, but for ourselves. Those we may not look into are named by number.
func owners(h *Host, sockets []linkSocket) (names []string) {
	held := map[string]string{}
	processes, _ := fs.Glob(h.Files, "proc/[0-9]*")
	for _, dir := range processes {
		name := h.text(dir + "/comm")
		files, _ := fs.ReadDir(h.Files, dir+"/fd")
		for _, f := range files {
			target, err := fs.ReadLink(h.Files, dir+"/fd/"+f.Name())
			if inode, ok := strings.CutPrefix(target, "socket:["); ok && err == nil {
				held[strings.TrimSuffix(inode, "]")] = name
			}
		}
	}
	for _, s := range sockets {
		name, ok := held[s.inode]
		if !ok {
			name = h.text(fmt.Sprintf("proc/%d/comm", s.port))
		}
		switch name {
		case "culvert":
		case "":
			names = append(names, fmt.Sprintf("process %d", s.port))
		default:
			names = append(names, name)
		}
	}
	return names
}

// numbers reads numbers that white space parts.
func numbers(text string, to ...*int64) bool {
	f := strings.Fields(text)
	if len(f) != len(to) {
		return false
	}
	for i, s := range f {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return false
		}
		*to[i] = n
	}
	return true
}
