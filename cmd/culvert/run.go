package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"culvert/internal/config"
	"culvert/internal/daemon"
)

func newRun() *cobra.Command {
	var path, level, socket string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "run the tunnels of a configuration file",
		Long: "run brings up the tunnels and sessions of FILE and keeps them until SIGINT or SIGTERM; a second signal " +
			"ends it at once. SIGHUP reads FILE again, as `culvert reload` does. It logs to standard error.",
		Args: func(cmd *cobra.Command, args []string) error {
			if _, ok := logLevels[level]; !ok && cmd.Flags().Changed("log-level") {
				return usagef("unknown log level %q, only debug, info, warn, error", level)
			}
			return noArgs(cmd, args)
		},
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			first := level
			if first == "" {
				first = cfg.LogLevel
			}
			log, at, err := newLogger(first, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			ctx, release := untilSignal(cmd.Context(), log)
			defer release()
			hangups := make(chan os.Signal, 1) // one more while a reload is under way says all
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			o := daemon.Options{Log: log, Socket: socket, Reload: hangups, Ready: func() { ready(log) }}
			if level == "" { // else the command line has said it
				o.SetLogLevel = func(level string) { at.SetLevel(logLevels[level]) }
			}
			return daemon.Run(ctx, cfg, o)
		}),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&level, "log-level", "", "debug, info, warn or error, instead of the file's log_level")
	cmd.Flags().StringVar(&socket, "socket", "", "`path` of the management socket, instead of the file's")
	return cmd
}
