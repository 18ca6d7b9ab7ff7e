package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// snippetName stands for the file in what is wrong with a text that is added.
const snippetName = "snippet"

// What Add and Remove refuse, besides what Parse does.
var (
	errNoHeader = errors.New("must begin with a table, [tunnel.NAME] or [tunnel.NAME.session.NAME]")
	errNoTable  = errors.New("it has no table of its own (it is one of a template, or written in another way): change the file and reload")
	// ErrNotThere: there is nothing of that name to be removed.
	ErrNotThere  = errors.New("there is none in the running configuration")
	errOnlyThese = errors.New("can be added at run time: for others change the file and reload")
)

// Add gives the configuration c with the tables of a text in its syntax behind it: tunnels with their sessions, or sessions
// only. What is wrong with the text has its lines.
func (c *Config) Add(text string, sessionsOnly bool) (*Config, error) {
	if err := c.checkSnippet(text, sessionsOnly); err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(c.Text, "\n") + "\n"
	next, err := Parse(c.File, []byte(base+text))
	if err != nil {
		return nil, inSnippet(err, strings.Count(base, "\n"))
	}
	return next, nil
}

// checkSnippet looks whether a text has nothing but such tables, so that no key of it becomes one of the table before.
func (c *Config) checkSnippet(text string, sessionsOnly bool) error {
	data := []byte(text)
	wrong := func(offset int, err error) error {
		line, column := indexLines(data).position(offset)
		return &Error{File: snippetName, Line: line, Column: column, Msg: err.Error(), err: err}
	}
	var p unstable.Parser
	p.Reset(data)
	tables := 0
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.KeyValue && tables > 0 || e.Kind == unstable.Comment {
			continue
		}
		if e.Kind == unstable.KeyValue {
			key := e.Key()
			key.Next()
			return wrong(int(key.Node().Raw.Offset), errNoHeader)
		}
		tables++
		path, at := headerPath(e)
		isSession := len(path) >= 4 && path[2] == "session"
		switch {
		case path[0] != "tunnel" || len(path) < 2:
			return wrong(at, fmt.Errorf("only tables [tunnel.NAME] and [tunnel.NAME.session.NAME] %w", errOnlyThese))
		case sessionsOnly && !isSession:
			return wrong(at, fmt.Errorf("only tables [tunnel.NAME.session.NAME] %w as sessions", errOnlyThese))
		}
	}
	if tables == 0 && p.Error() == nil {
		return wrong(0, errNoHeader)
	}
	return nil // syntax is Parse's business
}

// headerPath gives the names in a table's header and where it stands.
func headerPath(e *unstable.Node) (path []string, at int) {
	at = -1
	for it := e.Key(); it.Next(); {
		if at < 0 {
			at = int(it.Node().Raw.Offset)
		}
		path = append(path, string(it.Node().Data))
	}
	return path, at
}

// inSnippet gives errors behind so many lines the place that they have in the snippet.
func inSnippet(err error, lines int) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all := joined.Unwrap()
		moved := make([]error, 0, len(all))
		for _, e := range all {
			moved = append(moved, inSnippet(e, lines))
		}
		return errors.Join(moved...)
	}
	var e *Error
	if !errors.As(err, &e) || e.Line <= lines {
		return err
	}
	moved := *e
	moved.File, moved.Line = snippetName, e.Line-lines
	return &moved
}

// Remove gives the configuration c without the table of a tunnel and those of its sessions, or of one of these. Lines
// stay where they are.
func (c *Config) Remove(name SessionName) (*Config, error) {
	i := slices.IndexFunc(c.Tunnels, func(t Tunnel) bool { return t.Name == name.Tunnel })
	if i < 0 || name.Session != "" && !slices.ContainsFunc(c.Tunnels[i].Sessions, func(s Session) bool { return s.Name == name.Session }) {
		return nil, ErrNotThere
	}
	path := []string{"tunnel", name.Tunnel}
	if name.Session != "" {
		path = append(path, "session", name.Session)
	}
	next, err := Parse(c.File, []byte(strings.TrimRight(blank(c.Text, path), "\n")+"\n"))
	if err != nil {
		return nil, err
	}
	d := c.Compare(next, nil)
	if !slices.Contains(d.Tunnels.Removed, name.Tunnel) && !slices.Contains(d.Sessions.Removed, name) {
		return nil, errNoTable
	}
	return next, nil
}

// blank empties the lines of the tables at path and below.
func blank(text string, path []string) string {
	var b strings.Builder
	var p unstable.Parser
	p.Reset([]byte(text))
	goes, from := false, 0
	copyTo := func(to int) {
		if goes {
			b.WriteString(strings.Repeat("\n", strings.Count(text[from:to], "\n")))
		} else {
			b.WriteString(text[from:to])
		}
		from = to
	}
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.Table && e.Kind != unstable.ArrayTable {
			continue
		}
		names, at := headerPath(e)
		copyTo(strings.LastIndexByte(text[:at], '\n') + 1) // a header is alone on its line
		goes = len(names) >= len(path) && slices.Equal(names[:len(path)], path)
	}
	copyTo(len(text))
	return b.String()
}
