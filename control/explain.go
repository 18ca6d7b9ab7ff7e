package control

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"culvert/encap"
)

// AVPText is one AVP of a message in words.
type AVPText struct {
	Name, Value       string
	Mandatory, Hidden bool
}

// Explanation is a control message in words, for people who look for a fault. It holds cookies, as Wireshark shows them
// too, but nothing that a shared secret could be found from: of nonces, challenges, their responses and digests there is
// the length alone.
type Explanation struct {
	Header
	Type MessageType
	// Length is that of the message in bytes, from the T bit on.
	Length int
	// LocalSession and RemoteSession are the ids that the message is about, 0 where it names none.
	LocalSession, RemoteSession encap.SessionID
	// AVPs are all but the Message Type, in their order.
	AVPs []AVPText
	// Problem is what is wrong with it, empty if nothing is.
	Problem string
}

// maxHexShown bounds the bytes shown of a value that we know nothing of.
const maxHexShown = 64

// Explain takes apart what UDP or IP carries. keys reveal hidden AVPs; without them only their length is known. Bytes are
// never taken for something they are not: what cannot be read is a Problem.
func Explain(t encap.Transport, payload []byte, keys []Keys) Explanation {
	p, _, err := ParsePacket(t, payload)
	if err != nil {
		return Explanation{Length: len(payload), Problem: err.Error()}
	}
	typ, _, ok := p.Type()
	e := Explanation{Header: p.Header, Type: typ, Length: len(p.raw)}
	if !ok {
		e.Problem = ErrMessageType.Error()
		return e
	}
	if typ == ZLB {
		return e
	}
	x := explainer{m: Message{Type: typ}, keys: keys}
	for rest := p.raw[HeaderLen+AVPHeaderLen+2:]; len(rest) > 0; {
		a, n, err := ParseAVP(rest)
		if err != nil {
			e.Problem = err.Error()
			break
		}
		e.AVPs = append(e.AVPs, x.avp(a))
		rest = rest[n:]
	}
	e.LocalSession, e.RemoteSession = x.m.LocalSessionID, x.m.RemoteSessionID
	return e
}

// explainer reads the AVPs of one message.
type explainer struct {
	m      Message
	keys   []Keys
	vector []byte // of the nearest Random Vector AVP before
}

func (x *explainer) avp(a AVP) AVPText {
	text := AVPText{Name: a.Type.String(), Mandatory: a.Mandatory, Hidden: a.Hidden}
	switch {
	case a.Vendor != 0:
		text.Name = fmt.Sprintf("vendor %d attribute %d", a.Vendor, uint16(a.Type))
	case a.Type == AVPRandomVector:
		x.vector = a.Value
		fallthrough
	case a.Type == AVPMessageDigest && !a.Hidden:
		text.Value = describeBytes(a)
		return text
	}
	if !a.Hidden {
		text.Value = x.value(a)
		return text
	}
	text.Value = fmt.Sprintf("(%d bytes, hidden)", len(a.Value))
	for i := range x.keys {
		v, err := Reveal(a.Type, x.keys[i].hide, x.vector, a.Value)
		if err == nil && len(x.vector) > 0 && x.readable(a, v) {
			a.Value = v
			text.Value = x.value(a)
			break
		}
	}
	return text
}

// describeBytes shows what is no secret and tells nobody anything.
func describeBytes(a AVP) string {
	if a.Type == AVPMessageDigest && len(a.Value) > 0 {
		switch DigestType(a.Value[0]) {
		case DigestMD5:
			return "HMAC-MD5"
		case DigestSHA1:
			return "HMAC-SHA-1"
		}
	}
	return fmt.Sprintf("(%d bytes)", len(a.Value))
}

// readable tells whether v, revealed with one of several keys, can be a value of the attribute.
func (x *explainer) readable(a AVP, v []byte) bool {
	i := rowOf(a.Type)
	if a.Vendor != 0 || i < 0 {
		return true
	}
	var scratch Message
	return registry[i].parse(&scratch, v) == nil
}

// value shows a plain value.
func (x *explainer) value(a AVP) string {
	i := rowOf(a.Type)
	if a.Vendor != 0 || i < 0 {
		return hexText(a.Value)
	}
	if err := registry[i].parse(&x.m, a.Value); err != nil {
		return fmt.Sprintf("%s (%s)", hexText(a.Value), err)
	}
	switch v := registry[i].show(&x.m).(type) {
	case encap.Cookie:
		return hex.EncodeToString(a.Value)
	case CircuitStatus:
		return v.words()
	case []PseudowireType:
		names := make([]string, len(v))
		for i := range v {
			names[i] = v[i].String()
		}
		return strings.Join(names, ", ")
	case uint64:
		if a.Type == AVPTieBreaker {
			return fmt.Sprintf("%016x", v)
		}
		return fmt.Sprint(v)
	case uint32:
		if a.Type == AVPRouterID { // people write it as an address
			return fmt.Sprintf("%d (%d.%d.%d.%d)", v, v>>24, v>>16&255, v>>8&255, v&255)
		}
		return fmt.Sprint(v)
	default:
		return fmt.Sprint(v)
	}
}

// words names the bits of RFC 5641 section 2.
func (c CircuitStatus) words() string {
	s := "down"
	if c.Up() {
		s = "up"
	}
	for _, b := range []struct {
		bit  CircuitStatus
		name string
	}{
		{CircuitNew, "new"},
		{CircuitACReceive, "AC receive fault"},
		{CircuitACTransmit, "AC transmit fault"},
		{CircuitPSNReceive, "PSN receive fault"},
		{CircuitPSNSend, "PSN transmit fault"},
		{CircuitStandby, "standby"},
	} {
		if c&b.bit != 0 {
			s += ", " + b.name
		}
	}
	return s
}

// hexText is a value that we know nothing of.
func hexText(b []byte) string {
	if len(b) <= 4 && len(b) > 0 && len(b)&(len(b)-1) == 0 { // most likely a number
		var w [4]byte
		copy(w[4-len(b):], b)
		return fmt.Sprintf("%x (%d)", b, binary.BigEndian.Uint32(w[:]))
	}
	if len(b) > maxHexShown {
		return fmt.Sprintf("%x... (%d bytes)", b[:maxHexShown], len(b))
	}
	return hex.EncodeToString(b)
}
