package control

import "time"

// timers is a heap of connections by the time at which Tick has something to do for them. A connection's deadline may
// be too early (being heard of moves it, silently): then Tick puts it back.
type timers []*Conn

func (h timers) less(i, j int) bool { return h[i].deadline.Before(h[j].deadline) }

func (h timers) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = i, j
}

// set enters c with deadline d, moves it, or takes it out when d is zero. Conn.timer is the index, -1 outside.
func (h *timers) set(c *Conn, d time.Time) {
	switch {
	case d.IsZero():
		if c.timer < 0 {
			return
		}
		i, last := c.timer, len(*h)-1
		h.swap(i, last)
		(*h)[last] = nil
		*h = (*h)[:last]
		c.timer = -1
		if i < last {
			h.fix(i)
		}
	case c.timer < 0:
		c.deadline, c.timer = d, len(*h)
		*h = append(*h, c)
		h.fix(c.timer)
	case !d.Equal(c.deadline):
		c.deadline = d
		h.fix(c.timer)
	}
}

func (h timers) fix(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h.swap(i, c)
		i = c
	}
}
