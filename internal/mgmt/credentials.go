package mgmt

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"unsafe"
)

// soPeerGroups is SO_PEERGROUPS of Linux (include/uapi/asm-generic/socket.h), which package syscall lacks: a socket's peer's
// supplementary groups.
const soPeerGroups = 59

// peer is who has connected, as the kernel has noted when that was done: no later change of users or groups, and nobody
// who gets the process number after him, alters it.
type peer struct {
	uid    uint32
	groups []uint32 // the effective one first, then the supplementary ones
}

// in tells whether he is in a group.
func (p peer) in(gid uint32) bool { return slices.Contains(p.groups, gid) }

// peerOfSocket asks for both (SO_PEERCRED, SO_PEERGROUPS, unix(7)).
func peerOfSocket(fd int) (peer, error) {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return peer{}, err
	}
	who := peer{cred.Uid, []uint32{cred.Gid}}
	if groups, err := peerGroups(fd); err == nil { // a kernel without it has nobody in more groups
		who.groups = append(who.groups, groups...)
	}
	return who, nil
}

// maxGroups is more than anybody can have (NGROUPS_MAX, limits.h of the kernel).
const maxGroups = 65536

func peerGroups(fd int) ([]uint32, error) {
	for room := 32; ; room *= 2 {
		groups := make([]uint32, room)
		size := uint32(4 * room) //nolint:gosec // at most 4 * 2 * maxGroups
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, soPeerGroups,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case !errors.Is(errno, syscall.ERANGE) || room > maxGroups:
			return nil, errno
		}
	}
}

// identified gives connections who has made them as a part of their remote address: what wraps a connection keeps that.
type identified struct{ net.Listener }

// Accept asks the kernel who has connected.
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
	var who peer
	var bad error
	err = raw.Control(func(fd uintptr) { who, bad = peerOfSocket(int(fd)) })
	if err != nil || bad != nil {
		return c, nil //nolint:nilerr // likewise
	}
	return identifiedConn{uc, peerAddr{uc.RemoteAddr(), who}}, nil
}

type identifiedConn struct {
	*net.UnixConn
	peer peerAddr
}

// RemoteAddr gives the peer's address with who he is.
func (c identifiedConn) RemoteAddr() net.Addr { return c.peer }

type peerAddr struct {
	net.Addr
	who peer
}

type peerKey struct{}

// withPeer is http.Server.ConnContext.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.RemoteAddr().(peerAddr); ok {
		return context.WithValue(ctx, peerKey{}, p.who)
	}
	return ctx
}

// peerOf is who has made a request.
func peerOf(ctx context.Context) (who peer, known bool) {
	who, known = ctx.Value(peerKey{}).(peer)
	return who, known
}
