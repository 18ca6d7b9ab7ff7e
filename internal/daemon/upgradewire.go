package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// What the two processes of a takeover say to each other, over a Unix stream socket:
//
//	new: hello      version of the snapshot, configuration      old: offer, or refuse
//	new: ready      everything is prepared                      old: files, state: it has stopped forwarding
//	new: restored   it could go on from here                    old: commit: it will not forward again
//	new: started    it forwards                                 old: ends, and takes nothing away
//
// Until started the old process resumes at whatever goes wrong; the new one ends.
const (
	msgHello = iota + 1
	msgOffer
	msgRefuse
	msgReady
	msgFiles // one byte, which carries up to filesPerMessage descriptors (SCM_RIGHTS)
	msgState
	msgRestored
	msgCommit
	msgStarted
)

const (
	// filesPerMessage is below SCM_MAX_FD, 253 (unix(7)).
	filesPerMessage = 250
	// maxMessage bounds a message: the state of more sessions than fit into a machine.
	maxMessage = 4 << 30
)

var errNotOurs = errors.New("is of neither root nor the user culvert runs as")

// wire is one end of the conversation.
type wire struct{ *net.UnixConn }

// peerPID checks with whom we speak (SO_PEERCRED, unix(7)), and gives its process.
func (w wire) peerPID() (int, error) {
	raw, err := w.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return 0, err
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("the other end, user %d, %w", cred.Uid, errNotOurs)
	}
	return int(cred.Pid), nil
}

func (w wire) send(kind byte, payload []byte, wait time.Duration) error {
	_ = w.SetDeadline(time.Now().Add(wait))
	head := binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(payload)))
	b := net.Buffers{head, payload}
	_, err := b.WriteTo(w.UnixConn)
	return err
}

// receive waits for a message of a kind. A refusal is an error with its text.
func (w wire) receive(kind byte, wait time.Duration) ([]byte, error) {
	_ = w.SetDeadline(time.Now().Add(wait))
	var head [9]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return nil, fmt.Errorf("the other process: %w", err)
	}
	n := binary.BigEndian.Uint64(head[1:])
	if n > maxMessage || head[0] != kind && head[0] != msgRefuse {
		return nil, fmt.Errorf("the other process says %d with %d bytes, and not %d", head[0], n, kind)
	}
	payload, err := io.ReadAll(io.LimitReader(w, int64(n)))
	switch {
	case err != nil:
		return nil, err
	case uint64(len(payload)) < n:
		return nil, io.ErrUnexpectedEOF
	case head[0] == msgRefuse:
		return nil, errors.New(string(payload))
	}
	return payload, nil
}

// sendFiles lets the other end have files, and how many.
func (w wire) sendFiles(fds []int, wait time.Duration) error {
	if err := w.send(msgFiles, binary.BigEndian.AppendUint32(nil, uint32(len(fds))), wait); err != nil {
		return err
	}
	for len(fds) > 0 {
		n := min(len(fds), filesPerMessage)
		if _, _, err := w.WriteMsgUnix([]byte{msgFiles}, syscall.UnixRights(fds[:n]...), nil); err != nil {
			return fmt.Errorf("send files: %w", err)
		}
		fds = fds[n:]
	}
	return nil
}

// receiveFiles takes them. Those that came before an error are closed.
func (w wire) receiveFiles(wait time.Duration) (fds []int, err error) {
	b, err := w.receive(msgFiles, wait)
	if err != nil {
		return nil, err
	}
	if len(b) != 4 {
		return nil, fmt.Errorf("the other process says %d bytes about files", len(b))
	}
	defer func() {
		if err != nil {
			closeFiles(fds)
			fds = nil
		}
	}()
	oob := make([]byte, syscall.CmsgSpace(4*filesPerMessage))
	for total := int(binary.BigEndian.Uint32(b)); len(fds) < total; {
		var one [1]byte
		n, oobn, flags, _, err := w.ReadMsgUnix(one[:], oob)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fds, fmt.Errorf("receive files: %w", err)
		}
		got, err := parseFiles(oob[:oobn])
		fds = append(fds, got...)
		if err == nil && flags&syscall.MSG_CTRUNC != 0 {
			err = errors.New("not all have come: is the limit of open files (LimitNOFILE) too low?")
		}
		if err == nil && (len(got) == 0 || one[0] != msgFiles) {
			err = errors.New("a message has none")
		}
		if err != nil {
			return fds, fmt.Errorf("receive files: %w", err)
		}
	}
	return fds, nil
}

func parseFiles(oob []byte) (fds []int, err error) {
	all, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range all {
		got, err := syscall.ParseUnixRights(&all[i])
		if err != nil {
			return fds, err
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

func closeFiles(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}
