package control

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"culvert/encap"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// weather is what the wire does to messages; after calm it does nothing any more.
type weather struct {
	loss, dup     float64
	delay, jitter time.Duration
	calm          time.Duration
}

// flight is a message on its way.
type flight struct {
	at      time.Time
	seq     int
	from    Path // as the sender sees it
	payload []byte
}

type flights []flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at.Before(f[j].at) || f[i].at.Equal(f[j].at) && f[i].seq < f[j].seq
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// world is a network in simulated time.
type world struct {
	now   time.Time
	rng   *rand.Rand
	w     weather
	wire  flights
	seq   int
	nodes []*node
	fault string
	// filter may drop or change what is sent; nil delivers all.
	filter func(from *node, typ MessageType, payload []byte) []byte
}

func newWorld(seed uint64, w weather) *world {
	return &world{now: epoch, rng: rand.New(rand.NewPCG(seed, 3931)), w: w}
}

// node is an LCCE and its owner.
type node struct {
	*Endpoint
	w       *world
	name    string
	addr    netip.AddrPort
	profile Profile // offered to whoever asks
	call    Call
	// accept and take replace the policy where they are set.
	accept func(path Path, m *Message) (Profile, *Result)
	take   func(c *Conn, m *Message) (Call, *Result)
	known  bool

	log     []string // actions in words, but Send
	up      map[*Session]bool
	ready   map[*Session]encap.SessionID
	conns   []*Conn // up, in order
	downs   []ConnDown
	sdowns  []SessionDown
	lost    int        // connections that went down after they were up
	started []*Session // by the peer or us, as they came up
	sent    map[MessageType]int
	sends   []Send // with keep
	keep    bool
	placed  []*Session
	errors  []CircuitErrors
	dead    bool
}

func (n *node) Known(netip.Addr) bool { return n.known }

func (n *node) AcceptConnection(path Path, m *Message) (Profile, *Result) {
	if n.accept != nil {
		return n.accept(path, m)
	}
	return n.profile, nil
}

func (n *node) AcceptCall(c *Conn, m *Message) (Call, *Result) {
	if n.take != nil {
		return n.take(c, m)
	}
	return n.call, nil
}

// testProfile is a profile of a node called name.
func testProfile(name string, secrets ...string) Profile {
	p := Profile{HostName: name, RouterID: uint32(name[0]), VendorName: "culvert", Pseudowires: []PseudowireType{PseudowirePPP, PseudowireEthernet}}
	for _, s := range secrets {
		p.Secrets = append(p.Secrets, []byte(s))
	}
	return p
}

func (w *world) node(addr string, p Profile, cfg Config) *node {
	n := &node{
		w: w, name: p.HostName, addr: netip.MustParseAddrPort(addr), profile: p, call: Call{Circuit: CircuitUp},
		up: map[*Session]bool{}, ready: map[*Session]encap.SessionID{}, sent: map[MessageType]int{},
	}
	var seed [32]byte
	copy(seed[:], fmt.Sprint(addr, p.HostName, w.rng.Uint64()))
	n.Endpoint = NewEndpoint(cfg, n, rand.NewChaCha8(seed))
	w.nodes = append(w.nodes, n)
	return n
}

func (n *node) path(to *node) Path { return Path{encap.TransportUDP, n.addr, to.addr} }

// dial opens a connection.
func (n *node) dial(t testing.TB, to *node, p Profile) *Conn {
	t.Helper()
	c, err := n.Dial(n.w.now, n.path(to), p)
	if err != nil {
		t.Fatal(err)
	}
	n.collect()
	return c
}

// open opens a session.
func (n *node) open(t testing.TB, c *Conn, call Call) *Session {
	t.Helper()
	if call.PseudowireType == 0 {
		call.PseudowireType = PseudowirePPP
	}
	call.Circuit |= CircuitUp
	s, err := c.Open(n.w.now, call)
	if err != nil {
		t.Fatal(err)
	}
	n.collect()
	return s
}

