package forwarder

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Traffic is a snapshot of packets and bytes of one direction. Bytes are those of the inner frames.
type Traffic struct{ Packets, Bytes uint64 }

// traffic is one direction's counters. One loop adds to it; anybody may read.
type traffic struct{ packets, bytes atomic.Uint64 }

func (t *traffic) add(packets, bytes uint64) {
	t.packets.Add(packets)
	t.bytes.Add(bytes)
}

func (t *traffic) load() Traffic { return Traffic{t.packets.Load(), t.bytes.Load()} }

// drops counts dropped packets by reason.
type drops [numDropReasons]atomic.Uint64

// Drops is a snapshot of dropped packets by reason.
type Drops [numDropReasons]uint64

// Total is the sum over all reasons.
func (d *Drops) Total() uint64 {
	var n uint64
	for _, v := range d {
		n += v
	}
	return n
}

func (d *drops) addTo(s *Drops) {
	for i := range d {
		s[i] += d[i].Load()
	}
}

// dropped counts packets of the session. Most sessions never drop any, so the counters, 210 bytes, are made at the first
// one: the one place of the path that allocates, once a session.
func (s *Session) dropped(r DropReason, n int) {
	p := s.drops.Load()
	if p == nil {
		s.drops.CompareAndSwap(nil, new(drops))
		p = s.drops.Load()
	}
	p[r].Add(uint64(n))
}

// loopStats are the counters of one loop, written by it alone.
type loopStats struct {
	traffic
	batches atomic.Uint64 // reads from, or writes to, a socket
	control atomic.Uint64 // frames exchanged with the control side
	drops   drops
}

// run accumulates packets of one session that follow each other, so that the usual case costs two atomic additions a
// run instead of two a packet.
type run struct {
	s              *Session
	packets, bytes uint64
}

// WorkerStats is a snapshot of one worker's two loops.
type WorkerStats struct {
	Sessions             int
	Rx, Tx               Traffic       // from and into the pseudowires
	RxBatches, TxBatches uint64        // reads from and writes to sockets that moved something
	RxCPU, TxCPU         time.Duration // that the two threads ran
	Punted, Injected     uint64
	Drops                Drops
	// GSO: the kernel cuts what the worker sends (UDP_SEGMENT), for one session at least. GRO: it joins what the worker
	// gets (UDP_GRO), on one socket at least. Neither refused nor withdrawn since.
	GSO, GRO bool
}

// threadCPU is how long a thread of ours has run (proc(5), /proc/pid/schedstat); 0 when the kernel doesn't say.
func threadCPU(tid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", tid))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}
