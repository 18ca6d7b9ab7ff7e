package mgmt

import (
	"context"
	"net"
	"syscall"
)

// identified gives connections the user who made them as a part of their remote address: what wraps a connection keeps
// that.
type identified struct{ net.Listener }

// Accept asks the kernel who has connected (SO_PEERCRED, unix(7)): who that was when connecting, which no later change of
// users alters.
func (l identified) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return c, nil
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return c, nil //nolint:nilerr // it is a connection of nobody known
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil || credErr != nil {
		return c, nil //nolint:nilerr // likewise
	}
	return identifiedConn{uc, peerAddr{uc.RemoteAddr(), cred.Uid}}, nil
}

type identifiedConn struct {
	*net.UnixConn
	peer peerAddr
}

// RemoteAddr gives the peer's address with its user.
func (c identifiedConn) RemoteAddr() net.Addr { return c.peer }

type peerAddr struct {
	net.Addr
	uid uint32
}

type uidKey struct{}

// withUID is http.Server.ConnContext.
func withUID(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.RemoteAddr().(peerAddr); ok {
		return context.WithValue(ctx, uidKey{}, p.uid)
	}
	return ctx
}

// uidOf is who has made a request.
func uidOf(ctx context.Context) (uid uint32, known bool) {
	uid, known = ctx.Value(uidKey{}).(uint32)
	return uid, known
}
