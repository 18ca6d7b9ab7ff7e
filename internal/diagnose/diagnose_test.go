package diagnose

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"culvert/encap"
)

var peer = netip.MustParseAddrPort("192.0.2.2:1701")

// tunnel is one with an Ethernet and a PPP session of which nothing is known to be wrong.
func tunnel() *Tunnel {
	return &Tunnel{
		Peer: peer, For: time.Second, PathMTU: 1500, KernelMTU: 1500,
		Sessions: []Session{
			{Name: "e", LocalID: 1, Send: encap.DataHeader{SessionID: 101}, MTU: 1450, Fits: 1450, Rx: 1, Tx: 1, AllRx: 1, AllTx: 1},
			{Name: "p", Pseudowire: PPP, LocalID: 2, Send: encap.DataHeader{SessionID: 102}, LCP: "Opened", MTU: 1460, Fits: 1460, Rx: 1, Tx: 1, AllRx: 1},
		},
		Packets: []Packet{{Sent: true, Remote: peer, Control: true}, {Remote: peer, Control: true}},
	}
}

func (t *Tunnel) came(id encap.SessionID, body []byte) {
	t.Packets = append(t.Packets, Packet{Remote: peer, Session: id, Body: body})
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Frames as they come.
var (
	arp  = "ffffffffffff 020000000001 0806 0001 0800 0604 0001"
	ip4  = "020000000002 020000000001 0800 4500 0054"
	lcp  = "ff03 c021 01 01 000a 0506 01020304"
	bare = "c021 01 01 000a 0506 01020304"
)

// TestLook: what is wrong is found, and only that.
func TestLook(t *testing.T) {
	cookie4, _ := encap.NewCookie([]byte{1, 2, 3, 4})
	for name, tt := range map[string]struct {
		make func(x *Tunnel)
		want string // check, level and words, of all that is not good
	}{
		"nothing":           {func(*Tunnel) {}, ""},
		"good frames":       {func(x *Tunnel) { x.came(1, unhex(t, arp)); x.came(2, unhex(t, lcp)) }, ""},
		"unknown protocols": {func(x *Tunnel) { x.came(1, unhex(t, "0200000000020200000000013456aabbccdd")) }, ""},
		"sublayer of Ethernet": {
			func(x *Tunnel) { x.came(1, unhex(t, "00000000"+arp)); x.came(1, unhex(t, "00000000"+ip4)) },
			"sublayer bad: the peer sends the Default L2-Specific Sublayer",
		},
		"numbered": {func(x *Tunnel) { x.came(2, unhex(t, "40000007"+lcp)) }, "sublayer bad: the peer sends the Default"},
		"cookie nobody expects": {
			func(x *Tunnel) { x.came(1, unhex(t, "a1b2c3d4e5f60718"+ip4)) },
			"cookie bad: the peer sends a cookie of 8 bytes, and we expect 0",
		},
		"no sublayer": {
			func(x *Tunnel) { x.Sessions[0].Expect.Sublayer = encap.SublayerDefault; x.came(1, unhex(t, arp)) },
			"sublayer bad: the peer sends no L2-Specific Sublayer",
		},
		"pseudowire": {func(x *Tunnel) { x.came(2, unhex(t, ip4)) }, "pseudowire bad: the peer sends Ethernet frames in a pseudowire that is PPP"},
		"cookie and sublayer": {
			func(x *Tunnel) { x.Sessions[1].Expect.Cookie = cookie4; x.came(2, unhex(t, "01020304 00000000"+lcp)) },
			"sublayer bad: the peer sends the Default",
		},
		"wrong cookie": {
			func(x *Tunnel) { x.Sessions[1].Expect.Cookie = cookie4; x.came(2, unhex(t, "01020305"+lcp)) },
			"cookie bad: the peer sends another cookie",
		},
		"cookie too short to tell": {
			func(x *Tunnel) { x.Sessions[1].Expect.Cookie = cookie4; x.came(2, []byte{1}) },
			"cookie bad: the peer sends another cookie",
		},
		"framing": {func(x *Tunnel) {
			x.Sessions[1].LCP = "Req-Sent"
			x.came(2, unhex(t, bare))
			x.Packets = append(x.Packets, Packet{Sent: true, Remote: peer, Session: 102, Body: unhex(t, lcp)})
		}, "framing bad: the peer's frames are without FF 03"},
		"framing the other way": {func(x *Tunnel) {
			x.Sessions[1].LCP = "Req-Sent"
			x.came(2, unhex(t, lcp))
			x.Packets = append(x.Packets, Packet{Sent: true, Remote: peer, Session: 102, Body: unhex(t, bare)})
		}, "framing bad: the peer's frames are with FF 03"},
		"another port": {func(x *Tunnel) {
			x.Packets = append(x.Packets, Packet{Remote: netip.MustParseAddrPort("192.0.2.2:9"), Session: 1, Body: unhex(t, arp)})
		}, "source bad: packets come from 192.0.2.2:9"},
		"unknown session": {func(x *Tunnel) { x.came(7, unhex(t, arp)) }, "session_id bad: the peer sends to session id 7"},
		"sequence": {func(x *Tunnel) {
			x.Sessions[0].Drops, x.Sessions[0].AllDrops = map[string]uint64{"sequence": 2}, map[string]uint64{"sequence": 9}
		}, "sequence bad: numbered packets come late"},
		"sequence before": {func(x *Tunnel) { x.Sessions[0].AllDrops = map[string]uint64{"sequence": 9} }, "sequence note: numbered packets come late"},
		"not open":        {func(x *Tunnel) { x.Sessions[1].Drops = map[string]uint64{"not_open": 2} }, "not_open bad: the peer sends data before"},
		"all dropped": {
			func(x *Tunnel) {
				x.Sessions[0].Rx, x.Sessions[0].Drops = 0, map[string]uint64{"malformed": 2, "punt": 3}
			},
			"all_dropped bad: the peer sends, and all of it",
		},
		"one session is silent":       {func(x *Tunnel) { x.Sessions[1].Rx = 0 }, "one_way bad: we send, and nothing comes in this session"},
		"an Ethernet has less to say": {func(x *Tunnel) { x.Sessions[0].Rx = 0 }, "one_way note: we send, and nothing comes in this session"},
		"deaf":                        {func(x *Tunnel) { x.Packets = x.Packets[:1] }, "one_way bad: we send, and nothing comes from the peer"},
		"quiet":                       {func(x *Tunnel) { x.Packets = nil }, "traffic note: nobody has sent anything"},
		"no route":                    {func(x *Tunnel) { x.KernelMTU = 0 }, "path_mtu bad: the kernel has no route"},
		"path_mtu":                    {func(x *Tunnel) { x.ConfiguredMTU, x.KernelMTU, x.PathMTU = 1500, 1400, 1400 }, "path_mtu note: path_mtu is more"},
		"mtu":                         {func(x *Tunnel) { x.Sessions[0].MTU = 1500 }, "mtu bad: the device's MTU is 1500, and the path holds 1450"},
		"IPv6's MTU":                  {func(x *Tunnel) { x.Sessions[0].MTU, x.Sessions[0].Fits = 1280, 700 }, ""},
		"probes": {func(x *Tunnel) {
			x.Sessions[1].Probes = []Probe{{ID: 7, Size: 1500, MTU: 1500}, {ID: 8, Size: 1400, MTU: 1440}}
			x.came(2, unhex(t, "ff03 c021 0a 07 0008 00000000"))
		}, ""},
		"black hole": {func(x *Tunnel) {
			x.Sessions[1].Probes = []Probe{{ID: 7, Size: 1500, MTU: 1500}, {ID: 8, Size: 1450, MTU: 1490}, {ID: 9, Size: 1400, MTU: 1440}, {ID: 10, Size: 1000, MTU: 1}}
			x.came(2, unhex(t, "ff03 c021 0a 0a 0008 00000000"))
			x.came(2, unhex(t, "ff03 c021 0a 09 0008 00000000"))
		}, "path_probe bad: packets of 1400 bytes get through, those of 1450 do not"},
		"probes that a peer does not answer": {func(x *Tunnel) { x.Sessions[1].Probes = []Probe{{ID: 7, Size: 1500}} }, ""},
		"control":                            {func(x *Tunnel) { x.Control = &Control{State: "established", Established: true, Received: 1} }, ""},
		"control is lossy": {
			func(x *Tunnel) { x.Control = &Control{Established: true, Again: 1, Received: 1} },
			"control note: control messages are lost",
		},
		"acknowledgements are lost": {
			func(x *Tunnel) { x.Control = &Control{Established: true, Received: 2, Duplicates: 1} },
			"control note: our acknowledgements are lost",
		},
		"control is deaf": {func(x *Tunnel) { x.Control = &Control{Established: true, Again: 2} }, "control bad: the peer does not answer"},
		"control is down": {func(x *Tunnel) { x.Control = &Control{State: "idle", Reason: "no answer"} }, "control bad: the control connection is not up: no answer"},
		"digest":          {func(x *Tunnel) { x.Control = &Control{}; x.Drops = map[string]uint64{"control_digest": 1} }, "control bad: control messages with a wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			x := tunnel()
			tt.make(x)
			var wrong []Finding
			for _, f := range Look(x) {
				switch {
				case f.Found == "" || f.Check == "":
					t.Errorf("%+v", f)
				case f.Level != Good && f.Remedy == "", f.Level == Good && f.Remedy != "":
					t.Errorf("remedy of %+v", f)
				case f.Level != Good:
					wrong = append(wrong, f)
				}
			}
			if tt.want == "" {
				if len(wrong) > 0 {
					t.Errorf("%+v", wrong)
				}
				return
			}
			if len(wrong) != 1 || !strings.HasPrefix(fmt.Sprintf("%s %s: %s", wrong[0].Check, wrong[0].Level, wrong[0].Found), tt.want) {
				t.Errorf("%+v, not %q", wrong, tt.want)
			}
		})
	}
}

