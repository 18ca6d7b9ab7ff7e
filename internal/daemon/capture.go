package daemon

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"culvert/forwarder"
	"culvert/internal/mgmt"
)

// drainEvery is how often packets are fetched from the loops: 1 MiB each is full after this time at 100 MB/s.
const drainEvery = 10 * time.Millisecond

// capture is a capture that somebody has asked for; it implements mgmt.Capture.
type capture struct {
	taps *forwarder.Capture
	req  mgmt.CaptureRequest
}

// Capture implements mgmt.Source.
func (s source) Capture(r mgmt.CaptureRequest) (mgmt.Capture, error) {
	cfg := forwarder.CaptureConfig{Tunnel: r.Tunnel, Peer: r.Peer, Outer: r.Outer, Inner: r.Inner, SnapLen: r.SnapLen}
	if r.Session != "" {
		cfg.Tunnel, cfg.Session, _ = strings.Cut(r.Session, "/")
		if _, ok := s.Session(cfg.Tunnel, cfg.Session); !ok {
			return nil, mgmt.Refuse(http.StatusNotFound, "no session %q", r.Session)
		}
	}
	if cfg.Tunnel != "" && !s.d.controlOf(&cfg) {
		return nil, mgmt.Refuse(http.StatusNotFound, "no tunnel %q", cfg.Tunnel)
	}
	taps, err := s.d.fwd.Capture(cfg)
	if err != nil {
		return nil, mgmt.Refuse(http.StatusConflict, "%v", err)
	}
	return &capture{taps: taps, req: r}, nil
}

// controlOf finds the address that the control messages of a tunnel are exchanged with; false when there is no such
// tunnel.
func (d *daemon) controlOf(cfg *forwarder.CaptureConfig) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.tunnels, func(t *tunnel) bool { return t.cfg.Name == cfg.Tunnel }); i >= 0 {
		cfg.Control = d.tunnels[i].cfg.Peer.Addr()
		return true
	}
	for _, l := range d.plane.dialers {
		if l.cfg.Name == cfg.Tunnel {
			cfg.Control = l.cfg.Peer.Addr()
			return true
		}
	}
	return false
}

// Close implements mgmt.Capture.
func (c *capture) Close() { c.taps.Close() }

// errEnough ends a capture that has all it was to have.
var errEnough = errors.New("enough")

// Run implements mgmt.Capture.
func (c *capture) Run(ctx context.Context, w *bufio.Writer) (mgmt.CaptureResult, error) {
	if c.req.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.req.Duration)
		defer cancel()
	}
	f, err := newCaptureFile(w, c.req)
	if err != nil {
		return mgmt.CaptureResult{}, err
	}
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for last := false; err == nil && !last; {
		select {
		case <-ctx.Done():
			last = true
			c.taps.Close() // what has come until now is taken along
		case <-tick.C:
		}
		if err = c.taps.Drain(f.packet); err == nil {
			err = f.ng.Flush()
		}
	}
	if err == nil || errors.Is(err, errEnough) {
		err = f.ng.Flush()
	}
	return mgmt.CaptureResult{Captured: f.captured, Dropped: c.taps.Dropped()}, err
}

// captureFile writes packets as pcapng (draft-ietf-opsawg-pcapng).
type captureFile struct {
	ng       *pcapgo.NgWriter
	req      mgmt.CaptureRequest
	captured uint64
	size     uint64
	ifaces   [3]int // by Layer: number of its interface; 0 of an inner one: not yet
}

// The link types of the layers, and what their interfaces are called.
var captureLinks = [3]struct {
	name string
	link layers.LinkType
}{
	forwarder.LayerOuter:    {"outer", layers.LinkTypeRaw},
	forwarder.LayerPPP:      {"inner-ppp", layers.LinkTypePPP},
	forwarder.LayerEthernet: {"inner-ethernet", layers.LinkTypeEthernet},
}

const (
	sectionSize   = 256     // of section and interface descriptions, at most
	packetSize    = 32 + 12 // of an Enhanced Packet Block with epb_flags, without the packet
	packetPadding = 3
)

func newCaptureFile(w *bufio.Writer, r mgmt.CaptureRequest) (*captureFile, error) {
	f := &captureFile{req: r, size: sectionSize}
	opts := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "culvert", OS: "linux"}}
	var err error
	f.ng, err = pcapgo.NewNgWriterInterface(w, f.iface(forwarder.LayerOuter), opts)
	if err != nil {
		return nil, err
	}
	return f, f.ng.Flush() // a reader at the other end of a pipe knows that it has begun
}

func (f *captureFile) iface(l forwarder.Layer) pcapgo.NgInterface {
	return pcapgo.NgInterface{Name: captureLinks[l].name, LinkType: captureLinks[l].link, SnapLength: uint32(f.req.SnapLen)}
}

// packet writes one packet.
func (f *captureFile) packet(p forwarder.CapturedPacket) error {
	f.size += uint64(packetSize + (len(p.Data)+packetPadding)&^packetPadding)
	if f.req.Count > 0 && f.captured >= f.req.Count || f.size > f.req.Size {
		return errEnough
	}
	if p.Layer != forwarder.LayerOuter && f.ifaces[p.Layer] == 0 {
		id, err := f.ng.AddInterface(f.iface(p.Layer))
		if err != nil {
			return err
		}
		f.ifaces[p.Layer] = id
	}
	way := pcapgo.NgEpbFlagDirectionInbound
	if p.Sent {
		way = pcapgo.NgEpbFlagDirectionOutbound
	}
	f.captured++
	err := f.ng.WritePacketWithOptions(gopacket.CaptureInfo{
		Timestamp: p.At, CaptureLength: len(p.Data), Length: p.Length, InterfaceIndex: f.ifaces[p.Layer],
	}, p.Data, pcapgo.NgPacketOptions{Flags: &pcapgo.NgEpbFlags{Direction: way}})
	if err == nil && f.captured == f.req.Count {
		return errEnough // nobody has to wait for another one
	}
	return err
}
