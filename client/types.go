package client

// Tunnel is what `show tunnels` prints of one tunnel.
type Tunnel struct {
	Name      string `json:"name"`
	Transport string `json:"transport"` // "udp" or "ip"
	Local     string `json:"local"`
	Peer      string `json:"peer"`
	TID       uint32 `json:"tid"`
	PTID      uint32 `json:"ptid"`
	State     string `json:"state"`    // "up"; of a dynamic tunnel that of its control connection, RFC 3931 section 7.2 names
	PathMTU   int    `json:"path_mtu"` // bytes, outer packet
	Sessions  int    `json:"sessions"`
	Traffic
	Control *Control `json:"control,omitempty"` // only of a dynamic tunnel asked for by name
}

// Control is the control connection of a dynamic tunnel.
type Control struct {
	Role             string  `json:"role"`                  // "initiator" or "responder"
	HostName         string  `json:"host_name,omitempty"`   // of the peer, as it says
	VendorName       string  `json:"vendor_name,omitempty"` // likewise
	RouterID         uint32  `json:"router_id"`             // likewise, 0: it told none
	Ns               uint32  `json:"ns"`                    // of our next message
	Nr               uint32  `json:"nr"`                    // of the peer's next message
	Window           int     `json:"window"`                // that the peer advertises, messages
	CongestionWindow int     `json:"congestion_window"`     // what we use of it
	InFlight         int     `json:"in_flight"`             // messages without acknowledgement
	RTT              float64 `json:"rtt_ms"`                // smoothed, of messages, 0 before the first
	Sent             uint64  `json:"sent"`                  // messages, without retransmissions
	Retransmissions  uint64  `json:"retransmissions"`
	Received         uint64  `json:"received"`         // messages that were taken
	Duplicates       uint64  `json:"duplicates"`       // messages received again
	Waiting          int     `json:"waiting"`          // sessions not yet asked for
	Settling         int     `json:"settling"`         // sessions being set up
	Silence          float64 `json:"silence"`          // seconds since the peer was last heard of, 0: never
	Reason           string  `json:"reason,omitempty"` // why the connection before ended
}

// Message is a control message of a dynamic tunnel.
type Message struct {
	Time          string `json:"time"`      // RFC 3339, UTC
	Direction     string `json:"direction"` // "received" or "sent"
	Peer          string `json:"peer"`      // address it came from or went to
	Type          string `json:"type"`      // RFC 3931's name
	CCID          uint32 `json:"ccid"`      // in its header: the receiver's
	Ns            uint32 `json:"ns"`
	Nr            uint32 `json:"nr"`
	Length        int    `json:"length"`                      // bytes
	LocalSession  uint32 `json:"local_session_id,omitempty"`  // as its sender sees it
	RemoteSession uint32 `json:"remote_session_id,omitempty"` // likewise
	AVPs          []AVP  `json:"avps"`                        // but for the Message Type
	Problem       string `json:"problem,omitempty"`           // what is wrong with it
}

// AVP is one attribute of a control message in words.
type AVP struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Mandatory bool   `json:"mandatory"`
	Hidden    bool   `json:"hidden"`
}

// Session is what `show sessions` prints of one session.
type Session struct {
	Name       string   `json:"name"` // within its tunnel; FullName has both
	Tunnel     string   `json:"tunnel"`
	Pseudowire string   `json:"pseudowire"`     // "ppp", "eth" or "eth-vlan"
	Call       string   `json:"call,omitempty"` // of a dynamic tunnel: "incoming" or "outgoing"
	SID        uint32   `json:"sid"`
	PSID       uint32   `json:"psid"`
	Interface  string   `json:"interface"`
	Worker     int      `json:"worker"`
	State      string   `json:"state"` // "up", "down", "lost" (device removed by somebody), and PPP phases "establish", "authenticate", "network", "terminate"; while it is asked for "wait-control-conn", "wait-reply"
	MTU        int      `json:"mtu"`
	Offloads   []string `json:"offloads,omitempty"` // of the device: "csum", "tso4", "tso6", "ecn", "uso4", "uso6"
	Traffic
	MACs        int               `json:"macs,omitempty"`         // Ethernet addresses behind it, on a shared TAP
	MACsRefused uint64            `json:"macs_refused,omitempty"` // times that one more was not learnt
	Drops       map[string]uint64 `json:"drops,omitempty"`        // this session's drops by reason
	Reason      string            `json:"reason,omitempty"`       // why a dialed session that does not exist now ended, or was refused
	PPP         *PPP              `json:"ppp,omitempty"`
	Link        *Link             `json:"link,omitempty"` // only of a session asked for by name
}

