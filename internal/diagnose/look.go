package diagnose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"culvert/encap"
)

// maxSessions bounds the sessions that one check speaks of.
const maxSessions = 16

// looking is one look at a tunnel.
type looking struct {
	t    *Tunnel
	all  []Finding
	said map[string]int // findings about sessions, by check

	received, sent int // packets and messages
	bySession      map[encap.SessionID][]Packet
	sentTo         map[encap.SessionID][]Packet
}

// Look says what it finds. There is something about every check that could be made.
func Look(t *Tunnel) []Finding {
	l := &looking{t: t, said: map[string]int{}, bySession: map[encap.SessionID][]Packet{}, sentTo: map[encap.SessionID][]Packet{}}
	for _, p := range t.Packets {
		switch {
		case p.Sent:
			l.sent++
			if !p.Control {
				l.sentTo[p.Session] = append(l.sentTo[p.Session], p)
			}
		default:
			l.received++
			if !p.Control {
				l.bySession[p.Session] = append(l.bySession[p.Session], p)
			}
		}
	}
	l.pathMTU()
	l.traffic()
	l.control()
	l.strangers()
	for i := range t.Sessions {
		l.probes(&t.Sessions[i])
		l.session(&t.Sessions[i])
	}
	for _, check := range slices.Sorted(maps.Keys(l.said)) {
		if more := l.said[check] - maxSessions; more > 0 {
			l.add(Finding{Check: check, Level: Note, Found: fmt.Sprintf("the same of %d sessions more", more)})
		}
	}
	return l.all
}

func (l *looking) add(f Finding) {
	if f.Session != "" {
		if l.said[f.Check]++; l.said[f.Check] > maxSessions {
			return
		}
	}
	l.all = append(l.all, f)
}

// pathMTU compares what we go by with what the kernel knows of the path, and devices with both.
func (l *looking) pathMTU() {
	t := l.t
	if t.PathMTU == 0 {
		return // not up
	}
	evidence := fmt.Sprintf("kernel %d bytes, path_mtu %d, in use %d", t.KernelMTU, t.ConfiguredMTU, t.PathMTU)
	switch {
	case t.KernelMTU == 0:
		l.add(Finding{
			Check: "path_mtu", Level: Bad, Found: "the kernel has no route to the peer", Evidence: evidence,
			Remedy: fmt.Sprintf("add one: ip route get %s says what it finds", t.Peer.Addr()),
		})
	case t.ConfiguredMTU > t.KernelMTU:
		l.add(Finding{
			Check: "path_mtu", Level: Note, Found: "path_mtu is more than the path to the peer holds; the smaller one is used",
			Evidence: evidence, Remedy: fmt.Sprintf("path_mtu = %d, or none", t.KernelMTU),
		})
	default:
		l.add(Finding{Check: "path_mtu", Level: Good, Found: fmt.Sprintf("%d bytes", t.PathMTU), Evidence: evidence})
	}
	for i := range t.Sessions {
		s := &t.Sessions[i]
		if s.Fits > 0 && s.MTU > max(s.Fits, minMTU) {
			l.add(Finding{
				Check: "mtu", Level: Bad, Session: s.Name,
				Found:    fmt.Sprintf("the device's MTU is %d, and the path holds %d: larger packets are cut or lost", s.MTU, s.Fits),
				Evidence: evidence + fmt.Sprintf(", %d packets dropped as too_big", s.AllDrops["too_big"]),
				Remedy:   fmt.Sprintf("mtu = %d of the session at both ends, or leave mtu out", s.Fits),
			})
		}
	}
}

// probes says how large packets get through, as far as that was probed.
func (l *looking) probes(s *Session) {
	answered := map[byte]bool{}
	for _, p := range l.bySession[s.LocalID] {
		_, frame, err := s.Expect.Split(p.Body)
		if err != nil || s.Pseudowire != PPP || !isPPP(frame) {
			continue
		}
		if proto, info, _, _ := encap.ParsePPP(frame); proto == encap.ProtoLCP && info[0] == echoReply {
			answered[info[1]] = true
		}
	}
	var lost int
	for i, p := range s.Probes {
		switch {
		case !answered[p.ID]:
			lost = p.Size
		case i == 0:
			l.add(Finding{
				Check: "path_probe", Level: Good, Session: s.Name, Found: fmt.Sprintf("packets of %d bytes get through", p.Size),
				Evidence: "an LCP Echo-Request of this size was answered",
			})
			return
		default:
			l.add(Finding{
				Check: "path_probe", Level: Bad, Session: s.Name,
				Found:    fmt.Sprintf("packets of %d bytes get through, those of %d do not, and nobody says so", p.Size, lost),
				Evidence: fmt.Sprintf("of %d sizes of LCP Echo-Requests, %d larger ones were not answered", len(s.Probes), i),
				Remedy:   fmt.Sprintf("path_mtu = %d of the tunnel at both ends, or let ICMP (\"fragmentation needed\", \"packet too big\") pass on the path", p.MTU),
			})
			return
		}
	}
}

