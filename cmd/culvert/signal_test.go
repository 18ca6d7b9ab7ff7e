package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestSignals runs this test binary as a process that takes ten seconds to stop, or stops at once.
func TestSignals(t *testing.T) {
	tests := []struct {
		name, kind    string
		first, second syscall.Signal // 0: none
		want          int
	}{
		{"one SIGTERM", "quick", syscall.SIGTERM, 0, 0},
		{"one SIGINT", "quick", syscall.SIGINT, 0, 0},
		{"SIGTERM twice", "slow", syscall.SIGTERM, syscall.SIGTERM, 143},
		{"SIGINT twice", "slow", syscall.SIGINT, syscall.SIGINT, 130},
		{"SIGTERM, then SIGINT", "slow", syscall.SIGTERM, syscall.SIGINT, 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), stopperEnv+"="+tt.kind)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, step := range []struct {
				line string
				send syscall.Signal
			}{{"ready", tt.first}, {"stopping", tt.second}} {
				if !lines.Scan() || lines.Text() != step.line {
					t.Fatalf("got %q, want %q", lines.Text(), step.line)
				}
				if step.send != 0 {
					_ = cmd.Process.Signal(step.send)
				}
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	ctx, release := untilSignal(context.Background(), zap.NewNop())
	if ctx.Err() != nil {
		t.Error("cancelled without a signal")
	}
	release() // the leak check sees whether the goroutine goes
	if ctx.Err() == nil {
		t.Error("not cancelled after release")
	}
}

func TestStatus(t *testing.T) {
	if status(syscall.SIGINT) != 130 || status(syscall.SIGTERM) != 143 {
		t.Error("wrong")
	}
}
