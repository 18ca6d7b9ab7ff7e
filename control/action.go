package control

import "culvert/encap"

// Action is something an Endpoint wants done by its owner. Actions come out of Endpoint.Take in the order in which they
// must be carried out.
type Action interface{ action() }

// Send asks for a message to be sent.
type Send struct {
	Path Path
	// Payload is what UDP or IP carries. It belongs to the receiver of the action.
	Payload []byte
}

// ConnUp says that a control connection is established.
type ConnUp struct{ Conn *Conn }

// ConnDown says that a control connection ended, or that an attempt of ours or one that Policy accepted came to
// nothing. Its sessions ended with it: there are no SessionDowns for them.
type ConnDown struct {
	Conn     *Conn
	Reason   Reason
	Sessions []*Session
}

// PathChanged says that an authenticated peer speaks from another address or port now (RFC 3931 section 4.1.2.2: the
// answer to our first message; later: a NAT). Data goes there too.
type PathChanged struct {
	Conn *Conn
	Path Path
}

// SessionReady says that the peer may send frames of the session from now on: the request or reply with our Local
// Session ID is on its way, and frames may overtake what follows. Params has no Remote Session ID yet when we asked. It
// comes again, with another id, when a tie made us ask anew or answer instead.
type SessionReady struct {
	Session *Session
	// Previous is the id that is not used any more, 0 the first time.
	Previous encap.SessionID
}

// CallAccepted says that the peer is placing the call we have asked for (OCRP). Params is complete, and frames may overtake
// the OCCN, with which SessionUp comes.
type CallAccepted struct{ Session *Session }

// SessionUp says that a session is established: frames may be sent.
type SessionUp struct{ Session *Session }

// SessionDown says that a session ended or came to nothing.
type SessionDown struct {
	Session *Session
	Reason  Reason
}

// CircuitChanged says that the peer reported another state of its attachment circuit (Session.PeerCircuit). While it
// is not up no frames should be sent.
type CircuitChanged struct{ Session *Session }

// CircuitErrorsReported brings the counters of a WEN.
type CircuitErrorsReported struct {
	Session *Session
	Errors  CircuitErrors
}

// PlaceCall asks for the call of an OCRQ to be placed; Session.CallUp or Session.CallFailed answers.
type PlaceCall struct{ Session *Session }

// Reason is why a connection or session ended.
type Reason struct {
	Result
	// ByPeer says that the peer ended it, with this Result. Otherwise we did.
	ByPeer bool
	// Silent says that the peer did not answer any more.
	Silent bool
	stop   bool
}

// String describes the reason for people.
func (r Reason) String() string {
	t := CDN
	if r.stop {
		t = StopCCN
	}
	s := r.Describe(t)
	switch {
	case r.ByPeer:
		return "peer: " + s
	case r.Silent:
		return "peer does not answer"
	}
	return s
}

func (Send) action()                  {}
func (ConnUp) action()                {}
func (ConnDown) action()              {}
func (PathChanged) action()           {}
func (SessionReady) action()          {}
func (CallAccepted) action()          {}
func (SessionUp) action()             {}
func (SessionDown) action()           {}
func (CircuitChanged) action()        {}
func (CircuitErrorsReported) action() {}
func (PlaceCall) action()             {}