// echoReply is a code of LCP (RFC 1661 section 5.8).
const echoReply = 10

// minMTU is IPv6's (RFC 8200 section 5), which devices have whatever the path.
const minMTU = 1280

// traffic says whether both directions work at all.
func (l *looking) traffic() {
	t := l.t
	evidence := fmt.Sprintf("in %s: %d packets and messages sent, %d received", t.For.Round(time.Millisecond*100), l.sent, l.received)
	port := "packets of IP protocol 115"
	if t.Transport == encap.TransportUDP {
		port = fmt.Sprintf("UDP from %s", t.Peer)
	}
	switch {
	case l.sent > 0 && l.received == 0:
		l.add(Finding{
			Check: "one_way", Level: Bad, Found: "we send, and nothing comes from the peer", Evidence: evidence,
			Remedy: fmt.Sprintf("is %s the peer, does it run, and does it send to us? A firewall here or on the way must let pass %s; "+
				"look there with: tcpdump host OUR-ADDRESS", t.Peer, port),
		})
	case l.sent == 0 && l.received == 0:
		l.add(Finding{
			Check: "traffic", Level: Note, Found: "nobody has sent anything", Evidence: evidence,
			Remedy: "run this while there is traffic, or with a longer --wait",
		})
	default:
		l.add(Finding{Check: "traffic", Level: Good, Found: "packets come and go", Evidence: evidence})
	}
}

// control looks at the control connection.
func (l *looking) control() {
	c := l.t.Control
	if c == nil {
		return
	}
	heard := "never heard"
	if c.Heard {
		heard = fmt.Sprintf("heard %s ago", c.Silence.Round(time.Millisecond))
	}
	rtt := "unknown"
	if c.RTT > 0 {
		rtt = c.RTT.Round(time.Microsecond).String()
	}
	evidence := fmt.Sprintf("state %s, round trip %s, %s, %d in flight; in that time %d sent, %d sent again, %d received, %d of them again",
		c.State, rtt, heard, c.InFlight, c.Sent, c.Again, c.Received, c.Duplicates)
	f := Finding{Check: "control", Evidence: evidence}
	switch {
	case l.t.Drops["control_digest"] > 0:
		f.Level, f.Found = Bad, "control messages with a wrong or missing Message Digest arrive"
		f.Remedy = "the same secret and digest at both ends"
	case !c.Established:
		f.Level, f.Found = Bad, "the control connection is not up"
		f.Remedy = "culvert show tunnel NAME --messages shows what was said; peer, port, encap and secret must fit the other end's"
		if c.Reason != "" {
			f.Found += ": " + c.Reason
		}
	case c.Again > 0 && c.Received == 0:
		f.Level, f.Found = Bad, "the peer does not answer control messages"
		f.Remedy = "the path or the peer is down; the connection ends after max_retries and is dialed again"
	case c.Again > 0:
		f.Level, f.Found = Note, "control messages are lost on the way, or their acknowledgements"
		f.Remedy = "look for loss on the path: ping -f, ip -s link"
	case c.Duplicates > 0:
		f.Level, f.Found = Note, "our acknowledgements are lost on the way, or late"
		f.Remedy = "look for loss on the path: ping -f, ip -s link"
	default:
		f.Level, f.Found = Good, "the peer answers"
	}
	l.add(f)
}

// strangers looks at what came for nobody.
func (l *looking) strangers() {
	known := map[encap.SessionID]bool{}
	var silent []*Session
	for i := range l.t.Sessions {
		s := &l.t.Sessions[i]
		known[s.LocalID] = true
		if s.AllRx == 0 && len(l.bySession[s.LocalID]) == 0 {
			silent = append(silent, s)
		}
	}
	said := 0
	for _, id := range slices.Sorted(maps.Keys(l.bySession)) {
		if packets := l.bySession[id]; !known[id] && packets[0].Remote.Addr() == l.t.Peer.Addr() {
			if said++; said > maxSessions {
				return
			}
			f := Finding{
				Check: "session_id", Level: Bad, Found: fmt.Sprintf("the peer sends to session id %d, which this tunnel does not have", id),
				Evidence: fmt.Sprintf("%d packets", len(packets)),
				Remedy:   "sid here and psid (peer_session_id) there must be the same; in a dynamic tunnel it passes when the peer notices",
			}
			if len(silent) == 1 && l.t.Control == nil {
				f.Remedy = fmt.Sprintf("psid = %d at the other end, or sid = %d of session %s here", silent[0].LocalID, id, silent[0].Name)
			}
			l.add(f)
		}
	}
}

