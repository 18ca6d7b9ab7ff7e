package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// What the linker may set (-X culvert/internal/version.Version=1.2.3, go tool link -X). Nothing else writes them.
var (
	// Version is the release, in the form of Semantic Versioning 2.0.0 without a leading "v".
	Version = "0.1.0-dev"
	// Commit is the full or short hash of the source; empty: what the go command recorded in the binary.
	Commit = ""
)

// commitLen is how many hex digits of a commit are printed, as in git's core.abbrev=12.
const commitLen = 12

// Unknown is what Info says of a commit that nobody recorded (built outside a repository, or with -buildvcs=false).
const Unknown = "unknown"

// Info says what a binary was made from. Its JSON form is `culvert version --json` and GET /v1/version.
type Info struct {
	Version  string `json:"version"`  // Semantic Versioning 2.0.0
	Commit   string `json:"commit"`   // at most 12 hex digits, "-dirty" behind them for a changed tree, or "unknown"
	Go       string `json:"go"`       // runtime.Version
	Platform string `json:"platform"` // GOOS/GOARCH
}

// String is the one line of `culvert version`.
func (i Info) String() string {
	return fmt.Sprintf("culvert %s (commit %s, %s, %s)", i.Version, i.Commit, i.Go, i.Platform)
}

// Get describes this binary. Any goroutine may call it.
func Get() Info {
	return Info{
		Version:  strings.TrimPrefix(Version, "v"), // git tags have one
		Commit:   commit(Commit, buildSettings()),
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// buildSettings are what the go command recorded (debug.BuildSetting), read once.
var buildSettings = sync.OnceValue(func() []debug.BuildSetting {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return info.Settings
})

// commit chooses between what the linker was told and what the go command recorded.
func commit(linked string, settings []debug.BuildSetting) string {
	if linked != "" {
		return shorten(linked)
	}
	hash, dirty := "", ""
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			hash = shorten(s.Value)
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if hash == "" {
		return Unknown
	}
	return hash + dirty
}

func shorten(hash string) string {
	if len(hash) > commitLen {
		return hash[:commitLen]
	}
	return hash
}
