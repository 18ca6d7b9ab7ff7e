package control

import (
	"time"

	"culvert/encap"
	"culvert/snapshot"
)

// Snapshot writes an established connection with its sessions, for Endpoint.Restore of another process. Nothing may be
// waiting for Take. Shared secrets are not in it, nor messages that came before their turn: the peer sends those again.
func (c *Conn) Snapshot(s *snapshot.Codec) {
	c.snapshotPath(s)
	c.snapshot(s)
	for _, l := range []*list{&c.settled, &c.settling, &c.requests} {
		var all []*Session
		for x := l.head; x != nil; x = x.links[placeLink].next {
			all = append(all, x)
		}
		c.snapshotSessions(s, &all)
	}
	var queue, gone []*Session
	for x := c.answers.head; x != nil; x = x.links[queueLink].next {
		if x.state == Idle { // it is no more, and the peer has to hear that
			gone = append(gone, x)
		} else {
			queue = append(queue, x)
		}
	}
	c.snapshotSessions(s, &gone)
	snapshot.Slice(s, &queue, func(x **Session) { snapshot.Int(s, &(*x).local) })
}

// Restore makes a connection out of a snapshot; p is the profile it has had. Errors are those of the Codec; then nothing
// has changed.
func (e *Endpoint) Restore(now time.Time, s *snapshot.Codec, p Profile) (*Conn, error) {
	e.now = now
	var path Path
	x := &Conn{path: path}
	x.snapshotPath(s)
	if s.Err() != nil {
		return nil, s.Err()
	}
	c := e.newConn(x.path, p)
	c.state, c.owned, c.proven = Established, true, true
	c.snapshot(s)
	lists := [3][]*Session{}
	for i := range lists {
		c.snapshotSessions(s, &lists[i])
	}
	var gone []*Session
	c.snapshotSessions(s, &gone)
	var queue []encap.SessionID
	snapshot.Slice(s, &queue, func(id *encap.SessionID) { snapshot.Int(s, id) })
	if s.Err() == nil && (c.local == 0 || e.conns[c.local] != nil) {
		s.Failf("the connection %d is there already", c.local)
	}
	e.place(c, s, lists)
	for _, id := range queue {
		x := e.sessions[id]
		if x == nil || x.conn != c || x.queued || x.pending == 0 {
			s.Failf("session %d has nothing to send", id)
			break
		}
		x.queued = true
		c.answers.pushBack(x)
	}
	for _, x := range gone {
		x.state, x.queued = Idle, true
		c.answers.pushBack(x)
	}
	if s.Err() != nil {
		for id, x := range e.sessions {
			if x.conn == c {
				delete(e.sessions, id)
			}
		}
		return nil, s.Err()
	}
	e.conns[c.local] = c
	if !c.initiator {
		e.requests[c.questionKey] = c
	}
	c.peerKey = peerKey{c.path.Remote.Addr(), c.peer.HostName, c.peer.RouterID}
	e.peers[c.peerKey] = append(e.peers[c.peerKey], c)
	e.settle(c)
	return c, nil
}

// place enters the sessions of a restored connection: settled, settling, requests.
func (e *Endpoint) place(c *Conn, s *snapshot.Codec, lists [3][]*Session) {
	for i, to := range []*list{&c.settled, &c.settling, &c.requests} {
		for _, x := range lists[i] {
			fits := x.state == Established
			switch to {
			case &c.settling:
				fits = x.state >= WaitReply && x.state < Established
			case &c.requests:
				fits = x.state == WaitControlConn
			}
			if !fits || x.local == 0 || e.sessions[x.local] != nil {
				s.Failf("session %d in state %v", x.local, x.state)
			}
			if s.Err() != nil {
				return
			}
			e.sessions[x.local] = x
			to.pushBack(x)
			if x.remote != 0 && c.byPeer[x.remote] == nil {
				c.byPeer[x.remote] = x
			}
			if id := x.call.RemoteEndID; id != "" && c.byEndID[id] == nil {
				c.byEndID[id] = x
			}
		}
	}
}

func (c *Conn) snapshotPath(s *snapshot.Codec) {
	snapshot.Int(s, &c.path.Transport)
	s.AddrPort(&c.path.Local)
	s.AddrPort(&c.path.Remote)
}

func (c *Conn) snapshot(s *snapshot.Codec) {
	s.Bools(&c.initiator, &c.hasTie, &c.lost, &c.digests, &c.integrity, &c.ackDue, &c.helloOut)
	snapshot.Int(s, &c.local)
	snapshot.Int(s, &c.remote)
	s.String(&c.peer.HostName)
	s.String(&c.peer.VendorName)
	snapshot.Int(s, &c.peer.RouterID)
	snapshot.Slice(s, &c.peer.Pseudowires, func(t *PseudowireType) { snapshot.Int(s, t) })
	s.Bool(&c.peer.Authenticated)
	snapshot.Int(s, &c.tie)
	snapshot.Int(s, &c.question)
	snapshot.Int(s, &c.questionKey.transport)
	s.AddrPort(&c.questionKey.remote)
	snapshot.Int(s, &c.questionKey.ccid)
	snapshot.Int(s, &c.proved)
	if c.proved < 0 || c.proved >= max(len(c.keys), 1) { // the secrets are others now
		c.proved = 0
	}
	snapshot.Int(s, &c.digestType)
	for _, b := range []*[]byte{&c.nonce, &c.peerNonce, &c.challenge, &c.response} {
		s.Blob(b)
	}
	c.send.snapshot(s)
	snapshot.Int(s, &c.recv.next)
	snapshot.Int(s, &c.urgent)
	snapshot.Int(s, &c.refusals)
	s.Time(&c.heard)
	snapshot.Int(s, &c.helloAfter)
	for _, n := range []*uint64{&c.received, &c.duplicates, &c.early} {
		snapshot.Int(s, n)
	}
}

