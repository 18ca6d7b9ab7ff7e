package control

import (
	"slices"
	"time"
)

// step runs one event of the machine of RFC 3931 section 7.2.
func (c *Conn) step(ev event, in *input) {
	cl := connTable[ev][c.state]
	if cl.kind != legal {
		return
	}
	from := c.state
	c.state = cl.next
	c.run(cl.do, from, in)
}

// run carries out actions, in one order.
func (c *Conn) run(do actions, from State, in *input) {
	if do&dropOwn != 0 {
		c.abandon()
	}
	if do&sendSCCRQ != 0 {
		c.sendSCCRQ()
	}
	if do&sendSCCRP != 0 {
		c.sendSCCRP(in)
	}
	if do&sendSCCCN != 0 {
		c.sendSCCCN()
	}
	if do&refuse != 0 {
		c.refuse(in)
	}
	if do&sendStopCCN != 0 {
		if from == Idle || do&dropOwn != 0 {
			c.refuse(in)
		} else {
			c.stop = in.result
			c.urgent = messages(StopCCN)
		}
	}
	if do&up != 0 && from != Established {
		c.established()
	}
	if do&clean != 0 {
		c.cleanUp(in)
	}
}

// refuse answers the SCCRQ of in with a StopCCN, signed with the key it was made with itself, if any.
func (c *Conn) refuse(in *input) {
	var keys []Keys
	if in.v.ok && len(c.keys) > 0 {
		keys = c.keys[in.v.key : in.v.key+1]
	}
	c.ep.refuse(in.path, in.packet, in.msg, keys, in.result)
}

// abandon forgets our own SCCRQ: the peer's has won. What follows registers the connection anew.
func (c *Conn) abandon() {
	state := c.state
	c.ep.dial(c, false)
	c.reset()
	c.state, c.initiator = state, false
}

// restart begins again with new values: both ends had the same tie breaker.
func (c *Conn) restart() {
	c.abandon()
	c.initiator, c.state = true, Idle
	c.step(evOpen, nil)
}

// established is the moment from which sessions can be set up.
func (c *Conn) established() {
	e := c.ep
	e.dial(c, false)
	c.prove()
	c.setupAt = time.Time{}
	e.emit(ConnUp{c})
	// a peer that began anew does not know our older connections to it any more: look now, not after HelloTimeout
	key := peerKey{c.path.Remote.Addr(), c.peer.HostName, c.peer.RouterID}
	for i, other := range e.peers[key] {
		if i >= maxProbes {
			break
		}
		other.probe()
		e.settle(other)
	}
	e.peers[key] = append(e.peers[key], c)
	c.peerKey = key
}

// prove notes that the peer receives what we send.
func (c *Conn) prove() {
	if !c.proven {
		c.proven = true
		c.ep.halfOpen--
	}
}

// probe asks the peer whether it knows the connection.
func (c *Conn) probe() {
	if c.state == Established && c.phase == phaseLive && !c.helloOut {
		c.urgent |= messages(HELLO)
		c.helloOut = true
	}
}

// cleanUp ends everything but what reliable delivery still owes the peer.
func (c *Conn) cleanUp(in *input) {
	e := c.ep
	if c.phase != phaseLive || !c.owned {
		return
	}
	e.dial(c, false)
	c.setupAt = time.Time{}
	c.forgetPeer()
	down := ConnDown{Conn: c, Reason: Reason{Result: in.result, ByPeer: in.byPeer, Silent: in.silent, stop: true}}
	down.Sessions = make([]*Session, 0, c.sessions())
	c.Sessions(func(s *Session) bool {
		down.Sessions = append(down.Sessions, s)
		delete(e.sessions, s.local)
		s.state, s.pending = Idle, 0
		return true
	})
	c.requests, c.settling, c.settled = list{}, list{}, list{}
	c.answers = list{which: queueLink}
	c.byPeer, c.byEndID, c.refusals = nil, nil, 0
	for _, s := range down.Sessions {
		s.links = [numLinks]link{}
	}
	e.emit(down)
	switch {
	case in.silent, in.forget:
		c.remove()
		return
	case in.byPeer:
		c.phase, c.urgent = phaseLinger, 0
		c.send.forget()
	default:
		c.phase = phaseClosing
	}
	c.lingerAt = e.now.Add(c.profile.cycle())
}

func (c *Conn) forgetPeer() {
	list := c.ep.peers[c.peerKey]
	if i := slices.Index(list, c); i >= 0 {
		if list = slices.Delete(list, i, i+1); len(list) == 0 {
			delete(c.ep.peers, c.peerKey)
		} else {
			c.ep.peers[c.peerKey] = list
		}
	}
}

// remove forgets the connection.
func (c *Conn) remove() {
	e := c.ep
	c.phase = phaseGone
	c.prove()
	delete(e.conns, c.local)
	if e.requests[c.questionKey] == c {
		delete(e.requests, c.questionKey)
	}
	c.urgent, c.ackDue = 0, false
	c.send.forget()
	c.recv.early = nil
}
