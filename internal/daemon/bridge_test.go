package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"culvert/client"
	"culvert/internal/mgmt"
)

// hub is an access server with one TAP for all its Ethernet sessions: two sites of a template, an uplink, and a session of
// a static tunnel whose frames have a tag on their way.
func hub(ns string, ports []int) string {
	return fmt.Sprintf(`
[listen.udp]
local = "127.0.0.1:%[2]d"
path_mtu = 1500
[peer.any]
secret = "long enough"
[shared.tap]
pseudowire = "eth"
netns = %[1]q
addresses = ["10.78.0.1/24"]
mac_limit = 3
[profile.session.site]
pseudowire = "eth"
remote_end_id = "site_{n}"
n = "1-99"
interface = "shared:tap"
[profile.session.uplink]
pseudowire = "eth"
interface = "shared:tap"
isolated = false
mac_limit = 100
[tunnel.st]
local = "127.0.0.1:%[3]d"
peer = "127.0.0.1:%[4]d"
path_mtu = 1500
tid = 1
ptid = 2
[tunnel.st.session.tagged]
pseudowire = "eth-vlan"
vlan = 7
sid = 1
psid = 2
interface = "shared:tap"
`, ns, ports[0], ports[1], ports[2])
}

// spoke dials the hub for a line in each of the first three namespaces, and has the other end of the static tunnel.
func spoke(ns []string, ports []int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
[tunnel.up]
local = "127.0.0.2:1701"
peer = "127.0.0.1:%d"
path_mtu = 1500
secret = "long enough"
[tunnel.st]
local = "127.0.0.1:%d"
peer = "127.0.0.1:%d"
path_mtu = 1500
tid = 2
ptid = 1
[tunnel.st.session.tagged]
pseudowire = "eth-vlan"
vlan = 9
sid = 2
psid = 1
interface_name = "line"
addresses = ["10.78.0.4/24"]
netns = %q
`, ports[0], ports[2], ports[1], ns[3])
	for i, id := range []string{"site_1", "site_2", "uplink"} {
		fmt.Fprintf(&b, "[tunnel.up.session.%s]\npseudowire = \"eth\"\nremote_end_id = %[1]q\ninterface_name = \"line\"\naddresses = [\"10.78.0.%d/24\"]\nmac = \"02:00:00:00:00:%02[2]d\"\nnetns = %q\n",
			id, 11+i, ns[i])
	}
	return b.String()
}

func (i *instance) macs(shared string) map[string]string {
	i.t.Helper()
	all, err := client.New(i.socket).MACs(context.Background(), shared)
	if err != nil {
		i.t.Fatal(err)
	}
	at := map[string]string{}
	for _, m := range all {
		_, name, _ := strings.Cut(m.Session, "/")
		at[m.Address] = name
	}
	return at
}

// emit sends frames from a device, whoever their sources are.
func emit(t *testing.T, ns string, frames ...[]byte) {
	t.Helper()
	inside(t, ns, func() error {
		dev, err := net.InterfaceByName("line")
		if err != nil {
			return err
		}
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		for _, f := range frames {
			if err := syscall.Sendto(fd, f, 0, &syscall.SockaddrLinklayer{Ifindex: dev.Index}); err != nil {
				return err
			}
		}
		return nil
	})
}

func frameFrom(dst string, src ...byte) []byte {
	d, _ := net.ParseMAC(dst)
	return append(append(append(d, 2, 0, 0, 0), src...), append([]byte{0x88, 0xb5}, make([]byte, 46)...)...)
}

const allHosts = "ff:ff:ff:ff:ff:ff"

// TestBridge: one TAP for four Ethernet sessions of three kinds. The device and each of them talk, isolated ones not with
// each other; addresses are learnt, move, are bounded and go with their session; a reload leaves all others alone.
func TestBridge(t *testing.T) {
	nsA := newNS(t)
	nsB := []string{newNS(t), newNS(t), newNS(t), newNS(t)}
	for _, ns := range append(nsB, nsA) { // no noise
		ip(t, "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
	}
	ports := freePorts(t, 3)
	a := runFile(t, hub(nsA, ports))
	b := run(t, spoke(nsB, ports))
	eventually(t, "all sessions up", func() bool {
		up := 0
		for _, socket := range []string{a.socket, b.socket} {
			all, err := client.Collect(client.New(socket).Sessions(context.Background(), client.Filter{State: "up"}))
			if err != nil {
				t.Fatal(err)
			}
			up += len(all)
		}
		return up == 8 && a.sharedDevice().Sessions == 4
	})
	if got := links(t, nsA); len(got) != 1 || got[0] != "tap" {
		t.Errorf("links of the hub: %v", got)
	}
	for _, ns := range nsB {
		mustPing(t, ns, "-c", "1", "10.78.0.1")
	}
	for _, addr := range []string{"10.78.0.11", "10.78.0.12", "10.78.0.13", "10.78.0.4"} {
		mustPing(t, nsA, "-c", "1", addr)
	}
	mustPing(t, nsB[0], "-c", "1", "10.78.0.13") // a site and the uplink
	mustPing(t, nsB[2], "-c", "1", "10.78.0.4")  // the uplink and the tagged session
	bridgeIsolates(t, a.instance, nsB)
	bridgeLearns(t, a.instance, nsA, nsB)
	bridgeCaptured(t, a.instance, nsB)
	transfer(t, nsA, nsB[0], "10.78.0.11:7009", 4<<20) // super-packets
	transfer(t, nsB[2], nsB[0], "10.78.0.11:7010", 1<<20)
	bridgeReloads(t, a, hub(nsA, ports), nsA, nsB)
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "no session but the static one", func() bool { return a.sharedDevice().Sessions == 1 })
	for mac, name := range a.macs("tap") {
		if name != "" && name != "tagged" {
			t.Errorf("%s is still behind %s", mac, name)
		}
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if got := links(t, nsA); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// bridgeIsolates: two sites reach each other neither by what is flooded nor when they know each other's address.
func bridgeIsolates(t *testing.T, a *instance, nsB []string) {
	t.Helper()
	flooded, one, two := a.sharedDevice().Flooded, a.session("site-1"), a.session("site-2")
	emit(t, nsB[0], frameFrom(allHosts, 0, 11), frameFrom("02:00:00:00:00:77", 0, 11), frameFrom("02:00:00:00:00:12", 0, 11))
	eventually(t, "one frame dropped, two flooded", func() bool {
		return a.session("site-1").Drops["isolated"] == one.Drops["isolated"]+1 && a.sharedDevice().Flooded >= flooded+2
	})
	if now := a.session("site-2"); now.TxPackets != two.TxPackets {
		t.Errorf("site 2 was sent %d frames", now.TxPackets-two.TxPackets)
	}
}

// bridgeLearns: what is known goes to one session alone; an address moves; what is too much is not learnt; a device's own
// address and reserved groups are refused.
func bridgeLearns(t *testing.T, a *instance, nsA string, nsB []string) {
	t.Helper()
	got := a.macs("tap")
	for mac, name := range map[string]string{"02:00:00:00:00:11": "site-1", "02:00:00:00:00:12": "site-2", "02:00:00:00:00:13": "uplink-0"} {
		if got[mac] != name && got[mac] != strings.TrimSuffix(name, "-0") {
			t.Errorf("%s is at %q, want %q", mac, got[mac], name)
		}
	}
	before := map[string]uint64{}
	for _, name := range []string{"site-2", "uplink", "tagged"} {
		before[name] = a.session(name).TxPackets
	}
	mustPing(t, nsA, "-c", "50", "-i", "0.002", "10.78.0.11")
	for name, n := range before {
		if now := a.session(name).TxPackets; now > n+5 { // ARP now and then
			t.Errorf("%s was sent %d frames that were for site 1", name, now-n)
		}
	}
	moved := a.sharedDevice().MACsMoved
	emit(t, nsB[1], frameFrom(allHosts, 0, 0x11))
	eventually(t, "site 1's address at site 2", func() bool {
		return a.macs("tap")["02:00:00:00:00:11"] == "site-2" && a.sharedDevice().MACsMoved == moved+1
	})
	mustPing(t, nsB[0], "-c", "1", "10.78.0.1") // and back
	if at := a.macs("tap")["02:00:00:00:00:11"]; at != "site-1" {
		t.Errorf("after site 1 has talked again it is at %q", at)
	}
	var many [][]byte
	for i := range byte(10) {
		many = append(many, frameFrom(allHosts, 1, i))
	}
	emit(t, nsB[0], many...)
	eventually(t, "no more than three addresses", func() bool { s := a.session("site-1"); return s.MACs == 3 && s.MACsRefused >= 7 })
	tap := strings.Fields(ip(t, "-n", nsA, "-br", "link", "show", "tap"))[2]
	forged, _ := net.ParseMAC(tap)
	emit(t, nsB[0], append(append(bytes.Repeat([]byte{0xff}, 6), forged...), frameFrom(allHosts, 0, 0)[12:]...),
		frameFrom("01:80:c2:00:00:0e", 0, 11), frameFrom("02:00:00:00:00:11", 0, 11))
	eventually(t, "refused frames", func() bool {
		d := a.session("site-1").Drops
		return d["spoofed"] == 1 && d["reserved_mac"] == 1 && d["same_port"] == 1
	})
}

// bridgeCaptured: a capture of one session on the TAP has its frames, and no others'.
func bridgeCaptured(t *testing.T, a *instance, nsB []string) {
	t.Helper()
	s := a.session("site-1")
	c := startCapture(t, a.socket, mgmt.CaptureRequest{Session: s.FullName(), Inner: true})
	emit(t, nsB[1], frameFrom(allHosts, 0, 0x12))
	emit(t, nsB[0], frameFrom(allHosts, 0, 0x11))
	eventually(t, "the frame captured", func() bool {
		b, err := os.ReadFile(c.file)
		return err == nil && bytes.Contains(b, []byte{0, 0x11, 0x88, 0xb5})
	})
	mine := 0
	for _, p := range c.end() {
		if bytes.Contains(p.data, []byte{0, 0x12, 0x88, 0xb5}) {
			t.Errorf("captured of another session: % x", p.data)
		}
		if bytes.Contains(p.data, []byte{0, 0x11, 0x88, 0xb5}) {
			mine++
		}
	}
	if mine != 1 {
		t.Errorf("the frame was captured %d times", mine)
	}
}

// bridgeReloads: the uplink's session goes with its addresses, and comes back; the others know nothing of it.
func bridgeReloads(t *testing.T, a *fileRun, text, nsA string, nsB []string) {
	t.Helper()
	site := a.session("site-1")
	r := a.reload(strings.Replace(text, "isolated = false\nmac_limit = 100", "isolated = false\nmac_limit = 200", 1))
	if len(r.Failed) != 0 {
		t.Errorf("failed: %q", r.Failed)
	}
	eventually(t, "the uplink is back", func() bool { return ping(nsB[2], "-c", "1", "10.78.0.1") == nil })
	r = a.reload(text[:strings.Index(text, "[tunnel.st]")])
	if len(r.Failed) != 0 {
		t.Errorf("failed: %q", r.Failed)
	}
	for mac, name := range a.macs("tap") {
		if name == "tagged" {
			t.Errorf("%s is still behind a session that is gone", mac)
		}
	}
	if now := a.session("site-1"); now.SID != site.SID || now.RxPackets < site.RxPackets {
		t.Errorf("site 1 was %+v, and is %+v", site, now)
	}
	r = a.reload(text)
	if len(r.Failed) != 0 {
		t.Errorf("failed: %q", r.Failed)
	}
	mustPing(t, nsB[3], "-c", "1", "10.78.0.1")
	mustPing(t, nsA, "-c", "1", "10.78.0.4")
}
