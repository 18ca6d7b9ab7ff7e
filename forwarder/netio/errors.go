package netio

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var (
	// ErrWouldBlock says that a socket has nothing to read, or no room to send, right now.
	ErrWouldBlock = errors.New("netio: operation would block")
	// ErrClosed says that the Group or Poller was closed.
	ErrClosed = errors.New("netio: closed")
	// ErrWorkers says that a number of workers, or the index of one, is out of range.
	ErrWorkers = errors.New("worker out of range")
	// ErrAddress says that an address is missing or of no use for the transport.
	ErrAddress = errors.New("invalid address")
	// ErrOption says that a TTL or TOS value does not fit its header field.
	ErrOption = errors.New("value out of range")
	// ErrToken says that a Poller token is the one reserved for Wake.
	ErrToken = errors.New("netio: token is reserved")
)

// OpError is a failure to open or set up a socket, in words an operator can act on. errors.Is sees the errno behind it.
type OpError struct {
	Op   string // what was tried: "bind udp", "open raw socket for IP protocol 115", "set IP_RECVERR"
	Addr string // the address concerned as text, or ""
	Err  error  // usually a unix.Errno
	Hint string // what to do about it, or ""
}

// Error implements error.
func (e *OpError) Error() string {
	s := e.Op
	if e.Addr != "" {
		s += " " + e.Addr
	}
	s += ": " + e.Err.Error()
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// addressError replaces the kernel's "cannot assign requested address" by the sentence an operator looks for.
type addressError struct {
	addr string
	err  error
}

func (e *addressError) Error() string { return fmt.Sprintf("address %s is not on this host", e.addr) }
func (e *addressError) Unwrap() error { return e.err }

// hint names the usual remedy for an errno of socket(2), bind(2) or setsockopt(2).
func hint(err error) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return "raise the limit of open files, LimitNOFILE or ulimit -n"
	case errors.Is(err, unix.ENFILE):
		return "raise the sysctl fs.file-max"
	case errors.Is(err, unix.EAFNOSUPPORT):
		return "the address family is not enabled on this host"
	}
	return ""
}

// openError makes the error of socket(2).
func openError(what string, raw bool, err error) error {
	e := &OpError{Op: "open " + what, Err: err, Hint: hint(err)}
	if raw && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		e.Hint = "needs CAP_NET_RAW"
	}
	return e
}

// bindError makes the error of bind(2): full is the address with its port, host without.
func bindError(network, full, host string, err error) error {
	e := &OpError{Op: "bind " + network, Addr: full, Err: err, Hint: hint(err)}
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		e.Err = &addressError{addr: host, err: err}
	case errors.Is(err, unix.EACCES):
		e.Hint = "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
	}
	return e
}

// pendingError reports whether an errno may be an ICMP error that waited on the socket (icmp_err_convert in
// net/ipv4/icmp.c, tab_unreach in net/ipv6/icmp.c) and so need not concern the call that got it.
func pendingError(errno unix.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOPROTOOPT, unix.EMSGSIZE,
		unix.EOPNOTSUPP, unix.EHOSTDOWN, unix.ENONET, unix.EPROTO, unix.EACCES:
		return true
	}
	return false
}
