package control

import (
	"net/netip"
	"testing"

	"culvert/encap"
)

// hand is a peer that does exactly what a test tells it, and acknowledges nothing by itself.
type hand struct {
	t      testing.TB
	n      *node // the end under test
	path   Path  // as n sees it
	ccid   CCID  // ours
	remote CCID
	ns, nr Seq
	seen   int // of n.sends
	got    []Message
	enc    Encoder
}

// newHand returns a hand and the node it plays with.
func newHand(t testing.TB, p Profile) (*hand, *node) {
	t.Helper()
	w := newWorld(1, weather{})
	n := w.node("192.0.2.2:1701", p, Config{})
	n.keep = true
	return &hand{t: t, n: n, path: Path{encap.TransportUDP, n.addr, netip.MustParseAddrPort("192.0.2.9:999")}, ccid: 77}, n
}

// read takes in what n sent since the last call and returns the messages that consume a number.
func (h *hand) read() (list []Message) {
	h.t.Helper()
	for ; h.seen < len(h.n.sends); h.seen++ {
		if h.n.sends[h.seen].Path != h.path {
			continue
		}
		p, _, err := ParsePacket(h.path.Transport, h.n.sends[h.seen].Payload)
		if err != nil {
			h.t.Fatal(err)
		}
		m, err := p.Decode(Decoder{})
		if err != nil {
			h.t.Fatal(err)
		}
		if !m.Type.sequenced() || p.Ns != h.nr {
			continue
		}
		h.nr++
		list = append(list, m)
	}
	h.got = append(h.got, list...)
	return list
}

// raw sends bytes behind a header with our numbers.
func (h *hand) raw(consumes bool, avps []byte) []Message {
	h.t.Helper()
	b := append(appendHeader(nil, Header{h.remote, h.ns, h.nr}), avps...)
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	if consumes {
		h.ns++
	}
	h.n.Receive(h.n.w.now, h.path, onWire(h.path.Transport, b))
	h.n.collect()
	return h.read()
}

// send sends a message and returns what n says to it.
func (h *hand) send(m Message) []Message {
	h.t.Helper()
	return h.raw(m.Type.sequenced(), h.enc.Append(nil, Header{}, &m)[HeaderLen:])
}

// ack acknowledges all.
func (h *hand) ack() []Message { return h.send(Message{Type: ZLB}) }

// expect fails the test unless the messages are of these types.
func (h *hand) expect(got []Message, types ...MessageType) {
	h.t.Helper()
	ok := len(got) == len(types)
	for i := range types {
		ok = ok && got[i].Type == types[i]
	}
	if !ok {
		var s []string
		for i := range got {
			s = append(s, got[i].String())
		}
		h.t.Fatalf("got %q, want %v", s, types)
	}
}

// sccrq is a request with little in it.
func (h *hand) sccrq() Message {
	m := NewMessage(SCCRQ)
	m.HostName, m.RouterID, m.AssignedCCID, m.Pseudowires = "hand", 9, h.ccid, []PseudowireType{PseudowirePPP}
	return m
}

// connect brings a connection up.
func (h *hand) connect() *Conn {
	h.t.Helper()
	got := h.send(h.sccrq())
	h.expect(got, SCCRP)
	h.remote = got[0].AssignedCCID
	h.expect(h.send(NewMessage(SCCCN)))
	if len(h.n.conns) == 0 {
		h.t.Fatalf("not up: %v", h.n.log)
	}
	return h.n.conns[len(h.n.conns)-1]
}

// icrq is a request for a session with our id.
func icrq(id encap.SessionID, end string) Message {
	m := NewMessage(ICRQ)
	m.LocalSessionID, m.RemoteEndID, m.PseudowireType, m.CircuitStatus = id, end, PseudowirePPP, CircuitUp
	return m
}

func iccn(local, remote encap.SessionID) Message {
	m := NewMessage(ICCN)
	m.LocalSessionID, m.RemoteSessionID = local, remote
	return m
}

// call brings a session up and returns it.
func (h *hand) call(id encap.SessionID, end string) *Session {
	h.t.Helper()
	got := h.send(icrq(id, end))
	h.expect(got, ICRP)
	h.expect(h.send(iccn(id, got[0].LocalSessionID)))
	s := h.n.Session(got[0].LocalSessionID)
	if s == nil || s.State() != Established {
		h.t.Fatalf("no session: %v", h.n.log)
	}
	return s
}
