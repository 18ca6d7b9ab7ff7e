package config

import (
	"net"
	"net/netip"
	"time"

	"culvert/control"
	"culvert/encap"
	"culvert/internal/auth"
	"culvert/internal/ipv6link"
	"culvert/internal/pool"
	"culvert/pppfsm"
)

// Config is one configuration file, checked and with all defaults filled in.
type Config struct {
	File      string // where it came from, for errors that only show when it is put to work
	Text      string // what it says, secrets and all: see Show
	API       API
	Workers   int    // worker pairs; 0: one per core
	Group     uint32 // interface group of every device we make
	LogLevel  string // debug, info, warn, error
	LogFormat string // auto, console, json
	Offload   bool   // let device and socket join and cut packets where the kernel can
	Hooks     Hooks
	Pools     []Pool
	Shared    []Shared
	Tunnels   []Tunnel
	// Who may connect to us: where, who, and what sessions are for.
	Listens  []Listen
	Peers    []Peer
	Profiles []SessionProfile
	PPPs     []PPP    // the [ppp.NAME] tables in file order
	Warnings []*Error // what has no effect, or one that may not be wanted, in file order
}

// Pool is a [pool.NAME] table; pool.New takes its Config without error.
type Pool struct {
	pool.Config
	Line int
}

// API tells where the management interface listens.
type API struct {
	Socket  string // path of the Unix socket
	Metrics string // TCP address for Prometheus' scrapes, empty: none
	// AdminGroup is the group whose members may change things, as root may; empty: nobody else may.
	AdminGroup string
	AdminGID   uint32
	// MetricsLine is that key's, for when the address cannot be had.
	MetricsLine int
}

// Tunnel is one L2TPv3 tunnel: both ends' addresses and its sessions. It is static ("quiescent") or dynamic.
type Tunnel struct {
	Name        string
	Line        int // line of its table, for later errors (port in use, ...)
	Transport   encap.Transport
	Local, Peer netip.AddrPort // port 0 for IP 115
	PeerName    string         // host name of the peer that is dialed, which stands for Peer's address; empty: that is set
	TID, PTID   uint32         // 0 in a dynamic one
	// Control is how we behave towards the peer of a dynamic tunnel, which we dial; nil: it is static.
	Control *control.Profile
	PPPType control.PseudowireType // number of PPP in its messages

	TTL              int  // outer TTL or hop limit; 0: system default
	DSCP             int  // 0..63; -1: leave alone; DSCPCopy: copy that of the inner packet
	DF               bool // set DF on outer IPv4 and obey path MTU; false lets the kernel fragment
	UDPChecksum      bool // false: send UDP with zero checksum, and accept it over IPv6
	PathMTU          int  // 0: ask the kernel
	UnderlayOverhead int  // bytes a lower layer adds (IPsec and the like)

	HelloTimeout time.Duration // of static tunnels without effect: go-l2tp's files have them
	RetryTimeout time.Duration
	MaxRetries   int
	WindowSize   int
	HostName     string
	FramingCaps  []string

	Sessions []Session
}

// DSCPCopy as Tunnel.DSCP copies the inner DSCP to the outer header.
const DSCPCopy = -2

// Pseudowire is the kind of frame a session carries.
type Pseudowire uint8

// The pseudowire types.
const (
	PseudowireEthernet Pseudowire = iota + 1 // 0x0005, RFC 4719
	PseudowirePPP                            // 0x0007, de facto
	PseudowireVLAN                           // 0x0004, RFC 4719
)

