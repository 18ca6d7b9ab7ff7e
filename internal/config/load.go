package config

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strings"
	"time"
)

// MaxSize is the largest file read: 64 MiB, several hundred bytes for each of 100,000 sessions.
const MaxSize = 64 << 20

// The defaults of the tables that are not a tunnel's.
const (
	DefaultSocket   = "/run/culvert/culvert.sock"
	DefaultGroup    = 1701115
	DefaultLogLevel = "info"

	DefaultLogFormat = "auto"
)

const (
	maxSocketPath  = 107 // sun_path without its final zero, unix(7)
	maxWorkers     = 256
	resolveTimeout = 20 * time.Second // all names of one file together
)

// Load reads and checks the file at path. Errors are *Error, joined.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, readError(path, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, readError(path, err)
	}
	return Parse(path, data)
}

func readError(path string, err error) error {
	msg := err.Error()
	var pe *os.PathError
	if errors.As(err, &pe) { // leave out the path that os puts in
		msg = "cannot " + pe.Op + ": " + pe.Err.Error()
	}
	return &Error{File: path, Msg: msg, err: err}
}

// Parse checks a configuration file's text; name stands for the file in errors. Host names are resolved, which may
// ask the network, and secrets files are read; everything else depends on the text and this host's name alone.
func Parse(name string, data []byte) (*Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	return parse(name, data, &names{ctx: ctx, r: net.DefaultResolver})
}

// parser holds what reading one file needs.
type parser struct {
	report
	names    *names
	pools    []*addressPool // in file order
	shared   []*shared      // likewise
	profiles map[string]*profile
	secrets  map[string]secretsFile    // by path: a file is read once
	prefixes map[netip.Prefix]*profile // that have it as ipv6_prefix
	// The session profiles, and of them those without a number by Remote End ID, and the templates.
	answers   []*sessionProfile
	exact     map[string]*sessionProfile
	templates []*sessionProfile
}

// file is the whole document: what it says and, for checks across tables, where.
type file struct {
	Config
	tunnels []*tunnel
}

// The tables of a file. Pools are read before the profiles that refer to them, and these before the tunnels.
var (
	fileKeys = keys[file]{
		"workers": func(p *parser, v *node, f *file) { integer(p, v, &f.Workers, 0, maxWorkers) },
		"log_level": func(p *parser, v *node, f *file) {
			choice(p, v, &f.LogLevel, map[string]string{"debug": "debug", "info": "info", "warn": "warn", "error": "error"})
		},
		"log_format": func(p *parser, v *node, f *file) {
			choice(p, v, &f.LogFormat, map[string]string{"auto": "auto", "console": "console", "json": "json"})
		},
		"offload": func(p *parser, v *node, f *file) {
			choice(p, v, &f.Offload, map[string]bool{"auto": true, "off": false})
		},
		"api":     func(p *parser, v *node, f *file) { table(p, v, apiKeys, &f.API) },
		"devices": func(p *parser, v *node, f *file) { table(p, v, devicesKeys, &f.Config) },
		"hooks":   func(p *parser, v *node, f *file) { readHooks(p, v, &f.Hooks) },
		"pool":    func(*parser, *node, *file) {},
		"ppp":     func(*parser, *node, *file) {},
		"shared":  func(*parser, *node, *file) {},
		"tunnel":  func(p *parser, v *node, f *file) { f.tunnels = readTunnels(p, v) },
		"listen":  func(p *parser, v *node, f *file) { f.Listens = readListens(p, v) },
		"peer":    func(p *parser, v *node, f *file) { f.Peers = readPeers(p, v) },
		"profile": func(p *parser, v *node, f *file) { f.Profiles = readSessionProfiles(p, v) },
	}
	apiKeys = keys[API]{
		"socket":      (*parser).socket,
		"metrics":     (*parser).metrics,
		"admin_group": (*parser).adminGroup,
	}
	devicesKeys = keys[Config]{
		"group": func(p *parser, v *node, c *Config) { id(p, v, &c.Group) },
	}
)