// session looks at one session.
func (l *looking) session(s *Session) {
	packets := l.bySession[s.LocalID]
	var good, wrong [][]byte
	var elsewhere []Packet
	for _, p := range packets {
		switch _, _, err := s.Expect.Split(p.Body); {
		case p.Remote != l.t.Peer:
			elsewhere = append(elsewhere, p)
		case err != nil:
			wrong = append(wrong, p.Body)
		default:
			good = append(good, p.Body)
		}
	}
	if len(elsewhere) > 0 {
		from := elsewhere[0].Remote
		l.add(Finding{
			Check: "source", Level: Bad, Session: s.Name, Found: fmt.Sprintf("packets come from %s, and the peer is %s", from, l.t.Peer),
			Evidence: fmt.Sprintf("%d of %d packets, dropped as source", len(elsewhere), len(packets)),
			Remedy:   fmt.Sprintf("peer = \"%s\" here, or let the other end (or the NAT before it) send from %s", from, l.t.Peer),
		})
	}
	l.cookies(s, wrong, len(packets))
	explained := len(wrong)+len(elsewhere) > 0
	explained = l.frames(s, good) || explained
	l.framing(s, good)
	l.sequence(s)
	l.others(s)
	if !explained {
		l.silence(s, packets)
	}
}

// cookies says what is wrong with cookies.
func (l *looking) cookies(s *Session, wrong [][]byte, of int) {
	if len(wrong) == 0 {
		return
	}
	as := layoutOf(s)
	f := Finding{Check: "cookie", Level: Bad, Session: s.Name, Evidence: fmt.Sprintf("%d of %d packets dropped as cookie or truncated", len(wrong), of)}
	got, fit := guess(as, wrong)
	if fit > 0 {
		f.Evidence += fmt.Sprintf("; %d make sense with %s", fit, got)
	}
	switch {
	case fit > 0 && got.cookie == 0:
		f.Found = "the peer sends no cookie, and we demand one"
		f.Remedy = fmt.Sprintf("cookie of %d bytes at the other end, the same as peer_cookie here; or peer_cookie = [] here", as.cookie)
	case fit > 0 && got.cookie != as.cookie:
		f.Found = fmt.Sprintf("the peer sends a cookie of %d bytes, and we demand one of %d", got.cookie, as.cookie)
		f.Remedy = "the same bytes as cookie at the other end and peer_cookie here"
	default:
		f.Found = "the peer sends another cookie than we demand"
		f.Remedy = "the same bytes in the same order as cookie at the other end and peer_cookie here"
	}
	if l.t.Control != nil {
		f.Remedy = "the peer does not send the cookie that it was told: disconnect the session, and report it to the peer's maker if it stays so"
	}
	l.add(f)
}

// frames says whether what comes behind the right cookie makes sense, and how it would.
func (l *looking) frames(s *Session, good [][]byte) (explained bool) {
	as := layoutOf(s)
	got, fit := guess(as, good)
	if fit == 0 || got == as {
		return false
	}
	f := Finding{
		Check: "sublayer", Level: Bad, Session: s.Name,
		Evidence: fmt.Sprintf("%d of %d packets make sense with %s, and not as we read them: %s", fit, len(good), got, as),
	}
	switch {
	case got.kind != as.kind:
		f.Check = "pseudowire"
		f.Found = fmt.Sprintf("the peer sends %s frames in a pseudowire that is %s here", got.kind, as.kind)
		f.Remedy = "the same pseudowire at both ends"
	case got.cookie != as.cookie:
		f.Check = "cookie"
		f.Found = fmt.Sprintf("the peer sends a cookie of %d bytes, and we expect %d", got.cookie, as.cookie)
		f.Remedy = "the same bytes as cookie at the other end and peer_cookie here"
	case got.sublayer:
		f.Found = "the peer sends the Default L2-Specific Sublayer, and we expect none: all is 4 bytes off"
		f.Remedy = `l2spec_type = "default" here, or "none" at the other end (ip l2tp: l2spec_type none)`
	default:
		f.Found = "the peer sends no L2-Specific Sublayer, and we expect the default one: all is 4 bytes off"
		f.Remedy = `l2spec_type = "none" here, or "default" at the other end (ip l2tp: l2spec_type default)`
	}
	l.add(f)
	return true
}

