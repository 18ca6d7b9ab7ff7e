package main

import (
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
			"ends it at once. It logs to standard error.",
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
			if level == "" {
				level = cfg.LogLevel
			}
			log, err := newLogger(level, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			ctx, release := untilSignal(cmd.Context(), log)
			defer release()
			return daemon.Run(ctx, cfg, daemon.Options{Log: log, Socket: socket})
		}),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&level, "log-level", "", "debug, info, warn or error, instead of the file's log_level")
	cmd.Flags().StringVar(&socket, "socket", "", "`path` of the management socket, instead of the file's")
	return cmd
}
