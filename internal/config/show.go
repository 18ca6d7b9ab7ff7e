package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// hidden stands for what nobody may see.
const hidden = "(hidden)"

// secretKeys are the keys whose values are not shown: whoever knows a cookie can inject packets (RFC 3931 section 8.2).
var secretKeys = map[string]bool{
	"secret": true, "password": true, "peer_password": true, "cookie": true, "peer_cookie": true,
}

// Show gives what the configuration's text says, without its comments and with secrets hidden.
func (c *Config) Show() (string, error) { return show(c.Text, true) }

// show writes a document anew from its tree: what the tree does not have, such as a comment with an old password, cannot
// come out.
func show(text string, hide bool) (string, error) {
	var r report
	root := parseDocument([]byte(text), text, &r)
	if err := r.err(); err != nil {
		return "", err
	}
	w := writer{hide: hide}
	w.table(root)
	if w.err != nil {
		return "", w.err
	}
	return strings.TrimPrefix(w.String(), "\n"), nil
}

// errNoKey says that a document cannot be a configuration: no key takes such a value, and the tree does not keep it.
var errNoKey = errors.New("no key takes this kind of value")

// writer writes TOML 1.0.
type writer struct {
	strings.Builder
	hide bool
	err  error
}

// table writes a table: its own keys first, since a header would take them over.
func (w *writer) table(n *node) {
	plain, tables := false, false
	for k := range n.inside() {
		ownHeader := k.kind == kindTable && k.made != madeInline
		plain, tables = plain || !ownHeader, tables || ownHeader
	}
	if n.parent != nil && (plain || !tables) {
		fmt.Fprintf(w, "\n[%s]\n", n.path())
	}
	for k := range n.inside() {
		if k.kind != kindTable || k.made == madeInline {
			w.WriteString(quoteName(k.name) + " = ")
			w.value(k, k.name)
			w.WriteByte('\n')
		}
	}
	for k := range n.inside() {
		if k.kind == kindTable && k.made != madeInline {
			w.table(k)
		}
	}
}

// value writes what the key of that name has, or a part of it.
func (w *writer) value(n *node, key string) {
	switch {
	case w.hide && secretKeys[key] && n.kind != kindTable:
		w.WriteString(quoteText(hidden))
	case n.kind == kindTable:
		w.list("{ ", " }", n, func(k *node) {
			w.WriteString(quoteName(k.name) + " = ")
			w.value(k, k.name)
		})
	case n.kind == kindArray:
		w.list("[", "]", n, func(k *node) { w.value(k, key) })
	case n.kind == kindString && w.hide && key == "pppd_options":
		w.WriteString(quoteText(hidePassword(n.text)))
	case n.kind == kindString:
		w.WriteString(quoteText(n.text))
	case n.kind == kindInteger || n.kind == kindBoolean:
		w.WriteString(n.text)
	default:
		w.err = fmt.Errorf("%s: %s: %w", n.path(), n.kind, errNoKey)
	}
}

func (w *writer) list(from, to string, n *node, each func(*node)) {
	w.WriteString(from)
	for k := range n.inside() {
		if k != n.first {
			w.WriteString(", ")
		}
		each(k)
	}
	w.WriteString(to)
}

// hidePassword leaves out what follows pppd's option password: we cannot know how much of it belongs to it.
func hidePassword(options string) string {
	words := strings.Fields(options)
	for i, w := range words {
		if w == "password" {
			return strings.Join(words[:i+1], " ") + " " + hidden
		}
	}
	return options
}

// quoteName writes a key.
func quoteName(s string) string {
	if q := quoteKey(s); q == s {
		return q
	}
	return quoteText(s)
}

// quoteText writes a basic string (TOML 1.0, "String").
func quoteText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c >= 0x7f && c < 0xa0 || c == utf8.RuneError:
			fmt.Fprintf(&b, "\\u%04X", c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
