package control

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
	"culvert/internal/testenv"
)

// TestHalfOpen: connections of initiators that never show that they hear us are bounded, are not repeated to, and go.
func TestHalfOpen(t *testing.T) {
	w := newWorld(1, weather{})
	n := w.node("192.0.2.2:1701", testProfile("n"), Config{MaxHalfOpen: 10, RequestRate: 1e6, PrefixRate: 1e6})
	n.keep = true
	h := &hand{t: t, n: n, path: Path{encap.TransportUDP, n.addr, netip.MustParseAddrPort("192.0.2.9:999")}}
	ask := func(ccid CCID) []Message {
		h.ccid, h.remote, h.ns, h.nr = ccid, 0, 0, 0
		return h.send(h.sccrq())
	}
	for i := range CCID(20) {
		ask(100 + i)
	}
	if n.HalfOpen() != 10 || n.sent[SCCRP] != 10 || n.count.Drops[DropHalfOpen] != 10 || len(n.Endpoint.conns) != 10 {
		t.Errorf("%d half open, sent %v, drops %v", n.HalfOpen(), n.sent, n.count.Drops)
	}
	w.run(50*time.Second, nil)
	if n.sent[SCCRP] != 10 {
		t.Errorf("SCCRP repeated to a stranger who did not ask again: %v", n.sent)
	}
	ask(100)
	if n.sent[SCCRP] != 11 || n.HalfOpen() != 10 {
		t.Errorf("a repeated SCCRQ was not answered again: %v", n.sent)
	}
	if w.run(3*time.Minute, nil); n.HalfOpen() != 0 || len(n.Endpoint.conns) != 0 || len(n.requests) != 0 || len(n.downs) != 10 || n.sent[StopCCN] != 0 {
		t.Errorf("%d half open, %d ended, sent %v", n.HalfOpen(), len(n.downs), n.sent)
	}
	if ask(200); n.HalfOpen() != 1 {
		t.Error("no room afterwards")
	}
}

// TestFlood: 100,000 SCCRQs a second from random addresses cost a bounded number of answers, none larger than its
// question, and leave an established connection alone.
func TestFlood(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	s := a.open(t, c, Call{RemoteEndID: "x"})
	w.run(time.Second, nil)
	received := b.conns[0].Status().Received
	h := hand{ccid: 1}
	m := h.sccrq()
	raw := (&Encoder{}).Append(nil, Header{}, &m)
	answers, largest := 0, 0
	w.filter = func(from *node, typ MessageType, payload []byte) []byte {
		if from == b && typ != ZLB && typ != HELLO {
			answers++
			largest = max(largest, len(payload))
			return nil
		}
		return payload
	}
	seconds, rate := 2, 100_000
	if testenv.RaceEnabled {
		rate /= 5
	}
	for i := range seconds * rate {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], w.rng.Uint32())
		binary.BigEndian.PutUint32(raw[len(raw)-12:], w.rng.Uint32()) // the Assigned CCID
		b.Receive(w.now, Path{encap.TransportUDP, b.addr, netip.AddrPortFrom(netip.AddrFrom4(ip), 1701)}, raw)
		b.collect()
		if i%1000 == 999 {
			w.run(time.Duration(1000)*time.Second/time.Duration(rate), nil)
		}
	}
	w.filter = nil
	w.run(70*time.Second, nil)
	switch {
	case answers == 0 || answers > defaultRequestRate*(seconds+1):
		t.Errorf("%d answers", answers)
	case largest > len(raw):
		t.Errorf("an answer of %d bytes for a question of %d", largest, len(raw))
	case b.conns[0].Status().Received <= received || !a.up[s] || len(b.up) != 1 || len(a.downs)+len(a.sdowns) != 0:
		t.Errorf("the connection suffered: %+v", a.conns[0].Status())
	case b.count.Drops[DropRate] < uint64(seconds*rate)*8/10:
		t.Errorf("drops %v", b.count.Drops)
	}
	if w.run(2*time.Minute, nil); b.HalfOpen() != 0 || len(b.Endpoint.conns) != 1 {
		t.Errorf("%d half open, %d connections", b.HalfOpen(), len(b.Endpoint.conns))
	}
}

