package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"culvert/internal/config"
	"culvert/internal/daemon"
	"culvert/internal/levels"
)

func newRun() *cobra.Command {
	var path, level, socket string
	var takeover bool
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
			everything := newLogger(cfg.LogFormat, cmd.ErrOrStderr())
			at := levels.New(logLevels[first], daemon.Subsystems()...)
			log := everything.WithOptions(zap.WrapCore(at.Wrap))
			ctx, release := untilSignal(cmd.Context(), log)
			defer release()
			hangups := make(chan os.Signal, 1) // one more while a reload is under way says all
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			o := daemon.Options{Log: everything, Levels: at, Socket: socket, Reload: hangups, Ready: func() { ready(log) }, Takeover: takeover, MainPID: mainPID(log)}
			if level == "" { // else the command line has said it
				o.SetLogLevel = func(level string) { at.SetAll(logLevels[level]) }
			}
			return daemon.Run(ctx, cfg, o)
		}),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&level, "log-level", "", "debug, info, warn or error, instead of the file's log_level")
	cmd.Flags().StringVar(&socket, "socket", "", "`path` of the management socket, instead of the file's")
	cmd.Flags().BoolVar(&takeover, "takeover", false, "go on with what the culvert on that socket has; it ends")
	return cmd
}
