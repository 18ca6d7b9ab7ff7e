package control

import "culvert/encap"

// row is what RFC 3931 says about one attribute: its number, how it is sent, where it belongs. The order of the rows
// is the order in which we send AVPs.
type row struct {
	typ       AVPType
	name      string
	mandatory bool // M as we send it (RFC 3931 section 5.4: mostly the sender's choice)
	hide      bool // may be hidden
	// must and may are the messages that have to and can hold it (RFC 3931 sections 6.1 to 6.15). In any other it is
	// ignored.
	must, may messageSet
	// vital are the messages that mean nothing without it. Where it only must be there and is not, the message is
	// taken all the same unless Config.Strict: peers leave out what nobody looks at.
	vital messageSet
	field
}

// registry holds the AVPs of RFC 3931 section 5.4 that carry something, and the two of RFC 2661 section 4.4.3 that
// authenticate a tunnel. Message Type, Message Digest, Random Vector and Extended Vendor ID are the codec's own.
var registry = [...]row{
	{
		typ: AVPResultCode, name: "Result Code", mandatory: true,
		must: messages(StopCCN, CDN), field: resultField(),
	},
	{
		typ: AVPNonce, name: "Control Message Authentication Nonce", mandatory: true,
		may: connMessages, field: secret(1, maxValueLen, func(m *Message) *[]byte { return &m.Nonce }),
	},
	{
		typ: AVPHostName, name: "Host Name", mandatory: true,
		must: connMessages, field: text(1, func(m *Message) *string { return &m.HostName }),
	},
	{
		typ: AVPRouterID, name: "Router ID", mandatory: true,
		must: connMessages, field: number(func(m *Message) *uint32 { return &m.RouterID }),
	},
	{
		typ: AVPAssignedCCID, name: "Assigned Control Connection ID", mandatory: true, hide: true,
		must: connMessages, may: messages(StopCCN), vital: connMessages,
		field: positive(func(m *Message) *CCID { return &m.AssignedCCID }),
	},
	{
		typ: AVPPseudowireCapsList, name: "Pseudowire Capabilities List", mandatory: true, hide: true,
		must: connMessages, field: capabilitiesField(),
	},
	{
		typ: AVPReceiveWindowSize, name: "Receive Window Size", mandatory: true,
		may: connMessages, field: positive(func(m *Message) *uint16 { return &m.ReceiveWindowSize }),
	},
	{
		typ: AVPTieBreaker, name: "Tie Breaker", mandatory: true,
		may: messages(SCCRQ, ICRQ, OCRQ), field: number(func(m *Message) *uint64 { return &m.TieBreaker }),
	},
	{
		typ: AVPVendorName, name: "Vendor Name", hide: true,
		may: connMessages, field: text(0, func(m *Message) *string { return &m.VendorName }),
	},
	{
		typ: AVPPreferredLanguage, name: "Preferred Language", hide: true,
		may: connMessages, field: text(0, func(m *Message) *string { return &m.PreferredLanguage }),
	},
	{ // M is 0, so that a peer that never heard of RFC 2661 can ignore it
		typ: AVPChallenge, name: "Challenge", hide: true,
		may: connMessages, field: secret(1, maxValueLen, func(m *Message) *[]byte { return &m.Challenge }),
	},
	{
		typ: AVPChallengeResponse, name: "Challenge Response", hide: true,
		may: messages(SCCRP, SCCCN), field: secret(16, 16, func(m *Message) *[]byte { return &m.ChallengeResponse }),
	},
	{
		typ: AVPLocalSessionID, name: "Local Session ID", mandatory: true, hide: true,
		must: sessionMessages, vital: messages(ICRQ, ICRP, OCRQ, OCRP),
		field: number(func(m *Message) *encap.SessionID { return &m.LocalSessionID }),
	},
	{
		typ: AVPRemoteSessionID, name: "Remote Session ID", mandatory: true, hide: true,
		must: sessionMessages, vital: callMessages &^ requestMessages,
		field: number(func(m *Message) *encap.SessionID { return &m.RemoteSessionID }),
	},
	{
		typ: AVPSerialNumber, name: "Serial Number", hide: true,
		must: requestMessages, field: number(func(m *Message) *uint32 { return &m.SerialNumber }),
	},
	{
		typ: AVPPseudowireType, name: "Pseudowire Type", mandatory: true, hide: true,
		must: requestMessages, vital: requestMessages,
		field: number(func(m *Message) *PseudowireType { return &m.PseudowireType }),
	},
	{
		typ: AVPRemoteEndID, name: "Remote End ID", mandatory: true, hide: true,
		must: requestMessages, field: text(0, func(m *Message) *string { return &m.RemoteEndID }),
	},
	{
		typ: AVPCircuitErrors, name: "Circuit Errors", hide: true,
		must: messages(WEN), vital: messages(WEN), field: circuitErrorsField(),
	},
	{
		typ: AVPCircuitStatus, name: "Circuit Status", mandatory: true, hide: true,
		must: messages(ICRQ, ICRP, OCRQ, OCRP), may: messages(ICCN, OCCN, SLI),
		field: number(func(m *Message) *CircuitStatus { return &m.CircuitStatus }),
	},
	{
		typ: AVPAssignedCookie, name: "Assigned Cookie", mandatory: true, hide: true,
		may: messages(ICRQ, ICRP, OCRQ, OCRP), field: cookieField(),
	},
	{
		typ: AVPL2SpecificSublayer, name: "L2-Specific Sublayer", mandatory: true, hide: true,
		may: callMessages, field: number(func(m *Message) *SublayerType { return &m.Sublayer }),
	},
	{
		typ: AVPDataSequencing, name: "Data Sequencing", mandatory: true, hide: true,
		may: callMessages, field: number(func(m *Message) *Sequencing { return &m.Sequencing }),
	},
	{
		typ: AVPTxConnectSpeed, name: "Tx Connect Speed", hide: true,
		may: callMessages, field: number(func(m *Message) *uint64 { return &m.TxConnectSpeed }),
	},
	{
		typ: AVPRxConnectSpeed, name: "Rx Connect Speed", hide: true,
		may: callMessages, field: number(func(m *Message) *uint64 { return &m.RxConnectSpeed }),
	},
	{
		typ: AVPPhysicalChannelID, name: "Physical Channel ID", hide: true,
		may: messages(ICRQ, ICRP, OCRP), field: number(func(m *Message) *uint32 { return &m.PhysicalChannelID }),
	},
}

// rows finds the row of an attribute; -1 where there is none.
var rows = func() (index [avpTypes]int8) {
	for i := range index {
		index[i] = -1
	}
	for i := range registry {
		index[registry[i].typ] = int8(i)
	}
	return index
}()

func rowOf(t AVPType) int {
	if t >= avpTypes {
		return -1
	}
	return int(rows[t])
}

// harmless says that an attribute we do nothing with may be ignored even with the M bit: those of RFC 2661 (a peer that
// speaks both versions sends them, RFC 3931 section 4.7.3) and those that only inform. What changes the meaning of a
// session or a connection is not among them, so that RFC 3931 section 5.2 applies.
func harmless(t AVPType) bool {
	switch t {
	case avpPPPDisconnectCause, avpFailoverCapability, avpConnectSpeedUpdate, avpConnectSpeedUpdateOn, avpECNCapability:
		return true
	}
	return t <= avpLastOfRFC2661 && rowOf(t) < 0
}
