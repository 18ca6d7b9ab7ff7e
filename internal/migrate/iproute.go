package migrate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"culvert/internal/config"
)

// maxErrors bounds what is said about a file that is something else.
const maxErrors = 100

// tunnel is what `ip l2tp add tunnel` made.
type tunnel struct {
	line          int
	id, peer      uint32
	encap         string
	local, remote netip.Addr
	sport, dport  uint16
	checksum      bool
	sessions      []*session
	ids           map[uint32]bool // of these
}

// session is what `ip l2tp add session` made, and what was done to its interface.
type session struct {
	line               int
	pseudowire         string // of ours
	id, peer           uint32
	cookie, peerCookie []byte
	sublayer, numbered bool
	device             device
}

// script is what the commands of one file add up to.
type script struct {
	name    string
	command string // of culvert that this is
	tunnels []*tunnel
	byID    map[uint32]*tunnel
	devices map[deviceKey]*session
	unnamed int // sessions so far without a name of their interface
	notes   []string
	errs    []error
}

// IPRoute gives the configuration that does what the commands in text did. Name stands for the file in comments and in
// errors, which are joined.
func IPRoute(name string, text []byte) ([]byte, error) {
	s, err := read(name, text)
	if err != nil {
		return nil, err
	}
	return s.render()
}

// read takes the commands.
func read(name string, text []byte) (*script, error) {
	s := &script{name: clean(name), command: "import iproute", byID: map[uint32]*tunnel{}, devices: map[deviceKey]*session{}}
	if len(text) > config.MaxSize {
		return nil, fmt.Errorf("%s: more than %d bytes", s.name, config.MaxSize)
	}
	for _, c := range split(string(text)) {
		s.run(c)
		if len(s.errs) == maxErrors {
			s.fail(c.line, "no more is said")
			break
		}
	}
	if len(s.errs) == 0 && len(s.tunnels) == 0 {
		s.errs = append(s.errs, fmt.Errorf("%s: no `ip l2tp add tunnel` in it", s.name))
	}
	return s, errors.Join(s.errs...)
}

// run takes one command.
func (s *script) run(c command) {
	w, netns, ok := ipCommand(c.words)
	if !ok {
		s.note(c.line, "%s: not a command of ip", clean(c.words[0]))
		return
	}
	if len(w) < 2 {
		s.note(c.line, "ip without a command")
		return
	}
	what := "ip " + clean(w[0]) + " " + clean(w[1])
	isAdd := w[0] == "l2tp" && is(w[1], "add")
	var problem string
	switch {
	case c.shell != 0:
		problem = fmt.Sprintf("has a %q, which only a shell understands", c.shell)
	case isAdd && netns != "":
		problem = "in another network namespace: start culvert there"
	case isAdd:
		problem = s.add(c.line, w[2:])
	default:
		problem = s.device(netns, w)
	}
	switch {
	case problem == "":
	case isAdd:
		s.fail(c.line, "%s: %s", what, problem)
	default:
		s.note(c.line, "%s: %s", what, problem)
	}
}

// ipCommand gives the words of an ip command behind its options, and its network namespace. In files for `ip -batch`
// there is no ip in front.
func ipCommand(w []string) (rest []string, netns string, ok bool) {
	w = slices.Clone(w)
	if w[0] == "sudo" {
		w = w[1:]
	}
	if len(w) > 0 && (w[0] == "ip" || strings.HasSuffix(w[0], "/ip")) {
		w, ok = w[1:], true
	}
	for ok && len(w) > 0 && strings.HasPrefix(w[0], "-") {
		if isNetns := w[0] == "-n" || w[0] == "-netns"; isNetns && len(w) > 1 {
			netns, w = w[1], w[1:]
		}
		w = w[1:]
	}
	if len(w) > 3 && w[0] == "netns" && w[1] == "exec" {
		rest, inner, isIP := ipCommand(w[3:])
		if inner == "" {
			inner = w[2]
		}
		return rest, inner, isIP
	}
	return w, netns, ok || len(w) > 0 && slices.Contains([]string{"l2tp", "link", "address", "addr", "route"}, w[0])
}

// is tells whether word is full, or the beginning of it, as iproute2 takes words.
func is(word, full string) bool { return word != "" && strings.HasPrefix(full, word) }

func (s *script) note(line int, format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf("%s:%d: %s", s.name, line, fmt.Sprintf(format, args...)))
}

func (s *script) fail(line int, format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("%s:%d: %s", s.name, line, fmt.Sprintf(format, args...)))
}

// clean makes a word fit for a comment or an error: one line, printable, not long.
func clean(s string) string {
	const longest = 100
	q := strconv.QuoteToASCII(s)
	q = q[1 : len(q)-1]
	if len(q) > longest {
		q = q[:longest] + "..."
	}
	return q
}

// quote is clean in quotes.
func quote(s string) string { return `"` + clean(s) + `"` }
