// Command wireguard runs wireguard-go, in the version its go.mod pins, on one TUN device: the comparator of
// bench/throughput. It reads its UAPI configuration (the lines of `wg setconf` in the kernel's cross-platform form) from
// standard input, so that keys appear in no process list, says "ready" on standard output, and ends at SIGTERM or
// SIGINT, which takes the device away. Addresses are its caller's work.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

func main() {
	name := flag.String("name", "wg0", "name of the device")
	mtu := flag.Int("mtu", device.DefaultMTU, "MTU of the device")
	flag.Parse()
	if err := run(*name, *mtu); err != nil {
		fmt.Fprintln(os.Stderr, "wireguard:", err)
		os.Exit(1)
	}
}

func run(name string, mtu int) error {
	uapi, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	link, err := tun.CreateTUN(name, mtu)
	if err != nil {
		return err
	}
	dev := device.NewDevice(link, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, "wireguard "))
	defer dev.Close()
	if err := dev.IpcSet(string(uapi)); err != nil {
		return err
	}
	if err := dev.Up(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "ready")
	select {
	case <-stop:
	case <-dev.Wait():
	}
	return nil
}
