package testenv

import (
	"os"
	"testing"
)

// TestRaceDetectorIsOn keeps `make race` honest: a race run without -race passes everything.
func TestRaceDetectorIsOn(t *testing.T) {
	if os.Getenv("CULVERT_REQUIRE_RACE") == "1" && !RaceEnabled {
		t.Fatal("CULVERT_REQUIRE_RACE=1 but the race detector is not compiled in: run go test -race")
	}
}
