//go:build interop

package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"culvert/internal/testenv"
)

// lab is what all cases share. It is made by the first case that needs it and taken down by TestMain.
type lab struct {
	dir    string // short-lived files; short too, for it holds Unix sockets
	host   *hostNS
	peer   *peer
	binary string
	pcap   *exec.Cmd
}

var (
	theLab  lab
	labOnce sync.Once
	errLab  error
	results matrix
)

func TestMain(m *testing.M) {
	flag.Parse()
	start := time.Now()
	code := m.Run()
	versions := theLab.versions()
	theLab.close()
	if results.print(os.Stdout, versions, time.Since(start)) && code == 0 {
		code = 1
	}
	os.Exit(code)
}

// useLab gives the running lab. Without what it takes the test is skipped, or fails when it must run here.
func useLab(t *testing.T) *lab {
	t.Helper()
	testenv.RequireNetns(t)
	labOnce.Do(func() { errLab = theLab.open() })
	if errLab != nil {
		if os.Getenv("CULVERT_REQUIRE_NETNS") == "1" {
			t.Fatalf("no kernel peer: %v", errLab)
		}
		t.Skipf("no kernel peer: %v", errLab)
	}
	if err := theLab.peer.revive(); err != nil {
		t.Fatalf("kernel peer does not come back: %v", err)
	}
	return &theLab
}

// open sets everything up; what it made is taken down by close, also after an error.
func (l *lab) open() error {
	sweepStale()
	var err error
	if l.dir, err = os.MkdirTemp("", fmt.Sprintf("cvi%d-", os.Getpid())); err != nil {
		return err
	}
	if l.binary, err = findBinary(l.dir); err != nil {
		return err
	}
	setup := exec.Command(filepath.Join(kernelpeerDir, "setup.sh"))
	if out, err := setup.CombinedOutput(); err != nil {
		return fmt.Errorf("setup.sh: %w\n%s", err, out)
	}
	if l.host, err = newHostNS(fmt.Sprintf("cvi%d", os.Getpid())); err != nil {
		return err
	}
	l.peer = newPeer(l.host.name, l.binary, filepath.Join(l.dir, "console"))
	if err := l.peer.boot(); err != nil {
		return err
	}
	return l.startCapture()
}

// findBinary gives the path of the binary under test, building it into dir when none was named.
func findBinary(dir string) (string, error) {
	if b := os.Getenv("CULVERT_BIN"); b != "" {
		if !filepath.IsAbs(b) {
			b = filepath.Join("../..", b) // as seen from the module's root, where make runs
		}
		abs, err := filepath.Abs(b)
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(abs); err != nil {
			return "", fmt.Errorf("CULVERT_BIN: %w", err)
		}
		return abs, nil
	}
	out := filepath.Join(dir, "culvert")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", out, "culvert/cmd/culvert")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, msg)
	}
	return out, nil
}

func (l *lab) startCapture() error {
	dir := os.Getenv("CULVERT_INTEROP_PCAP")
	if dir == "" {
		return nil
	}
	l.pcap = exec.Command("ip", "netns", "exec", l.host.name, "tcpdump", "-q", "-n", "-U", "-i", tapName,
		"-w", filepath.Join(dir, "interop.pcap"))
	return l.pcap.Start()
}

// versions names the software at the other end, for the report.
func (l *lab) versions() string {
	if l.peer == nil || l.peer.in == nil {
		return ""
	}
	out, _, err := l.peer.try(10*time.Second, `echo "Linux $(uname -r), $(pppd --version 2>&1), $(ip -V | sed 's/ip utility, //; s/,.*//')"`)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

func (l *lab) close() {
	if l.pcap != nil {
		_ = l.pcap.Process.Signal(os.Interrupt)
		_ = l.pcap.Wait()
	}
	if l.peer != nil {
		l.peer.stop()
	}
	if l.host != nil {
		l.host.close()
	}
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}
