package daemon

import (
	"culvert/encap"
	"culvert/forwarder/netio"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

// offload makes the session's device hand out super-packets, as far as the kernel can, and says what it takes.
func (s *session) offload() error {
	got, err := s.dev.Queue().SetOffload(tuntap.OffloadAll)
	if err != nil {
		return err
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
			s.fcfg.Merge |= o.merge
		}
	}
	s.offloads = got
	return s.limitSegments()
}

// limitSegments sees to it that a super-packet is one send: all its segments, with their headers, in one UDP payload.
func (s *session) limitSegments() error {
	if s.offloads == 0 {
		return nil
	}
	wire := s.mtu + encap.MaxDataHeaderLen + encap.EthernetLen
	return s.dev.SetGSOMaxSegs(max(netio.MaxSegmentBytes/wire, 1))
}
