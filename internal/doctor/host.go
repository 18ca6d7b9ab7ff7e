package doctor

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Host is what is looked at.
type Host struct {
	// Files has the host's /proc and /sys, with paths as from the root directory. Symbolic links below
	// /proc/PID/fd are read (fs.ReadLinkFS).
	Files fs.FS
	// OpenTUN opens /dev/net/tun and closes it again.
	OpenTUN func() error
}

// System is the host that we run on.
func System() Host {
	return Host{Files: os.DirFS("/"), OpenTUN: openTUN}
}

func openTUN() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// text reads a small file, without white space around what is in it; empty when it cannot be read.
func (h *Host) text(path string) string {
	b, err := fs.ReadFile(h.Files, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number reads a file that holds one number.
func (h *Host) number(path string) (int64, bool) {
	n, err := strconv.ParseInt(h.text(path), 10, 64)
	return n, err == nil
}

// field returns what follows "name:" on a line of its own, as in /proc/self/status; empty when there is none.
func (h *Host) field(path, name string) string {
	for line := range strings.Lines(h.text(path)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (h *Host) exists(path string) bool {
	_, err := fs.Stat(h.Files, path)
	return !errors.Is(err, fs.ErrNotExist)
}
