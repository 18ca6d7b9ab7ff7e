package control

// State is a state of the machines of RFC 3931 sections 7.2 to 7.4.
type State uint8

// States of control connections (section 7.2) and of sessions (sections 7.3, 7.4).
const (
	Idle            State = iota
	WaitCtlReply          // SCCRQ sent
	WaitCtlConn           // SCCRP sent
	WaitControlConn       // a session waits for its control connection
	WaitReply             // ICRQ or OCRQ sent
	WaitConnect           // ICRP sent, or OCRP received
	WaitCSAnswer          // OCRP sent, the call is being placed
	Established

	numStates = 8
)

var stateNames = [numStates]string{
	"idle", "wait-ctl-reply", "wait-ctl-conn", "wait-control-conn", "wait-reply", "wait-connect", "wait-cs-answer",
	"established",
}

// String returns the RFC's name of the state.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "invalid"
}

// event is what happens to a machine. A plus says that a message is acceptable, a minus that it is not.
type event uint8

const (
	evOpen           event = iota // local open request
	evConnOpen                    // the control connection is established
	evClose                       // local close request, administrative close, loss of the circuit
	evSCCRQPlus                   //
	evSCCRQMinus                  //
	evSCCRQLostPlus               // the tie is lost
	evSCCRQLostMinus              //
	evSCCRQWon                    // the tie is won
	evSCCRPPlus                   //
	evSCCRPMinus                  //
	evSCCCNPlus                   //
	evSCCCNMinus                  //
	evStopCCN                     //
	evExhausted                   // a message was repeated often enough
	evICRQPlus                    //
	evICRQMinus                   //
	evICRQLost                    //
	evICRQWon                     //
	evICRPPlus                    //
	evICRPMinus                   //
	evICCNPlus                    //
	evICCNMinus                   //
	evOCRQPlus                    //
	evOCRQMinus                   //
	evOCRQLost                    //
	evOCRQWon                     //
	evOCRPPlus                    //
	evOCRPMinus                   //
	evOCCN                        //
	evCDN                         //
	evCallUp                      // the call that an OCRQ asked for is up
	evCallFailed                  //

	numEvents = 32
)

// actions is a set of actions. They are carried out in the order of the bits.
type actions uint32

const (
	openConn    actions = 1 << iota // ask for the control connection
	dropOwn                         // give up our own attempt: the tie is lost
	sendSCCRQ                       //
	sendSCCRP                       //
	sendSCCCN                       //
	sendICRQ                        //
	sendICRP                        //
	sendICCN                        //
	sendOCRQ                        //
	sendOCRP                        //
	sendOCCN                        //
	placeCall                       // place the call an OCRQ asks for
	refuse                          // StopCCN or CDN for the other attempt: it lost the tie
	sendStopCCN                     //
	sendCDN                         //
	up                              // established: tell waiting sessions, let data flow
	beRecipient                     // go on as the recipient of the call that won the tie
	clean                           // clean up
)

// cell is one entry of a table. The zero cell is unset; impossible is set and does nothing.
type cell struct {
	do   actions
	next State
	kind cellKind
}

type cellKind uint8

const (
	unset cellKind = iota
	legal
	impossible
)

// transition is a row of the RFC's tables: in a state, one of some events, what to do, and the next state.
type transition struct {
	from State
	on   []event
	do   actions
	next State
}

// table is a machine by event and state.
type table [numEvents][numStates]cell

// compile makes a table of rows. What the rows do not name is impossible where the events and states of the machine
// meet (never) and unset elsewhere. Two rows for one cell are a mistake of ours.
func compile(transitions []transition, never []transition) *table {
	var t table
	set := func(e event, s State, c cell) {
		if t[e][s].kind != unset {
			panic("control: two rows for one cell")
		}
		t[e][s] = c
	}
	for _, r := range transitions {
		for _, e := range r.on {
			set(e, r.from, cell{r.do, r.next, legal})
		}
	}
	for _, r := range never {
		for _, e := range r.on {
			set(e, r.from, cell{0, r.from, impossible})
		}
	}
	return &t
}

// Groups of events that the RFC's tables name together.
var (
	onSCCRQ = []event{evSCCRQPlus, evSCCRQMinus}
	onSCCRP = []event{evSCCRPPlus, evSCCRPMinus}
	onSCCCN = []event{evSCCCNPlus, evSCCCNMinus}
	onICRQ  = []event{evICRQPlus, evICRQMinus, evICRQLost, evICRQWon}
	onICRP  = []event{evICRPPlus, evICRPMinus}
	onICCN  = []event{evICCNPlus, evICCNMinus}
	onOCRQ  = []event{evOCRQPlus, evOCRQMinus, evOCRQLost, evOCRQWon}
	onOCRP  = []event{evOCRPPlus, evOCRPMinus}
)

func on(groups ...[]event) (all []event) {
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

func one(e event) []event { return []event{e} }
