package config

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is what a value is, in the words our errors use.
type kind string

const (
	kindTable   kind = "a table"
	kindString  kind = "a string"
	kindInteger kind = "an integer"
	kindBoolean kind = "true or false"
	kindArray   kind = "an array"
	kindFloat   kind = "a float"
	kindTime    kind = "a date or time"
	kindTables  kind = "an array of tables"
)

// node is a key of the file with its value, or an element of an array.
type node struct {
	name   string
	parent *node // nil: the root
	kind   kind
	at     int    // offset of the key (array elements: of the value) in the file
	text   string // strings: the value; integers and booleans: as written
	kids   []*node
	index  map[string]*node // of kids by name, made when there are many
}

// indexFrom is the number of kids from which on a table is searched by map: tunnels may have 100,000 sessions.
const indexFrom = 16

// get finds a key of a table, nil when it is not there.
func (n *node) get(name string) *node {
	if n.index != nil {
		return n.index[name]
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (n *node) add(k *node) *node {
	k.parent = n
	n.kids = append(n.kids, k)
	switch {
	case n.index != nil:
		n.index[k.name] = k
	case n.kind == kindTable && len(n.kids) >= indexFrom:
		n.index = make(map[string]*node, 2*indexFrom)
		for _, k := range n.kids {
			n.index[k.name] = k
		}
	}
	return k
}

// path gives the full key in TOML spelling; elements of an array go by the array's.
func (n *node) path() string {
	var parts []string
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind != kindArray {
			parts = append(parts, n.name)
		}
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(quoteKey(parts[i]))
		if i > 0 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

// quoteKey writes a key as TOML wants it: bare where possible (TOML 1.0, "Keys").
func quoteKey(s string) string {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return strconv.QuoteToASCII(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// parseTree reads a document in two passes: go-toml's decoder judges syntax and redefinitions, its AST parser gives
// every key its place, which errors found after decoding need too.
func parseTree(data []byte, r *report) *node {
	if i := invalidUTF8(data); i >= 0 {
		r.at(i, "", "not UTF-8 text (byte 0x%02x)", data[i])
		return nil
	}
	b := builder{root: &node{kind: kindTable}}
	b.table = b.root
	var nothing struct{}
	if err := toml.Unmarshal(data, &nothing); err != nil {
		b.syntaxError(data, err, r)
		return nil
	}
	b.build(data, len(data))
	return b.root
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// builder makes the tree. It relies on the decoder having accepted the document up to where it is asked to read.
type builder struct {
	p     unstable.Parser
	root  *node
	table *node // the table whose header came last
	last  *node // the key that came last
}

// build reads the expressions that begin before the offset limit.
func (b *builder) build(data []byte, limit int) {
	b.p.Reset(data)
	for b.p.NextExpression() {
		e := b.p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			if begins(e) > limit {
				return
			}
			b.last = b.keyValue(b.table, e)
		case unstable.Table, unstable.ArrayTable:
			if begins(e) > limit {
				return
			}
			what := kindTable
			if e.Kind == unstable.ArrayTable {
				what = kindTables
			}
			b.table = b.walk(b.root, e.Key(), what)
			b.last = b.table
		default: // comments
		}
	}
}

func begins(e *unstable.Node) int {
	k := e.Key()
	k.Next()
	return int(k.Node().Raw.Offset)
}

// walk follows a dotted key from a table, making what is not there yet, and gives its last part the place.
func (b *builder) walk(from *node, key unstable.Iterator, last kind) *node {
	for key.Next() {
		k := key.Node()
		next := from.get(string(k.Data))
		if next == nil {
			next = from.add(&node{name: string(k.Data), kind: kindTable, at: int(k.Raw.Offset)})
		}
		if key.IsLast() {
			next.at, next.kind = int(k.Raw.Offset), last
		}
		from = next
	}
	return from
}

func (b *builder) keyValue(table *node, e *unstable.Node) *node {
	n := b.walk(table, e.Key(), kindTable)
	b.value(n, e.Value())
	return n
}

func (b *builder) value(n *node, v *unstable.Node) {
	n.text = string(v.Data)
	switch v.Kind {
	case unstable.String:
		n.kind = kindString
	case unstable.Integer:
		n.kind = kindInteger
	case unstable.Bool:
		n.kind = kindBoolean
	case unstable.Float:
		n.kind = kindFloat
	case unstable.Array:
		n.kind = kindArray
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				b.value(n.add(&node{at: max(n.at, int(it.Node().Raw.Offset))}), it.Node())
			}
		}
	case unstable.InlineTable:
		n.kind = kindTable
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				b.keyValue(n, it.Node())
			}
		}
	default:
		n.kind = kindTime
	}
}

// syntaxError reports what the decoder found under the key, or else the table, it happened in.
func (b *builder) syntaxError(data []byte, err error, r *report) {
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		r.at(0, "", "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return
	}
	line, column := de.Position()
	offset := column - 1
	if line > 1 {
		offset += r.lines[line-2]
	}
	b.build(data, offset)
	where := b.table
	if len(de.Key()) > 0 && b.last != nil { // a redefinition: the key itself is well-formed
		where = b.last
	}
	r.at(offset, where.path(), "%s", strings.TrimPrefix(de.Error(), "toml: "))
}
