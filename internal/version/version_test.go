package version

import (
	"encoding/json"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestCommit(t *testing.T) {
	const hash = "abcdef0123456789abcdef0123456789abcdef01"
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "-compiler", Value: "gc"}, {Key: "vcs.revision", Value: hash}, {Key: "vcs.modified", Value: modified}}
	}
	tests := []struct {
		name, linked string
		settings     []debug.BuildSetting
		want         string
	}{
		{"nothing known", "", nil, Unknown},
		{"modified without a revision", "", vcs("true")[2:], Unknown},
		{"recorded", "", vcs("false"), "abcdef012345"},
		{"recorded, changed tree", "", vcs("true"), "abcdef012345-dirty"},
		{"linked full", hash, nil, "abcdef012345"},
		{"linked short", "abc", nil, "abc"},
		{"linked wins", "0123456789abcdef", vcs("true"), "0123456789ab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := commit(tt.linked, tt.settings); got != tt.want {
				t.Errorf("commit(%q) = %q, want %q", tt.linked, got, tt.want)
			}
		})
	}
}

func TestInfo(t *testing.T) {
	i := Info{Version: "0.1.0-dev", Commit: "abcdef012345", Go: "go1.26.8", Platform: "linux/amd64"}
	if got, want := i.String(), "culvert 0.1.0-dev (commit abcdef012345, go1.26.8, linux/amd64)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	b, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"version":"0.1.0-dev","commit":"abcdef012345","go":"go1.26.8","platform":"linux/amd64"}`; got != want {
		t.Errorf("JSON %s, want %s", got, want)
	}
}

func TestGet(t *testing.T) {
	i := Get()
	if i.Go != runtime.Version() || i.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("Get() = %+v", i)
	}
	// semver.org's own expression, pre-release and build parts simplified.
	if !regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`).MatchString(i.Version) {
		t.Errorf("version %q is not a semantic version", i.Version)
	}
}
