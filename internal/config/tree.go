package config

import (
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is what a value is.
type kind uint8

const (
	kindTable kind = iota
	kindString
	kindInteger
	kindBoolean
	kindArray
	kindFloat
	kindTime
	kindTables
)

// String names a kind in the words of our errors.
func (k kind) String() string {
	return [...]string{
		"a table", "a string", "an integer", "true or false", "an array", "a float", "a date or time", "an array of tables",
	}[k]
}

// made is how a table came into being, on which depends who may add to it (TOML 1.0, "Keys" and "Table").
type made uint8

const (
	madeOnTheWay made = iota // by the header of a table inside it
	madeByHeader             // by its own header
	madeByDots               // by a dotted key
	madeInline               // in braces
)

// node is a key of the file with its value, or an element of an array. Files with 100,000 sessions have millions.
type node struct {
	name, text string // text: the value of a string, integers and booleans as written
	parent     *node  // nil: the root
	first      *node  // of the keys or elements inside
	last, next *node
	index      map[string]*node // of what is inside by name, made when that is much
	size       uint32           // how many are inside
	at         uint32           // offset in the file of the key, or of the array element
	kind       kind
	made       made
}

// indexFrom is the number of keys from which on a table is searched by map.
const indexFrom = 16

// inside gives the keys of a table or elements of an array, in file order.
func (n *node) inside() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for k := n.first; k != nil; k = k.next {
			if !yield(k) {
				return
			}
		}
	}
}

// get finds a key of a table, nil when it is not there.
func (n *node) get(name string) *node {
	if n.index != nil {
		return n.index[name]
	}
	for k := range n.inside() {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (n *node) add(k *node) {
	k.parent = n
	if n.last == nil {
		n.first = k
	} else {
		n.last.next = k
	}
	n.last = k
	n.size++
	switch {
	case n.index != nil:
		n.index[k.name] = k
	case n.kind == kindTable && n.size == indexFrom:
		n.index = make(map[string]*node, 2*indexFrom)
		for k := range n.inside() {
			n.index[k.name] = k
		}
	}
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

// invalidUTF8 gives the offset of the first byte that is not UTF-8, or -1.
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
