//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// kernelpeerDir is scripts/kernelpeer as seen from this package, where `go test` runs.
const kernelpeerDir = "../../scripts/kernelpeer"

// peerLife bounds a guest's life, so that not even a killed test run leaves one behind for long.
const peerLife = 30 * time.Minute

// peerMemory is the guest's in MB. Its file system may take half: programs, and the data of one transfer.
const peerMemory = "512"

// peer is the guest: a stock kernel whose shell takes commands. Only one goroutine uses it.
type peer struct {
	netns, binary string // binary is culvert's, the guest's /job/culvert
	console       string
	cmd           *exec.Cmd
	in            io.WriteCloser
	lines         chan string // closed when the guest is gone
	stderr        lockedBuffer
	broken        error // why nothing more can be asked of it
}

var errPeerGone = errors.New("the kernel peer is gone")

func newPeer(netns, binary, console string) *peer {
	return &peer{netns: netns, binary: binary, console: console}
}

// boot starts the guest and gives it its addresses and helpers.
func (p *peer) boot() error {
	p.cmd = exec.Command(filepath.Join(kernelpeerDir, "boot.sh"), "--quiet", "--netns", p.netns, "--tap", tapName,
		"--timeout", strconv.Itoa(int(peerLife.Seconds())), "--console", p.console, "--mem", peerMemory,
		"--file", p.binary+":culvert", "--stdin",
		filepath.Join(kernelpeerDir, "cmdloop.sh"))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.broken, p.lines = nil, make(chan string, 1024)
	go readLines(out, p.lines)
	if line, err := p.line(time.Minute); err != nil || line != "READY" {
		p.stop()
		return fmt.Errorf("boot: %q, %w\n%s", line, err, p.stderr.String())
	}
	for _, c := range peerSetup {
		if out, code, err := p.try(20*time.Second, c); err != nil || code != 0 {
			p.stop()
			return fmt.Errorf("%s: exit %d, %w\n%s", c, code, err, out)
		}
	}
	return nil
}

// peerSetup is what every fresh guest is told: the underlay's addresses, and shell functions for the cases.
var peerSetup = []string{
	"ip addr add " + peer4.String() + "/24 dev eth0",
	"ip addr add " + stranger4.String() + "/24 dev eth0",
	"ip addr add " + peer6.String() + "/64 dev eth0 nodad",
	"ip addr add " + stranger6.String() + "/64 dev eth0 nodad",
	"ip link set eth0 up",
	"modprobe 8021q && modprobe l2tp_debugfs && modprobe tun",
	// pings ADDRESS SIZE...: three requests of each size, none of which may be lost or fragmented
	`pings() { a=$1; shift; for s in "$@"; do ping -n -q -c 3 -i 0.002 -W 3 -M do -s $s $a >/tmp/ping 2>&1 || { echo "ping -s $s $a"; cat /tmp/ping; return 1; }; done; }`,
	// until N COMMAND...: tries up to N times, 50 ms apart
	`until_ok() { n=$1; shift; while ! "$@" >/tmp/until 2>&1; do n=$((n-1)); [ $n -gt 0 ] || { cat /tmp/until; return 1; }; usleep 50000; done; }`,
}

func readLines(r io.Reader, to chan<- string) {
	defer close(to)
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		to <- s.Text()
	}
}

// line gives the next line the guest prints.
func (p *peer) line(timeout time.Duration) (string, error) {
	select {
	case l, ok := <-p.lines:
		if !ok {
			return "", errPeerGone
		}
		return l, nil
	case <-time.After(timeout):
		return "", fmt.Errorf("no answer within %v", timeout)
	}
}

// try runs one command line in the guest's shell and gives its output and exit code. An error means that the guest
// can not be asked any more.
func (p *peer) try(timeout time.Duration, command string) (out string, code int, err error) {
	if p.broken != nil {
		return "", 0, p.broken
	}
	defer func() { p.broken = err }()
	if strings.ContainsRune(command, '\n') {
		return "", 0, fmt.Errorf("a command is one line: %q", command)
	}
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		return "", 0, fmt.Errorf("%w: %w", errPeerGone, err)
	}
	deadline := time.Now().Add(timeout)
	var lines []string
	for {
		l, err := p.line(time.Until(deadline))
		if err != nil {
			return strings.Join(lines, "\n"), 0, fmt.Errorf("%s: %w", command, err)
		}
		if done, ok := strings.CutPrefix(l, "DONE "); ok {
			code, err := strconv.Atoi(done)
			if n := len(lines); n > 0 && lines[n-1] == "" {
				lines = lines[:n-1]
			}
			return strings.Join(lines, "\n"), code, err
		}
		lines = append(lines, l)
	}
}

// run is try for commands that must succeed.
func (p *peer) run(t *testing.T, format string, args ...any) string {
	t.Helper()
	return p.runFor(t, 30*time.Second, fmt.Sprintf(format, args...))
}

// runFor is run for what may take longer.
func (p *peer) runFor(t *testing.T, limit time.Duration, command string) string {
	t.Helper()
	out, code, err := p.try(limit, command)
	if err != nil {
		t.Fatalf("peer: %v\n%s%s", err, out, p.lastWords())
	}
	if code != 0 {
		t.Fatalf("peer: %s: exit %d\n%s", command, code, out)
	}
	return out
}

// quiet is try for commands whose failure does not matter: cleaning up.
func (p *peer) quiet(t *testing.T, command string) {
	t.Helper()
	if _, _, err := p.try(30*time.Second, command); err != nil {
		t.Errorf("peer: %v\n%s", err, p.lastWords())
	}
}

// lastWords is the end of the guest's console, where an oops would be.
func (p *peer) lastWords() string {
	b, err := os.ReadFile(p.console)
	if err != nil || len(b) == 0 {
		return ""
	}
	return "\nconsole: " + string(b[max(0, len(b)-2000):])
}

// revive boots a new guest when the present one can not be asked any more.
func (p *peer) revive() error {
	if p.broken == nil {
		return nil
	}
	p.stop()
	return p.boot()
}

// stop ends the guest: end of input is its usual end.
func (p *peer) stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.in.Close()
	go func() { // a full channel would hold the reader, and that the guest
		for range p.lines {
		}
	}()
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	for _, sig := range []syscall.Signal{0, syscall.SIGTERM, syscall.SIGKILL} {
		if sig != 0 {
			_ = p.cmd.Process.Signal(sig) // boot.sh passes it on to qemu
		}
		select {
		case <-done:
			p.cmd, p.in = nil, nil
			return
		case <-time.After(8 * time.Second):
		}
	}
}

// lockedBuffer collects a child's output, read while it still grows.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
