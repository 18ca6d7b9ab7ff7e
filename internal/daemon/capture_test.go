package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"culvert/client"
	"culvert/encap"
	"culvert/internal/mgmt"
)

// running is a capture under way.
type running struct {
	t      *testing.T
	file   string
	port   int // of UDP, for tshark
	cancel context.CancelFunc
	done   chan error
	res    mgmt.CaptureResult
}

// startCapture begins a capture and returns when culvert has.
func startCapture(t *testing.T, socket string, r mgmt.CaptureRequest) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &running{t: t, file: filepath.Join(t.TempDir(), "c.pcapng"), cancel: cancel, done: make(chan error, 1)}
	f, err := os.Create(c.file)
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	go func() {
		var err error
		c.res, err = client.New(socket).Capture(ctx, r, f, func() { close(begun) })
		c.done <- errors.Join(err, f.Close())
	}()
	select {
	case <-begun:
	case err := <-c.done:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return c
}

// packet is a packet of a capture.
type packet struct {
	iface string
	sent  bool
	data  []byte
}

// end ends the capture and reads it.
func (c *running) end() (all []packet) {
	c.t.Helper()
	c.cancel()
	if err := <-c.done; err != nil {
		c.t.Fatal(err)
	}
	f, err := os.Open(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		c.t.Fatal(err)
	}
	links := map[string]layers.LinkType{"outer": layers.LinkTypeRaw, "inner-ppp": layers.LinkTypePPP, "inner-ethernet": layers.LinkTypeEthernet}
	for {
		data, ci, opts, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
		i, err := r.Interface(ci.InterfaceIndex)
		if err != nil || links[i.Name] != i.LinkType || time.Since(ci.Timestamp) > time.Minute {
			c.t.Fatalf("interface %+v, packet %+v, %v", i, ci, err)
		}
		all = append(all, packet{i.Name, opts.Flags.Direction == pcapgo.NgEpbFlagDirectionOutbound, bytes.Clone(data)})
	}
	if uint64(len(all)) != c.res.Captured || c.res.Dropped != 0 {
		c.t.Fatalf("%d packets, %+v", len(all), c.res)
	}
	return all
}

// tshark reads the capture, checksums and digests checked, and gives a line for each packet that the filter passes. It
// reads it twice: data may be before the message that says what is in it.
func (c *running) tshark(filter string, fields ...string) string {
	c.t.Helper()
	args := []string{
		"-2", "-n", "-r", c.file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
		"-o", "l2tp.shared_secret:the secret", "-d", fmt.Sprintf("udp.port==%d,l2tp", c.port), "-Y", filter,
	}
	if len(fields) > 0 {
		args = append(args, "-T", "fields")
		for _, f := range fields {
			args = append(args, "-e", f)
		}
	}
	var stderr bytes.Buffer
	cmd := exec.Command("tshark", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("tshark: %v: %s", err, stderr.String())
	}
	return string(out)
}

// tally counts packets by interface and direction.
func tally(all []packet) map[string]int {
	m := make(map[string]int)
	for _, p := range all {
		way := " in"
		if p.sent {
			way = " out"
		}
		m[p.iface+way]++
	}
	return m
}