// table decodes a table that may be there once, under a fixed name.
func table[T any](p *parser, v *node, known keys[T], t *T) {
	if p.is(v, kindTable) {
		decode(p, v, known, t)
	}
}

// named calls fn for each table of a table of tables, such as [tunnel.NAME].
func (p *parser) named(v *node, fn func(v *node)) {
	if !p.is(v, kindTable) {
		return
	}
	for k := range v.inside() {
		switch {
		case k.kind != kindTable:
			p.fail(k, "must be a table with a name, [%s.NAME], not %s", v.path(), k.kind)
		case k.name == "":
			p.fail(k, "the name must not be empty")
		default:
			fn(k)
		}
	}
}

func parse(name string, data []byte, resolve *names) (*Config, error) {
	p := &parser{report: report{file: name}, names: resolve, prefixes: map[netip.Prefix]*profile{}}
	if len(data) > MaxSize {
		p.at(0, "", "larger than %d MiB", MaxSize>>20)
		return nil, p.err()
	}
	p.lines = indexLines(data)
	text := string(data)
	root := parseDocument(data, text, &p.report)
	if root == nil {
		return nil, p.err()
	}
	f := &file{Config: Config{
		File:     name,
		Text:     text,
		API:      API{Socket: DefaultSocket},
		Group:    DefaultGroup,
		LogLevel: DefaultLogLevel,

		LogFormat: DefaultLogFormat,
		Offload:   true,
	}}
	p.pools = readPools(p, root.get("pool"))
	p.profiles = readProfiles(p, root.get("ppp"))
	p.shared = readShared(p, root.get("shared"))
	decode(p, root, fileKeys, f)
	if t := root.get("tunnel"); root.get("listen") == nil && (t == nil || t.kind == kindTable && t.size == 0) {
		p.at(0, "", "no tunnel: at least one table [tunnel.NAME] is needed")
	}
	p.checkTunnels(f.tunnels)
	p.checkResponder(root, &f.Config)
	p.checkPoolSizes()
	p.checkPeers(f.tunnels)
	if err := p.err(); err != nil {
		return nil, err
	}
	for _, a := range p.pools {
		f.Pools = append(f.Pools, a.Pool)
	}
	for _, s := range p.shared {
		f.Shared = append(f.Shared, s.finish())
	}
	for _, t := range f.tunnels {
		f.Tunnels = append(f.Tunnels, t.finish())
	}
	f.PPPs = p.inOrder()
	f.Warnings = p.warnings()
	return &f.Config, nil
}

func (p *parser) socket(v *node, a *API) {
	var s string
	switch {
	case !p.text(v, &s):
	case !strings.HasPrefix(s, "/"):
		p.fail(v, "must be an absolute path, not %q", s)
	case len(s) > maxSocketPath || strings.ContainsRune(s, 0):
		p.fail(v, "must be a path of at most %d bytes", maxSocketPath)
	default:
		a.Socket = s
	}
}

// adminGroup looks the group up on this system.
func (p *parser) adminGroup(v *node, a *API) {
	var s string
	if !p.text(v, &s) || s == "" {
		return
	}
	g, err := user.LookupGroup(s)
	if err != nil {
		p.fail(v, "%q is no group of this system", s)
		return
	}
	a.AdminGroup, a.AdminGID = s, idNumber(g.Gid)
}

func (p *parser) metrics(v *node, a *API) {
	var s string
	if !p.text(v, &s) || s == "" {
		return
	}
	host, port, err := net.SplitHostPort(s)
	if _, bad := netip.ParseAddrPort(net.JoinHostPort(host, port)); err != nil || bad != nil && host != "localhost" {
		p.fail(v, "must be an address and a port such as %q, not %q", "127.0.0.1:9115", s)
		return
	}
	a.Metrics = s
	a.MetricsLine, _ = p.lines.position(int(v.at))
}
