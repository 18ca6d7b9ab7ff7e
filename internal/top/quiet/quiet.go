// Package quiet keeps bubbletea v1 from asking the terminal for its background colour when the process starts, which it
// does in an init function: every culvert command in a terminal would print the query, and wait for the answer of a
// terminal that knows none. Only packages that are initialised before bubbletea can stop that. Go initialises the
// package with the smallest import path among those whose imports are ready (specification, "Program initialization";
// Go 1.21), and "culvert/..." is before "github.com/...".
package quiet

import "github.com/charmbracelet/lipgloss"

func init() { lipgloss.SetHasDarkBackground(true) } // no colour of ours depends on it
