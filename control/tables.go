package control

// The machines, in the order of the RFC's rows. testdata/rfc3931-7.txt has the same as text, and a test compares them
// cell by cell. A repeated message never comes here: its number gives it away before.

// connTable is RFC 3931 section 7.2, the control connection.
var connTable = compile([]transition{
	{Idle, one(evOpen), sendSCCRQ, WaitCtlReply},
	{Idle, one(evSCCRQPlus), sendSCCRP, WaitCtlConn},
	{Idle, one(evSCCRQMinus), sendStopCCN | clean, Idle},
	{Idle, on(onSCCRP, onSCCCN), sendStopCCN | clean, Idle},
	{WaitCtlReply, one(evSCCRPPlus), sendSCCCN | up, Established},
	{WaitCtlReply, one(evSCCRPMinus), sendStopCCN | clean, Idle},
	{WaitCtlReply, one(evSCCRQLostPlus), dropOwn | sendSCCRP, WaitCtlConn},
	{WaitCtlReply, one(evSCCRQLostMinus), dropOwn | sendStopCCN | clean, Idle},
	{WaitCtlReply, one(evSCCRQWon), refuse, WaitCtlReply},
	{WaitCtlReply, onSCCCN, sendStopCCN | clean, Idle},
	{WaitCtlConn, one(evSCCCNPlus), up, Established},
	{WaitCtlConn, one(evSCCCNMinus), sendStopCCN | clean, Idle},
	{WaitCtlConn, on(onSCCRQ, onSCCRP), sendStopCCN | clean, Idle},
	{Established, one(evOpen), up, Established},
	{Established, one(evClose), sendStopCCN | clean, Idle},
	{Established, on(onSCCRQ, onSCCRP, onSCCCN), sendStopCCN | clean, Idle},
	// in any state
	{Idle, on(one(evStopCCN), one(evExhausted)), clean, Idle},
	{WaitCtlReply, on(one(evStopCCN), one(evExhausted)), clean, Idle},
	{WaitCtlConn, on(one(evStopCCN), one(evExhausted)), clean, Idle},
	{Established, on(one(evStopCCN), one(evExhausted)), clean, Idle},
	// ours: an attempt that is closed, or that takes too long, is taken back
	{Idle, one(evClose), 0, Idle},
	{WaitCtlReply, one(evClose), sendStopCCN | clean, Idle},
	{WaitCtlConn, one(evClose), sendStopCCN | clean, Idle},
	{WaitCtlReply, one(evOpen), 0, WaitCtlReply},
	{WaitCtlConn, one(evOpen), 0, WaitCtlConn},
}, []transition{
	// a tie needs an SCCRQ of ours that waits, and any other SCCRQ then opens a connection of its own
	{Idle, tieSCCRQ, 0, Idle},
	{WaitCtlReply, onSCCRQ, 0, Idle},
	{WaitCtlConn, tieSCCRQ, 0, Idle},
	{Established, tieSCCRQ, 0, Idle},
})

var tieSCCRQ = []event{evSCCRQLostPlus, evSCCRQLostMinus, evSCCRQWon}

// callerTable is RFC 3931 section 7.3.1, the sender of an ICRQ.
var callerTable = compile([]transition{
	{Idle, one(evOpen), openConn, WaitControlConn},
	{Idle, on(onICCN, onICRP, one(evCDN)), clean, Idle},
	{WaitControlConn, one(evClose), clean, Idle},
	{WaitControlConn, one(evConnOpen), sendICRQ, WaitReply},
	{WaitReply, one(evICRPPlus), sendICCN | up, Established},
	{WaitReply, one(evICRPMinus), sendCDN | clean, Idle},
	{WaitReply, one(evICRQLost), dropOwn | beRecipient, Idle},
	{WaitReply, one(evICRQWon), refuse, WaitReply},
	{WaitReply, on(one(evCDN), onICCN), clean, Idle},
	{WaitReply, one(evClose), sendCDN | clean, Idle},
	{Established, one(evCDN), clean, Idle},
	{Established, on(onICRQ, onICRP, onICCN), sendCDN | clean, Idle},
	{Established, one(evClose), sendCDN | clean, Idle},
}, []transition{
	// an ICRQ finds a session of ours by its Remote End ID only, and that is a tie
	{Idle, on(onICRQ, one(evConnOpen), one(evClose)), 0, Idle},
	{WaitControlConn, on(one(evOpen), onICRQ, onICRP, onICCN, one(evCDN)), 0, Idle},
	{WaitReply, []event{evOpen, evConnOpen, evICRQPlus, evICRQMinus}, 0, Idle},
	{Established, []event{evOpen, evConnOpen}, 0, Idle},
})