// TestWindowOfStranger: who has proven a secret is told our window, however short its question; a stranger is not when
// that would make the answer the larger one, and has to do with the four messages of RFC 3931 section 5.4.3.
func TestWindowOfStranger(t *testing.T) {
	for _, tt := range []struct {
		secrets [][]byte
		want    int
	}{{[][]byte{[]byte("a secret")}, 100}, {nil, peerWindow}} {
		asks, answers := testProfile("a"), testProfile("a host name that is much longer than the other one's")
		asks.Secrets, answers.Secrets, answers.WindowSize = tt.secrets, tt.secrets, 100
		_, a, _, _ := pair(t, asks, answers)
		if got := a.conns[0].Status().Window; got != tt.want {
			t.Errorf("with %q: the window is %d, want %d", tt.secrets, got, tt.want)
		}
	}
}

// TestRate: known peers do not compete with strangers, but one prefix has its own bound.
func TestRate(t *testing.T) {
	var l limiter
	now := epoch
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) }
	allowed := 0
	for i := range 1000 {
		if l.allow(now, addr(i), false, 5, 100) {
			allowed++
		}
	}
	if allowed != 100 {
		t.Errorf("%d of strangers", allowed)
	}
	if !l.allow(now, netip.MustParseAddr("192.0.2.1"), true, 5, 100) {
		t.Error("a known peer was refused")
	}
	allowed = 0
	for i := range byte(100) {
		if l.allow(now, netip.AddrFrom4([4]byte{198, 51, 100, i}), true, 5, 100) {
			allowed++
		}
	}
	if allowed != 5 {
		t.Errorf("%d of one prefix", allowed)
	}
	if !l.allow(now.Add(time.Second), netip.MustParseAddr("198.51.100.7"), false, 5, 100) {
		t.Error("still refused a second later")
	}
	v6 := netip.MustParseAddr("2001:db8:0:100::1")
	if l.slot(v6) != l.slot(netip.MustParseAddr("2001:db8:0:1ff::2")) || l.slot(v6) == l.slot(netip.MustParseAddr("2001:db8:0:200::1")) {
		t.Error("IPv6 prefixes are not /56")
	}
	if l.slot(netip.MustParseAddr("::ffff:10.0.0.1")) != l.slot(netip.MustParseAddr("10.0.0.1")) {
		t.Error("an IPv4 address inside IPv6 is another one")
	}
}

// TestStrays: messages for nobody are counted and, but for an SCCRP, not answered.
func TestStrays(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.remote = 12345
	for _, typ := range []MessageType{SCCCN, HELLO, ICRQ, CDN, StopCCN} {
		h.expect(h.send(NewMessage(typ)))
	}
	m := h.sccrq()
	m.Type = SCCRP
	h.ns = 0
	h.expect(h.send(m), StopCCN)
	h.remote = 0
	h.expect(h.send(NewMessage(HELLO)))
	if n.count.Drops[DropUnknown] != 7 || len(n.Endpoint.conns) != 0 {
		t.Errorf("drops %v", n.count.Drops)
	}
	n.Receive(n.w.now, h.path, []byte{0xc8, 3})
	n.Receive(n.w.now, h.path, unhex(t, "c8030013000000000000000080070000000006"))
	if n.count.Drops[DropMalformed] != 2 {
		t.Errorf("drops %v", n.count.Drops)
	}
	for range 200 {
		h.ns, h.remote = 0, 12345
		h.send(m)
	}
	if n.sent[StopCCN] > 1+defaultPrefixRate {
		t.Errorf("%d answers", n.sent[StopCCN])
	}
}

