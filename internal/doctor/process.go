package doctor

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

// What the process needs of files.
const (
	// ownFiles are descriptors that are no devices: sockets, epoll instances, the API.
	ownFiles = 100
	// sessionMemory is what a session with a device of its own costs at both the process and the kernel, in bytes
	// (docs/sizing.md).
	sessionMemory = 85_000
)

// kernel names what old kernels cannot do.
func kernel(h *Host) []Finding {
	release := h.text("proc/sys/kernel/osrelease")
	major, minor, ok := version(release)
	older := func(a, b int) bool { return major < a || major == a && minor < b }
	switch {
	case !ok:
		return nil
	case older(4, 18):
		return []Finding{note("a kernel of 5.0 or later for speed", "Linux %s: no UDP_SEGMENT, no UDP_GRO, slow bulk traffic", release)}
	case older(5, 0):
		return []Finding{note("a kernel of 5.0 or later for speed", "Linux %s: no UDP_GRO, slow bulk traffic", release)}
	case older(6, 2):
		return []Finding{note("a kernel of 6.2 or later, if hosts behind sessions send much UDP",
			"Linux %s: no USO on devices, senders of UDP bulk are slower", release)}
	}
	return []Finding{good("Linux %s", release)}
}

// version takes the first two numbers of a kernel release.
func version(release string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(release, ".")
	digits := strings.IndexFunc(rest+"-", func(r rune) bool { return r < '0' || r > '9' })
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(rest[:digits])
	return major, minor, err1 == nil && err2 == nil
}

// Bits of capability sets, capabilities(7).
const (
	capNetAdmin = 12
	capNetRaw   = 13
	capSysNice  = 23
)

func capabilities(h *Host) []Finding {
	text := h.field("proc/self/status", "CapEff")
	set, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return nil
	}
	has := func(c uint) bool { return set>>c&1 == 1 }
	const remedy = "AmbientCapabilities= in the unit, --cap-add in a container, or run as root"
	var all []Finding
	if !has(capNetAdmin) {
		all = append(all, bad(remedy, "CAP_NET_ADMIN is missing: no devices, addresses, routes"))
	}
	if !has(capNetRaw) {
		all = append(all, bad(remedy+`; or encap = "udp" only`, "CAP_NET_RAW is missing: no tunnels over IP 115"))
	}
	if !has(capSysNice) {
		all = append(all, note(remedy, "CAP_SYS_NICE is missing: workers run at the ordinary priority, about a tenth slower under load"))
	}
	if len(all) == 0 {
		all = append(all, good("CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE"))
	}
	return all
}

func tun(h *Host) []Finding {
	err := h.OpenTUN()
	switch {
	case err == nil:
		return []Finding{good("/dev/net/tun can be opened")}
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{bad("modprobe tun; --device /dev/net/tun in a container", "/dev/net/tun does not exist")}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{bad("chmod 0666 /dev/net/tun; DeviceAllow=/dev/net/tun rw in the unit", "/dev/net/tun may not be opened: %v", err)}
	case errors.Is(err, syscall.ENODEV):
		return []Finding{bad("modprobe tun", "the kernel has no tun driver: %v", err)}
	}
	return []Finding{bad("modprobe tun", "/dev/net/tun: %v", err)}
}

func namespaces(h *Host) []Finding {
	if !h.exists("proc/self/ns/net") {
		return []Finding{note("a kernel with CONFIG_NET_NS", "no network namespaces: the key netns and the demo cannot work")}
	}
	if n, ok := h.number("proc/sys/user/max_user_namespaces"); ok && n == 0 {
		return []Finding{note("sysctl -w user.max_user_namespaces=1024", "no user namespaces: the demo needs root")}
	}
	return []Finding{good("network namespaces, user namespaces")}
}

// descriptors: each session with a device of its own holds an open file. What the process' table has no room for is with
// threads of their own (forwarder.Burst says how much room is left free), at a price.
func descriptors(h *Host) []Finding {
	const remedy = "LimitNOFILE=1048576 in the unit, --ulimit nofile=1048576 in a container; or sessions that share a device"
	for line := range strings.Lines(h.text("proc/self/limits")) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil { // "unlimited"
			break
		}
		reserve := min(n/4, 1024)
		return []Finding{limit(n-reserve-ownFiles+1, remedy, "at most %d open files: packets of further devices take a thread more", n)}
	}
	return []Finding{good("open files without limit")}
}

// memory is what is free now, or what the control group may have.
func memory(h *Host) []Finding {
	text := h.field("proc/meminfo", "MemAvailable")
	kb, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return nil
	}
	bytes, whose := kb*1024, "free"
	if n, ok := h.number("sys/fs/cgroup/memory.max"); ok && n < bytes {
		bytes, whose = n, "for this control group"
	}
	return []Finding{limit(bytes/sessionMemory, "more memory, or sessions that share a device",
		"%d MB %s, %d KB a session with a device of its own", bytes/1_000_000, whose, sessionMemory/1000)}
}
