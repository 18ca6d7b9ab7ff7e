package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// Entry is one line of a secrets file.
type Entry struct {
	Secret Secret
	// Addresses are those the client may use.
	Addresses Addresses
}

// pair is who proves himself to whom.
type pair struct{ client, server string }

// wild matches every name.
const wild = "*"

// Table holds the entries of a secrets file.
type Table struct{ entries map[pair]Entry }

// Lookup finds the entry for a client that proves itself to a server: the one with the fewest wildcards and, of two
// with one, that which names the server; the first in the file where several are alike (pppd(8), AUTHENTICATION).
func (t *Table) Lookup(client, server string) (Entry, bool) {
	if t == nil {
		return Entry{}, false
	}
	for _, p := range [...]pair{{client, server}, {wild, server}, {client, wild}, {wild, wild}} {
		if e, ok := t.entries[p]; ok {
			return e, true
		}
	}
	return Entry{}, false
}

// HasClient tells whether a client has a secret of its own with any server: one of "*" does not make us somebody.
func (t *Table) HasClient(client string) bool {
	for p := range t.entries {
		if p.client == client {
			return true
		}
	}
	return false
}

// HasServer tells whether any client has a secret with a server.
func (t *Table) HasServer(server string) bool {
	for p := range t.entries {
		if p.server == server || p.server == wild {
			return true
		}
	}
	return false
}

// Len is the number of entries.
func (t *Table) Len() int { return len(t.entries) }

// FileError is what is wrong with a secrets file.
type FileError struct {
	Path string
	Line int // from 1; 0: the file as a whole
	Err  error
}

// Error prints path:line: message.
func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// What may be wrong with a secrets file.
var (
	// ErrAccess: others than its owner may read or write the file.
	ErrAccess = errors.New("others than its owner may access it")
	// ErrOwner: the file is neither ours nor root's.
	ErrOwner = errors.New("it belongs to somebody else than us and root")
	// ErrNotFile: it is a directory, a device or the like.
	ErrNotFile = errors.New("not a regular file")
	// ErrTooLarge: it exceeds MaxFile.
	ErrTooLarge = errors.New("larger than 64 MiB")
	// ErrLine: a line is not what a secrets file has.
	ErrLine = errors.New("malformed")
)

// MaxFile is the largest secrets file read, in bytes.
const MaxFile = 64 << 20

// Load reads a secrets file. Errors are *FileError; none holds anything of a secret.
func Load(path string) (*Table, error) {
	fail := func(err error) (*Table, error) {
		var pe *os.PathError
		if errors.As(err, &pe) { // leave out the path that os puts in
			err = fmt.Errorf("cannot %s: %w", pe.Op, pe.Err)
		}
		return nil, &FileError{Path: path, Err: err}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold us up
	if err != nil {
		return fail(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if err := access(info); err != nil {
		return fail(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return fail(err)
	case len(text) > MaxFile:
		return fail(ErrTooLarge)
	}
	return Parse(path, string(text))
}

// access checks that a secrets file is for its owner's eyes only.
func access(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return ErrNotFile
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w (uid %d): chown it", ErrOwner, st.Uid)
	}
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return fmt.Errorf("%w (mode %04o): chmod 600 it", ErrAccess, m)
	}
	return nil
}

// Parse reads the text of a secrets file; path stands for it in errors, which are *FileError.
func Parse(path, text string) (*Table, error) {
	t := &Table{entries: map[pair]Entry{}}
	s := splitter{text: text, now: 1}
	for {
		l, err := s.next()
		if err == nil && l.words == nil {
			return t, nil
		}
		if err == nil {
			err = t.add(l.words)
		}
		if err != nil {
			return nil, &FileError{Path: path, Line: l.number, Err: err}
		}
	}
}

// add enters one line.
func (t *Table) add(words []string) error {
	if len(words) < 3 {
		return fmt.Errorf("%w: client, server and secret are needed, %d of them are there", ErrLine, len(words))
	}
	p, secret := pair{words[0], words[1]}, words[2]
	switch {
	case len(p.client) > MaxSecret || len(p.server) > MaxSecret || len(secret) > MaxSecret:
		return fmt.Errorf("%w: names and secrets have at most %d bytes", ErrLine, MaxSecret)
	case secret == "":
		return fmt.Errorf("%w: the secret is empty", ErrLine)
	case strings.HasPrefix(secret, "@"):
		return fmt.Errorf("%w: a secret in another file (@) is not supported", ErrLine)
	}
	for _, w := range words[3:] {
		switch {
		case w == "--":
			return fmt.Errorf("%w: options (--) are not supported", ErrLine)
		case strings.HasSuffix(w, "+"):
			return fmt.Errorf("%w: %q depends on the number of the interface, which is not supported", ErrLine, w)
		}
	}
	addrs, err := parseAddresses(words[3:])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLine, err)
	}
	if _, ok := t.entries[p]; !ok {
		t.entries[p] = Entry{NewSecret(secret), addrs}
	}
	return nil
}
