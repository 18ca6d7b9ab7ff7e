package client

// ReloadRequest is what `reload` and `check --diff` ask for.
type ReloadRequest struct {
	File   string `json:"file,omitempty"` // instead of the one that culvert runs, for DryRun only
	DryRun bool   `json:"-"`              // tell what would be done, and do nothing
}

// ReloadReport is what a reload did, or would do.
type ReloadReport struct {
	File     string   `json:"file"`
	DryRun   bool     `json:"dry_run"`
	Changes  []Change `json:"changes"` // one of each kind, always in the same order
	LogLevel string   `json:"log_level,omitempty"`
	Restart  []string `json:"restart,omitempty"`
	Failed   []string `json:"failed,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// DrainRequest is what `drain` asks for.
type DrainRequest struct {
	Off bool `json:"off,omitempty"` // take new connections and sessions again
}

// DrainReport is how far a drain has come. It counts dynamic tunnels alone.
type DrainReport struct {
	Draining bool `json:"draining"`
	Tunnels  int  `json:"tunnels"`
	Sessions int  `json:"sessions"`
}

// Change is what became of all things of one kind.
type Change struct {
	Kind    string   `json:"kind"`
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Updated []string `json:"updated,omitempty"`
	Kept    int      `json:"kept"`
}

// The kinds of Change.
const (
	KindTunnel         = "tunnel"
	KindSession        = "session"
	KindListen         = "listen"
	KindPeer           = "peer"
	KindSessionProfile = "session profile"
	KindPPPProfile     = "ppp profile"
	KindPool           = "pool"
	KindShared         = "shared device"
	KindHook           = "hook"
)

// DisconnectRequest says what `disconnect` ends: one of its fields is set.
type DisconnectRequest struct {
	Session string `json:"session,omitempty"` // full name
	User    string `json:"user,omitempty"`    // that the peer has proven to be, by PPP
	Address string `json:"address,omitempty"` // of the peer
	Tunnel  string `json:"tunnel,omitempty"`  // all of it
}

// DebugRequest says from where on something is logged from now on.
type DebugRequest struct {
	Kind  string `json:"kind"` // as in LogLevel
	Name  string `json:"name"`
	Level string `json:"level"` // as in LogLevel, or LevelDefault
}

// DisconnectReport is what was ended.
type DisconnectReport struct {
	Sessions []string `json:"sessions"`
	Tunnel   string   `json:"tunnel,omitempty"` // whose control connection was ended, too
}

// AddRequest says what is added at run time.
type AddRequest struct {
	Kind string `json:"kind"` // KindTunnel, or KindSession: of a tunnel that is there
	Text string `json:"text"` // tables of the configuration file
}

// DeleteRequest says what goes at run time: one of its fields is set.
type DeleteRequest struct {
	Tunnel  string `json:"tunnel,omitempty"`  // with all its sessions
	Session string `json:"session,omitempty"` // full name
}
