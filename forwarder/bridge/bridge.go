package bridge

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"culvert/encap"
)

// Config of a Bridge.
type Config struct {
	// MaxMACs bounds the table.
	MaxMACs int
	// Aging is how long an address that sends nothing is kept, and up to an eighth longer.
	Aging time.Duration
	// Reserved lets frames to 01-80-C2-00-00-0x pass, which bridges keep to one link (IEEE 802.1Q section 8.6.3); but not
	// those to -01, PAUSE, which never leave a link.
	Reserved bool
	// Own is the device's address, which no owner may use as a source; zero: not known.
	Own [6]byte
}

// Bridge is one device and its owners' ports. O is what an owner is.
type Bridge[O any] struct {
	cfg    Config
	own    uint64
	device Port[O]
	slots  atomic.Pointer[slots[O]]
	now    atomic.Uint32 // tick

	macs, moved, refused, flooded atomic.Uint64

	mu             sync.Mutex // of those who change it
	used           int        // slots that are not empty, those of forgotten addresses included
	open, isolated ports[O]
}

// New makes a bridge without owners.
func New[O any](cfg Config) *Bridge[O] {
	b := &Bridge[O]{cfg: cfg, own: keyOf(cfg.Own[:], 0) >> vlanBits}
	b.device.limit, b.device.place = int32(cfg.MaxMACs), -1
	b.slots.Store(newSlots[O](minSlots))
	return b
}

// Device is the device's port.
func (b *Bridge[O]) Device() *Port[O] { return &b.device }

// Stats of a Bridge.
type Stats struct {
	MACs    uint64 // addresses in the table
	Moved   uint64 // how often one has shown at another port
	Refused uint64 // how often one was not learnt because its port or the table is full
	Flooded uint64 // frames that went to all ports
}

// Stats gives a snapshot.
func (b *Bridge[O]) Stats() Stats {
	return Stats{b.macs.Load(), b.moved.Load(), b.refused.Load(), b.flooded.Load()}
}

// Verdict says what becomes of a frame.
type Verdict uint8

// The verdicts.
const (
	Forward   Verdict = iota // to one port
	Flood                    // to the device, unless it came from there, and to all that Each names
	Short                    // not a whole header
	BadSource                // source address that nobody can have: a group, or zero
	Spoofed                  // an owner's frame with the device's address as its source
	Reserved                 // destination that bridges do not forward to
	SamePort                 // destination is where it came from
	Isolated                 // destination is at a port that this one exchanges no frames with
)

// Decide says where a frame, without FCS, goes that came from p, and learns its source.
func (b *Bridge[O]) Decide(p *Port[O], frame []byte) (to *Port[O], v Verdict) {
	if len(frame) < encap.EthernetLen {
		return nil, Short
	}
	vlan := vlanOf(frame)
	dst, src := keyOf(frame, vlan), keyOf(frame[6:], vlan)
	switch {
	case src>>vlanBits == 0 || group(src):
		return nil, BadSource
	case p.owner != nil && src>>vlanBits == b.own:
		return nil, Spoofed
	case b.reserved(dst):
		return nil, Reserved
	}
	b.learn(p, src)
	if group(dst) {
		b.flooded.Add(1)
		return nil, Flood
	}
	to = b.lookup(dst)
	switch {
	case to == nil:
		b.flooded.Add(1)
		return nil, Flood
	case to == p:
		return nil, SamePort
	case to.isolated && p.isolated:
		return nil, Isolated
	}
	return to, Forward
}

// A key is an address and a VLAN in one number; no valid one is zero.
const vlanBits = 12

func keyOf(addr []byte, vlan uint16) uint64 {
	return (uint64(binary.BigEndian.Uint32(addr))<<16|uint64(binary.BigEndian.Uint16(addr[4:])))<<vlanBits | uint64(vlan)
}

// group tells a group address by the first bit on the wire (IEEE 802 section 8.2.2).
func group(key uint64) bool { return key>>(40+vlanBits)&1 != 0 }

// reserved tells 01-80-C2-00-00-00 to -0F (IEEE 802.1Q table 8-1).
func (b *Bridge[O]) reserved(key uint64) bool {
	const first, pause = 0x0180c2000000, 0x0180c2000001
	mac := key >> vlanBits
	return mac&^0xf == first && (!b.cfg.Reserved || mac == pause)
}

// vlanOf is the VLAN of the outermost tag, 0 for none (IEEE 802.1Q section 9.6).
func vlanOf(frame []byte) uint16 {
	if len(frame) < encap.EthernetLen+encap.VLANTagLen {
		return 0
	}
	if t := encap.Ethernet(frame).EtherType(); t != encap.EtherTypeVLAN && t != encap.EtherTypeQinQ {
		return 0
	}
	return binary.BigEndian.Uint16(frame[encap.EthernetLen:]) & 0xfff
}
