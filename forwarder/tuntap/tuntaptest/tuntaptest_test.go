package tuntaptest

import (
	"bytes"
	"errors"
	"testing"

	"culvert/forwarder/tuntap"
)

func TestPair(t *testing.T) {
	device, host := Pair(t)
	b := make([]byte, 100)
	if _, err := device.Read(b); !errors.Is(err, tuntap.ErrWouldBlock) {
		t.Fatal(err)
	}
	for _, q := range [][2]*tuntap.Queue{{host, device}, {device, host}} {
		for i := range 3 { // boundaries are kept
			if err := q[0].Write(bytes.Repeat([]byte{byte(i)}, 20+i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			if n, err := q[1].Read(b); err != nil || n != 20+i || b[0] != byte(i) {
				t.Fatal(n, err)
			}
		}
	}
	var err error
	for n := 0; err == nil && n < 10000; n++ {
		err = host.Write(b)
	}
	if !errors.Is(err, tuntap.ErrWouldBlock) {
		t.Errorf("full: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = device.Read(b); _ = host.Write(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPairClosed(t *testing.T) {
	device, host := Pair(t)
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if _, err := device.Read(b); !errors.Is(err, tuntap.ErrGone) {
		t.Error(err)
	}
	if err := device.Write(b); !errors.Is(err, tuntap.ErrGone) {
		t.Error(err)
	}
	if err := host.Write(b); !errors.Is(err, tuntap.ErrClosed) {
		t.Error(err)
	}
}
