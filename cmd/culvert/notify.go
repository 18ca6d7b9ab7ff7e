package main

import (
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// ready tells who has started us (sd_notify(3)) that everything is set up; nothing where nobody wants to know.
func ready(log *zap.Logger) {
	if _, err := systemd.SdNotify(false, systemd.SdNotifyReady); err != nil {
		log.Warn("systemd is not told that all is set up", zap.Error(err))
	}
}

// mainPID returns what tells who has started us that another process goes on in our place.
func mainPID(log *zap.Logger) func(pid int) {
	return func(pid int) {
		if _, err := systemd.SdNotify(false, fmt.Sprintf("MAINPID=%d", pid)); err != nil {
			log.Warn("systemd is not told of the process that goes on", zap.Error(err))
		}
	}
}
