package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the paths of what runs in the lab; empty: missing.
type programs struct {
	culvert, wireguard, fastd string
}

// root is the top of the source tree: where go.mod of module culvert is.
func root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "culvert").Output()
	if err != nil {
		return "", fmt.Errorf("run this inside the source tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goBuild builds a package in dir without cgo.
func goBuild(ctx context.Context, dir, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-o", out, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// find builds or installs what the comparators need.
func find(ctx context.Context, top string, o options) (programs, error) {
	p := programs{culvert: o.exe}
	bin := filepath.Join(top, "build", "bench")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return p, err
	}
	if p.culvert == "" {
		p.culvert = filepath.Join(bin, "culvert")
		if err := goBuild(ctx, top, p.culvert, "./cmd/culvert"); err != nil {
			return p, err
		}
	}
	for _, c := range o.comparators {
		switch c.needs {
		case "wireguard":
			p.wireguard = filepath.Join(bin, "wireguard")
			if err := goBuild(ctx, filepath.Join(top, "bench", "wireguard"), p.wireguard, "."); err != nil {
				progress("wireguard-go is left out: %v", err)
				p.wireguard = ""
			}
		case "fastd":
			p.fastd = install(ctx, "fastd")
		}
	}
	if install(ctx, "iperf3") == "" {
		return p, errors.New("iperf3 is missing: install it")
	}
	return p, nil
}

// install returns the path of a program, after trying to install the Debian package of its name if it is missing;
// empty if that fails.
func install(ctx context.Context, name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		progress("%s is missing and cannot be installed here", name)
		return ""
	}
	progress("installing %s", name)
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", name}} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=120"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			progress("apt-get %s: %v\n%s", args[0], err, out)
		}
	}
	path, _ := exec.LookPath(name)
	return path
}

// has tells whether what a comparator needs is there.
func (p programs) has(needs string) bool {
	return needs == "" || needs == "wireguard" && p.wireguard != "" || needs == "fastd" && p.fastd != ""
}