// FullName is how people and the API's paths name the session: "tunnel/session".
func (s *Session) FullName() string { return s.Tunnel + "/" + s.Name }

// PPP is the state of a session's PPP link.
type PPP struct {
	LCP          string   `json:"lcp"` // automaton state, RFC 1661 section 4.2 names
	IPCP         string   `json:"ipcp"`
	IPv6CP       string   `json:"ipv6cp"`
	LocalMRU     int      `json:"local_mru"`
	PeerMRU      int      `json:"peer_mru"`
	LocalAddress string   `json:"local_address,omitempty"`
	PeerAddress  string   `json:"peer_address,omitempty"`
	LocalID      string   `json:"local_interface_id,omitempty"` // link-local address made from it
	PeerID       string   `json:"peer_interface_id,omitempty"`
	DNS          []string `json:"dns,omitempty"`
	LocalAuth    string   `json:"local_auth,omitempty"` // how we have proven ourselves: "pap", "chap", "mschapv2"
	LocalName    string   `json:"local_name,omitempty"`
	PeerAuth     string   `json:"peer_auth,omitempty"` // and the peer itself
	PeerName     string   `json:"peer_name,omitempty"`
	Framing      string   `json:"framing"`               // "hdlc" or "bare"
	Reason       string   `json:"reason,omitempty"`      // why the link ended last
	IPCPReason   string   `json:"ipcp_reason,omitempty"` // and why IPv4 and IPv6 alone did
	IPv6CPReason string   `json:"ipv6cp_reason,omitempty"`
	Prefix       string   `json:"prefix,omitempty"`           // of the link, advertised to the peer
	Delegated    string   `json:"delegated_prefix,omitempty"` // to the peer by DHCPv6
}

// Link is what else is known of a PPP link, for who looks at one session.
type Link struct {
	Phase          string            `json:"phase"`                   // RFC 1661 section 3.2 names, in lower case
	Seconds        float64           `json:"seconds"`                 // that LCP has been open, 0 when it is not
	Failures       int               `json:"failures"`                // attempts in a row that brought no network up
	LocalOptions   []string          `json:"local_options,omitempty"` // of LCP, as agreed: what we take, in pppd's words
	PeerOptions    []string          `json:"peer_options,omitempty"`  // and the peer
	RxDataPackets  uint64            `json:"rx_data_packets"`         // without control frames
	TxDataPackets  uint64            `json:"tx_data_packets"`         //
	ScriptsRefused int               `json:"scripts_refused"`         // that were not run because too many waited
	Echo           *Echo             `json:"echo,omitempty"`          // of the keepalive
	Counters       map[string]uint64 `json:"counters,omitempty"`      // of the automata, by name; without those at 0
}

// Echo is what the last Echo-Requests of LCP say, at most 16, since LCP opened.
type Echo struct {
	Sent    int       `json:"sent"` // without the one that is waited for
	Lost    int       `json:"lost"`
	RTTLast float64   `json:"rtt_last_ms"` // of those answered; all 0 when none was
	RTTMin  float64   `json:"rtt_min_ms"`
	RTTMean float64   `json:"rtt_mean_ms"`
	RTTMax  float64   `json:"rtt_max_ms"`
	Recent  []float64 `json:"recent_ms"` // the newest first; -1: lost
}

// Traffic counts what passed: received from the pseudowire and sent into it.
type Traffic struct {
	RxPackets uint64 `json:"rx_packets"`
	RxBytes   uint64 `json:"rx_bytes"` // of inner frames
	TxPackets uint64 `json:"tx_packets"`
	TxBytes   uint64 `json:"tx_bytes"`
}