// Session is one pseudowire and its device.
type Session struct {
	Name               string
	Line               int
	Pseudowire         Pseudowire
	VLAN               uint16          // tags frames in a PseudowireVLAN; 0: they have tags of their own
	SID, PSID          encap.SessionID // ours: what arrives; the peer's: what we send; 0 in a dynamic tunnel
	RemoteEndID        string          // names the session to the peer of a dynamic tunnel
	CookieSize         int             // bytes of the cookie we assign there
	Cookie, PeerCookie encap.Cookie    // sent; expected
	Sublayer           encap.Sublayer  // both directions, as ql2tpd
	ForceSublayer      bool            // of what we send too, whatever the peer of a dynamic tunnel asks for
	Outgoing           bool            // ask the peer of a dynamic tunnel to place a call (OCRQ), not to take one (ICRQ)
	TieBreaker         bool            // ours, where both ends of one ask for the session at once
	SeqNum             bool            // number what we send
	ClampMSS           bool
	ReorderTimeout     time.Duration // 0: deliver what is ahead at once
	InterfaceName      string
	Shared             string // name of the shared device, empty: one of its own. InterfaceName and NetNS are that one's
	MTU                int    // 0: computed
	TxQueueLen         int
	HardwareAddr       net.HardwareAddr // Ethernet only; nil: chosen by the kernel
	Addresses          []netip.Prefix   // Ethernet: set on the device; PPP: extra ones
	Routes             []Route
	Bridge, NetNS      string
	Isolated           bool // on a shared TAP: exchanges no frames with others that are
	MACLimit           int  // on a shared TAP: addresses that may be behind it
	PPP                *PPP // PPP pseudowires only; never nil there
}

// Listen is a [listen.NAME] table: a local address at which peers may connect. Tunnel has its name, our end, and how outer
// packets look; it has no peer and no sessions.
type Listen struct{ Tunnel }

// Peer is a [peer.NAME] table: who may connect, and how we behave towards them.
type Peer struct {
	Name       string
	Line       int
	Addresses  []netip.Prefix // where they may connect from; nil: anywhere
	HostName   string         // what they must call themselves; empty: anything
	RouterID   uint32         // that they must send; 0: any
	Refused    bool           // nobody of them may
	Profiles   []string       // names of the session profiles they may use; nil: all
	MaxTunnels int            // at a time; 0: no limit
	Control    control.Profile
	PPPType    control.PseudowireType // number of PPP in its messages
}

// SessionProfile is a [profile.session.NAME] table: what a session gets that a peer asks for. SID and PSID are 0.
// A Template is for all sessions whose Remote End ID has a number from First to Last in place of {n}.
type SessionProfile struct {
	Session
	Template    bool
	First, Last int
	Steps       Steps // what is for number 0 in Session, and grows
}

// Route is a prefix routed into a session's device.
type Route struct {
	To  netip.Prefix
	Via netip.Addr // may be zero
}

// PPP is what a PPP session negotiates with.
type PPP struct {
	Profile string // name of the [ppp.NAME] table, empty: built-in defaults
	Link    pppfsm.Config
	// Authenticator judges peers that Link.Auth demands a proof of; nil: none is demanded.
	Authenticator auth.Authenticator
	// Prover is whose method Link.Auth.Prove is; nil: there is none.
	Prover *auth.Prover
	// MRU is Link.MRU when the file sets it, else 0: computed from the path MTU.
	MRU int
	// Pool names the pool of the peer's IPv4 address, empty: Link.PeerAddress, or what the peer says.
	Pool string
	// IPv6Pool names the pool of the link's prefix; IPv6Prefix is a fixed one; without both it has none. PDPool names
	// that of prefixes delegated to the peer.
	IPv6Pool, PDPool string
	IPv6Prefix       netip.Prefix
	// Router is what we say as the router on the link, nil: we are none. Sessions of one profile share it.
	Router *ipv6link.Config
	// DefaultRoute installs a default route through the device when IPCP is open (pppd's defaultroute).
	DefaultRoute bool
	// Persist opens the link again after it has finished (pppd's persist). Default on for static tunnels.
	Persist bool
	// MaxFail ends that after as many attempts in a row that brought no network up (pppd's maxfail); 0: never.
	MaxFail int
	// Holdoff is how long a link that has finished waits before it opens again (pppd's holdoff). 0: a second, and twice
	// as long after each failure, up to 30 s.
	Holdoff time.Duration
	// Scripts are shared by all sessions of the profile; nil: none.
	Scripts *Scripts
}
