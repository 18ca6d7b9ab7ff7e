package mgmt

import (
	"fmt"
	"net"
	"os"
)

// Inherit makes a listener of another process' management socket at path; Close removes its file as that of Listen does.
// f stays the caller's.
func Inherit(f *os.File, path string) (net.Listener, error) {
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("management socket: %w", err)
	}
	ul, ok := ln.(*net.UnixListener)
	if !ok {
		_ = ln.Close()
		return nil, fmt.Errorf("management socket: %w: it is none", ErrSocketPath)
	}
	ul.SetUnlinkOnClose(false)
	info, err := os.Lstat(path)
	if err != nil {
		_ = ul.Close()
		return nil, fmt.Errorf("management socket: %w", err)
	}
	return &listener{UnixListener: ul, path: path, info: info}, nil
}

// Leave has Close leave the socket's file, as another process listens there.
func Leave(ln net.Listener) {
	if l, ok := ln.(*listener); ok {
		l.once.Do(func() {})
	}
}

// File returns another descriptor of a socket that Listen or Inherit gave, the caller's to close.
func File(ln net.Listener) (*os.File, error) {
	switch l := ln.(type) {
	case *listener:
		return l.UnixListener.File()
	case interface{ File() (*os.File, error) }:
		return l.File()
	}
	return nil, fmt.Errorf("%T has no file", ln)
}
