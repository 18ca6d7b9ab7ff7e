package tuntap

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// manyDevices is from how many devices on CloseAll goes by a group: below it, waiting for the kernel once a device is
// quicker than moving them.
const manyDevices = 4

// CloseAll closes devices, quickly when they are many: those of one namespace are moved into an interface group of
// their own, with a random number, which is then deleted at once. Other devices of the group that they had, those of
// another process for example, are not touched. What could not be moved is closed one by one. Errors are joined.
func CloseAll(devices []*Device) error {
	var errs []error
	if len(devices) >= manyDevices {
		byNS := make(map[*namespace][]*Device)
		for _, d := range devices {
			byNS[d.ns] = append(byNS[d.ns], d)
		}
		for _, ds := range byNS {
			errs = append(errs, deleteTogether(ds))
		}
		releaseAll(devices)
	}
	for _, d := range devices {
		if err := d.Close(); err != nil && !errors.Is(err, ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// deleteTogether deletes the links of devices, which are of one namespace. The devices stay open.
func deleteTogether(devices []*Device) error {
	group, err := privateGroup()
	if err != nil {
		return err
	}
	moved := false
	var reqs []*nl.NetlinkRequest
	for _, d := range devices {
		if !d.isClosed() {
			reqs = append(reqs, linkRequest(d.index, 0, attr32(unix.IFLA_GROUP, group)))
		}
	}
	for _, err := range devices[0].ns.bulk.send(reqs) {
		moved = moved || err == nil // whoever is gone or refuses is left to Close
	}
	if !moved {
		return nil
	}
	return devices[0].use("delete", func() error { return devices[0].ns.deleteGroup(group) })
}

// privateGroup is a group number that nobody else uses: random, and above those that people choose.
func privateGroup() (uint32, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint32(b[:]) | 1<<31, nil
}
