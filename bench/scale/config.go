package scale

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"culvert/client"
	"culvert/internal/netlab"
)

// Config says what Run does.
type Config struct {
	Binary   string // the culvert that is measured
	Sessions int
	// Memory ends the ramp when one end, process and kernel, uses so many bytes; 0: no limit.
	Memory int64
	// Descriptors is the limit of open files of both ends; 0: what it is.
	Descriptors int
	// Packets is how many are sent to find the CPU time of one.
	Packets int
	// Echo is for how long the LCP echoes are watched.
	Echo time.Duration
	// Log is told what goes on; it may be nil.
	Log func(format string, args ...any)
}

// echoInterval is that of LCP echoes in seconds.
const echoInterval = 30

const common = `window_size = 1024
max_sessions = 1048576
secret = "known to both ends"
retry_timeout = 2000
max_retries = 10
`

// accessServer is the configuration of the end that answers. Every link has its own two addresses, so that a packet's
// destination tells its session.
const accessServer = `log_level = "warn"
[api]
socket = %q
[listen.l]
local = "10.0.0.1:1701"
[peer.p]
addresses = ["10.0.0.2"]
%s[profile.session.s]
pseudowire = "ppp"
remote_end_id = "sreid_{n}"
n = "0-%d"
interface_name = "lns{n}"
local_address = "10.64.0.0+{n}"
ppp_profile = "p"
txqueuelen = 16
[ppp.p]
pool = "subscribers"
ipv6 = false
mru = 1400
lcp_echo_interval = %d
[pool.subscribers]
ranges = ["10.128.0.0/9"]
`

// subscriber is that of the end that dials.
const subscriber = `log_level = "warn"
[api]
socket = %q
[tunnel.up]
local = "10.0.0.2:1701"
peer = "10.0.0.1:1701"
%s[tunnel.up.session.s]
pseudowire = "ppp"
remote_end_id = "sreid_{n}"
n = "0-%d"
interface_name = "lac{n}"
ppp_profile = "p"
txqueuelen = 16
[ppp.p]
ipv6 = false
mru = 1400
lcp_echo_interval = %d
`

// end is one culvert in its namespace.
type end struct {
	ns      *netlab.Namespace
	process *netlab.Process
	client  *client.Client
}

// start runs a culvert with a configuration.
func (e *end) start(c *Config, dir, name, text string) error {
	socket := filepath.Join(dir, name+".sock")
	file := filepath.Join(dir, name+".toml")
	text = fmt.Sprintf(text, socket, common, c.Sessions-1, echoInterval)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	e.client = client.New(socket)
	var err error
	argv := []string{c.Binary, "run", "--config", file}
	if c.Descriptors > 0 {
		argv = append([]string{"sh", "-c", `ulimit -n "$0" && exec "$@"`, fmt.Sprint(c.Descriptors)}, argv...)
	}
	e.process, err = e.ns.Start(name, nil, argv...)
	return err
}

// devices counts the links of the namespace but lo and the wire.
func (e *end) devices() (n int, err error) {
	err = e.ns.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/dev")
		n = strings.Count(string(b), "\n") - 4 // two of heading
		return err
	})
	return n, err
}
