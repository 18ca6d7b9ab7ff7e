package migrate

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"culvert/internal/config"
)

// writer writes the file and remembers of each line which one of the script it comes from.
type writer struct {
	text strings.Builder
	from []int
}

func (w *writer) line(from int, format string, args ...any) {
	fmt.Fprintf(&w.text, format+"\n", args...)
	w.from = append(w.from, from)
}

// quoted writes a key with a string, unless that is empty.
func (w *writer) quoted(from int, key, value string) {
	if value != "" {
		w.line(from, "%-14s = %q", key, value)
	}
}

// list writes a key with strings, unless there are none.
func (w *writer) list(from int, key string, values []string) {
	if len(values) > 0 {
		w.line(from, "%-14s = [\"%s\"]", key, strings.Join(values, `", "`))
	}
}

// number writes a key with a number, unless that is 0.
func (w *writer) number(from int, key string, value int) {
	if value != 0 {
		w.line(from, "%-14s = %d", key, value)
	}
}

// head says where the file is from, and what is not in it.
func (w *writer) head(s *script) {
	w.line(0, "# Made from %s by `culvert %s`.", s.name, s.command)
	for _, n := range s.notes {
		w.line(0, "# not carried over: %s", n)
	}
}

// render gives the file, which config.Parse takes.
func (s *script) render() ([]byte, error) {
	w := &writer{}
	w.head(s)
	for _, t := range s.tunnels {
		w.tunnel(t)
		for _, x := range t.sessions {
			w.session(t, x)
		}
	}
	text := []byte(w.text.String())
	if _, err := config.Parse(s.name, text); err != nil {
		return nil, w.located(err)
	}
	return text, nil
}

// located gives the errors of the file we made the lines of the commands they come from.
func (w *writer) located(err error) error {
	var list interface{ Unwrap() []error }
	if errors.As(err, &list) {
		all := make([]error, 0, len(list.Unwrap()))
		for _, e := range list.Unwrap() {
			all = append(all, w.located(e))
		}
		return errors.Join(all...)
	}
	var one *config.Error
	if !errors.As(err, &one) || one.Line < 1 || one.Line > len(w.from) {
		return err
	}
	return &config.Error{File: one.File, Line: w.from[one.Line-1], Key: one.Key, Msg: one.Msg}
}

func (w *writer) tunnel(t *tunnel) {
	w.line(t.line, "")
	w.line(t.line, "[tunnel.t%d]", t.id)
	local, remote := t.local.String(), t.remote.String()
	if t.encap == "udp" {
		local = netip.AddrPortFrom(t.local, t.sport).String()
		remote = netip.AddrPortFrom(t.remote, t.dport).String()
	}
	w.quoted(t.line, "version", "l2tpv3")
	w.quoted(t.line, "encap", t.encap)
	w.quoted(t.line, "local", local)
	w.quoted(t.line, "peer", remote)
	w.line(t.line, "%-14s = %d", "tid", t.id)
	w.line(t.line, "%-14s = %d", "ptid", t.peer)
	if t.encap == "udp" {
		w.line(t.line, "%-14s = %t", "udp_csum", t.checksum)
	}
}

func (w *writer) session(t *tunnel, x *session) {
	sublayer := "none"
	if x.sublayer {
		sublayer = "default"
	}
	d := &x.device
	w.line(x.line, "")
	w.line(x.line, "[tunnel.t%d.session.s%d]", t.id, x.id)
	w.quoted(x.line, "pseudowire", x.pseudowire)
	w.line(x.line, "%-14s = %d", "sid", x.id)
	w.line(x.line, "%-14s = %d", "psid", x.peer)
	w.line(x.line, "%-14s = %s", "cookie", octets(x.cookie))
	w.line(x.line, "%-14s = %s", "peer_cookie", octets(x.peerCookie))
	w.quoted(x.line, "l2spec_type", sublayer)
	w.line(x.line, "%-14s = %t", "seqnum", x.numbered)
	w.quoted(x.line, "interface_name", d.name)
	w.quoted(x.line, "netns", d.netns)
	w.quoted(x.line, "mac", d.mac)
	w.quoted(x.line, "bridge", d.bridge)
	w.number(x.line, "mtu", d.mtu)
	w.number(x.line, "txqueuelen", d.queue)
	w.list(x.line, "addresses", d.addresses)
	w.list(x.line, "routes", d.routes)
}

// octets is a cookie as an array of bytes.
func octets(b []byte) string {
	all := make([]string, 0, len(b))
	for _, c := range b {
		all = append(all, "0x"+strconv.FormatUint(uint64(c)|0x100, 16)[1:])
	}
	return "[" + strings.Join(all, ", ") + "]"
}
