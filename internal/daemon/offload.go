package daemon

import (
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

// takeOffload makes a device hand out super-packets, as far as the kernel can, and says what it takes itself.
func takeOffload(dev *tuntap.Device) (got tuntap.Offload, merge offload.Merge, err error) {
	got, err = dev.Queue().SetOffload(tuntap.OffloadAll)
	if err != nil {
		return 0, 0, err
	}
	for _, o := range []struct {
		device tuntap.Offload
		merge  offload.Merge
	}{
		{tuntap.OffloadTSO4, offload.MergeTCP4},
		{tuntap.OffloadTSO6, offload.MergeTCP6},
		{tuntap.OffloadUSO4, offload.MergeUDP4},
		{tuntap.OffloadUSO6, offload.MergeUDP6},
	} {
		if got&o.device != 0 {
			merge |= o.merge
		}
	}
	// No limit on segments, although a super-packet of 64 KB is then two sends and not one: what a router forwards comes
	// with up to 48 segments, and the kernel would cut it into single packets for a limit below.
	return got, merge, nil
}
