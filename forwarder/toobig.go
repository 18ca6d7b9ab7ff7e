package forwarder

import (
	"time"

	"culvert/encap"
)

// mayFragment tells frames, of so many bytes each (a super-packet stands for several), that have no sender who could be told to send less: IPv4 without DF, IPv6 that is at its
// minimum MTU already (RFC 8200 section 5), Ethernet frames that are not IP, PPP control frames.
func mayFragment(m txMeta, frame int) bool {
	ip := m.inner
	if !m.s.ppp {
		_, payload, ok := encap.Ethernet(m.inner).Network()
		if !ok {
			return true
		}
		ip = payload
	} else if !m.ip {
		return true
	}
	switch {
	case encap.IPv4(ip).Valid():
		return !encap.IPv4(ip).DF()
	case encap.IPv6(ip).Valid():
		return frame-(len(m.inner)-len(ip)) <= minPathMTU6
	default:
		return true
	}
}

// tooBig drops a frame that does not fit the path behind overhead bytes of headers, and tells its sender, as a router
// would (RFC 1191 section 4, RFC 8201 section 3), through the device that it came from.
func (o *outbound) tooBig(m txMeta, overhead int) {
	s := m.s
	o.drops(s, DropTooBig, m.packets)
	if m.quiet || !o.limiter.take() {
		return
	}
	if s.tags == tagsServed {
		m.unpushed()
	}
	room := s.tunnel.limit() - s.tunnel.outer - overhead
	if s.shared != nil {
		room = min(room, int(s.mtu.Load())+s.frameHeader(m.inner))
	}
	b := append(o.scratch[:0], make([]byte, deviceHeader)...)
	if s.ppp {
		b = encap.AppendTooBig(b, m.inner, room)
	} else {
		b = encap.AppendTooBigEthernet(b, m.inner, room-encap.EthernetLen)
	}
	o.scratch = b
	switch {
	case len(b) == deviceHeader:
	case m.from != nil:
		m.from.answer(b)
	case s.annex != nil:
		s.annex.answer(s, b)
	default:
		_ = s.dev.Write(b)
	}
}

// answer sends an Ethernet frame, behind a virtio header, to the session's peer.
func (s *Session) answer(b []byte) {
	front := deviceHeader
	if s.tags == tagsServed {
		front = pushTag(b, front, s.cfg.VLAN)
	}
	s.Inject(b[front:])
	s.worker.out.wakeInjected()
}

// bucket limits the errors that we originate (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f). It reads the clock,
// which the path of packets that fit never does.
type bucket struct {
	tokens int
	filled time.Time
}

const (
	bucketSize = 100
	bucketFill = time.Millisecond // a token
)

func newBucket() bucket { return bucket{tokens: bucketSize, filled: time.Now()} }

func (b *bucket) take() bool {
	if n := int(time.Since(b.filled) / bucketFill); n > 0 {
		b.tokens = min(b.tokens+n, bucketSize)
		b.filled = time.Now()
	}
	if b.tokens == 0 {
		return false
	}
	b.tokens--
	return true
}