// framing compares FF 03 of both directions while LCP does not come up.
func (l *looking) framing(s *Session, good [][]byte) {
	if s.Pseudowire != PPP || s.LCP == "Opened" {
		return
	}
	as := layoutOf(s)
	theirs, ours := [2]int{}, [2]int{}
	count := func(to *[2]int, as layout, body []byte) {
		if f, ok := as.frame(body); ok {
			if f[0] == 0xff {
				to[1]++
			} else {
				to[0]++
			}
		}
	}
	for _, b := range good {
		count(&theirs, as, b)
	}
	for _, p := range l.sentTo[s.Send.SessionID] {
		count(&ours, layout{s.Send.Cookie.Len(), s.Send.Sublayer == encap.SublayerDefault, PPP}, p.Body)
	}
	words, values := [2]string{"without", "with"}, [2]string{"bare", "hdlc"}
	for i := range 2 {
		if theirs[i] > 0 && theirs[1-i] == 0 && ours[1-i] > 0 && ours[i] == 0 {
			l.add(Finding{
				Check: "framing", Level: Bad, Session: s.Name,
				Found:    fmt.Sprintf("the peer's frames are %s FF 03 and ours %s, and LCP does not come up (%s)", words[i], words[1-i], s.LCP),
				Evidence: fmt.Sprintf("%d frames of the peer, %d of ours", theirs[i], ours[1-i]),
				Remedy:   fmt.Sprintf("ppp_framing = %q or \"auto\" of the PPP profile", values[i]),
			})
		}
	}
}

// sequence looks at packets that came late.
func (l *looking) sequence(s *Session) {
	n, all := s.Drops["sequence"], s.AllDrops["sequence"]
	if all == 0 {
		return
	}
	f := Finding{
		Check: "sequence", Level: Note, Session: s.Name, Found: "numbered packets come late or twice, and are dropped",
		Evidence: fmt.Sprintf("%d in that time, %d of %d since the session is there", n, all, all+s.AllRx),
	}
	if n > 0 {
		f.Level = Bad
	}
	f.Remedy = "reorder_timeout = 20 of the session waits 20 ms for them"
	if s.Reorder > 0 {
		f.Remedy = fmt.Sprintf("a longer reorder_timeout than %d, if the path takes that long; what comes twice stays dropped", s.Reorder.Milliseconds())
	}
	l.add(f)
}

// otherDrops are reasons that need no guess.
var otherDrops = []struct{ reason, found, remedy string }{
	{"not_open", "the peer sends data before the link, or the protocol's NCP, is open", "culvert show session says which is not, and why"},
	{"too_big", "packets are larger than the path", "normal while senders learn the path MTU; if it goes on: is ICMP filtered inside?"},
	{"send_error", "the underlay refuses packets", "routes and firewall of this host: ip route get PEER"},
	{"device", "the device refuses packets", "set it up: ip link set IFACE up"},
	{"untagged", "frames without a VLAN tag come in a VLAN pseudowire", "both ends must be \"eth-vlan\", or both \"eth\""},
	{"spoofed", "the peer uses addresses that are not its own", "routes of the session, for networks behind the peer"},
	{"send_full", "queues are full: more traffic than the path or the processors take", "docs/sizing.md"},
}

func (l *looking) others(s *Session) {
	for _, o := range otherDrops {
		if n := s.Drops[o.reason]; n > 0 {
			l.add(Finding{
				Check: o.reason, Level: Bad, Session: s.Name, Found: o.found,
				Evidence: fmt.Sprintf("%d packets in that time", n), Remedy: o.remedy,
			})
		}
	}
}

// silence is about a session of which nothing else is known to be wrong.
func (l *looking) silence(s *Session, packets []Packet) {
	var dropped uint64
	var reasons []string
	for _, r := range slices.SortedFunc(maps.Keys(s.Drops), func(a, b string) int { return cmp.Compare(s.Drops[b], s.Drops[a]) }) {
		if n := s.Drops[r]; n > 0 {
			dropped += n
			reasons = append(reasons, fmt.Sprintf("%s %d", r, n))
		}
	}
	sent := max(s.Tx, uint64(len(l.sentTo[s.Send.SessionID])))
	switch {
	case s.Rx == 0 && dropped > 0:
		l.add(Finding{
			Check: "all_dropped", Level: Bad, Session: s.Name, Found: "the peer sends, and all of it is dropped",
			Evidence: strings.Join(reasons, ", "), Remedy: "docs/troubleshooting.md says what to do about each reason",
		})
	case s.Rx == 0 && len(packets) == 0 && sent > 0 && l.received > 0:
		level := Note // an Ethernet may have nothing to say
		if s.LCP != "" {
			level = Bad
		}
		l.add(Finding{
			Check: "one_way", Level: level, Session: s.Name,
			Found:    "we send, and nothing comes in this session, though the peer is there",
			Evidence: fmt.Sprintf("%d packets sent in that time; %d received since the session is there", sent, s.AllRx),
			Remedy:   fmt.Sprintf("does the other end have the session, with psid (peer_session_id) = %d? Its counters say whether ours arrive", s.LocalID),
		})
	}
}
