package doctor

import "math"

// Figures of the network's limits.
const (
	// socketBuffer is what every socket of ours asks for, in bytes.
	socketBuffer = 4 << 20
	// connections is what one subscriber is taken to have open at a time.
	connections = 50
)

// buffers: CAP_NET_ADMIN of the initial user namespace lets us pass these limits, that of another one does not.
func buffers(h *Host) []Finding {
	var all []Finding
	for _, name := range []string{"rmem_max", "wmem_max"} {
		if n, ok := h.number("proc/sys/net/core/" + name); ok && n < socketBuffer && !initialUserNamespace(h) {
			all = append(all, note("sysctl -w net.core."+name+"=4194304, on the host",
				"net.core.%s is %d: bursts beyond it are lost, and this user namespace cannot pass it", name, n))
		}
	}
	if len(all) == 0 {
		all = append(all, good("sockets get their 4 MB"))
	}
	return all
}

// initialUserNamespace: its map covers all ids (user_namespaces(7)).
func initialUserNamespace(h *Host) bool {
	text := h.text("proc/self/uid_map")
	var inside, outside, length int64
	if !numbers(text, &inside, &outside, &length) {
		return true // no user namespaces
	}
	return inside == 0 && outside == 0 && length == math.MaxUint32
}

func forwarding(h *Host) []Finding {
	var all []Finding
	for _, f := range []struct{ path, key, what string }{
		{"proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward", "IPv4"},
		{"proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding", "IPv6"},
	} {
		if n, ok := h.number(f.path); ok && n == 0 {
			all = append(all, note("sysctl -w "+f.key+"=1", "%s is not forwarded between sessions and other interfaces", f.what))
		}
	}
	if len(all) == 0 {
		all = append(all, good("IPv4 and IPv6 are forwarded"))
	}
	return all
}

// reversePath: the stricter of conf.all and the interface's own, which is that of conf.default at first, counts.
func reversePath(h *Host) []Finding {
	for _, name := range []string{"all", "default"} {
		if n, ok := h.number("proc/sys/net/ipv4/conf/" + name + "/rp_filter"); ok && n == 1 {
			return []Finding{note("sysctl -w net.ipv4.conf.all.rp_filter=2",
				"net.ipv4.conf.%s.rp_filter is strict: what comes by another way than it would be answered is lost", name)}
		}
	}
	return []Finding{good("not strict")}
}

// conntrack: there only where the module is loaded.
func conntrack(h *Host) []Finding {
	n, ok := h.number("proc/sys/net/netfilter/nf_conntrack_max")
	if !ok {
		return []Finding{good("not in use")}
	}
	return []Finding{limit(n/connections+1,
		"sysctl -w net.netfilter.nf_conntrack_max=...; nft: \"udp dport 1701 notrack\" for the tunnels themselves",
		"nf_conntrack_max is %d, with %d connections a session", n, connections)}
}

// neighbours: the table has an entry for each point-to-point device in use, and one for each host behind Ethernet ones.
func neighbours(h *Host) []Finding {
	var all []Finding
	for _, f := range []string{"ipv4", "ipv6"} {
		if n, ok := h.number("proc/sys/net/" + f + "/neigh/default/gc_thresh3"); ok {
			key := "net." + f + ".neigh.default.gc_thresh"
			all = append(all, limit(n, "sysctl -w "+key+"3=..., "+key+"2 half of it: more than sessions and the hosts behind them",
				"%s: at most %d neighbours, one for each session in use", f, n))
		}
	}
	return all
}

// routes: IPv4 has no limit, IPv6 had one before Linux 6.3.
func routes(h *Host) []Finding {
	const each = 2 // the address of the device and what is routed into it
	if n, ok := h.number("proc/sys/net/ipv6/route/max_size"); ok && n < math.MaxInt32 {
		return []Finding{limit(n/each, "sysctl -w net.ipv6.route.max_size=2147483647", "at most %d IPv6 routes", n)}
	}
	return []Finding{good("without limit")}
}
