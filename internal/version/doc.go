// Package version says which culvert this is: release, commit, Go version and platform.
//
// The release comes from the source and is overridden by the linker for a release build:
//
//	go build -ldflags "-X culvert/internal/version.Version=0.1.0 -X culvert/internal/version.Commit=$(git rev-parse HEAD)"
//
// Without that, the commit is the one the go command records in every binary built inside the repository
// (runtime/debug.ReadBuildInfo, settings vcs.revision and vcs.modified).
//
// Supported standards: Semantic Versioning 2.0.0 for the release.
//
// The variables are written by the linker only; everything here may be called from any goroutine.
package version
