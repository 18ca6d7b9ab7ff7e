package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks is USER_HZ, the unit of /proc/stat and /proc/PID/stat: 100 a second on every Linux there is (time(7)).
const ticks = 100

// errProc: a file of proc(5) does not look as it should.
var errProc = errors.New("cannot understand")

// CPU is processor time in seconds.
type CPU struct {
	Host      float64 `json:"host"`      // everything on the host, but what a hypervisor took
	Processes float64 `json:"processes"` // the processes asked for, user and system
}

// sub returns c - d.
func (c CPU) sub(d CPU) CPU { return CPU{c.Host - d.Host, c.Processes - d.Processes} }

// ReadCPU reads the processor time that the host and the given processes have used so far. A process that has ended is
// an error: its time is gone.
func ReadCPU(pids []int) (CPU, error) {
	var c CPU
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c, err
	}
	if c.Host, err = hostBusy(data); err != nil {
		return c, err
	}
	for _, pid := range pids {
		data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return c, err
		}
		used, err := processUsed(data)
		if err != nil {
			return c, err
		}
		c.Processes += used
	}
	return c, nil
}

// hostBusy adds user, nice, system, irq and softirq of the first line of /proc/stat (proc_stat(5)); guest time is part
// of user there, steal and iowait are nobody's work here.
func hostBusy(stat []byte) (float64, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 8 || f[0] != "cpu" {
		return 0, fmt.Errorf("%w /proc/stat", errProc)
	}
	var sum uint64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w /proc/stat: %w", errProc, err)
		}
		sum += n
	}
	return float64(sum) / ticks, nil
}

// processUsed adds utime and stime, fields 14 and 15 of /proc/PID/stat (proc_pid_stat(5)). The command, field 2, may
// hold anything, so fields count from its closing parenthesis.
func processUsed(stat []byte) (float64, error) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, fmt.Errorf("%w /proc/PID/stat", errProc)
	}
	f := strings.Fields(string(stat[i+1:])) // f[0] is field 3
	if len(f) < 13 {
		return 0, fmt.Errorf("%w /proc/PID/stat", errProc)
	}
	var sum uint64
	for _, s := range f[11:13] {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w /proc/PID/stat: %w", errProc, err)
		}
		sum += n
	}
	return float64(sum) / ticks, nil
}
