package pppfsm

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
)

const (
	ipcpP   = encap.ProtoIPCP
	ipv6cpP = encap.ProtoIPv6CP
)

func ip4(s string) netip.Addr { return netip.MustParseAddr(s) }

var (
	ids    = [8]byte{2, 0, 0, 0, 0, 0, 0, 1}
	server = Config{
		IPv4: true, LocalAddress: ip4("10.0.0.1"), PeerAddress: ip4("10.0.0.2"),
		DNS:  [2]netip.Addr{ip4("10.0.0.53"), ip4("10.0.1.53")},
		NBNS: [2]netip.Addr{ip4("10.0.0.42"), {}},
	}
	client = Config{IPv4: true, UsePeerDNS: true}
	open4  = Config{IPv4: true, LocalAddress: ip4("10.0.0.1")} // takes any peer
	// remote has an address for the peer and takes another one, but not all.
	remote = Config{
		IPv4: true, LocalAddress: ip4("10.0.0.1"), PeerAddress: ip4("10.0.0.2"), AcceptPeer: true,
		AllowPeer: func(a netip.Addr) bool { return a != ip4("10.0.0.66") },
	}
	picky = Config{IPv4: true, LocalAddress: ip4("10.0.0.1"), AllowPeer: remote.AllowPeer}
)

// TestIPCPRequests judges the peer's options (RFC 1332 §3, RFC 1877 §1).
func TestIPCPRequests(t *testing.T) {
	const ack, nak, rej = CodeConfigureAck, CodeConfigureNak, CodeConfigureReject
	for _, tc := range []struct {
		name string
		cfg  Config
		in   string
		code Code
		out  string
	}{
		{"assign", server, "0306 00000000", nak, "0306 0a000002"},
		{"assign with servers", server, "0306 00000000 8106 00000000 8306 00000000", nak, "0306 0a000002 8106 0a000035 8306 0a000135"},
		{"right", server, "0306 0a000002 8106 0a000035", ack, ""},
		{"wrong address", server, "0306 0a000009", nak, "0306 0a000002"},
		{"address too short", server, "0304 0a00", nak, "0306 0a000002"},
		{"own DNS", server, "0306 0a000002 8106 08080808", nak, "8106 0a000035"},
		{"DNS too long", server, "0306 0a000002 8107 0a00003500", nak, "8106 0a000035"},
		{"NBNS", server, "0306 0a000002 8206 00000000 8406 00000000", rej, "8406 00000000"},
		{"DNS not configured", open4, "0306 0a000002 8106 00000000", rej, "8106 00000000"},
		{"anything goes", open4, "0306 c0000205", ack, ""},
		{"nothing to assign", open4, "0306 00000000", rej, "0306 00000000"},
		{"our own", open4, "0306 0a000001", rej, "0306 0a000001"},
		{"loopback", open4, "0306 7f000001", rej, "0306 7f000001"},
		{"multicast", open4, "0306 e0000001", rej, "0306 e0000001"},
		{"broadcast", open4, "0306 ffffffff", rej, "0306 ffffffff"},
		{"short without configuration", open4, "0304 0a00", rej, "0304 0a00"},
		{"omitted", server, "", nak, "0306 0a000002"},
		{"omitted, nothing known", open4, "", nak, "0306 00000000"},
		{"own choice", remote, "0306 c0000205", ack, ""},
		{"assigned all the same", remote, "0306 0a000002", ack, ""},
		{"no choice", remote, "0306 00000000", nak, "0306 0a000002"},
		{"chooses ours", remote, "0306 0a000001", nak, "0306 0a000002"},
		{"chooses what is not allowed", remote, "0306 0a000042", nak, "0306 0a000002"},
		{"multicast, configured", remote, "0306 e0000001", nak, "0306 0a000002"},
		{"not allowed, nothing to give", picky, "0306 0a000042", rej, "0306 0a000042"},
		{"allowed", picky, "0306 0a000043", ack, ""},
		{"VJ", server, "0206 002d0f01 0306 0a000002", rej, "0206 002d0f01"},
		{"deprecated pair", server, "010a 0a000002 0a000001", rej, "010a 0a000002 0a000001"},
		{"mobile", server, "0406 0a000002 0306 0a000002", rej, "0406 0a000002"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.cfg).open("")
			r.clear()
			r.in(ipcpP, CodeConfigureRequest, 0x21, unhex(t, tc.in))
			want := tc.out
			if tc.code == ack {
				want = tc.in
			}
			if len(r.sent) != 1 {
				t.Fatalf("sent %v", r.sent)
			}
			if p := r.sent[0]; p.proto != ipcpP || p.code != tc.code || p.id != 0x21 || !bytes.Equal(p.data, unhex(t, want)) {
				t.Errorf("answer %d %x, want %d %s", p.code, p.data, tc.code, want)
			}
		})
	}
}

