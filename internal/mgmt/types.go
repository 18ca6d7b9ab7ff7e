package mgmt

// Tunnel is what `show tunnels` prints of one tunnel.
type Tunnel struct {
	Name      string `json:"name"`
	Transport string `json:"transport"` // "udp" or "ip"
	Local     string `json:"local"`
	Peer      string `json:"peer"`
	TID       uint32 `json:"tid"`
	PTID      uint32 `json:"ptid"`
	State     string `json:"state"`    // "up"
	PathMTU   int    `json:"path_mtu"` // bytes, outer packet
	Sessions  int    `json:"sessions"`
	Traffic
}

// Session is what `show sessions` prints of one session.
type Session struct {
	Name       string   `json:"name"` // within its tunnel; FullName has both
	Tunnel     string   `json:"tunnel"`
	Pseudowire string   `json:"pseudowire"` // "ppp" or "eth"
	SID        uint32   `json:"sid"`
	PSID       uint32   `json:"psid"`
	Interface  string   `json:"interface"`
	Worker     int      `json:"worker"`
	State      string   `json:"state"` // "up", "down", "lost" (device removed by somebody), and PPP phases "establish", "authenticate", "network", "terminate"
	MTU        int      `json:"mtu"`
	Offloads   []string `json:"offloads,omitempty"` // of the device: "csum", "tso4", "tso6", "ecn", "uso4", "uso6"
	Traffic
	Drops map[string]uint64 `json:"drops,omitempty"` // this session's drops by reason
	PPP   *PPP              `json:"ppp,omitempty"`
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
	Framing      string   `json:"framing"`               // "hdlc" or "bare"
	Reason       string   `json:"reason,omitempty"`      // why the link ended last
	IPCPReason   string   `json:"ipcp_reason,omitempty"` // and why IPv4 and IPv6 alone did
	IPv6CPReason string   `json:"ipv6cp_reason,omitempty"`
	Prefix       string   `json:"prefix,omitempty"`           // of the link, advertised to the peer
	Delegated    string   `json:"delegated_prefix,omitempty"` // to the peer by DHCPv6
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

// Drop is one reason for which packets were dropped, over all workers.
type Drop struct {
	Reason string `json:"reason"`
	Help   string `json:"help"`
	Count  uint64 `json:"count"`
}
