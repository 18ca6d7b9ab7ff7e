package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	newLogger("auto", &b).Debug("shown", zap.Duration("took", time.Second))
	var line struct{ Level, Msg, TS, Took string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", b.String(), err)
	}
	if _, err := time.Parse(time.RFC3339Nano, line.TS); err != nil || line.Level != "debug" || line.Msg != "shown" || line.Took != "1s" {
		t.Errorf("%q", b.String())
	}
	b.Reset()
	newLogger("console", &b).Named("ppp").Warn("shown", zap.Int("n", 1))
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d\tWARN\tppp\tshown\t\{"n": 1\}\n$`).MatchString(b.String()) {
		t.Errorf("%q", b.String())
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
	newLogger("json", device).Info("to nowhere")
}
