package migrate

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// values are what stands behind the words of `ip l2tp add`.
type values map[string]string

// Words of ip-l2tp(8) that have a value, and which object they are of. The short ones are in iproute2's code only.
var (
	shortWords   = map[string]string{"tid": "tunnel_id", "ptid": "peer_tunnel_id", "sid": "session_id", "psid": "peer_session_id"}
	tunnelWords  = []string{"tunnel_id", "peer_tunnel_id", "encap", "local", "remote", "udp_sport", "udp_dport", "udp_csum", "udp6_csum_tx", "udp6_csum_rx"}
	sessionWords = []string{"tunnel_id", "session_id", "peer_session_id", "name", "cookie", "peer_cookie", "l2spec_type", "seq"}
)

// add takes `ip l2tp add` and says what is wrong with it.
func (s *script) add(line int, w []string) string {
	object := ""
	v := values{}
	for i := 0; i < len(w); i++ {
		word := w[i]
		if word == "tunnel" || word == "session" {
			object = word
			continue
		}
		if full, ok := shortWords[word]; ok {
			word = full
		}
		switch _, twice := v[word]; {
		case !slices.Contains(tunnelWords, word) && !slices.Contains(sessionWords, word):
			return fmt.Sprintf("unknown word %s", quote(word))
		case i+1 == len(w):
			return word + " has no value"
		case twice:
			return word + " is there twice"
		}
		i++
		v[word] = w[i]
	}
	switch object {
	case "tunnel":
		return s.addTunnel(line, v)
	case "session":
		return s.addSession(line, v)
	}
	return "neither tunnel nor session"
}

// only says which word of v is not one of these.
func (v values) only(object string, words []string) string {
	for _, w := range append(slices.Clone(tunnelWords), sessionWords...) {
		if _, ok := v[w]; ok && !slices.Contains(words, w) {
			return w + " is not for a " + object
		}
	}
	return ""
}

// number reads a word's number in C's spelling; problem is only added to.
func (v values) number(word string, bits int, problem *string) uint64 {
	text, ok := v[word]
	n, err := strconv.ParseUint(text, 0, bits)
	switch {
	case *problem != "":
	case !ok:
		*problem = word + " is missing"
	case err != nil || n == 0:
		*problem = fmt.Sprintf("%s must be a number from 1 to %d, not %s", word, uint64(1)<<bits-1, quote(text))
	}
	return n
}

// choice reads one of some words; the first is the default.
func (v values) choice(word string, problem *string, from ...string) string {
	text, ok := v[word]
	if !ok {
		return from[0]
	}
	if !slices.Contains(from, text) && *problem == "" {
		*problem = fmt.Sprintf("%s must be one of %q, not %s", word, from, quote(text))
	}
	return text
}

// cookie reads 8 or 16 hexadecimal digits, whose value no error shows.
func (v values) cookie(word string, problem *string) []byte {
	text, ok := v[word]
	if !ok {
		return nil
	}
	b, err := hex.DecodeString(text)
	if (err != nil || len(b) != 4 && len(b) != 8) && *problem == "" {
		*problem = word + " must have 8 or 16 hexadecimal digits"
	}
	return b
}

func (v values) address(word string, problem *string) netip.Addr {
	text, ok := v[word]
	a, err := netip.ParseAddr(text)
	switch {
	case *problem != "" || text == "any" && word == "local":
	case !ok:
		*problem = word + " is missing"
	case err != nil:
		*problem = fmt.Sprintf("%s %s is not an address", word, quote(text))
	}
	return a.Unmap()
}

func (s *script) addTunnel(line int, v values) string {
	problem := v.only("tunnel", tunnelWords)
	t := &tunnel{
		line:   line,
		ids:    map[uint32]bool{},
		id:     uint32(v.number("tunnel_id", 32, &problem)),
		peer:   uint32(v.number("peer_tunnel_id", 32, &problem)),
		encap:  v.choice("encap", &problem, "udp", "ip"),
		local:  v.address("local", &problem),
		remote: v.address("remote", &problem),
	}
	if t.encap == "udp" {
		t.sport = uint16(v.number("udp_sport", 16, &problem))
		t.dport = uint16(v.number("udp_dport", 16, &problem))
	}
	sum, tx, rx := v.choice("udp_csum", &problem, "", "on", "off"), v.choice("udp6_csum_tx", &problem, "on", "off"), v.choice("udp6_csum_rx", &problem, "on", "off")
	if problem != "" {
		return problem
	}
	if !t.local.IsValid() { // any
		t.local = netip.IPv4Unspecified()
		if t.remote.Is6() {
			t.local = netip.IPv6Unspecified()
		}
	}
	if s.byID[t.id] != nil {
		return fmt.Sprintf("tunnel_id %d is there already", t.id)
	}
	t.checksum = sum != "off"
	if t.remote.Is6() {
		t.checksum = tx == "on"
		if tx != rx && t.encap == "udp" {
			s.note(line, "udp6_csum_rx %s: it goes with udp6_csum_tx", rx)
		}
	}
	s.tunnels = append(s.tunnels, t)
	s.byID[t.id] = t
	return ""
}

func (s *script) addSession(line int, v values) string {
	problem := v.only("session", sessionWords)
	tid := uint32(v.number("tunnel_id", 32, &problem))
	x := &session{
		line:       line,
		pseudowire: "eth",
		id:         uint32(v.number("session_id", 32, &problem)),
		peer:       uint32(v.number("peer_session_id", 32, &problem)),
		cookie:     v.cookie("cookie", &problem),
		peerCookie: v.cookie("peer_cookie", &problem),
		sublayer:   v.choice("l2spec_type", &problem, "default", "none") == "default",
	}
	seq := v.choice("seq", &problem, "none", "send", "recv", "both")
	t := s.byID[tid]
	switch {
	case problem != "":
		return problem
	case t == nil:
		return fmt.Sprintf("no tunnel has tunnel_id %d", tid)
	case !x.sublayer && seq != "none":
		return "seq " + seq + " needs l2spec_type default: numbers are in that sublayer"
	case t.ids[x.id]:
		return fmt.Sprintf("session_id %d is there already", x.id)
	}
	name := v["name"]
	if name == "" { // the kernel's l2tpeth%d
		name = "l2tpeth" + strconv.Itoa(s.unnamed)
		s.unnamed++
	}
	key := deviceKey{name: name}
	if s.devices[key] != nil {
		return fmt.Sprintf("there is an interface %s already", quote(name))
	}
	if seq == "recv" || seq == "both" {
		s.note(line, "seq %s: packets without a number are taken, too", seq)
	}
	x.numbered = seq == "send" || seq == "both"
	x.device.deviceKey, s.devices[key], t.ids[x.id] = key, x, true
	t.sessions = append(t.sessions, x)
	return ""
}
