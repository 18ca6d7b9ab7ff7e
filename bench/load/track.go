package load

// Counts is what became of the packets of one or more flows.
type Counts struct {
	Received   uint64 `json:"received"`   // different packets
	Duplicated uint64 `json:"duplicated"` // copies beyond the first
	Reordered  uint64 `json:"reordered"`  // overtaken by a later one
	Bytes      uint64 `json:"bytes"`      // of received UDP payload
}

func (c *Counts) add(d Counts) {
	c.Received += d.Received
	c.Duplicated += d.Duplicated
	c.Reordered += d.Reordered
	c.Bytes += d.Bytes
}

// window is how many numbers behind the highest a flow remembers, a power of two. A packet later than that counts as
// reordered; that it came twice cannot be seen then.
const window = 1 << 14

// tracker follows the numbers of one flow, which start at 0.
type tracker struct {
	Counts
	next uint32 // one above the highest number seen
	seen [window / 64]uint64
}

// add counts the packet with number seq and size payload bytes.
func (t *tracker) add(seq uint32, size int) {
	if seq >= t.next {
		t.advance(seq)
	} else {
		if t.next-seq <= window && t.mark(seq) {
			t.Duplicated++
			return
		}
		t.Reordered++
	}
	t.Received++
	t.Bytes += uint64(size)
}

// advance moves the window so that seq is the highest number, and marks it.
func (t *tracker) advance(seq uint32) {
	if skipped := seq - t.next; skipped >= window {
		t.seen = [window / 64]uint64{}
	} else {
		for s := t.next; s != seq; s++ {
			i := s % window
			t.seen[i/64] &^= 1 << (i % 64)
		}
	}
	t.next = seq + 1
	i := seq % window
	t.seen[i/64] |= 1 << (i % 64)
}

// mark marks seq, which is inside the window, and tells whether it was marked before.
func (t *tracker) mark(seq uint32) bool {
	i := seq % window
	bit := uint64(1) << (i % 64)
	was := t.seen[i/64]&bit != 0
	t.seen[i/64] |= bit
	return was
}
