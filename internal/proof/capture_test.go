package proof

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// packetSocket opens an AF_PACKET socket on a device of the namespace (packet(7)), which sees what comes and what goes.
// Reads end after 100 ms, so that whoever waits notices that it should end.
func (n *node) packetSocket(t *testing.T, device string) int {
	t.Helper()
	index, ok := n.ns.Index(device)
	if !ok {
		t.Fatalf("%s has no %s", n.name, device)
	}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // big-endian
	fd := -1
	err := n.ns.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err == nil {
		tv := unix.NsecToTimeval((100 * time.Millisecond).Nanoseconds())
		err = errors.Join(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20))
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// listen gives every frame on a device to fn until the function it returns has been called.
func (n *node) listen(t *testing.T, device string, fn func(frame []byte)) (stop func()) {
	t.Helper()
	fd := n.packetSocket(t, device)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer unix.Close(fd)
		b := make([]byte, 1<<16)
		for {
			l, _, err := unix.Recvfrom(fd, b, 0)
			if err == nil {
				fn(b[:l])
				continue
			}
			select {
			case <-done: // and nothing was left to read
				return
			default:
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { close(done); wg.Wait() }) }
	t.Cleanup(stop)
	return stop
}

// capture writes every frame on a device into a file in pcap format (draft-ietf-opsawg-pcap) until the function it
// returns has been called.
func (n *node) capture(t *testing.T, device, path string) (stop func()) {
	t.Helper()
	const magicNanoseconds, version, snapLen, ethernet = 0xa1b23c4d, 2 | 4<<16, 1 << 16, 1
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, v := range []uint32{magicNanoseconds, version, 0, 0, snapLen, ethernet} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	end := n.listen(t, device, func(frame []byte) {
		now := time.Now()
		for _, v := range []uint32{uint32(now.Unix()), uint32(now.Nanosecond()), uint32(len(frame)), uint32(len(frame))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, frame...)
		if _, err := f.Write(b); err != nil {
			t.Error(err)
		}
		b = b[:0]
	})
	return func() {
		end()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
