package netio

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"culvert/encap"
)

// TestPortTaken checks that a port held by anybody is noticed, whatever their socket options.
func TestPortTaken(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		for _, reuse := range []bool{false, true} {
			t.Run(fmt.Sprintf("ipv6=%t,reuseport=%t", ipv6, reuse), func(t *testing.T) {
				k := kind{"", encap.TransportUDP, ipv6}
				ns := newSpace(t)
				foreign := -1
				ns.do(func() { foreign = bindForeign(t, k.local(), reuse) })
				wantInUse(t, ns, k, k.local())
				if ipv6 {
					wantInUse(t, ns, k, k.at("::"))
				} else {
					wantInUse(t, ns, k, k.at("0.0.0.0"))
				}
				_ = unix.Close(foreign)
				ns.open(GroupConfig{Local: k.local(), Workers: 2})
				wantInUse(t, ns, k, k.local()) // a second culvert
			})
		}
	}
}

func bindForeign(t *testing.T, a netip.AddrPort, reuse bool) int {
	t.Helper()
	family := unix.AF_INET
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if reuse {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			t.Fatal(err)
		}
	}
	sa, err := unixSockaddr(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, sa); err != nil {
		t.Fatal(err)
	}
	return fd
}

func wantInUse(t *testing.T, ns *space, k kind, local netip.AddrPort) {
	t.Helper()
	ns.do(func() {
		g, err := OpenGroup(GroupConfig{Transport: k.transport, Local: local, Workers: 2})
		if err == nil {
			_ = g.Close()
			t.Errorf("%v: opened although the port is taken", local)
			return
		}
		var op *OpError
		want := fmt.Sprintf("bind udp %v: address already in use", local)
		if !errors.Is(err, unix.EADDRINUSE) || !errors.As(err, &op) || err.Error() != want {
			t.Errorf("error %q instead of %q", err, want)
		}
	})
}

