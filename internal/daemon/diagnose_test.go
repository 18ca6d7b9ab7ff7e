package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"culvert/client"
	"culvert/encap"
	"culvert/internal/mgmt"
)

// sickEnd is one end of a static tunnel with sessions, each by its name and what is in its table.
func sickEnd(t *testing.T, from, to netip.AddrPort, sessions ...[2]string) string {
	t.Helper()
	ns := newNS(t)
	var b strings.Builder
	fmt.Fprintf(&b, "[tunnel.t]\nlocal = %q\npeer = %q\npath_mtu = 1500\ntid = 1\nptid = 2\n", from, to)
	for _, s := range sessions {
		fmt.Fprintf(&b, "[tunnel.t.session.%s]\ninterface_name = %q\nnetns = %q\n%s", s[0], s[0], ns, s[1])
	}
	return b.String() + fmt.Sprintf("[ppp.p]\nlcp_restart = 1\nlcp_echo_interval = 1\nipv6 = false\nlocal_address = \"10.99.%d.1\"\n", from.Port()-1700)
}

// pppTable is a PPP session, and more.
func pppTable(sid, psid int, more string) string {
	return fmt.Sprintf("sid = %d\npsid = %d\npseudowire = \"ppp\"\nppp_profile = \"p\"\n%s\n", sid, psid, more)
}

// diagnosed asks the daemon what is wrong with its tunnel.
func (i *instance) diagnosed(wait time.Duration) []mgmt.Finding {
	i.t.Helper()
	all, err := client.New(i.socket).Diagnose(context.Background(), "t", wait)
	if err != nil {
		i.t.Fatal(err)
	}
	return all
}

// wantFinding demands a bad finding of a check, with words in what is found and what is to be done.
func wantFinding(t *testing.T, all []mgmt.Finding, session, check, found, remedy string) {
	t.Helper()
	for _, f := range all {
		if f.Session == session && f.Check == check && f.Level != "good" && strings.Contains(f.Found, found) && strings.Contains(f.Remedy, remedy) && f.Evidence != "" {
			return
		}
	}
	t.Errorf("no finding %s of %q: %q, %q among %+v", check, session, found, remedy, all)
}

// TestDiagnosePair: two ends whose sessions do not fit each other, each in another way, and what is said of it at both; and
// a session that is well.
func TestDiagnosePair(t *testing.T) {
	t.Parallel()
	ends := loopback()
	both := func(n int, atA, atB string) (a, b string) {
		return pppTable(10+n, 30+n, atA), pppTable(30+n, 10+n, atB)
	}
	var ofA, ofB [][2]string
	for n, s := range [][3]string{
		{"good", "", ""},
		{"other", "peer_cookie = [1, 2, 3, 4]", "cookie = [1, 2, 3, 5]"},
		{"long", "peer_cookie = [1, 2, 3, 4]", "cookie = [1, 2, 3, 4, 5, 6, 7, 9]"},
		{"none", "peer_cookie = [1, 2, 3, 4]", ""},
		{"sub", "", "l2spec_type = \"default\""},
	} {
		a, b := both(n, s[1], s[2])
		ofA, ofB = append(ofA, [2]string{s[0], a}), append(ofB, [2]string{s[0], b})
	}
	ofA, ofB = append(ofA, [2]string{"id", pppTable(20, 40, "")}), append(ofB, [2]string{"id", pppTable(40, 21, "")})
	b := run(t, sickEnd(t, ends[1], ends[0], ofB...))
	a := run(t, sickEnd(t, ends[0], ends[1], ofA...))
	eventually(t, "up", func() bool { return a.session("good").State == "up" && b.session("good").State == "up" })
	const wait = 1300 * time.Millisecond
	atA := a.diagnosed(wait)
	wantFinding(t, atA, "t/other", "cookie", "another cookie", "the same bytes in the same order")
	wantFinding(t, atA, "t/long", "cookie", "of 8 bytes, and we", "the same bytes as cookie")
	wantFinding(t, atA, "t/none", "cookie", "sends no cookie", "cookie of 4 bytes at the other end")
	wantFinding(t, atA, "t/sub", "sublayer", "sends the Default L2-Specific Sublayer", `l2spec_type = "default" here`)
	wantFinding(t, atA, "", "session_id", "session id 21", "psid = 20 at the other end, or sid = 21 of session id")
	for _, f := range atA {
		if f.Session == "t/good" && f.Level != "good" || f.Session == "" && f.Check != "session_id" && f.Level != "good" {
			t.Errorf("%+v", f)
		}
	}
	wantFinding(t, b.diagnosed(wait), "t/sub", "sublayer", "sends no L2-Specific Sublayer", `l2spec_type = "none" here`)
}

