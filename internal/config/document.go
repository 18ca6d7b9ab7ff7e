package config

import (
	"errors"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxNodes bounds the memory a file can take: 88 bytes each. 150,000 sessions have about 4 million.
const maxNodes = 8 << 20

// document makes the tree of a TOML document. go-toml's parser judges syntax; what may be defined again, and what
// not, is judged here, because go-toml's decoder looks for each key among all before it: 20,000 sessions take it 2.6 s
// and 100,000 more than a minute, where all of Parse takes 0.7 s.
type document struct {
	r     *report
	p     unstable.Parser
	text  string // of the document: names and values are parts of it
	root  *node
	table *node // that of the header which came last
	slab  []node
	nodes int
}

// parseDocument gives the root table of data, or nil when there is no making sense of it. text is a copy of it that stays.
// What it reports besides does not keep the rest from being checked.
func parseDocument(data []byte, text string, r *report) *node {
	if i := invalidUTF8(data); i >= 0 {
		r.at(i, "", "not UTF-8 text (byte 0x%02x)", data[i])
		return nil
	}
	d := document{r: r, text: text, root: &node{made: madeByHeader}}
	d.table = d.root
	d.p.Reset(data)
	for d.p.NextExpression() {
		switch e := d.p.Expression(); e.Kind {
		case unstable.KeyValue:
			d.keyValue(d.table, e)
		case unstable.Table, unstable.ArrayTable:
			d.header(e)
		default: // comments
		}
		if d.nodes > maxNodes {
			r.at(0, "", "too many keys and values, more than %d", maxNodes)
			return nil
		}
	}
	if err := d.p.Error(); err != nil {
		d.syntaxError(err)
		return nil
	}
	return d.root
}

// syntaxError reports what the parser found under the table it happened in.
func (d *document) syntaxError(err error) {
	offset := 0
	var pe *unstable.ParserError
	if errors.As(err, &pe) {
		offset = int(d.p.Range(pe.Highlight).Offset)
	}
	d.r.at(offset, d.table.path(), "%s", err)
}

// again reports a second definition of n.
func (d *document) again(n *node, key *unstable.Node) {
	line, _ := d.r.lines.position(int(n.at))
	d.r.at(int(key.Raw.Offset), n.path(), "already defined in line %d", line)
}

// node makes a key or element; many at a time.
func (d *document) node(in *node, name string, at uint32) *node {
	if len(d.slab) == 0 {
		d.slab = make([]node, min(max(d.nodes, 16), 4096))
	}
	n := &d.slab[0]
	d.slab = d.slab[1:]
	d.nodes++
	n.name, n.at = name, at
	in.add(n)
	return n
}

// string gives data, which stands in the document from at on, as a part of it. Where escapes made it differ, it is
// copied.
func (d *document) string(data []byte, at uint32) string {
	for from := int(at); from <= int(at)+1; from++ { // without or with a quote in front
		if to := from + len(data); to <= len(d.text) && d.text[from:to] == string(data) {
			return d.text[from:to]
		}
	}
	return string(data)
}

// header enters the table of [a.b] or [[a.b]], and makes those on the way to it that are not there yet.
func (d *document) header(e *unstable.Node) {
	t := d.root
	for it := e.Key(); it.Next(); {
		key := it.Node()
		next := t.get(string(key.Data))
		isNew := next == nil
		if isNew {
			next = d.node(t, d.string(key.Data, key.Raw.Offset), key.Raw.Offset)
		}
		open := next.kind == kindTable && next.made != madeInline
		switch {
		case !it.IsLast():
			if !open && next.kind != kindTables {
				d.again(next, key)
				d.table = &node{parent: next.parent, name: next.name} // what follows is read and forgotten
				return
			}
		case e.Kind == unstable.ArrayTable:
			if !isNew && next.kind != kindTables {
				d.again(next, key)
			}
			next.kind = kindTables
		case isNew || open && next.made == madeOnTheWay:
			next.made, next.at = madeByHeader, key.Raw.Offset
		default:
			d.again(next, key)
			next = &node{parent: next.parent, name: next.name}
		}
		t = next
	}
	if t.kind == kindTables { // each one begins anew; none is read
		t = &node{parent: t.parent, name: t.name}
	}
	d.table = t
}

// keyValue reads a.b = value in a table.
func (d *document) keyValue(table *node, e *unstable.Node) {
	for it := e.Key(); it.Next(); {
		key := it.Node()
		next := table.get(string(key.Data))
		if next != nil && (it.IsLast() || next.kind != kindTable || next.made != madeByDots) {
			d.again(next, key)
			return
		}
		if next == nil {
			next = d.node(table, d.string(key.Data, key.Raw.Offset), key.Raw.Offset)
			next.made = madeByDots
		}
		table = next
	}
	d.value(table, e.Value())
}

func (d *document) value(n *node, v *unstable.Node) {
	switch v.Kind {
	case unstable.String:
		n.kind, n.text = kindString, d.string(v.Data, v.Raw.Offset)
	case unstable.Integer:
		n.kind, n.text = kindInteger, d.string(v.Data, v.Raw.Offset)
	case unstable.Bool:
		n.kind, n.text = kindBoolean, d.string(v.Data, v.Raw.Offset)
	case unstable.Float:
		n.kind = kindFloat
	case unstable.Array:
		n.kind = kindArray
		for it := v.Children(); it.Next(); {
			if e := it.Node(); e.Kind != unstable.Comment {
				d.value(d.node(n, "", max(n.at, e.Raw.Offset)), e)
			}
		}
	case unstable.InlineTable:
		n.kind = kindTable
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				d.keyValue(n, it.Node())
			}
		}
		n.made = madeInline
	default:
		n.kind = kindTime
	}
}