// TestIPCPClient plays the server for a client that knows nothing.
func TestIPCPClient(t *testing.T) {
	r := newRig(t, client).open("")
	q := r.last(ipcpP, CodeConfigureRequest)
	if !bytes.Equal(q.data, unhex(t, "0306 00000000 8106 00000000 8306 00000000")) {
		t.Fatalf("request %x", q.data)
	}
	r.in(ipcpP, CodeConfigureReject, q.id, unhex(t, "8306 00000000"))
	q = r.last(ipcpP, CodeConfigureRequest)
	r.in(ipcpP, CodeConfigureNak, q.id, unhex(t, "0306 0a000002 8106 0a000035 8206 0a000036"))
	q = r.last(ipcpP, CodeConfigureRequest)
	if !bytes.Equal(q.data, unhex(t, "0306 0a000002 8106 0a000035")) {
		t.Fatalf("request %x", q.data)
	}
	r.ackOurs(ipcpP)
	mustNot[IPv4Up](r)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000001"))
	up := must[IPv4Up](r)
	want := IPv4Up{Local: ip4("10.0.0.2"), Peer: ip4("10.0.0.1")}
	want.DNS[0] = ip4("10.0.0.53")
	if up != want {
		t.Errorf("up %+v", up)
	}
	st := r.l.Status()
	if st.LocalAddress != want.Local || st.DNS != want.DNS || st.IPCP != Opened {
		t.Errorf("status %+v", st)
	}
}

// TestIPCPNoAddress: a client that is told nothing closes IPCP, not the link.
func TestIPCPNoAddress(t *testing.T) {
	r := newRig(t, client).open("")
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000001"))
	mustNot[IPv4Up](r)
	if q := r.last(ipcpP, CodeTerminateRequest); string(q.data) != "no local IPv4 address" {
		t.Errorf("text %q", q.data)
	}
	r.in(ipcpP, CodeTerminateAck, 1, nil)
	st := r.l.Status()
	if st.IPCP != Closed || st.LCP != Opened || st.IPCPReason != "no local IPv4 address" {
		t.Errorf("%+v", st)
	}
	mustNot[IPv4Down](r)
}

// TestIPCPMaxFailure: a peer that insists is rejected, comes without the
// option, is asked for it once, and gets its configured address.
func TestIPCPMaxFailure(t *testing.T) {
	r := newRig(t, server).open("")
	r.ackOurs(ipcpP)
	for i := range 5 {
		r.clear()
		r.in(ipcpP, CodeConfigureRequest, uint8(i), unhex(t, "0306 0a000009"))
		r.last(ipcpP, CodeConfigureNak)
	}
	r.in(ipcpP, CodeConfigureRequest, 8, unhex(t, "0306 0a000009"))
	r.last(ipcpP, CodeConfigureReject)
	r.in(ipcpP, CodeConfigureRequest, 9, nil)
	if up := must[IPv4Up](r); up.Peer != ip4("10.0.0.2") {
		t.Errorf("up %+v", up)
	}
}

// TestIPCPOmitted: the address is asked for once by Nak. A peer that still has
// none cannot be reached, and IPCP closes.
func TestIPCPOmitted(t *testing.T) {
	r := newRig(t, open4).open("")
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, nil)
	r.last(ipcpP, CodeConfigureNak)
	r.in(ipcpP, CodeConfigureRequest, 2, nil)
	mustNot[IPv4Up](r)
	if q := r.last(ipcpP, CodeTerminateRequest); string(q.data) != "no peer IPv4 address" {
		t.Errorf("text %q", q.data)
	}
}

