package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine says where and with what a run was made.
type machine struct {
	Began      time.Time  `json:"began"`
	Ended      time.Time  `json:"ended"`
	Commit     string     `json:"commit"` // of the culvert that was measured
	Against    string     `json:"against,omitempty"`
	CPU        string     `json:"cpu"`
	CPUs       int        `json:"cpus"`
	MemoryKB   int        `json:"memory_kb"`
	Kernel     string     `json:"kernel"`
	Go         string     `json:"go"`
	Iperf      string     `json:"iperf3"`
	Wireguard  string     `json:"wireguard_go,omitempty"`
	Fastd      string     `json:"fastd,omitempty"`
	LoadBefore [3]float64 `json:"load_before"`
	LoadDuring spread     `json:"load_during"` // last minute's, before each sample; the run's own load is in it
	LoadAfter  [3]float64 `json:"load_after"`
	Arguments  []string   `json:"arguments"`
	MTU        int        `json:"mtu"`
}

// culvertCommit asks a binary what it was made from.
func culvertCommit(ctx context.Context, exe string) string {
	var info struct{ Commit string }
	if err := json.Unmarshal([]byte(output(ctx, exe, "version", "--json")), &info); err != nil || info.Commit == "" {
		return "unknown"
	}
	return info.Commit
}

func describe(ctx context.Context, top string, exe programs, o options) machine {
	m := machine{
		Began: time.Now().UTC(), CPUs: runtime.NumCPU(), Go: runtime.Version(), MTU: o.mtu,
		Commit:     culvertCommit(ctx, exe.culvert),
		CPU:        procField("/proc/cpuinfo", "model name"),
		Kernel:     output(ctx, "uname", "-sr"),
		Iperf:      firstLine(output(ctx, "iperf3", "--version")),
		LoadBefore: loadAverage(), Arguments: os.Args[1:],
	}
	if o.against != "" {
		m.Against = culvertCommit(ctx, o.against)
	}
	m.MemoryKB, _ = strconv.Atoi(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"))
	for _, c := range o.comparators {
		switch c.needs {
		case "wireguard":
			m.Wireguard = output(ctx, "go", "-C", top+"/bench/wireguard", "list", "-m", "-f", "{{.Version}}", "golang.zx2c4.com/wireguard")
		case "fastd":
			m.Fastd = output(ctx, "fastd", "--version")
		}
	}
	return m
}

// output runs a program for what it prints; empty if it cannot.
func output(ctx context.Context, argv ...string) string {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// procField is the first value after "name:" in a file of proc(5).
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if key, value, ok := strings.Cut(in.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// loadAverage is of the last 1, 5 and 15 minutes (proc_loadavg(5)).
func loadAverage() (avg [3]float64) {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return avg
	}
	for i, s := range strings.Fields(string(data))[:3] {
		avg[i], _ = strconv.ParseFloat(s, 64)
	}
	return avg
}
