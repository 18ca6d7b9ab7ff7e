package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxErrors bounds what one file can make us remember: a file of garbage must not cost more than a good one.
const maxErrors = 1000

// Error is one thing that is wrong with a configuration file. Load and Parse return all they found, joined by
// errors.Join in file order; errors.As finds the first.
type Error struct {
	File         string
	Line, Column int    // both count from 1, columns in bytes; 0: no place in the file (it could not be read)
	Key          string // full key in TOML spelling, such as tunnel.t1.session.s1.cookie; empty: none
	Msg          string

	err error // cause, for errors.Is
}

// Error prints file:line: key: message, as compilers do, so that editors can jump to it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	return b.String() + ": " + e.Msg
}

// Unwrap gives the cause, such as fs.ErrNotExist, where there is one.
func (e *Error) Unwrap() error { return e.err }

// report collects errors while a file is read.
type report struct {
	file  string
	lines lineIndex
	found []*Error
	more  int
	// warned is what is not wrong, but worth a look.
	warned []*Error
}

// fail records that something is wrong with n.
func (r *report) fail(n *node, format string, args ...any) {
	r.at(int(n.at), n.path(), format, args...)
}

// warn records that something about n may not be meant so. Warnings beyond maxErrors are left out.
func (r *report) warn(n *node, format string, args ...any) {
	if len(r.warned) < maxErrors {
		r.warned = append(r.warned, r.problem(int(n.at), n.path(), format, args...))
	}
}

// warnings gives what warn recorded, in file order.
func (r *report) warnings() []*Error {
	inFileOrder(r.warned)
	return r.warned
}

// missing records that table lacks a key it must have.
func (r *report) missing(table *node, name string) {
	r.at(int(table.at), table.path()+"."+name, "missing")
}

func (r *report) at(offset int, key, format string, args ...any) {
	if len(r.found) == maxErrors {
		r.more++
		return
	}
	r.found = append(r.found, r.problem(offset, key, format, args...))
}

func (r *report) problem(offset int, key, format string, args ...any) *Error {
	line, column := r.lines.position(offset)
	return &Error{File: r.file, Line: line, Column: column, Key: key, Msg: fmt.Sprintf(format, args...)}
}

// err gives everything found, in file order, or nil.
func (r *report) err() error {
	inFileOrder(r.found)
	all := make([]error, 0, len(r.found)+1)
	for _, e := range r.found {
		all = append(all, e)
	}
	if r.more > 0 {
		last := r.found[len(r.found)-1]
		all = append(all, &Error{File: r.file, Line: last.Line, Column: last.Column, Msg: fmt.Sprintf("and %d more errors", r.more)})
	}
	return errors.Join(all...)
}

func inFileOrder(all []*Error) {
	slices.SortStableFunc(all, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// lineIndex holds the offset at which every line but the first begins.
type lineIndex []int

func indexLines(data []byte) lineIndex {
	var l lineIndex
	for i, c := range data {
		if c == '\n' {
			l = append(l, i+1)
		}
	}
	return l
}

// position turns an offset into line and column, both from 1.
func (l lineIndex) position(offset int) (line, column int) {
	i, exact := slices.BinarySearch(l, offset)
	if exact {
		i++
	}
	if i == 0 {
		return 1, offset + 1
	}
	return i + 1, offset - l[i-1] + 1
}
