package doctor

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A host on which nothing is wrong but what has a limit anywhere.
var healthy = map[string]string{
	"proc/sys/kernel/osrelease":                  "6.18.3-amd64\n",
	"proc/self/status":                           "Name:\tculvert\nCapEff:\t000001ffffffffff\n",
	"proc/self/ns/net":                           "",
	"proc/sys/user/max_user_namespaces":          "95905\n",
	"proc/self/limits":                           "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 1048576              files     \n",
	"proc/meminfo":                               "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n",
	"proc/sys/net/core/rmem_max":                 "212992\n",
	"proc/sys/net/core/wmem_max":                 "212992\n",
	"proc/self/uid_map":                          "         0          0 4294967295\n",
	"proc/sys/net/ipv4/ip_forward":               "1\n",
	"proc/sys/net/ipv6/conf/all/forwarding":      "1\n",
	"proc/sys/net/ipv4/conf/all/rp_filter":       "0\n",
	"proc/sys/net/ipv4/conf/default/rp_filter":   "2\n",
	"proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
	"proc/sys/net/ipv6/neigh/default/gc_thresh3": "1024\n",
	"proc/sys/net/ipv6/route/max_size":           "2147483647\n",
	"proc/net/netlink":                           "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n00000000be22a54c 0   0          00000000 0        0        0     2        0        4       \n",
}

// host is the healthy one with changes; a file that is changed to "-" does not exist.
func host(changes map[string]string) Host {
	files := fstest.MapFS{}
	for _, m := range []map[string]string{healthy, changes} {
		for path, text := range m {
			files[path] = &fstest.MapFile{Data: []byte(text), Mode: 0o444}
			if text == "-" {
				delete(files, path)
			}
		}
	}
	return Host{Files: files, OpenTUN: func() error { return nil }}
}

func TestHealthy(t *testing.T) {
	for _, f := range Look(host(nil)) {
		switch f.Level {
		case Good:
			if f.Remedy != "" || f.From != 0 {
				t.Errorf("a good finding wants something: %+v", f)
			}
		case Limit:
			if f.From < 1000 || f.Remedy == "" {
				t.Errorf("limit: %+v", f)
			}
		default:
			t.Errorf("%+v", f)
		}
	}
}

// want is what a check finds of its own check's findings.
type want struct {
	Level Level
	From  int64
}