// TestIPCPFixedLocal: a configured address is kept against Naks, and used
// without negotiation when the peer never agrees.
func TestIPCPFixedLocal(t *testing.T) {
	r := newRig(t, open4).open("")
	for i := range 5 {
		q := r.last(ipcpP, CodeConfigureRequest)
		if !bytes.Equal(q.data, unhex(t, "0306 0a000001")) {
			t.Fatalf("request %d: %x", i, q.data)
		}
		r.in(ipcpP, CodeConfigureNak, q.id, unhex(t, "0306 0a000063"))
	}
	if q := r.last(ipcpP, CodeConfigureRequest); len(q.data) != 0 {
		t.Fatalf("request %x", q.data)
	}
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	if up := must[IPv4Up](r); up.Local != ip4("10.0.0.1") || up.Peer != ip4("10.0.0.2") {
		t.Errorf("up %+v", up)
	}
}

// TestIPCPAcceptLocal: the peer's Nak is taken, but neither its own address nor
// the one it is to have.
func TestIPCPAcceptLocal(t *testing.T) {
	cfg := server
	cfg.AcceptLocal = true
	r := newRig(t, cfg).open("")
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	for _, nak := range []string{"0306 0a000002", "0306 0a000063"} {
		r.in(ipcpP, CodeConfigureNak, r.last(ipcpP, CodeConfigureRequest).id, unhex(t, nak))
	}
	r.ackOurs(ipcpP)
	if up := must[IPv4Up](r); up.Local != ip4("10.0.0.99") || up.Peer != ip4("10.0.0.2") {
		t.Errorf("up %+v", up)
	}
}

// TestIPCPSameAddress: two ends that end up with one address are no link.
func TestIPCPSameAddress(t *testing.T) {
	r := newRig(t, Config{IPv4: true}).open("")
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	r.in(ipcpP, CodeConfigureNak, r.last(ipcpP, CodeConfigureRequest).id, unhex(t, "0306 0a000003"))
	r.in(ipcpP, CodeConfigureRequest, 2, unhex(t, "0306 0a000004"))
	r.ackOurs(ipcpP)
	if up := must[IPv4Up](r); up.Local != ip4("10.0.0.3") || up.Peer != ip4("10.0.0.4") {
		t.Errorf("up %+v", up)
	}
	// what is assigned late can still be ours
	r = newRig(t, open4).open("")
	r.l.SetPeerAddress(ip4("10.0.0.1"))
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000001"))
	r.ackOurs(ipcpP)
	mustNot[IPv4Up](r)
	if q := r.last(ipcpP, CodeTerminateRequest); string(q.data) != "both ends have the IPv4 address 10.0.0.1" {
		t.Errorf("text %q", q.data)
	}
}

// TestSetPeerAddress: an assigned address goes before the configured one, for
// one that asks, one that names another and one that names none.
func TestSetPeerAddress(t *testing.T) {
	for _, tc := range []struct{ in, again string }{
		{"0306 00000000", "0306 0a000007"}, {"0306 0a000002", "0306 0a000007"}, {"", ""},
	} {
		r := newRig(t, server).open("")
		r.l.SetPeerAddress(ip4("10.0.0.7"))
		r.ackOurs(ipcpP)
		r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, tc.in))
		if n := r.last(ipcpP, CodeConfigureNak); !bytes.Equal(n.data, unhex(t, "0306 0a000007")) {
			t.Errorf("nak %x", n.data)
		}
		r.in(ipcpP, CodeConfigureRequest, 2, unhex(t, tc.again))
		if up := must[IPv4Up](r); up.Peer != ip4("10.0.0.7") {
			t.Errorf("up %+v", up)
		}
		r.l.SetPeerAddress(netip.Addr{})
		if r.l.ipcp.wanted() != server.PeerAddress.As4() {
			t.Error("not taken back")
		}
	}
}