// Worker is what `show workers` prints of one worker.
type Worker struct {
	ID        int      `json:"id"`
	Sessions  int      `json:"sessions"`
	RxBatches uint64   `json:"rx_batches"` // reads from and writes to sockets
	TxBatches uint64   `json:"tx_batches"`
	RxCPU     float64  `json:"rx_cpu_seconds"`     // that the thread from sockets to devices ran
	TxCPU     float64  `json:"tx_cpu_seconds"`     // and the other one
	Offloads  []string `json:"offloads,omitempty"` // "udp-gso", "udp-gro"
	Punted    uint64   `json:"punted"`             // PPP control frames handed to the control side
	Injected  uint64   `json:"injected"`           // and taken from it
	Dropped   uint64   `json:"dropped"`
	Traffic
}

// Pool is what `show pools` prints of one pool of addresses or prefixes.
type Pool struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"`          // "ipv4" or "ipv6"
	PrefixLength int    `json:"prefix_length"` // of what is given out
	Size         uint64 `json:"size"`
	Used         uint64 `json:"used"`
	Free         uint64 `json:"free"`
	Exhausted    uint64 `json:"exhausted"` // requests that found nothing left
}

// Shared is what `show shared` prints of one device that many sessions have in common.
type Shared struct {
	Name         string            `json:"name"`
	Pseudowire   string            `json:"pseudowire"` // "ppp": a TUN, "eth": a TAP
	Interface    string            `json:"interface"`
	MTU          int               `json:"mtu"`
	Lost         bool              `json:"lost,omitempty"` // somebody has removed the device
	Offloads     []string          `json:"offloads,omitempty"`
	Sessions     int               `json:"sessions"`
	Destinations int               `json:"destinations"`    // addresses and prefixes that sessions have
	Refused      uint64            `json:"refused"`         // destinations that another session had already
	MACs         uint64            `json:"macs"`            // Ethernet addresses in the table of a TAP
	MACsRefused  uint64            `json:"macs_refused"`    // times that one was not learnt because there was no room
	MACsMoved    uint64            `json:"macs_moved"`      // times that one has shown somewhere else
	Flooded      uint64            `json:"flooded"`         // frames that went to all
	Drops        map[string]uint64 `json:"drops,omitempty"` // of packets that were for no session, by reason
}

// MAC is what `show macs` prints of one Ethernet address that a shared TAP has learnt.
type MAC struct {
	Address string  `json:"address"`
	VLAN    int     `json:"vlan"`              // 0: untagged
	Session string  `json:"session,omitempty"` // "tunnel/session" that it is behind; none: the TAP
	Idle    float64 `json:"idle_seconds"`      // since it was seen, in steps
}

// Config is what `show config` prints.
type Config struct {
	File string `json:"file"` // that was read
	Text string `json:"text"` // TOML without comments, secrets hidden
}

// Finding is what `doctor --tunnel` has found.
type Finding struct {
	Check    string `json:"check"`
	Level    string `json:"level"`             // "good", "note" or "bad"
	Session  string `json:"session,omitempty"` // full name; without: the tunnel's own
	Found    string `json:"found"`
	Evidence string `json:"evidence,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
}

// LogLevel is from where on something is logged.
type LogLevel struct {
	Kind  string `json:"kind"` // "subsystem", or "tunnel": all that is about it
	Name  string `json:"name"`
	Level string `json:"level"` // "debug", "info", "warn", "error"
	Own   bool   `json:"own"`   // false: it is that of the configuration or the command line
}

// The kinds of LogLevel.
const (
	LevelOfSubsystem = "subsystem"
	LevelOfTunnel    = "tunnel"
)

// LevelDefault as a level asked for takes away the one that was set.
const LevelDefault = "default"

// Profile is what `show profiles` prints of one profile.
type Profile struct {
	Kind     string `json:"kind"` // "ppp" or "session"
	Name     string `json:"name"`
	Sessions int    `json:"sessions"` // that exist and have it
	Up       int    `json:"up"`       // of those
}

// The kinds of Profile.
const (
	ProfilePPP     = "ppp"
	ProfileSession = "session"
)

// Drop is one reason for which packets were dropped, over all workers.
type Drop struct {
	Reason string `json:"reason"`
	Help   string `json:"help"`
	Count  uint64 `json:"count"`
}
