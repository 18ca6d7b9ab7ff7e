package diagnose

import (
	"encoding/binary"
	"net/netip"
	"time"

	"culvert/encap"
)

// Levels of a Finding.
const (
	Good = "good"
	Note = "note" // works, or may be meant so
	Bad  = "bad"
)

// Finding is what one check has found.
type Finding struct {
	Check    string
	Level    string
	Session  string // name within the tunnel; empty: the tunnel's own
	Found    string // how it is
	Evidence string // what shows that
	Remedy   string // what to do; empty: nothing
}

// Tunnel is a tunnel and what was seen of it.
type Tunnel struct {
	Transport encap.Transport
	Peer      netip.AddrPort // port 0 for IP 115
	For       time.Duration  // that it was watched
	// PathMTU is what we go by, in bytes, 0: nothing yet. ConfiguredMTU is path_mtu, 0: none. KernelMTU is what the kernel
	// believes of the path (IP_MTU, ip(7)), 0: unknown.
	PathMTU, ConfiguredMTU, KernelMTU int
	Control                           *Control // nil: static
	Sessions                          []Session
	Drops                             map[string]uint64 // in that time, of all tunnels, by reason
	Packets                           []Packet
}

// Control is the control connection.
type Control struct {
	State       string
	Established bool
	RTT         time.Duration // 0: unknown
	Silence     time.Duration // since the peer was heard
	Heard       bool          // it was
	InFlight    int           // messages that it has not acknowledged
	// Messages in that time.
	Sent, Again, Received, Duplicates uint64
	Reason                            string // why the connection before ended
}

// Session is one session. Counts are of the time watched, those that begin with All are since it is there.
type Session struct {
	Name         string
	Pseudowire   Pseudowire
	LocalID      encap.SessionID
	Expect, Send encap.DataHeader
	LCP          string // state of the automaton; empty: Ethernet
	MTU, Fits    int    // of the device; what the path holds
	Rx, Tx       uint64 // packets
	AllRx, AllTx uint64
	Drops        map[string]uint64
	AllDrops     map[string]uint64
	Reorder      time.Duration // reorder_timeout
	Probes       []Probe       // that were sent, the largest first
}

// Probe is an Echo-Request of LCP of a certain size, whose reply says that such packets get through.
type Probe struct {
	ID   byte // its Identifier
	Size int  // of the outer packet, in bytes
	MTU  int  // path_mtu for which no larger ones leave
}

// Pseudowire is what the frames are.
type Pseudowire uint8

// The kinds that frames can be told to be.
const (
	Ethernet Pseudowire = iota
	PPP
)

// String names it for people.
func (p Pseudowire) String() string {
	if p == PPP {
		return "PPP"
	}
	return "Ethernet"
}

// Packet is a data packet, or a control message, of the underlay.
type Packet struct {
	Sent    bool
	Remote  netip.AddrPort // the other end's; port 0 for IP 115
	Control bool
	Session encap.SessionID // the receiver's
	Body    []byte          // behind the session id: cookie, sublayer, frame; perhaps only the first bytes
}

// ParseOuter reads a packet of the underlay with its IP header, and over UDP that. ok is false where it is no L2TPv3.
func ParseOuter(t encap.Transport, sent bool, b []byte) (p Packet, ok bool) {
	var from, to netip.Addr
	switch {
	case len(b) >= 20 && b[0] == 0x45:
		from, to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		b = b[20:]
	case len(b) >= 40 && b[0]>>4 == 6:
		from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40:]
	default:
		return Packet{}, false
	}
	p.Sent = sent
	remote := from
	if sent {
		remote = to
	}
	if t == encap.TransportIP {
		p.Remote = netip.AddrPortFrom(remote, 0)
		d := encap.IPData(b)
		if !d.Valid() {
			p.Control = encap.ControlIP(b)
			return p, p.Control
		}
		p.Session, p.Body = d.SessionID(), d.Body()
		return p, true
	}
	if len(b) < 8 {
		return Packet{}, false
	}
	port := binary.BigEndian.Uint16(b)
	if sent {
		port = binary.BigEndian.Uint16(b[2:])
	}
	p.Remote = netip.AddrPortFrom(remote, port)
	b = b[8:]
	d := encap.UDPData(b)
	if !d.Valid() {
		p.Control = encap.ControlUDP(b)
		return p, p.Control
	}
	p.Session, p.Body = d.SessionID(), d.Body()
	return p, true
}
