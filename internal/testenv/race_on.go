//go:build race

package testenv

// RaceEnabled tells whether the race detector was compiled in: allocation counts mean nothing then, and long loops
// can be shortened.
const RaceEnabled = true
