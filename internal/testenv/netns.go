package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// ownEnv marks a test binary that has its namespace already.
const ownEnv = "CULVERT_TEST_NETNS"

// OwnNetNS gives the test binary a network namespace of its own with the loopback interface up, and is to be called
// first in TestMain. Tests that open raw sockets or fixed addresses then meet nobody else's, be it the same test run a
// second time on this machine. The binary executes itself again, so that all its threads are in the namespace, which
// ends with it. Who may not make namespaces stays where it is. Linux, unshare(2).
func OwnNetNS() {
	if os.Geteuid() != 0 || os.Getenv(ownEnv) != "" {
		return
	}
	if err := ownNetNS(); err != nil {
		fmt.Fprintln(os.Stderr, "no network namespace for the tests:", err)
		if os.Getenv("CULVERT_REQUIRE_NETNS") == "1" {
			os.Exit(1)
		}
	}
}

// ownNetNS returns only when it fails. execve(2) leaves the calling thread's namespace to the new program.
func ownNetNS() error {
	runtime.LockOSThread()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), ownEnv+"=1"))
}
