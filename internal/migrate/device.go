package migrate

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// deviceKey is how a command names an interface.
type deviceKey struct{ netns, name string }

// device is what was done to the interface of a session.
type device struct {
	deviceKey
	mac, bridge       string
	mtu, queue        int
	addresses, routes []string
}

// device takes a command that sets an interface up, wholly or not at all, and says why not.
func (s *script) device(netns string, w []string) string {
	var apply func(d *device, words []string) string
	words, name := w[2:], ""
	switch {
	case w[0] == "l2tp":
		return "only add means something here"
	case is(w[0], "link") && w[1] == "set":
		apply = setLink
		if len(words) > 1 && words[0] == "dev" {
			words = words[1:]
		}
		if len(words) > 0 {
			name, words = words[0], words[1:]
		}
	case is(w[0], "address") && (is(w[1], "add") || w[1] == "replace"):
		apply = addAddress
		words, name = cutDevice(words)
	case is(w[0], "route") && (is(w[1], "add") || w[1] == "replace"):
		apply = addRoute
		words, name = cutDevice(words)
	default:
		return "not known here"
	}
	return s.change(deviceKey{netns, name}, words, apply)
}

// change applies a command to an interface.
func (s *script) change(key deviceKey, words []string, apply func(d *device, words []string) string) string {
	x := s.devices[key]
	if x == nil {
		return fmt.Sprintf("%s is no interface of a session before it", quote(key.name))
	}
	d := x.device
	d.addresses, d.routes = slices.Clone(d.addresses), slices.Clone(d.routes)
	if problem := apply(&d, words); problem != "" {
		return problem
	}
	if d.deviceKey != key {
		if s.devices[d.deviceKey] != nil {
			return fmt.Sprintf("there is an interface %s already", quote(d.name))
		}
		delete(s.devices, key)
		s.devices[d.deviceKey] = x
	}
	x.device = d
	return ""
}

// cutDevice takes `dev NAME` out of words.
func cutDevice(words []string) (rest []string, name string) {
	i := slices.Index(words, "dev")
	if i < 0 || i+1 == len(words) {
		return words, ""
	}
	return slices.Concat(words[:i], words[i+2:]), words[i+1]
}

// setLink takes the words of `ip link set`.
func setLink(d *device, words []string) string {
	for len(words) > 0 {
		key := words[0]
		if key == "up" { // as all our devices are
			words = words[1:]
			continue
		}
		if len(words) == 1 {
			return fmt.Sprintf("%s is not known here", quote(key))
		}
		value := words[1]
		words = words[2:]
		n, notNumber := strconv.Atoi(value)
		_, notMAC := net.ParseMAC(value)
		bad := false
		switch key {
		case "mtu":
			d.mtu, bad = n, notNumber != nil || n < 1
		case "txqueuelen", "txqlen", "qlen":
			d.queue, bad = n, notNumber != nil || n < 1
		case "address":
			d.mac, bad = value, notMAC != nil
		case "master":
			d.bridge = value
		case "netns": // addresses and the bridge are lost on the way, but not what is said afterwards
			d.netns, bad = value, notNumber == nil
			d.addresses, d.routes, d.bridge = nil, nil, ""
		case "name":
			d.name = value
		default:
			return fmt.Sprintf("%s is not known here", quote(key))
		}
		if bad {
			return fmt.Sprintf("%s %s is not possible here", key, quote(value))
		}
	}
	return ""
}

// addAddress takes the words of `ip address add`. The peer of an address is reached by a route.
func addAddress(d *device, words []string) string {
	peer := ""
	var own []string
	for len(words) > 0 {
		switch {
		case words[0] == "peer" && len(words) > 1:
			peer, words = words[1], words[2:]
		case words[0] == "local" && len(words) > 1:
			own, words = append(own, words[1]), words[2:]
		case (words[0] == "broadcast" || words[0] == "brd") && len(words) > 1:
			words = words[2:] // the kernel makes it of the prefix
		default:
			own, words = append(own, words[0]), words[1:]
		}
	}
	if len(own) != 1 {
		return "not known here"
	}
	a, ok := prefix(own[0])
	if !ok || peer != "" && !a.IsSingleIP() {
		return fmt.Sprintf("%s is not known here", quote(own[0]))
	}
	if peer != "" {
		p, ok := prefix(peer)
		if !ok {
			return fmt.Sprintf("%s is not known here", quote(peer))
		}
		addOnce(&d.routes, p.Masked().String())
	}
	addOnce(&d.addresses, a.String())
	return ""
}

// addRoute takes the words of `ip route add`.
func addRoute(d *device, words []string) string {
	if len(words) != 1 && (len(words) != 3 || words[1] != "via") {
		return "not known here"
	}
	via := netip.Addr{}
	if len(words) == 3 {
		a, err := netip.ParseAddr(words[2])
		if err != nil || a.Zone() != "" {
			return fmt.Sprintf("%s is not possible here", quote(words[2]))
		}
		via = a
	}
	p, ok := prefix(words[0])
	switch {
	case words[0] == "default" && via.Is6():
		p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	case words[0] == "default":
		p = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	case !ok:
		return fmt.Sprintf("%s is not a prefix", quote(words[0]))
	}
	route := p.Masked().String()
	if via.IsValid() {
		route += " via " + via.String()
	}
	addOnce(&d.routes, route)
	return ""
}

// prefix reads an address with or without the length of its prefix.
func prefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// addOnce appends text unless it is there.
func addOnce(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}
