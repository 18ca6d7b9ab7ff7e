package forwarder

import (
	"net/netip"
	"sync"

	"culvert/encap"
	"culvert/forwarder/netio"
)

// Bounds of what waits for the control side: messages of peers we have to do with, and of everybody else. The two have
// queues of their own, so that strangers cannot keep a peer's HELLO out.
const (
	knownQueue    = 4096
	strangerQueue = 256
)

// ControlMessage is a control message (RFC 3931 section 3.2.1) as it arrived.
type ControlMessage struct {
	Transport encap.Transport
	// Local is the address it was sent to as ControlConfig has it, Remote where it came from. Over IP ports are 0.
	Local, Remote netip.AddrPort
	// Payload is what UDP or IP carried, valid until ReleaseControl.
	Payload []byte
	pooled  *[]byte
}

// ControlConfig says where control messages are exchanged.
type ControlConfig struct {
	Transport encap.Transport
	Local     netip.AddrPort // the port counts for UDP only
	// NoChecksum and DF are those of TunnelConfig: sockets are shared with tunnels, and who comes first decides.
	NoChecksum, DF bool
	// Strangers takes messages of anybody, at a bounded rate. Otherwise only peers of tunnels and those that Expect
	// names are heard.
	Strangers bool
}

// Control is a local address at which control messages are exchanged. Its methods may be called by any goroutine.
type Control struct {
	f         *Forwarder
	l         *listener
	strangers bool

	mu    sync.Mutex
	batch *netio.TxBatch
}

// OpenControl opens a local address, which tunnels and others share, for control messages.
func (f *Forwarder) OpenControl(cfg ControlConfig) (*Control, error) {
	l, err := f.listen(TunnelConfig{
		Transport: cfg.Transport, Local: cfg.Local, NoChecksum: cfg.NoChecksum, DF: cfg.DF,
	})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.controls++
	if cfg.Strangers {
		l.strangers++
	}
	return &Control{f: f, l: l, strangers: cfg.Strangers, batch: netio.NewTxBatch(1)}, nil
}

// Close gives the local address back. Nothing may be sent after it.
func (c *Control) Close() {
	c.l.mu.Lock()
	c.l.controls--
	if c.strangers {
		c.l.strangers--
	}
	c.l.mu.Unlock()
	c.f.release(c.l)
}

// Expect lets messages from a pass, whatever port they come from. Each call is undone by one of Forget.
func (c *Control) Expect(a netip.Addr) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.know(a, 1)
}

// Forget undoes Expect.
func (c *Control) Forget(a netip.Addr) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.know(a, -1)
}

// Send sends a control message from the local address, over UDP from its port. It does not wait: when the socket is full
// the message is lost as it could be anywhere else.
func (c *Control) Send(to netip.AddrPort, payload []byte) error {
	dest, err := netio.NewDest(to, netio.DestOptions{TOS: -1})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch.Reset()
	c.batch.Add(payload, dest, -1, 0)
	if _, err = c.l.group.Control().Send(c.batch); err == nil {
		if t := c.f.tap.Load(); t != nil {
			t.control(true, c.l.key.transport, c.l.key.local, to, payload)
		}
	}
	return err
}

// ControlMessages is where the control side gets control messages: those of addresses it knows, and those of strangers,
// which may be left lying. What finds its queue full is dropped and counted.
func (f *Forwarder) ControlMessages() (known, strangers <-chan ControlMessage) {
	return f.known, f.strangers
}

// ReleaseControl gives a message's payload back.
func (f *Forwarder) ReleaseControl(m ControlMessage) { f.frames.Put(m.pooled) }

// unsorted takes a packet of the control socket. Over UDP the kernel may have put data there: where it joins the datagrams
// of a peer it steers them all by the first.
func (in *inbound) unsorted(l *listener, i int) {
	b := in.batch.Packet(i)
	if l.key.transport == encap.TransportUDP && encap.UDPData(b).Valid() {
		in.datagram(l, i)
		return
	}
	in.controlMessage(l, b, in.batch.Source(i))
}

// controlMessage hands a packet of the control socket to the control side, or drops it.
func (in *inbound) controlMessage(l *listener, b []byte, from netip.AddrPort) {
	reason := controlDrop(l.key.transport, b)
	if reason != DropControl {
		in.drop(nil, reason)
		return
	}
	if in.tap != nil {
		in.tap.control(false, l.key.transport, l.key.local, from, b)
	}
	queue := in.f.known
	switch known, open := l.hears(from.Addr()); {
	case !open:
		in.drop(nil, DropControl)
		return
	case !known && !in.strangers.take():
		in.drop(nil, DropPunt)
		return
	case !known:
		queue = in.f.strangers
	}
	if len(b) > maxPunt || len(queue) == cap(queue) {
		in.drop(nil, DropPunt)
		return
	}
	p := in.f.frames.Get().(*[]byte)
	m := ControlMessage{
		Transport: l.key.transport, Local: l.key.local, Remote: from, Payload: (*p)[:copy(*p, b)], pooled: p,
	}
	select {
	case queue <- m:
	default:
		in.f.ReleaseControl(m)
		in.drop(nil, DropPunt)
	}
}

// hears tells whether control messages from a are for somebody, and whether it is an address we have to do with.
func (l *listener) hears(a netip.Addr) (known, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.controls == 0 {
		return false, false
	}
	known = l.known[a] > 0
	return known, known || l.strangers > 0
}

// know counts who has to do with an address; l.mu is held.
func (l *listener) know(a netip.Addr, change int) {
	if l.known[a] += change; l.known[a] == 0 {
		delete(l.known, a)
	}
}
