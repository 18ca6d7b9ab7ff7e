package control

// link ties a session into a list.
type link struct{ prev, next *Session }

// A session is in one of three lists of its connection (what it waits for), and it may be in the queue of those that
// have something to send.
const (
	placeLink = iota // requests, settling or settled
	queueLink        // answers
	numLinks
)

// list is a doubly linked list of sessions, through the link which of each.
type list struct {
	head, tail *Session
	n          int
	which      uint8
}

func (l *list) pushBack(s *Session) {
	k := &s.links[l.which]
	k.prev, k.next = l.tail, nil
	if l.tail != nil {
		l.tail.links[l.which].next = s
	} else {
		l.head = s
	}
	l.tail = s
	l.n++
}

func (l *list) remove(s *Session) {
	k := &s.links[l.which]
	if k.prev != nil {
		k.prev.links[l.which].next = k.next
	} else {
		l.head = k.next
	}
	if k.next != nil {
		k.next.links[l.which].prev = k.prev
	} else {
		l.tail = k.prev
	}
	*k = link{}
	l.n--
}

func (l *list) popFront() *Session {
	s := l.head
	if s != nil {
		l.remove(s)
	}
	return s
}