// TestCloseNetwork: the owner ends one network protocol, with a reason the peer
// sees, before or after it is open; the other one stays, and the next LCP
// begins again.
func TestCloseNetwork(t *testing.T) {
	r := both(t, Config{})
	r.l.CloseIPv4(r.now, "no address left")
	r.drain()
	must[IPv4Down](r)
	mustNot[IPv6Down](r)
	if q := r.last(ipcpP, CodeTerminateRequest); string(q.data) != "no address left" {
		t.Errorf("text %q", q.data)
	}
	r.l.CloseIPv6(r.now, "no prefix left")
	r.drain()
	must[IPv6Down](r)
	mustNot[LinkClosed](r)
	st := r.l.Status()
	if st.IPCPReason != "no address left" || st.IPv6CPReason != "no prefix left" || st.LCP != Opened {
		t.Errorf("%+v", st)
	}
	r.clear()
	r.in(ipcpP, CodeConfigureRequest, 3, unhex(t, "0306 0a000002"))
	r.in(ipcpP, CodeTerminateAck, 1, nil)
	r.in(ipcpP, CodeConfigureRequest, 4, unhex(t, "0306 0a000002"))
	r.last(ipcpP, CodeTerminateAck) // closed: the peer is told so
	mustNot[IPv4Up](r)
	r.l.Down(r.now)
	r.l.CloseIPv4(r.now, "nothing to close")
	r.l.Up(r.now)
	r.drain()
	r.open("")
	r.clear()
	r.advance(3 * time.Second)
	r.last(ipcpP, CodeConfigureRequest)
	r.last(ipv6cpP, CodeConfigureRequest)
}

// TestIPV6CPRequests is the comparison of RFC 5072 §4.1.
func TestIPV6CPRequests(t *testing.T) {
	fixed := Config{IPv6: true, LocalID: ids, PeerID: [8]byte{7: 9}}
	for _, tc := range []struct {
		name string
		cfg  Config
		in   string
		code Code
		out  string // "?" any other identifier
	}{
		{"different", Config{IPv6: true, LocalID: ids}, "010a 021122fffe334455", CodeConfigureAck, "010a 021122fffe334455"},
		{"zero", Config{IPv6: true, LocalID: ids}, "010a 0000000000000000", CodeConfigureNak, "?"},
		{"equal", Config{IPv6: true, LocalID: ids}, "010a 0200000000000001", CodeConfigureNak, "?"},
		{"omitted", Config{IPv6: true, LocalID: ids}, "", CodeConfigureNak, "?"},
		{"too short", Config{IPv6: true, LocalID: ids}, "0106 02112233", CodeConfigureNak, "?"},
		{"compression", Config{IPv6: true}, "0204 004f", CodeConfigureReject, "0204 004f"},
		{"configured", fixed, "010a 0000000000000009", CodeConfigureAck, "010a 0000000000000009"},
		{"not the configured", fixed, "010a 0000000000000008", CodeConfigureNak, "010a 0000000000000009"},
		{"zero, configured", fixed, "010a 0000000000000000", CodeConfigureNak, "010a 0000000000000009"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.cfg).open("")
			r.clear()
			r.in(ipv6cpP, CodeConfigureRequest, 4, unhex(t, tc.in))
			p := r.last(ipv6cpP, tc.code)
			if tc.out != "?" {
				if !bytes.Equal(p.data, unhex(t, tc.out)) {
					t.Errorf("answer %x", p.data)
				}
				return
			}
			v := interfaceID(p.data[2:])
			if len(p.data) != 10 || v.zero() || v == interfaceID(tc.cfg.LocalID) || v[0]&2 != 0 {
				t.Errorf("suggested %x", p.data)
			}
		})
	}
}

