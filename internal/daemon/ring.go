package daemon

import (
	"net/netip"
	"slices"
	"time"

	"culvert/control"
	"culvert/encap"
	"culvert/internal/mgmt"
)

// A ring holds the last messages of a tunnel, these at most. It grows with what there is.
const (
	ringMessages = 256
	ringBytes    = 128 << 10 // payloads and what is noted beside them
	heardBytes   = 96        // a heard without its payload, rounded up
)

// heard is a control message that was exchanged.
type heard struct {
	at        time.Time
	payload   []byte
	peer      netip.AddrPort
	transport encap.Transport
	sent      bool
}

func (h *heard) size() int { return heardBytes + len(h.payload) }

// ring is the last control messages of a tunnel, the oldest first to go. The zero value is empty.
type ring struct {
	all      []heard
	first, n int
	bytes    int
}

func (r *ring) add(h heard) {
	for r.n > 0 && (r.n == ringMessages || r.bytes+h.size() > ringBytes) {
		r.bytes -= r.all[r.first].size()
		r.all[r.first] = heard{}
		r.first, r.n = (r.first+1)%len(r.all), r.n-1
	}
	if r.n == len(r.all) {
		old := r.list()
		r.all, r.first = make([]heard, min(ringMessages, max(4, 2*r.n))), 0
		copy(r.all, old)
	}
	r.all[(r.first+r.n)%len(r.all)] = h
	r.n++
	r.bytes += h.size()
}

// list returns the messages, the oldest first, in new memory; their payloads are never changed.
func (r *ring) list() []heard {
	l := make([]heard, 0, r.n)
	for i := range r.n {
		l = append(l, r.all[(r.first+i)%len(r.all)])
	}
	return l
}

// trace notes a message of a control connection. Until its dialer is known a connection has a ring of its own.
func (d *daemon) trace(c *control.Conn, m control.TracedMessage) {
	d.traceMessage(c, &m)
	r, ok := c.Log.(*ring)
	if !ok {
		r = new(ring)
		c.Log = r
	}
	r.add(heard{at: m.At, payload: m.Payload, peer: m.Path.Remote, transport: m.Path.Transport, sent: m.Sent})
}

// follow makes a dialer's ring that of its connection, so that people see why the attempt before came to nothing.
func (r *ring) follow(c *control.Conn) {
	if own, ok := c.Log.(*ring); ok {
		for _, h := range own.list() {
			r.add(h)
		}
	}
	c.Log = r
}

// Messages implements mgmt.Source.
func (s source) Messages(tunnel string) ([]mgmt.Message, bool) {
	list, secrets, ok := s.d.heardOf(tunnel)
	if !ok {
		return nil, false
	}
	keys := make([]control.Keys, len(secrets))
	for i := range secrets {
		keys[i] = control.DeriveKeys(secrets[i])
	}
	all := make([]mgmt.Message, len(list))
	for i := range list {
		all[i] = list[i].show(keys)
	}
	return all, true
}

// heardOf finds the ring of a dynamic tunnel and what its hidden AVPs are read with.
func (d *daemon) heardOf(name string) (list []heard, secrets [][]byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.plane.dialers {
		if l.cfg.Name == name {
			return l.ring.list(), l.cfg.Control.Secrets, true
		}
	}
	i := slices.IndexFunc(d.tunnels, func(t *tunnel) bool { return t.cfg.Name == name && t.conn != nil && t.conn.peer != nil })
	if i < 0 {
		return nil, nil, false
	}
	k := d.tunnels[i].conn
	if r, ok := k.conn.Log.(*ring); ok {
		list = r.list()
	}
	return list, k.peer.Control.Secrets, true
}

func (h *heard) show(keys []control.Keys) mgmt.Message {
	e := control.Explain(h.transport, h.payload, keys)
	m := mgmt.Message{
		Time: h.at.UTC().Format(time.RFC3339Nano), Direction: "received", Peer: endpoint(h.peer), Type: e.Type.String(),
		CCID: uint32(e.CCID), Ns: uint32(e.Ns), Nr: uint32(e.Nr), Length: e.Length,
		LocalSession: uint32(e.LocalSession), RemoteSession: uint32(e.RemoteSession), Problem: e.Problem,
		AVPs: make([]mgmt.AVP, len(e.AVPs)),
	}
	if h.sent {
		m.Direction = "sent"
	}
	for i, a := range e.AVPs {
		m.AVPs[i] = mgmt.AVP(a)
	}
	return m
}
