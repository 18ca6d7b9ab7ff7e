// Package levels decides what is logged, while the program runs: at a level for all, at another one for a subsystem (the
// name of a zap logger), and at another one again for all that is about a tunnel, whatever the subsystem.
//
// What an entry is about is in its fields: "tunnel" is a tunnel's name, "session" begins with it and a slash. As long as no
// level is lower than an entry's, which is one atomic load, neither entry nor fields are looked at; and zap's Logger.Check
// lets its caller not even make the fields.
package levels

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The fields that say what an entry is about.
const (
	FieldTunnel  = "tunnel"
	FieldSession = "session" // TUNNEL/SESSION
)

// Main is the subsystem of entries whose logger has no name.
const Main = "main"

// maxTunnels bounds the tunnels that have a level of their own.
const maxTunnels = 1024

// Why a level cannot be set.
var (
	ErrNoSubsystem = errors.New("no such subsystem")
	ErrTooMany     = errors.New("too many tunnels have a level of their own: take it from some")
)

// Levels are the levels of a program. Its methods may be called from any goroutine.
type Levels struct {
	now        atomic.Pointer[state]
	lowest     atomic.Int32 // of now
	subsystems []string

	mu sync.Mutex // of who changes now
}

// state never changes once it is in Levels.
type state struct {
	all                 zapcore.Level
	subsystems, tunnels map[string]zapcore.Level // those that have one of their own
}

// New makes Levels with the same one for all. Main is always one of the subsystems.
func New(all zapcore.Level, subsystems ...string) *Levels {
	l := &Levels{subsystems: append([]string{Main}, subsystems...)}
	slices.Sort(l.subsystems)
	l.set(&state{all: all})
	return l
}

func (l *Levels) set(s *state) {
	lowest := s.all
	for _, m := range []map[string]zapcore.Level{s.subsystems, s.tunnels} {
		for _, level := range m {
			lowest = min(lowest, level)
		}
	}
	l.now.Store(s)
	l.lowest.Store(int32(lowest))
}

// SetAll sets the level of all that have none of their own.
func (l *Levels) SetAll(level zapcore.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := *l.now.Load()
	s.all = level
	l.set(&s)
}

// All gives the level of all that have none of their own.
func (l *Levels) All() zapcore.Level { return l.now.Load().all }

// SetSubsystem gives a subsystem a level of its own; nil takes it away.
func (l *Levels) SetSubsystem(name string, level *zapcore.Level) error {
	if !slices.Contains(l.subsystems, name) {
		return ErrNoSubsystem
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := *l.now.Load()
	s.subsystems = with(s.subsystems, name, level)
	l.set(&s)
	return nil
}

// SetTunnel does the same for what is about a tunnel. It need not exist.
func (l *Levels) SetTunnel(name string, level *zapcore.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := *l.now.Load()
	if _, there := s.tunnels[name]; !there && level != nil && len(s.tunnels) >= maxTunnels {
		return ErrTooMany
	}
	s.tunnels = with(s.tunnels, name, level)
	l.set(&s)
	return nil
}

// with gives a copy of m in which name has the level, or is not.
func with(m map[string]zapcore.Level, name string, level *zapcore.Level) map[string]zapcore.Level {
	m = maps.Clone(m)
	if level == nil {
		delete(m, name)
		return m
	}
	if m == nil {
		m = make(map[string]zapcore.Level)
	}
	m[name] = *level
	return m
}

// Setting is the level of one subsystem or tunnel.
type Setting struct {
	Tunnel bool
	Name   string
	Level  zapcore.Level
	Own    bool // false: that of all
}

// List gives all subsystems, then the tunnels that have a level of their own, by name.
func (l *Levels) List() []Setting {
	s := l.now.Load()
	all := make([]Setting, 0, len(l.subsystems)+len(s.tunnels))
	for _, name := range l.subsystems {
		level, own := s.subsystems[name]
		if !own {
			level = s.all
		}
		all = append(all, Setting{Name: name, Level: level, Own: own})
	}
	for _, name := range slices.Sorted(maps.Keys(s.tunnels)) {
		all = append(all, Setting{Tunnel: true, Name: name, Level: s.tunnels[name], Own: true})
	}
	return all
}

// Wrap lets through to c what the levels say. c decides further, for it may sample: what does not come here costs no
// other entry its place there.
func (l *Levels) Wrap(c zapcore.Core) zapcore.Core { return &core{levels: l, to: c} }

type core struct {
	levels *Levels
	to     zapcore.Core
	about  []zapcore.Field // FieldTunnel and FieldSession of With
}

// Enabled implements zapcore.LevelEnabler.
func (c *core) Enabled(level zapcore.Level) bool { return int32(level) >= c.levels.lowest.Load() }

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	next := &core{levels: c.levels, to: c.to.With(fields), about: slices.Clip(c.about)}
	for i := range fields {
		if fields[i].Key == FieldTunnel || fields[i].Key == FieldSession {
			next.about = append(next.about, fields[i])
		}
	}
	return next
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if e.Level < c.levels.now.Load().of(e.LoggerName, fields, c.about) {
		return nil
	}
	if ce := c.to.Check(e, nil); ce != nil {
		ce.Write(fields...)
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return c.to.Sync() }

// of gives the level that counts for an entry.
func (s *state) of(logger string, lists ...[]zapcore.Field) zapcore.Level {
	if len(s.tunnels) > 0 {
		for _, fields := range lists {
			for i := range fields {
				if level, ok := s.tunnels[tunnelIn(&fields[i])]; ok {
					return level
				}
			}
		}
	}
	name, _, _ := strings.Cut(logger, ".")
	if name == "" {
		name = Main
	}
	if level, ok := s.subsystems[name]; ok {
		return level
	}
	return s.all
}

// tunnelIn gives the tunnel that a field names, empty when it names none: no tunnel has that name.
func tunnelIn(f *zap.Field) string {
	if f.Type != zapcore.StringType {
		return ""
	}
	switch f.Key {
	case FieldTunnel:
		return f.String
	case FieldSession:
		if tunnel, _, ok := strings.Cut(f.String, "/"); ok {
			return tunnel
		}
	}
	return ""
}
