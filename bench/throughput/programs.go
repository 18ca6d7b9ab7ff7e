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
	self, culvert, against, wireguard, fastd string
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
func goBuild(ctx context.Context, dir, out, pkg, flags string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", out, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// buildCulvert builds the tree in top, or what it was at commit rev, and writes the commit into the binary.
func buildCulvert(ctx context.Context, top, out, rev string) error {
	name := rev
	if rev == "" {
		name = "HEAD"
	}
	commit := output(ctx, "git", "-C", top, "rev-parse", "--short=12", "--verify", name+"^{commit}")
	if rev == "" {
		if output(ctx, "git", "-C", top, "status", "--porcelain", "--", "*.go", "*.s", "go.mod", ":!bench", ":!*_test.go") != "" {
			commit += "-dirty"
		}
	} else {
		dir, err := os.MkdirTemp("", "culvert-bench-source-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		tar := filepath.Join(dir, "source.tar")
		for _, argv := range [][]string{{"git", "-C", top, "archive", "-o", tar, rev}, {"tar", "-x", "-f", tar, "-C", dir}} {
			if text, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("source of %s: %w: %s", rev, err, text)
			}
		}
		top = dir
	}
	return goBuild(ctx, top, out, "./cmd/culvert", "-s -w -X culvert/internal/version.Commit="+commit)
}

// find builds or installs what the comparators need.
func find(ctx context.Context, top string, o options) (programs, error) {
	p := programs{culvert: o.exe, against: o.against}
	var err error
	if p.self, err = os.Executable(); err != nil {
		return p, err
	}
	bin := filepath.Join(top, "build", "bench")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return p, err
	}
	if p.culvert == "" {
		p.culvert = filepath.Join(bin, "culvert-measured")
		if err := buildCulvert(ctx, top, p.culvert, o.rev); err != nil {
			return p, err
		}
	}
	for _, c := range o.comparators {
		switch c.needs {
		case "wireguard":
			p.wireguard = filepath.Join(bin, "wireguard")
			if err := goBuild(ctx, filepath.Join(top, "bench", "wireguard"), p.wireguard, ".", "-s -w"); err != nil {
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