// collect carries out actions and checks that their order makes sense.
func (n *node) collect() {
	for _, a := range n.Take() {
		bad := ""
		switch a := a.(type) {
		case Send:
			n.transmit(a)
			continue
		case ConnUp:
			n.conns = append(n.conns, a.Conn)
		case ConnDown:
			n.downs = append(n.downs, a)
			if i := slices.Index(n.conns, a.Conn); i >= 0 {
				n.conns = slices.Delete(n.conns, i, i+1)
				n.lost++
			}
			for _, s := range a.Sessions {
				delete(n.up, s)
				delete(n.ready, s)
			}
		case SessionReady:
			if old := n.ready[a.Session]; old != a.Previous {
				bad = fmt.Sprintf("ready with previous %d after %d", a.Previous, old)
			}
			n.ready[a.Session] = a.Session.ID()
		case SessionUp:
			if n.up[a.Session] || n.ready[a.Session] != a.Session.ID() {
				bad = "up without being ready, or twice"
			}
			n.up[a.Session] = true
			n.started = append(n.started, a.Session)
		case SessionDown:
			delete(n.up, a.Session)
			delete(n.ready, a.Session)
			n.sdowns = append(n.sdowns, a)
		case CircuitErrorsReported:
			n.errors = append(n.errors, a.Errors)
		case PlaceCall:
			n.placed = append(n.placed, a.Session)
		}
		if n.log = append(n.log, fmt.Sprintf("%T", a)); bad != "" {
			n.w.fault = n.name + ": " + bad
		}
	}
}

func (n *node) transmit(a Send) {
	w := n.w
	p, _, err := ParsePacket(a.Path.Transport, a.Payload)
	if err != nil {
		w.fault = n.name + " sends rubbish: " + err.Error()
		return
	}
	t, _, _ := p.Type()
	n.sent[t]++
	if n.keep {
		n.sends = append(n.sends, a)
	}
	payload := a.Payload
	if w.filter != nil {
		if payload = w.filter(n, t, payload); payload == nil {
			return
		}
	}
	sky := w.w
	if w.now.Sub(epoch) >= sky.calm {
		sky.loss, sky.dup, sky.jitter = 0, 0, 0
	}
	copies := 1
	if w.rng.Float64() < sky.loss {
		copies = 0
	}
	if w.rng.Float64() < sky.dup {
		copies++
	}
	for range copies {
		at := w.now.Add(sky.delay)
		if sky.jitter > 0 {
			at = at.Add(time.Duration(w.rng.Int64N(int64(sky.jitter))))
		}
		w.inject(at, a.Path, payload)
	}
}

// inject puts a message on the wire.
func (w *world) inject(at time.Time, from Path, payload []byte) {
	w.seq++
	heap.Push(&w.wire, flight{at, w.seq, from, payload})
}

// run lets d of simulated time pass, or less once done returns true.
func (w *world) run(d time.Duration, done func() bool) bool {
	end := w.now.Add(d)
	for {
		if w.fault != "" || done != nil && done() {
			return true
		}
		next := end
		var due *node
		for _, n := range w.nodes {
			if t := n.Deadline(); !n.dead && !t.IsZero() && t.Before(next) {
				next, due = t, n
			}
		}
		if len(w.wire) > 0 && !w.wire[0].at.After(next) {
			f := heap.Pop(&w.wire).(flight)
			w.now = maxTime(w.now, f.at)
			w.deliver(f)
			continue
		}
		w.now = maxTime(w.now, next)
		if due == nil {
			return done != nil && done()
		}
		due.Tick(w.now)
		due.collect()
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *world) deliver(f flight) {
	for _, n := range w.nodes {
		if n.addr == f.from.Remote && !n.dead {
			n.Receive(w.now, Path{f.from.Transport, f.from.Remote, f.from.Local}, f.payload)
			n.collect()
		}
	}
}

// pair is two nodes with a connection from a to b that is up.
func pair(t testing.TB, pa, pb Profile) (w *world, a, b *node, c *Conn) {
	t.Helper()
	w = newWorld(1, weather{delay: 5 * time.Millisecond})
	a = w.node("192.0.2.1:40001", pa, Config{})
	b = w.node("192.0.2.2:1701", pb, Config{})
	c = a.dial(t, b, pa)
	w.run(time.Second, nil)
	if len(a.conns) != 1 || len(b.conns) != 1 {
		t.Fatalf("not up: a %v %+v, b %v %+v", a.log, a.downs, b.log, b.downs)
	}
	return w, a, b, c
}

// check fails the test for what collect found.
func (w *world) check(t testing.TB) {
	t.Helper()
	if w.fault != "" {
		t.Fatal(w.fault)
	}
}