// TestCapture: a dialed tunnel from its first SCCRQ on, PPP and Ethernet, both directions and layers. tshark finds nothing
// malformed, no wrong checksum and no wrong digest in it, and the frames inside.
func TestCapture(t *testing.T) {
	for _, tt := range []struct{ transport, local, peer string }{
		{"udp", "127.0.0.2:%d", "127.0.0.1:%d"}, {"ip", "127.0.0.2", "127.0.0.1"},
	} {
		t.Run(tt.transport, func(t *testing.T) {
			nsA, nsB := newNS(t), newNS(t)
			port := freePorts(t, 2)
			plain := func(text string) string { return strings.ReplaceAll(text, "hide_avps = true", "") }
			local, peer := tt.local, tt.peer
			if tt.transport == "udp" {
				local, peer = fmt.Sprintf(local, port[1]), fmt.Sprintf(peer, port[0])
			}
			a := run(t, plain(dialing(nsB, tt.transport, local, peer, "the secret", 0)))
			c := startCapture(t, a.socket, mgmt.CaptureRequest{Tunnel: "up"})
			c.port = port[0]
			_, err := client.New(a.socket).Capture(context.Background(), mgmt.CaptureRequest{Tunnel: "up"}, io.Discard, nil)
			if err == nil || err.Error() != "another capture is running" {
				t.Errorf("second capture: %v", err)
			}
			lns := run(t, plain(answering(nsA, `"the secret"`, port[0])))
			allUp(t, lns.socket, 3)
			allUp(t, a.socket, 3)
			mustPing(t, nsB, "-I", "line0", "10.77.0.1")
			ip(t, "-n", nsA, "addr", "add", "fd78:0::1/64", "dev", "lan0", "nodad")
			eventually(t, "Ethernet", func() bool { return ping(nsB, "fd78:0::1") == nil })
			all := c.end()
			count := tally(all)
			for _, want := range []string{"outer in", "outer out", "inner-ppp in", "inner-ppp out", "inner-ethernet in", "inner-ethernet out"} {
				if count[want] < 2 {
					t.Errorf("%d packets %s", count[want], want)
				}
			}
			if bad := c.tshark("_ws.malformed || _ws.expert.severity >= 6291456 && (l2tp || ip || udp) && !icmp.resp_not_found && !icmpv6.resp_not_found || ip.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 || l2tp.incorrect_digest"); bad != "" {
				t.Errorf("tshark finds wrong:\n%s", bad)
			}
			types := c.tshark("l2tp.avp.message_type", "l2tp.avp.message_type")
			for _, typ := range []string{"1", "2", "3", "10", "11", "12"} {
				if !strings.Contains("\n"+types, "\n"+typ+"\n") {
					t.Errorf("no message of type %s: %q", typ, types)
				}
			}
			if got := c.tshark("frame.interface_name == \"inner-ppp\" && icmp", "icmp.type"); !strings.Contains(got, "8\n") || strings.Count(got, "8\n") != strings.Count(got, "0\n") {
				t.Errorf("echoes inside PPP: %q", got)
			}
			if got := c.tshark("frame.interface_name == \"inner-ethernet\" && icmpv6.type == 128"); got == "" {
				t.Error("no echo inside Ethernet")
			}
		})
	}
}

// TestCaptureFilters: a session's packets alone, one layer, bounds, and a peer's address.
func TestCaptureFilters(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	lns := run(t, answering(nsA, `"the secret"`, port[0]))
	a := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 0))
	allUp(t, lns.socket, 3)
	peer := netip.MustParseAddr("127.0.0.1")
	pings := func() {
		mustPing(t, nsB, "-I", "line0", "10.77.0.1")
		mustPing(t, nsB, "-I", "line1", "10.77.0.1")
	}
	sid := a.session("p1").SID

	c := startCapture(t, a.socket, mgmt.CaptureRequest{Session: "up/p1", Outer: true, SnapLen: 64})
	pings()
	data := 0
	for _, p := range c.end() {
		if p.iface != "outer" || len(p.data) > 64 {
			t.Errorf("%s, %d bytes", p.iface, len(p.data))
		}
		if d := encap.UDPData(p.data[28:]); !p.sent && d.Valid() {
			if data++; uint32(d.SessionID()) != sid {
				t.Errorf("session %d, not %d", d.SessionID(), sid)
			}
		}
	}
	if data < 2 { // IPV6CP may still have something to say
		t.Errorf("%d packets received", data)
	}

	c = startCapture(t, a.socket, mgmt.CaptureRequest{Peer: peer, Inner: true, Count: 5})
	pings()
	if all := c.end(); len(all) != 5 || tally(all)["outer in"]+tally(all)["outer out"] != 0 {
		t.Errorf("%v", tally(all))
	}
	c = startCapture(t, a.socket, mgmt.CaptureRequest{Tunnel: "up", Size: 1200})
	pings()
	all := c.end()
	if st, err := os.Stat(c.file); err != nil || st.Size() > 1200 || len(all) < 2 {
		t.Errorf("%v, %v: %d packets", st, err, len(all))
	}
	c = startCapture(t, a.socket, mgmt.CaptureRequest{Peer: netip.MustParseAddr("127.0.0.9"), Duration: 300 * time.Millisecond})
	if err := <-c.done; err != nil || c.res.Captured != 0 {
		t.Errorf("%+v, %v", c.res, err)
	}
	for r, want := range map[mgmt.CaptureRequest]string{
		{Tunnel: "nobody"}: `no tunnel "nobody"`, {Session: "up/nobody"}: `no session "up/nobody"`,
	} {
		if _, err := client.New(a.socket).Capture(context.Background(), r, io.Discard, nil); err == nil || err.Error() != want {
			t.Errorf("%+v: %v", r, err)
		}
	}
	// The end of the daemon ends a capture too, and the file is whole.
	c = startCapture(t, a.socket, mgmt.CaptureRequest{Tunnel: "up"})
	pings()
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if all := c.end(); tally(all)["outer out"] < 4 {
		t.Errorf("%v", tally(all))
	}
}
