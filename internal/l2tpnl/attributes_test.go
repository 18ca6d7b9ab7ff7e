package l2tpnl

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// message is a generic netlink message of these attributes: 2 bytes length, 2 type, value, padded to 4.
func message(attrs ...any) []byte {
	b := []byte{tunnelGet, 1, 0, 0}
	for i := 0; i < len(attrs); i += 2 {
		var v []byte
		switch x := attrs[i+1].(type) {
		case uint8:
			v = []byte{x}
		case uint16:
			v = binary.NativeEndian.AppendUint16(nil, x)
		case uint32:
			v = binary.NativeEndian.AppendUint32(nil, x)
		case string:
			v = append([]byte(x), 0)
		case []byte:
			v = x
		}
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(v)))
		b = binary.NativeEndian.AppendUint16(b, uint16(attrs[i].(int)))
		b = append(b, v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

func v6(s string) []byte { a := netip.MustParseAddr(s).As16(); return a[:] }

func TestParseTunnel(t *testing.T) {
	tests := []struct {
		message []byte
		want    Tunnel
	}{
		{
			message(attrProtoVersion, uint8(3), attrConnID, uint32(7), attrPeerConnID, uint32(8), attrEncapType, uint16(0), attrUDPChecksum, uint8(1),
				attrIPSource, []byte{192, 0, 2, 1}, attrIPDest, []byte{192, 0, 2, 2}, attrUDPSource, uint16(1701), attrUDPDest, uint16(1702)),
			Tunnel{Version: 3, ID: 7, PeerID: 8, Local: netip.MustParseAddrPort("192.0.2.1:1701"), Remote: netip.MustParseAddrPort("192.0.2.2:1702"), Checksum: true},
		},
		{
			message(attrProtoVersion, uint8(3), attrConnID, uint32(1), attrPeerConnID, uint32(2), attrEncapType, uint16(encapIP),
				attrIP6Source, v6("2001:db8::1"), attrIP6Dest, v6("2001:db8::2"), attrNoChecksum6TX, []byte{}),
			Tunnel{Version: 3, ID: 1, PeerID: 2, IP: true, Local: netip.MustParseAddrPort("[2001:db8::1]:0"), Remote: netip.MustParseAddrPort("[2001:db8::2]:0")},
		},
	}
	for _, tt := range tests {
		got, err := parseTunnel(tt.message)
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.AddrPort{})); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for n := range len(tt.message) {
			if got, err := parseTunnel(tt.message[:n]); err == nil && got.Remote.Addr() != tt.want.Remote.Addr() {
				t.Errorf("%d of %d bytes are taken: %+v", n, len(tt.message), got)
			}
		}
	}
	if _, err := parseTunnel(message(attrConnID, uint32(7))); err == nil {
		t.Error("a tunnel without addresses")
	}
}

func TestParseSession(t *testing.T) {
	got, err := parseSession(message(attrConnID, uint32(7), attrSessionID, uint32(11), attrPeerSessionID, uint32(22), attrPWType, uint16(Ethernet),
		attrIfName, "vpn0", attrCookie, []byte{1, 2, 3, 4}, attrPeerCookie, []byte{5, 6, 7, 8}, attrSendSeq, uint8(1), attrRecvSeq, uint8(0)))
	want := Session{tunnel: 7, ID: 11, PeerID: 22, PWType: Ethernet, Cookie: []byte{1, 2, 3, 4}, PeerCookie: []byte{5, 6, 7, 8}, SendSeq: true, Interface: "vpn0"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Session{})); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSublayers(t *testing.T) {
	got := sublayers(`TUNNEL 7 peer 8
 L2TPv3, UDP
  SESSION 11, peer 22, ETH
   refcnt 1
   config 0/0/-/-/-/- 00000000 0
   offset 0 l2specific 1/4
   cookie 01020304
  SESSION 12, peer 23, ETH
   offset 0 l2specific 0/0
  SESSION 13, peer 24, ETH
`)
	if diff := cmp.Diff(map[uint32]Sublayer{11: SublayerDefault, 12: SublayerNone}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzParse: whatever a kernel says is taken or refused, and what is taken has addresses.
func FuzzParse(f *testing.F) {
	f.Add(message(attrConnID, uint32(7), attrIPSource, []byte{192, 0, 2, 1}, attrIPDest, []byte{192, 0, 2, 2}), "  SESSION 11, peer 22, ETH\n   offset 0 l2specific 1/4\n")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		if tun, err := parseTunnel(b); err == nil && (!tun.Local.IsValid() || !tun.Remote.IsValid()) {
			t.Errorf("%+v", tun)
		}
		if s, err := parseSession(b); err == nil && len(s.Interface) > len(b) {
			t.Errorf("%+v", s)
		}
		for id := range sublayers(text) {
			if id == 0 {
				t.Error("session 0")
			}
		}
	})
}