// TestManySessions: a tunnel with very many sick sessions has a short report.
func TestManySessions(t *testing.T) {
	x := tunnel()
	for n := range 1000 {
		x.Sessions = append(x.Sessions, Session{Name: fmt.Sprint(n), LocalID: encap.SessionID(10 + n), Drops: map[string]uint64{"not_open": 1}, Rx: 1})
	}
	all := Look(x)
	if last := all[len(all)-1]; len(all) > 30 || last.Found != "the same of 984 sessions more" {
		t.Errorf("%d findings, %+v", len(all), last)
	}
}

// FuzzParseOuter: no packet harms, and what is read lies within it; and whatever is in it, Look ends with findings.
func FuzzParseOuter(f *testing.F) {
	v4 := unhex(f, "45000000 00000000 40110000 c0000202 c0000201 06a5 06a5 0000 0000 00030000 00000002"+lcp)
	v6 := append(append(unhex(f, "60000000 0000 11 40"), make([]byte, 32)...), unhex(f, "06a506a500000000 c8030000 00000000")...)
	for _, b := range [][]byte{v4, v6, v4[:27], {}, {0x45}} {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, overIP bool) {
		tr := encap.TransportUDP
		if overIP {
			tr = encap.TransportIP
		}
		p, ok := ParseOuter(tr, false, b)
		if !ok {
			return
		}
		if p.Control && p.Session != 0 || !p.Control && !bytes.HasSuffix(b, p.Body) || !p.Remote.Addr().IsValid() {
			t.Fatalf("%+v of %x", p, b)
		}
		x := tunnel()
		p.Remote, p.Session = peer, 2
		x.Packets = append(x.Packets, p)
		if len(Look(x)) == 0 {
			t.Fatal("nothing found")
		}
	})
}

// TestParseOuter: both ways over both transports.
func TestParseOuter(t *testing.T) {
	b := unhex(t, "45000000 00000000 40110000 c0000202 c0000201 06a5 06a6 0000 0000 00030000 00000002"+lcp)
	p, ok := ParseOuter(encap.TransportUDP, false, b)
	if !ok || p.Remote != peer || p.Session != 2 || p.Control || !bytes.Equal(p.Body, unhex(t, lcp)) {
		t.Errorf("%+v", p)
	}
	if p, ok = ParseOuter(encap.TransportUDP, true, b); !ok || p.Remote != netip.MustParseAddrPort("192.0.2.1:1702") {
		t.Errorf("%+v", p)
	}
	b = append(b[:20:20], unhex(t, "00000007"+arp)...)
	if p, ok = ParseOuter(encap.TransportIP, false, b); !ok || p.Remote != netip.MustParseAddrPort("192.0.2.2:0") || p.Session != 7 || !isEthernet(p.Body) {
		t.Errorf("%+v", p)
	}
	if p, ok = ParseOuter(encap.TransportIP, false, append(b[:20:20], 0, 0, 0, 0, 0xc8, 3)); !ok || !p.Control {
		t.Errorf("%+v", p)
	}
}
