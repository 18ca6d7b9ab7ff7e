package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

// Times of a repeated answer.
const (
	defaultWatch  = 2 * time.Second
	shortestWatch = 100 * time.Millisecond
)

// Control sequences (ECMA-48) of a screen that is drawn again without flicker.
const (
	toTop     = "\x1b[H"
	clearLine = "\x1b[K" // the rest of it
	clearRest = "\x1b[J" // of the screen
)

// steady is the text of a table that is printed again and again. Its columns never get narrower, so that they stay where
// they are.
type steady struct {
	bytes.Buffer
	widths []int // characters, of each column, the widest so far
}

// widen makes a heading as wide as its column has been.
func (s *steady) widen(columns []string) {
	for i := range columns {
		if i == len(s.widths) {
			s.widths = append(s.widths, 0)
		}
		if i < len(columns)-1 {
			columns[i] += strings.Repeat(" ", max(0, s.widths[i]-utf8.RuneCountInString(columns[i])))
		}
	}
}

// row takes note of the widths of a row.
func (s *steady) row(cells []string) {
	for i := range min(len(cells), len(s.widths)) {
		s.widths[i] = max(s.widths[i], utf8.RuneCountInString(cells[i]))
	}
}

// repeat writes what once makes, again after each interval, until a signal or the first error. A terminal is drawn anew,
// unless the answer is JSON; everything else gets one after the other, tables with an empty line between them.
func repeat(cmd *cobra.Command, flags *showFlags, once func(context.Context, io.Writer) error) error {
	if flags.watch < shortestWatch {
		return usagef("--watch=%v is too short, at least %v", flags.watch, shortestWatch)
	}
	ctx, release := untilSignal(cmd.Context(), zap.NewNop())
	defer release()
	out := cmd.OutOrStdout()
	terminal, _ := out.(*os.File)
	if terminal != nil && (flags.json || !term.IsTerminal(terminal.Fd())) {
		terminal = nil
	}
	text := &steady{}
	for first := true; ; first = false {
		text.Reset()
		if err := once(ctx, text); err != nil {
			if ctx.Err() != nil {
				return nil // the signal was quicker
			}
			return err
		}
		shown := text.String()
		switch {
		case terminal != nil:
			width, height, err := term.GetSize(terminal.Fd())
			if err != nil {
				return err
			}
			shown = screen(shown, width, height)
		case !first && !flags.json:
			shown = "\n" + shown
		}
		if _, err := io.WriteString(out, shown); err != nil {
			return err
		}
		if !pause(ctx, flags.watch) {
			return nil
		}
	}
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// screen draws text over a screen of that size. What does not fit is cut off, the last line says how many lines.
func screen(text string, width, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	// The last line of the screen is the cursor's.
	if room := max(height-1, 1); len(lines) > room {
		left := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("... %d more lines", left))
	}
	var b strings.Builder
	b.WriteString(toTop)
	for _, line := range lines {
		b.WriteString(ansi.Truncate(line, max(width, 1), ""))
		b.WriteString(clearLine + "\n")
	}
	b.WriteString(clearRest)
	return b.String()
}