func (s *sender) snapshot(c *snapshot.Codec) {
	snapshot.Int(c, &s.next)
	snapshot.Slice(c, &s.flight, func(m *outMessage) {
		snapshot.Int(c, &m.ns)
		snapshot.Int(c, &m.typ)
		c.Blob(&m.raw)
		c.Time(&m.sent)
		c.Bools(&m.again, &m.lost)
		if len(m.raw) < HeaderLen {
			c.Failf("a message without header")
		}
	})
	for i := range s.flight {
		if s.flight[i].ns != s.next-Seq(len(s.flight)-i) {
			c.Failf("messages out of order")
		}
	}
	for _, n := range []*int{&s.peer, &s.cwnd, &s.threshold, &s.acks, &s.retries} {
		snapshot.Limited(c, n, 1<<20, "a window")
	}
	c.Time(&s.timer)
	snapshot.Int(c, &s.srtt)
	snapshot.Int(c, &s.rttvar)
	for _, n := range []*uint64{&s.count.Messages, &s.count.Retransmissions, &s.count.Timeouts} {
		snapshot.Int(c, n)
	}
	if !c.Reading() {
		return
	}
	s.lost = 0
	for i := range s.flight {
		if s.flight[i].lost {
			s.lost++
		}
	}
	if (len(s.flight) > 0) == s.timer.IsZero() {
		c.Failf("a timer that does not fit")
	}
}

// machines are the sessions' automata, by their numbers in a snapshot.
var machines = [...]*table{callerTable, calleeTable, placerTable, placedTable}

func (c *Conn) snapshotSessions(s *snapshot.Codec, all *[]*Session) {
	snapshot.Slice(s, all, func(p **Session) {
		if s.Reading() {
			*p = &Session{conn: c}
		}
		(*p).snapshot(s)
	})
}

func (s *Session) snapshot(c *snapshot.Codec) {
	kind := uint8(0)
	for i, m := range machines {
		if s.machine == m {
			kind = uint8(i)
		}
	}
	snapshot.Limited(c, &kind, uint8(len(machines)-1), "a kind of call")
	s.machine = machines[kind]
	s.call.snapshot(c)
	snapshot.Limited(c, &s.state, Established, "a state")
	snapshot.Int(c, &s.pending)
	c.Bool(&s.refused)
	for _, id := range []*encap.SessionID{&s.local, &s.remote, &s.previous} {
		snapshot.Int(c, id)
	}
	cookie(c, &s.localCookie)
	cookie(c, &s.remoteCookie)
	snapshot.Int(c, &s.tie)
	snapshot.Int(c, &s.serial)
	snapshot.Limited(c, &s.peerSublayer, SublayerDefault, "a sublayer")
	snapshot.Int(c, &s.peerSequencing)
	snapshot.Int(c, &s.peerCircuit)
	snapshot.Int(c, &s.reported)
	snapshot.Int(c, &s.peerTx)
	snapshot.Int(c, &s.peerRx)
	snapshot.Int(c, &s.result.Code)
	snapshot.Int(c, &s.result.Error)
	c.String(&s.result.Text)
	snapshot.Maybe(c, &s.warning, func(w *warning) {
		for _, n := range w.errors.counters() {
			snapshot.Int(c, n)
		}
		c.Time(&w.at)
	})
	c.Time(&s.deadline)
}

func (c *Call) snapshot(s *snapshot.Codec) {
	s.Bools(&c.Outgoing, &c.ForceSublayer, &c.TieBreaker)
	snapshot.Int(s, &c.PseudowireType)
	s.String(&c.RemoteEndID)
	snapshot.Int(s, &c.LocalSessionID)
	snapshot.Int(s, &c.CookieLen)
	snapshot.Int(s, &c.Sublayer)
	snapshot.Int(s, &c.Sequencing)
	snapshot.Int(s, &c.Circuit)
	snapshot.Int(s, &c.TxConnectSpeed)
	snapshot.Int(s, &c.RxConnectSpeed)
	snapshot.Int(s, &c.PhysicalChannelID)
	if err := c.Check(); err != nil {
		s.Failf("%v", err)
	}
}

func cookie(c *snapshot.Codec, p *encap.Cookie) {
	b := p.AppendTo(nil)
	c.Blob(&b)
	v, err := encap.NewCookie(b)
	if err != nil {
		c.Failf("%v", err)
		return
	}
	*p = v
}

// Snapshot writes or reads what belongs to no connection: counters, and the number of the last request.
func (e *Endpoint) Snapshot(s *snapshot.Codec) {
	snapshot.Int(s, &e.serial)
	for i := range e.count.Drops {
		snapshot.Int(s, &e.count.Drops[i])
	}
	for _, n := range []*uint64{&e.count.Refused, &e.count.IgnoredAVPs, &e.count.Tolerated} {
		snapshot.Int(s, n)
	}
}