// TestForgery: what is altered, replayed from elsewhere or not signed changes nothing; a peer whose address a NAT changed
// is followed, because what it says is new and right.
func TestForgery(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a", "s"), testProfile("b", "s"))
	a.keep = true
	s := a.open(t, c, Call{RemoteEndID: "x"})
	w.run(time.Second, nil)
	elsewhere := Path{encap.TransportUDP, b.addr, netip.MustParseAddrPort("203.0.113.5:5555")}
	before := b.conns[0].Status()
	for _, send := range a.sends { // replayed from another address
		b.Receive(w.now, elsewhere, send.Payload)
	}
	b.collect()
	if st := b.conns[0].Status(); st.Path != before.Path || st.Nr != before.Nr || b.count.Drops[DropSource] != uint64(len(a.sends)) {
		t.Errorf("status %+v, drops %v", st, b.count.Drops)
	}
	for _, send := range a.sends { // altered
		for i := range send.Payload {
			p := bytes.Clone(send.Payload)
			p[i] ^= 4
			b.Receive(w.now, Path{encap.TransportUDP, b.addr, a.addr}, p)
		}
	}
	b.collect()
	if st := b.conns[0].Status(); st.Received != before.Received || len(b.up) != 1 {
		t.Errorf("status %+v", st)
	}
	a.addr = netip.MustParseAddrPort("203.0.113.7:1024")
	c.path.Local = a.addr
	s.SetCircuit(w.now, 0)
	a.collect()
	if w.run(time.Second, nil); b.conns[0].Path().Remote != a.addr || b.started[0].PeerCircuit().Up() || c.Status().InFlight != 0 {
		t.Errorf("path %v, log %v", b.conns[0].Path(), b.log)
	}
	// without a secret nobody is followed
	w, a, b, c = pair(t, testProfile("a"), testProfile("b"))
	c.path.Local = netip.MustParseAddrPort("203.0.113.7:1024")
	a.addr = c.path.Local
	a.open(t, c, Call{RemoteEndID: "x"})
	if w.run(time.Second, nil); len(b.up) != 0 || b.count.Drops[DropSource] == 0 {
		t.Errorf("path %v", b.conns[0].Path())
	}
}

// TestAnswerFromAnotherPort: an SCCRP may come from any port of the peer, and that is the one from then on (RFC 3931
// section 4.1.2.2).
func TestAnswerFromAnotherPort(t *testing.T) {
	for _, from := range []string{"192.0.2.9:4242", "192.0.2.10:1701"} {
		h, n := newHand(t, testProfile("n"))
		c, err := n.Dial(n.w.now, h.path, n.profile)
		if err != nil {
			t.Fatal(err)
		}
		n.collect()
		h.expect(h.read(), SCCRQ)
		h.path.Remote, h.remote = netip.MustParseAddrPort(from), c.ID()
		m := h.sccrq()
		m.Type = SCCRP
		got := h.send(m)
		if from == "192.0.2.10:1701" {
			if h.expect(got); c.State() != WaitCtlReply || n.count.Drops[DropSource] != 1 {
				t.Errorf("state %v", c.State())
			}
			continue
		}
		if n.log[0] != "control.PathChanged" || c.State() != Established || n.sends[len(n.sends)-1].Path != h.path {
			t.Errorf("state %v, log %v", c.State(), n.log)
		}
	}
}

// TestRefusalsBounded: a peer that asks without listening is not answered for ever.
func TestRefusalsBounded(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.connect()
	for i := range 1000 {
		m := icrq(encap.SessionID(1+i), "")
		m.PseudowireType = PseudowireHDLC
		h.nr = 1 // acknowledges nothing more
		h.send(m)
	}
	c := n.conns[0]
	if c.refusals != maxRefusals || c.answers.n != maxRefusals || n.count.Drops[DropRefusals] == 0 || len(n.sessions) != 0 {
		t.Errorf("%d refusals wait, %d in the queue, drops %v", c.refusals, c.answers.n, n.count.Drops)
	}
}
