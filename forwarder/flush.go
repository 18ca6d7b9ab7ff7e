package forwarder

import (
	"errors"
	"time"

	"culvert/forwarder/netio"
)

const (
	// sendWait is how long a full underlay socket may hold the loop up before packets are dropped: long enough for a
	// congested interface to drain, short enough that a dead one doesn't stop the worker.
	sendWait  = 5 * time.Millisecond
	sendWaits = 10
)

// flushQueue sends one queue, whatever the kernel says about single messages, and returns how many of those went.
func (o *outbound) flushQueue(q *txQueue) (sent int) {
	for i := range q.meta {
		m := &q.meta[i]
		q.batch.Add(m.wire, m.s.tunnel.dest, m.tos, m.segment)
	}
	waits := 0
	for {
		done, err := q.sock.Send(q.batch)
		at := q.batch.Cursor()
		sent += done
		for i := at - done; i < at; i++ {
			o.sent(q.meta[i])
		}
		if err == nil {
			break
		}
		m := q.meta[at]
		switch {
		case errors.Is(err, netio.ErrWouldBlock):
			if waits++; waits <= sendWaits {
				q.sock.WaitWritable(sendWait)
				continue
			}
			o.drops(m.s, DropSendFull, m.packets)
		case netio.QueueFull(err):
			o.drops(m.s, DropSendFull, m.packets)
		case netio.TooLarge(err):
			o.refused(q, m)
		case m.segment > 0 && netio.SegmentRefused(err):
			o.refuseSegments(q, m)
		default:
			o.drops(m.s, DropSendError, m.packets)
		}
		q.batch.Skip()
	}
	o.stats.batches.Add(1)
	o.endRun()
	q.batch.Reset()
	clear(q.meta)
	q.meta = q.meta[:0]
	return sent
}

// refused handles EMSGSIZE: the kernel knows a smaller path MTU than we do.
func (o *outbound) refused(q *txQueue, m txMeta) {
	t := m.s.tunnel
	fragile := o.way(m.s).fragile
	before := t.PathMTU()
	q.sock.ReadErrors(func(e netio.NetError) { o.f.news(t.l, e) })
	if t.PathMTU() == before && t.lowerPathMTU() {
		o.f.event(Event{Kind: EventPathMTU, Tunnel: t})
	}
	switch {
	case q.sock == fragile.sock && m.segment > 0:
		o.sendSingly(q, m) // what is cut can't be fragmented, single packets can
	case q.sock == fragile.sock:
		o.drops(m.s, DropTooBig, m.packets) // not even fragmented: over 64 KB
	case mayFragment(m, m.bytes/m.packets):
		o.sendCut(fragile, m, m.wire, m.piece(), m.overhead())
	default:
		o.tooBig(m, m.overhead())
	}
}

// sent books one message.
func (o *outbound) sent(m txMeta) {
	if o.tap != nil {
		o.left(&m)
	}
	if o.run.s != m.s {
		o.endRun()
		o.run.s = m.s
	}
	o.run.packets += uint64(m.packets)
	o.run.bytes += uint64(m.bytes)
}

func (o *outbound) endRun() {
	if o.run.s == nil {
		return
	}
	o.run.s.tx.add(o.run.packets, o.run.bytes)
	o.total.packets += o.run.packets
	o.total.bytes += o.run.bytes
	o.run = run{}
}
