package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"culvert/client"
	"culvert/internal/top"
)

func newTop() *cobra.Command {
	var socket string
	var ascii bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "watch a running culvert in the terminal",
		Long: "top shows which tunnels, sessions, workers and drop reasons are busy, once a second. Keys: 1 to 4 or Tab choose the " +
			"view, up, down, PgUp, PgDn, Home and End move, Enter opens a tunnel's sessions or one session, / filters by a part of " +
			"name, state or user, < and > choose the column to sort by, r reverses, Esc goes back, q quits.",
		Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error { return watch(cmd, socket, ascii) }),
	}
	cmd.Flags().StringVar(&socket, "socket", client.DefaultSocket, "`path` of the management socket")
	cmd.Flags().BoolVar(&ascii, "ascii", false, "draw with ASCII only, as where the locale is not UTF-8")
	return cmd
}

// utf8Locale tells whether the terminal is said to take UTF-8; locale(7) has the order of the variables.
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

func watch(cmd *cobra.Command, socket string, ascii bool) error {
	out, ok := cmd.OutOrStdout().(*os.File)
	if !ok || !term.IsTerminal(out.Fd()) {
		return usagef("top needs a terminal; for scripts there is `culvert show --json`")
	}
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	c := client.New(socket)
	info, err := c.Version(ctx) // so that who is not there is said outside the screen
	if err != nil {
		return err
	}
	title := fmt.Sprintf("culvert %s  %s", info.Version, socket)
	m := top.New(ctx, top.Ask(c), top.Options{Title: title, ASCII: ascii || !utf8Locale(os.Getenv)})
	_, err = tea.NewProgram(m, tea.WithAltScreen(), tea.WithContext(ctx), tea.WithOutput(out)).Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
