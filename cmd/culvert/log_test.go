package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log, at, err := newLogger("warn", &b)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not shown")
	log.Warn("shown", zap.Duration("took", time.Second))
	var line struct{ Level, Msg, TS, Took string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", b.String(), err)
	}
	if _, err := time.Parse(time.RFC3339Nano, line.TS); err != nil || line.Level != "warn" || line.Msg != "shown" || line.Took != "1s" {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	at.SetLevel(zap.InfoLevel)
	if log.Info("shown now"); b.Len() == 0 {
		t.Error("the level did not change")
	}
	if _, _, err := newLogger("loud", &b); err == nil {
		t.Error("unknown level accepted")
	}
}

func TestIsTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if isTerminal(&bytes.Buffer{}) || isTerminal(file) || !isTerminal(device) {
		t.Error("wrong")
	}
	if _, _, err := newLogger("debug", device); err != nil {
		t.Error(err)
	}
}
