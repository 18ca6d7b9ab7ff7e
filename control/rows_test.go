package control

import (
	"fmt"
	"testing"
	"time"
)

// sends are the messages that actions send.
var sends = []struct {
	bit actions
	typ MessageType
}{
	{sendSCCRQ, SCCRQ},
	{sendSCCRP, SCCRP},
	{sendSCCCN, SCCCN},
	{sendStopCCN, StopCCN},
	{sendICRQ, ICRQ},
	{sendICRP, ICRP},
	{sendICCN, ICCN},
	{sendOCRQ, OCRQ},
	{sendOCRP, OCRP},
	{sendOCCN, OCCN},
	{sendCDN, CDN},
}

// judgeRow compares what a step did with what its cell says.
func judgeRow(t *testing.T, name string, n *node, do actions, before map[MessageType]int, ups int, refusal MessageType) {
	t.Helper()
	for _, x := range sends {
		bit, typ := x.bit, x.typ
		want := 0
		if do&bit != 0 {
			want = 1
		}
		if do&refuse != 0 && typ == refusal {
			want = 1
		}
		if have := n.sent[typ] - before[typ]; have != want {
			t.Errorf("%s: sent %d times %v, want %d", name, have, typ, want)
		}
	}
	if do&up != 0 && ups != 1 {
		t.Errorf("%s: not up", name)
	}
	n.w.check(t)
}

// TestSessionRows puts a session into each state, lets each event happen, and looks at the next state, at what was sent,
// and at what was forgotten.
func TestSessionRows(t *testing.T) {
	for name, machine := range machineOf {
		if name == "control connection" {
			continue
		}
		for _, ev := range machine.events {
			for _, from := range machine.states {
				cl := machine.table[ev][from]
				if cl.kind != legal {
					continue
				}
				row := fmt.Sprintf("%s, %v, event %d", name, from, ev)
				h, n := newHand(t, testProfile("n"))
				c := h.connect()
				s := &Session{machine: machine.table}
				outgoing := machine.table == placerTable || machine.table == placedTable
				call := Call{RemoteEndID: "x", PseudowireType: PseudowirePPP, Outgoing: outgoing, Circuit: CircuitUp}
				m := icrq(6, "x")
				if outgoing {
					m.Type = OCRQ
				}
				if fresh := from == Idle && cl.do&(openConn|sendICRP|sendOCRP) == 0; fresh {
					s.conn = c
				} else {
					c.enter(s, call)
				}
				s.state = from
				switch {
				case from == WaitControlConn:
					c.requests.pushBack(s)
				case from == Established:
					c.settled.pushBack(s)
				case from != Idle, cl.do&(sendICRP|sendOCRP) != 0:
					s.deadline = n.w.now.Add(time.Minute)
					c.settling.pushBack(s)
				}
				if from > WaitControlConn { // its SessionReady has been out
					n.ready[s] = s.local
				}
				s.reported = CircuitUp
				before := map[MessageType]int{}
				for k, v := range n.sent {
					before[k] = v
				}
				s.step(ev, &m, Result{Code: CallAdministrative})
				if next := s.state; next != cl.next && cl.do&beRecipient == 0 {
					t.Errorf("%s: state %v, want %v", row, next, cl.next)
				}
				do := cl.do
				if do&beRecipient != 0 { // goes on by the other table
					do |= map[bool]actions{false: sendICRP, true: sendOCRP | placeCall}[outgoing]
				}
				if do&openConn != 0 { // the connection is open, so it is asked for at once
					do |= map[bool]actions{false: sendICRQ, true: sendOCRQ}[outgoing]
				}
				c.send.cwnd = 4
				c.ep.settle(c)
				n.collect()
				judgeRow(t, row, n, do, before, len(n.started), CDN)
				wantSessions := 1
				if do&clean != 0 || from == Idle && cl.next == Idle {
					wantSessions = 0
				}
				if len(n.sessions) != wantSessions || c.sessions() != wantSessions {
					t.Errorf("%s: %d sessions, %d in lists", row, len(n.sessions), c.sessions())
				}
				if wantDown := do&clean != 0 && from != Idle; wantDown != (len(n.sdowns) == 1) {
					t.Errorf("%s: %d ended", row, len(n.sdowns))
				}
				if (do&placeCall != 0) != (len(n.placed) == 1) {
					t.Errorf("%s: %d calls placed", row, len(n.placed))
				}
			}
		}
	}
}

// TestConnRows does the same for control connections.
func TestConnRows(t *testing.T) {
	machine := machineOf["control connection"]
	for _, ev := range machine.events {
		for _, from := range machine.states {
			cl := machine.table[ev][from]
			if cl.kind != legal {
				continue
			}
			row := fmt.Sprintf("%v, event %d", from, ev)
			h, n := newHand(t, testProfile("n"))
			m := h.sccrq()
			p := Packet{Header: Header{}, raw: (&Encoder{}).Append(nil, Header{}, &m)}
			c := n.newConn(h.path, n.profile)
			c.proven = true
			switch from {
			case WaitCtlReply:
				c.owned = true
				c.step(evOpen, nil)
			case WaitCtlConn, Established:
				c.step(evSCCRQPlus, &input{path: h.path, packet: p, msg: &m})
				if from == Established {
					c.step(evSCCCNPlus, nil)
				}
			default:
				c.owned = ev == evOpen
			}
			c.send.acked(n.w.now, c.send.next)
			n.collect()
			n.log = nil
			before := map[MessageType]int{}
			for k, v := range n.sent {
				before[k] = v
			}
			known := c.owned
			c.step(ev, &input{path: h.path, packet: p, msg: &m, result: Result{Code: StopGeneral}, silent: ev == evExhausted, byPeer: ev == evStopCCN})
			n.settle(c)
			n.collect()
			if c.state != cl.next {
				t.Errorf("%s: state %v, want %v", row, c.state, cl.next)
			}
			do := cl.do
			if from == Established && ev == evOpen { // sessions that wait are told by pump
				do &^= up
			}
			judgeRow(t, row, n, do, before, len(n.conns), StopCCN)
			if wantDown := cl.do&clean != 0 && known; wantDown != (len(n.downs) == 1) {
				t.Errorf("%s: %d ended", row, len(n.downs))
			}
			if n.w.run(5*time.Minute, nil); cl.next == Idle && len(n.Endpoint.conns)+len(n.requests)+len(n.dialing)+len(n.peers) != 0 {
				t.Errorf("%s: something is kept", row)
			}
		}
	}
}