// TestDiagnoseDeafPeer: nothing comes back, neither in a static nor in a dynamic tunnel.
func TestDiagnoseDeafPeer(t *testing.T) {
	t.Parallel()
	ends := loopback()
	deaf, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ends[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = deaf.Close() })
	text := sickEnd(t, ends[0], ends[1], [2]string{"s", pppTable(11, 22, "")})
	i := run(t, text+fmt.Sprintf("[tunnel.d]\nlocal = %q\npeer = %q\n[tunnel.d.session.s]\npseudowire = \"eth\"\n", loopback()[0], ends[1]))
	const wait = 1200 * time.Millisecond
	wantFinding(t, i.diagnosed(wait), "", "one_way", "nothing comes from the peer", "UDP from "+ends[1].String())
	c := client.New(i.socket)
	all, err := c.Diagnose(context.Background(), "d", wait)
	if err != nil {
		t.Fatal(err)
	}
	wantFinding(t, all, "", "control", "not up", "peer, port, encap and secret")
	wantFinding(t, all, "", "one_way", "nothing comes from the peer", "")
	if _, err := c.Diagnose(context.Background(), "none", 0); err == nil || !strings.Contains(err.Error(), "no tunnel") {
		t.Errorf("%v", err)
	}
}

// TestDiagnosePathMTU: a device that is larger than what the kernel knows of the path.
func TestDiagnosePathMTU(t *testing.T) {
	ends := loopback()
	ip(t, "route", "add", "local", ends[1].Addr().String()+"/32", "dev", "lo", "mtu", "1400", "table", "local")
	t.Cleanup(func() { ip(t, "route", "del", "local", ends[1].Addr().String()+"/32", "table", "local") })
	i := run(t, sickEnd(t, ends[0], ends[1], [2]string{"e", "sid = 1\npsid = 2\npseudowire = \"eth\"\nmtu = 1450\n"}))
	all := i.diagnosed(0)
	wantFinding(t, all, "", "path_mtu", "more than the path", "path_mtu = 1400")
	wantFinding(t, all, "t/e", "mtu", "MTU is 1450, and the path holds 1350", "mtu = 1350")
}

// TestDiagnosePlayedPeer: a peer that never sends FF 03 and does not hear us, whose packets come late, and from another
// port.
func TestDiagnosePlayedPeer(t *testing.T) {
	t.Parallel()
	ends := loopback()
	elsewhere := netip.AddrPortFrom(ends[1].Addr(), 1703)
	var sockets []*net.UDPConn
	for _, a := range []netip.AddrPort{ends[1], elsewhere} {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		sockets = append(sockets, c)
	}
	i := run(t, sickEnd(t, ends[0], ends[1], [2]string{"framing", pppTable(11, 21, "")},
		[2]string{"order", pppTable(12, 22, "l2spec_type = \"default\"")}, [2]string{"port", pppTable(13, 23, "")})+"ppp_framing = \"hdlc\"\n")
	echo := []byte{0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			send := func(c *net.UDPConn, h encap.DataHeader, seq int, frame []byte) {
				b := h.AppendTo(nil)
				if seq > 0 {
					encap.PutSeq(b[len(b)-encap.SublayerLen:], true, encap.Seq(seq))
				}
				_, _ = c.WriteToUDPAddrPort(append(b, frame...), ends[0])
			}
			send(sockets[0], encap.DataHeader{SessionID: 11}, 0, echo[2:])
			send(sockets[0], encap.DataHeader{SessionID: 12, Sublayer: encap.SublayerDefault}, 100+n^3, echo) // 3 2 1 0 7 6 5 4
			send(sockets[1], encap.DataHeader{SessionID: 13}, 0, echo)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	all := i.diagnosed(1300 * time.Millisecond)
	stop()
	<-ended
	wantFinding(t, all, "t/framing", "framing", "are without FF 03 and ours with", `ppp_framing = "bare"`)
	wantFinding(t, all, "t/order", "sequence", "come late or twice", "reorder_timeout = 20")
	wantFinding(t, all, "t/port", "source", elsewhere.String()+", and the peer is", elsewhere.String()+"\" here")
}

// TestDiagnoseBlackHole: a path that swallows what is larger than it holds, and says nothing.
func TestDiagnoseBlackHole(t *testing.T) {
	t.Parallel()
	ends, facing := loopback(), loopback()
	const holds = 1420 // outer bytes
	var sockets [2]*net.UDPConn
	for i := range sockets {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(facing[i]))
		if err != nil {
			t.Fatal(err)
		}
		sockets[i] = c
	}
	var done sync.WaitGroup
	for i := range sockets {
		done.Go(func() {
			var b [2048]byte
			for {
				n, err := sockets[i].Read(b[:])
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil && n+28 <= holds {
					_, _ = sockets[1-i].WriteToUDPAddrPort(b[:n], ends[1-i])
				}
			}
		})
	}
	t.Cleanup(func() {
		_, _ = sockets[0].Close(), sockets[1].Close()
		done.Wait()
	})
	b := run(t, sickEnd(t, ends[1], facing[1], [2]string{"s", pppTable(22, 11, "")}))
	a := run(t, sickEnd(t, ends[0], facing[0], [2]string{"s", pppTable(11, 22, "")}))
	eventually(t, "up", func() bool { return a.session("s").State == "up" && b.session("s").State == "up" })
	wantFinding(t, a.diagnosed(400*time.Millisecond), "t/s", "path_probe", "packets of 1420 bytes get through, those of 1450 do not", "path_mtu = 1420")
}