// calleeTable is RFC 3931 section 7.3.2, the recipient of an ICRQ.
var calleeTable = compile([]transition{
	{Idle, one(evICRQPlus), sendICRP, WaitConnect},
	{Idle, one(evICRQMinus), sendCDN | clean, Idle},
	{Idle, onICRP, sendCDN | clean, Idle},
	{Idle, onICCN, clean, Idle},
	{WaitConnect, one(evICCNPlus), up, Established},
	{WaitConnect, one(evICCNMinus), sendCDN | clean, Idle},
	{WaitConnect, on(onICRQ, onICRP), sendCDN | clean, Idle},
	{Idle, one(evCDN), clean, Idle},
	{WaitConnect, one(evCDN), clean, Idle},
	{Established, one(evCDN), clean, Idle},
	{WaitConnect, one(evClose), sendCDN | clean, Idle},
	{Established, one(evClose), sendCDN | clean, Idle},
	{Established, on(onICRQ, onICRP, onICCN), sendCDN | clean, Idle},
}, []transition{
	{Idle, []event{evClose, evICRQLost, evICRQWon}, 0, Idle},
})

// placerTable is RFC 3931 section 7.4.1, the sender of an OCRQ.
var placerTable = compile([]transition{
	{Idle, one(evOpen), openConn, WaitControlConn},
	{Idle, on(one(evOCCN), onOCRP), clean, Idle},
	{WaitControlConn, one(evConnOpen), sendOCRQ, WaitReply},
	{WaitReply, one(evOCRPPlus), 0, WaitConnect},
	{WaitReply, one(evOCRPMinus), sendCDN | clean, Idle},
	{WaitReply, one(evOCCN), sendCDN | clean, Idle},
	{WaitReply, one(evOCRQLost), dropOwn | beRecipient, Idle},
	{WaitReply, one(evOCRQWon), refuse, WaitReply},
	{WaitConnect, one(evOCCN), up, Established},
	{WaitConnect, on(onOCRQ, onOCRP), sendCDN | clean, Idle},
	{Idle, one(evCDN), clean, Idle},
	{WaitReply, one(evCDN), clean, Idle},
	{WaitConnect, one(evCDN), clean, Idle},
	{Established, one(evCDN), clean, Idle},
	{Established, on(onOCRQ, onOCRP, one(evOCCN)), sendCDN | clean, Idle},
	{WaitReply, one(evClose), sendCDN | clean, Idle},
	{WaitConnect, one(evClose), sendCDN | clean, Idle},
	{Established, one(evClose), sendCDN | clean, Idle},
	{WaitControlConn, one(evClose), clean, Idle},
}, []transition{
	{Idle, on(onOCRQ, one(evConnOpen), one(evClose)), 0, Idle},
	{WaitControlConn, on(one(evOpen), onOCRQ, onOCRP, one(evOCCN), one(evCDN)), 0, Idle},
	{WaitReply, []event{evOpen, evConnOpen, evOCRQPlus, evOCRQMinus}, 0, Idle},
	{WaitConnect, []event{evOpen, evConnOpen}, 0, Idle},
	{Established, []event{evOpen, evConnOpen}, 0, Idle},
})

// placedTable is RFC 3931 section 7.4.2, the recipient of an OCRQ.
var placedTable = compile([]transition{
	{Idle, one(evOCRQPlus), sendOCRP | placeCall, WaitCSAnswer},
	{Idle, one(evOCRQMinus), sendCDN | clean, Idle},
	{Idle, onOCRP, sendCDN | clean, Idle},
	{Idle, on(one(evOCCN), one(evCDN)), clean, Idle},
	{WaitCSAnswer, one(evCallUp), sendOCCN | up, Established},
	{WaitCSAnswer, one(evCallFailed), sendCDN | clean, Idle},
	{WaitCSAnswer, on(onOCRQ, onOCRP, one(evOCCN)), sendCDN | clean, Idle},
	{Established, on(onOCRQ, onOCRP, one(evOCCN)), sendCDN | clean, Idle},
	{WaitCSAnswer, one(evCDN), clean, Idle},
	{Established, one(evCDN), clean, Idle},
	{WaitCSAnswer, one(evClose), sendCDN | clean, Idle},
	{Established, one(evClose), sendCDN | clean, Idle},
}, []transition{
	{Idle, []event{evClose, evOCRQLost, evOCRQWon, evCallUp, evCallFailed}, 0, Idle},
	{Established, []event{evCallUp, evCallFailed}, 0, Idle},
})
