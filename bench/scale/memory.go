package scale

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// field reads a number of kilobytes out of a file of /proc as bytes.
func field(path, name string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

// resident is the memory of a process (VmRSS of proc_pid_status(5)).
func resident(pid int) (int64, error) { return field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS") }

// kernelMemory is what the kernel has allocated for itself, in fields of proc_meminfo(5): nearly all that a device costs
// is Slab. What processes use is not in it.
func kernelMemory() (sum int64, err error) {
	for _, name := range []string{"Slab", "Percpu", "PageTables", "KernelStack"} {
		n, err := field("/proc/meminfo", name)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// tick is the unit of times in proc_pid_stat(5), USER_HZ, which is 100 on all of Linux's architectures but alpha.
const tick = 10 * time.Millisecond

// cpu is the CPU time that a process has used.
func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var sum time.Duration
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}