func TestIPV6CPAnswers(t *testing.T) {
	r := newRig(t, Config{IPv6: true, LocalID: ids}).open("")
	q := r.last(ipv6cpP, CodeConfigureRequest)
	if !bytes.Equal(q.data, unhex(t, "010a 0200000000000001")) {
		t.Fatalf("request %x", q.data)
	}
	r.in(ipv6cpP, CodeConfigureNak, q.id, unhex(t, "010a 00000000000000aa"))
	q = r.last(ipv6cpP, CodeConfigureRequest)
	if !bytes.Equal(q.data, unhex(t, "010a 00000000000000aa")) {
		t.Fatalf("suggestion not taken: %x", q.data)
	}
	r.in(ipv6cpP, CodeConfigureRequest, 1, q.data) // collision: we suggest one
	n := r.last(ipv6cpP, CodeConfigureNak)
	r.in(ipv6cpP, CodeConfigureNak, q.id, n.data) // and get it back
	if q = r.last(ipv6cpP, CodeConfigureRequest); bytes.Equal(q.data, n.data) {
		t.Errorf("took our own suggestion %x", q.data)
	}
	r.in(ipv6cpP, CodeConfigureReject, q.id, q.data)
	kept := interfaceID(q.data[2:])
	if q = r.last(ipv6cpP, CodeConfigureRequest); len(q.data) != 0 {
		t.Fatalf("sent a rejected option: %x", q.data)
	}
	r.in(ipv6cpP, CodeConfigureRequest, 2, unhex(t, "010a 0000000000000000"))
	r.last(ipv6cpP, CodeConfigureReject) // both zero
	r.ackOurs(ipv6cpP)
	r.in(ipv6cpP, CodeConfigureRequest, 3, unhex(t, "010a 0000000000000005"))
	up := must[IPv6Up](r)
	if up.LocalID != kept || up.PeerID != [8]byte{7: 5} {
		t.Errorf("up %+v", up)
	}
	st := r.l.Status()
	if st.LocalID != up.LocalID || st.PeerID != up.PeerID {
		t.Errorf("status %+v", st)
	}
}

// TestIPV6CPKeepsID: the random identifier survives a renegotiation.
func TestIPV6CPKeepsID(t *testing.T) {
	r := newRig(t, Config{IPv6: true}).open("")
	first := r.last(ipv6cpP, CodeConfigureRequest).data
	r.l.Down(r.now)
	r.l.Up(r.now)
	r.drain()
	r.open("")
	if again := r.last(ipv6cpP, CodeConfigureRequest).data; !bytes.Equal(first, again) || first[2]&2 != 0 {
		t.Errorf("%x then %x", first, again)
	}
}

// both brings up IPv4 and IPv6.
func both(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.IPv4, cfg.IPv6, cfg.LocalAddress = true, true, ip4("10.0.0.1")
	r := newRig(t, cfg).open("0506 cafef00d")
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	r.ackOurs(ipv6cpP)
	r.in(ipv6cpP, CodeConfigureRequest, 1, unhex(t, "010a 0000000000000005"))
	must[IPv4Up](r)
	must[IPv6Up](r)
	r.clear()
	return r
}

// TestNCPsAreIndependent: whatever ends one network protocol leaves the other
// one and the link alone (RFC 1661 §3.6, §3.7).
func TestNCPsAreIndependent(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(r *rig)
	}{
		{"Terminate-Request", func(r *rig) { r.in(ipcpP, CodeTerminateRequest, 9, nil) }},
		{"Protocol-Reject", func(r *rig) { r.in(lcpP, CodeProtocolReject, 9, unhex(t, "8021 01010004")) }},
		{"Protocol-Reject of data", func(r *rig) { r.in(lcpP, CodeProtocolReject, 9, unhex(t, "0021 45")) }},
		{"Code-Reject", func(r *rig) { r.in(ipcpP, CodeCodeReject, 9, unhex(t, "0101 0004")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := both(t, Config{})
			tc.do(r)
			must[IPv4Down](r)
			r.advance(time.Minute)
			mustNot[IPv6Down](r)
			mustNot[LinkClosed](r)
			st := r.l.Status()
			if st.IPCP != Stopped || st.IPv6CP != Opened || st.Phase != PhaseNetwork || st.IPCPReason == "" {
				t.Errorf("%+v", st)
			}
			if st.LocalAddress.IsValid() {
				t.Error("address of a protocol that is down")
			}
			r.clear() // and it can come again
			r.in(ipcpP, CodeConfigureRequest, 7, unhex(t, "0306 0a000002"))
			r.ackOurs(ipcpP)
			must[IPv4Up](r)
		})
	}
}