func TestChecks(t *testing.T) {
	const netlink = "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode\n"
	tests := []struct {
		name, check string
		changes     map[string]string
		want        []want
	}{
		{"kernel without GSO", "kernel", map[string]string{"proc/sys/kernel/osrelease": "4.9.0-19"}, []want{{Note, 0}}},
		{"kernel without GRO", "kernel", map[string]string{"proc/sys/kernel/osrelease": "4.19"}, []want{{Note, 0}}},
		{"kernel without USO", "kernel", map[string]string{"proc/sys/kernel/osrelease": "6.1.0-30"}, []want{{Note, 0}}},
		{"kernel with all", "kernel", map[string]string{"proc/sys/kernel/osrelease": "6.2+"}, []want{{Good, 0}}},
		{"no kernel", "kernel", map[string]string{"proc/sys/kernel/osrelease": "?"}, nil},
		{"no capabilities", "capabilities", map[string]string{"proc/self/status": "CapEff:\t0000000000000000\n"}, []want{{Bad, 0}, {Bad, 0}, {Note, 0}}},
		{"container's capabilities", "capabilities", map[string]string{"proc/self/status": "CapEff:\t0000000000003000\n"}, []want{{Note, 0}}},
		{"no namespaces", "namespaces", map[string]string{"proc/self/ns/net": "-"}, []want{{Note, 0}}},
		{"no user namespaces", "namespaces", map[string]string{"proc/sys/user/max_user_namespaces": "0"}, []want{{Note, 0}}},
		{"few files", "descriptors", map[string]string{"proc/self/limits": "Max open files 1024 4096 files\n"}, []want{{Limit, 2973}}},
		{"hardly any files", "descriptors", map[string]string{"proc/self/limits": "Max open files 64 64 files\n"}, []want{{Limit, 1}}},
		{"unlimited files", "descriptors", map[string]string{"proc/self/limits": "Max open files unlimited unlimited files\n"}, []want{{Good, 0}}},
		{"memory", "memory", map[string]string{"proc/meminfo": "MemAvailable: 1000000 kB\n"}, []want{{Limit, 12047}}},
		{"memory of a group", "memory", map[string]string{"sys/fs/cgroup/memory.max": "850000000\n"}, []want{{Limit, 10000}}},
		{"a group without limit", "memory", map[string]string{"sys/fs/cgroup/memory.max": "max\n"}, []want{{Limit, 96376}}},
		{"another user namespace", "buffers", map[string]string{"proc/self/uid_map": "0 1000 1\n"}, []want{{Note, 0}, {Note, 0}}},
		{"no user namespaces at all", "buffers", map[string]string{"proc/self/uid_map": "-"}, []want{{Good, 0}}},
		{"no forwarding", "forwarding", map[string]string{"proc/sys/net/ipv4/ip_forward": "0"}, []want{{Note, 0}}},
		{"strict filter", "rp_filter", map[string]string{"proc/sys/net/ipv4/conf/default/rp_filter": "1"}, []want{{Note, 0}}},
		{"conntrack", "conntrack", map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "65536"}, []want{{Limit, 1311}}},
		{"old IPv6", "routes", map[string]string{"proc/sys/net/ipv6/route/max_size": "4096"}, []want{{Limit, 2048}}},
		{"a link listener", "listeners", map[string]string{
			"proc/net/netlink": netlink + "0 0 77 00000551 0 0 0 2 0 900\n", "proc/77/comm": "systemd-network\n",
		}, []want{{Limit, 1000}}},
		{"ourselves", "listeners", map[string]string{
			"proc/net/netlink": netlink + "0 0 77 00000001 0 0 0 2 0 900\n", "proc/77/comm": "culvert\n",
		}, []want{{Good, 0}}},
		{"other groups", "listeners", map[string]string{"proc/net/netlink": netlink + "0 0 77 00000550 0 0 0 2 0 900\n"}, []want{{Good, 0}}},
		{"uevents", "listeners", map[string]string{"proc/net/netlink": netlink + "0 15 78 00000002 0 0 0 2 0 901\n"}, []want{{Limit, 1000}}},
		{"two of one", "listeners", map[string]string{
			"proc/net/netlink": netlink + "0 0 77 00000001 0 0 0 2 0 900\n0 15 77 00000001 0 0 0 2 0 901\n", "proc/77/comm": "NetworkManager\n",
		}, []want{{Limit, 1000}}},
		{"half a table", "listeners", map[string]string{"proc/net/netlink": netlink + "0 0 77 0000"}, []want{{Good, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []want
			for _, f := range Look(host(tt.changes)) {
				if f.Check == tt.check {
					got = append(got, want{f.Level, f.From})
					if (f.Level == Good) != (f.Remedy == "") {
						t.Errorf("remedy %q of %+v", f.Remedy, f)
					}
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTUN(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Level
	}{
		{nil, Good}, {fs.ErrNotExist, Bad}, {syscall.EACCES, Bad}, {syscall.EPERM, Bad}, {syscall.ENODEV, Bad}, {syscall.EIO, Bad},
	} {
		h := host(nil)
		h.OpenTUN = func() error { return tt.err }
		if f := tun(&h); len(f) != 1 || f[0].Level != tt.want {
			t.Errorf("%v: %+v", tt.err, f)
		}
	}
}

// TestNothingToRead: on a host without /proc nothing is said of what is not known, and nothing panics.
func TestNothingToRead(t *testing.T) {
	for _, f := range Look(Host{Files: fstest.MapFS{}, OpenTUN: func() error { return nil }}) {
		if f.Level == Bad {
			t.Errorf("%+v", f)
		}
	}
}

func TestHurts(t *testing.T) {
	for _, tt := range []struct {
		f    Finding
		n    int64
		want bool
	}{
		{Finding{Level: Good}, math.MaxInt64, false},
		{Finding{Level: Note}, math.MaxInt64, false},
		{Finding{Level: Bad}, 0, true},
		{Finding{Level: Limit, From: 10}, 9, false},
		{Finding{Level: Limit, From: 10}, 10, true},
	} {
		if got := tt.f.Hurts(tt.n); got != tt.want {
			t.Errorf("%+v with %d: %v", tt.f, tt.n, got)
		}
	}
}

// TestFindsListener opens a real socket that hears of links, and finds the process that holds it: this one.
func TestFindsListener(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: linkGroup}); err != nil {
		t.Fatal(err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	target, err := os.Readlink(filepath.Join("/proc/self/fd", fmt.Sprint(fd)))
	if err != nil {
		t.Fatal(err)
	}
	h := System()
	var ours []linkSocket
	for _, s := range linkSockets(h.text("proc/net/netlink")) {
		if target == "socket:["+s.inode+"]" {
			ours = append(ours, s)
		}
	}
	if got := owners(&h, ours); len(got) != 1 || got[0]+"\n" != string(comm) {
		t.Errorf("%v hold %v, not %q", got, ours, comm)
	}
}

func FuzzFiles(f *testing.F) {
	for path, text := range healthy {
		f.Add(path, text)
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		if !fs.ValidPath(path) || text == "-" {
			return
		}
		if _, known := healthy[path]; !known {
			return
		}
		for _, got := range Look(host(map[string]string{path: text})) {
			if got.Check == "" || got.Found == "" || got.Level == Limit && got.From < 1 {
				t.Errorf("%+v", got)
			}
		}
	})
}
