package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
)

// signalStatus plus a signal's number is the exit status of a process it killed, as shells report it.
const signalStatus = 128

// untilSignal returns a context that the first SIGINT or SIGTERM cancels. A second one ends the process at once with
// status 130 or 143: whoever asks twice does not want to wait. release gives the signals back.
func untilSignal(parent context.Context, log *zap.Logger) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	released, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			select {
			case s := <-signals:
				if !first {
					os.Exit(status(s))
				}
				log.Info("stopping, a second signal ends at once", zap.Stringer("signal", s))
				cancel()
			case <-released:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		<-done
		cancel()
	}
}

// status is the exit status for a signal.
func status(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return signalStatus + int(n)
	}
	return exitFailure
}