// TestOpenErrors checks the words for an operator.
func TestOpenErrors(t *testing.T) {
	udp, ip := encap.TransportUDP, encap.TransportIP
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		name string
		cfg  GroupConfig
		is   error
		text string
	}{
		{
			"not ours udp",
			GroupConfig{Transport: udp, Local: at("198.51.100.7:1701"), Workers: 1},
			unix.EADDRNOTAVAIL,
			"bind udp 198.51.100.7:1701: address 198.51.100.7 is not on this host",
		},
		{
			"not ours udp6",
			GroupConfig{Transport: udp, Local: at("[2001:db8::7]:1701"), Workers: 1},
			unix.EADDRNOTAVAIL,
			"bind udp [2001:db8::7]:1701: address 2001:db8::7 is not on this host",
		},
		{
			"not ours ip",
			GroupConfig{Transport: ip, Local: at("198.51.100.7:1"), Workers: 1},
			unix.EADDRNOTAVAIL,
			"bind ip 198.51.100.7: address 198.51.100.7 is not on this host",
		},
		{"no workers", GroupConfig{Local: at("127.0.0.1:0")}, ErrWorkers, "open udp sockets: 0 workers: worker out of range"},
		{"no address", GroupConfig{Workers: 1}, ErrAddress, "open udp sockets: local address invalid IP: invalid address"},
		{"multicast", GroupConfig{Workers: 1, Local: at("224.0.0.1:1")}, ErrAddress, "open udp sockets: local address 224.0.0.1: invalid address"},
		{
			"no zone",
			GroupConfig{Workers: 1, Local: at("[fe80::1]:1701")},
			ErrAddress,
			"open udp sockets: invalid address: link-local address fe80::1 needs a zone, as in fe80::1%eth0",
		},
		{
			"bad zone",
			GroupConfig{Workers: 1, Local: at("[fe80::1%nosuch]:1701")},
			ErrAddress,
			`open udp sockets: invalid address: fe80::1%nosuch: no interface "nosuch"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := newSpace(t)
			ns.do(func() {
				_, err := OpenGroup(c.cfg)
				var op *OpError
				if !errors.Is(err, c.is) || !errors.As(err, &op) || err.Error() != c.text {
					t.Errorf("error %q instead of %q", err, c.text)
				}
			})
		})
	}
}

// TestOpenWithoutCapabilities drops all capabilities on one thread: raw sockets then fail, UDP works with what buffers
// the limits allow.
func TestOpenWithoutCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to have capabilities to drop")
	}
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			errs <- err
			errs <- err
			return
		}
		_, err := OpenGroup(GroupConfig{Transport: encap.TransportIP, Local: netip.MustParseAddrPort("127.0.0.1:0"), Workers: 1})
		errs <- err
		g, err := OpenGroup(GroupConfig{Local: netip.MustParseAddrPort("127.0.0.1:0"), Workers: 2})
		if err == nil {
			err = g.Close()
		}
		errs <- err
	}()
	raw, udp := <-errs, <-errs
	want := "open raw socket for IP protocol 115: operation not permitted (needs CAP_NET_RAW)"
	if raw == nil || raw.Error() != want || !errors.Is(raw, unix.EPERM) {
		t.Errorf("raw: %v instead of %s", raw, want)
	}
	if udp != nil {
		t.Errorf("udp: %v", udp)
	}
}

// TestSenderIdentity checks which socket Sender returns.
func TestSenderIdentity(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		own := Variant{DF: DFClear, NoChecksum: true}
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 2, Variant: own})
		ns.do(func() {
			a, err := g.Sender(1, own)
			if err != nil || a != g.Data(1) {
				t.Errorf("the group's own variant: %v, %v", a, err)
			}
			b, err := g.Sender(1, Variant{DF: DFSet})
			if err != nil || b == g.Data(1) {
				t.Errorf("another variant: %v, %v", b, err)
			}
			if c, _ := g.Sender(1, Variant{DF: DFSet}); c != b {
				t.Errorf("not the same socket again")
			}
			if c, _ := g.Sender(0, Variant{DF: DFSet}); c == b || c == nil {
				t.Errorf("two workers share a sender")
			}
			want := 5
			if c, _ := g.Sender(0, Variant{DF: DFClear}); k.transport == encap.TransportIP {
				if c != g.Data(0) {
					t.Errorf("checksums must mean nothing to IP 115")
				}
			} else if want++; c == g.Data(0) {
				t.Errorf("checksums must make a difference to UDP")
			}
			if n := len(g.Sockets()); n != want {
				t.Errorf("%d sockets instead of %d", n, want)
			}
			for _, w := range []int{-1, 2} {
				if _, err := g.Sender(w, own); !errors.Is(err, ErrWorkers) {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		})
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := g.Sender(0, Variant{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Sender after Close: %v", err)
		}
	})
}

// TestSendersAreDeaf: a raw socket that only sends is connected, so that the kernel makes no copies for it, to an address
// that nobody sends from; what it sends arrives all the same.
func TestSendersAreDeaf(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		if k.transport != encap.TransportIP {
			return
		}
		ns := newSpace(t)
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
		ns.do(func() {
			s, err := g.Sender(0, Variant{DF: DFClear})
			if err != nil {
				t.Error(err)
				return
			}
			if all, connected := rawSockets(t, k.ipv6); all != 5 || connected != 1 {
				t.Errorf("%d of %d raw sockets are connected", connected, all)
			}
			b := NewTxBatch(1)
			to, err := NewDest(k.remote(), DestOptions{TOS: -1})
			if err != nil {
				t.Error(err)
				return
			}
			b.Add([]byte{0, 0, 0, 2, 9}, to, -1, 0)
			if n, err := s.Send(b); n != 1 || err != nil {
				t.Errorf("sent %d: %v", n, err)
			}
			rx := NewRxBatch(4, 0, 100)
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if n, _ := peer.Data(0).ReadBatch(rx); n == 1 && bytes.Equal(rx.Packet(0), []byte{0, 0, 0, 2, 9}) {
					return
				}
			}
			t.Error("nothing arrived")
		})
	})
}

// rawSockets counts the raw sockets of the calling thread's namespace, and those that are connected.
func rawSockets(t *testing.T, ipv6 bool) (all, connected int) {
	t.Helper()
	name := "/proc/thread-self/net/raw"
	if ipv6 {
		name += "6"
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		remote, _, _ := strings.Cut(strings.Fields(line)[2], ":")
		all++
		if strings.Trim(remote, "0") != "" {
			connected++
		}
	}
	return all, connected
}

// TestAddressForms opens unspecified, mapped and kernel-chosen addresses, and a socket name is readable.
func TestAddressForms(t *testing.T) {
	ns := newSpace(t)
	for _, c := range []struct {
		local string
		tr    encap.Transport
		name  string
	}{
		{"0.0.0.0:1701", encap.TransportUDP, "udp 0.0.0.0:1701 worker 0"},
		{"[::]:1701", encap.TransportUDP, "udp [::]:1701 worker 0"},
		{"[::ffff:127.0.0.1]:1702", encap.TransportUDP, "udp 127.0.0.1:1702 worker 0"},
		{"0.0.0.0:99", encap.TransportIP, "ip 0.0.0.0 worker 0"},
		{"[::]:0", encap.TransportIP, "ip :: worker 0"},
		{"127.0.0.1:0", encap.TransportUDP, ""},
	} {
		g := ns.open(GroupConfig{Transport: c.tr, Local: netip.MustParseAddrPort(c.local), Workers: 1})
		if got := g.Data(0).String(); c.name != "" && got != c.name {
			t.Errorf("%s: name %q instead of %q", c.local, got, c.name)
		}
		if port := g.LocalAddr().Port(); (port == 0) != (c.tr == encap.TransportIP) {
			t.Errorf("%s: port %d", c.local, port)
		}
	}
}

// TestDescriptorsClosed counts descriptors over many openings, failed ones included.
func TestDescriptorsClosed(t *testing.T) {
	ns := newSpace(t)
	ns.do(func() {
		round := func() {
			for _, k := range kinds {
				g, err := OpenGroup(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 3})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := g.Sender(2, Variant{DF: DFClear}); err != nil {
					t.Fatal(err)
				}
				if k.transport == encap.TransportUDP {
					if _, err = OpenGroup(GroupConfig{Local: k.local(), Workers: 3}); !errors.Is(err, unix.EADDRINUSE) {
						t.Fatal(err)
					}
				}
				if _, err = OpenGroup(GroupConfig{Transport: k.transport, Local: k.pick("198.51.100.7", "2001:db8::7"), Workers: 1}); err == nil {
					t.Fatal("opened on a foreign address")
				}
				if _, err := PathMTU(k.transport, k.local(), k.remote()); err != nil {
					t.Fatal(err)
				}
				if err := g.Close(); err != nil {
					t.Fatal(err)
				}
			}
			p, err := NewPoller()
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(p.Close(), p.Close()); err != nil {
				t.Fatal(err)
			}
		}
		round()
		before := countDescriptors(t)
		for range 10 {
			round()
		}
		if after := countDescriptors(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
