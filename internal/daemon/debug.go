package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"culvert/control"
	"culvert/encap"
	"culvert/internal/levels"
	"culvert/internal/mgmt"
)

// The subsystems that log: names of loggers.
const (
	logControl = "control" // control connections and their sessions
	logPPP     = "ppp"
	logScript  = "script"
)

// Subsystems are the names of all loggers, beside levels.Main.
func Subsystems() []string {
	return []string{logControl, logPPP, logScript, "forwarder", "metrics", "mgmt"}
}

// Levels implements mgmt.Source.
func (s source) Levels() []mgmt.LogLevel {
	list := s.d.levels.List()
	all := make([]mgmt.LogLevel, 0, len(list))
	for _, l := range list {
		all = append(all, levelOf(l))
	}
	return all
}

func levelOf(l levels.Setting) mgmt.LogLevel {
	kind := mgmt.LevelOfSubsystem
	if l.Tunnel {
		kind = mgmt.LevelOfTunnel
	}
	return mgmt.LogLevel{Kind: kind, Name: l.Name, Level: l.Level.String(), Own: l.Own}
}

// Debug implements mgmt.Changer.
func (s source) Debug(_ context.Context, r mgmt.DebugRequest) (mgmt.LogLevel, error) {
	var to *zapcore.Level
	if r.Level != mgmt.LevelDefault {
		level, err := zapcore.ParseLevel(r.Level)
		if err != nil {
			return mgmt.LogLevel{}, err
		}
		to = &level
	}
	set := s.d.levels.SetSubsystem
	if r.Kind == mgmt.LevelOfTunnel {
		set = s.d.levels.SetTunnel
		// Taking a level back is for whatever has one: dialed tunnels come and go.
		if _, there := s.Tunnel(r.Name); !there && to != nil {
			return mgmt.LogLevel{}, fmt.Errorf("tunnel %q: %w", r.Name, mgmt.ErrNotFound)
		}
	}
	if err := set(r.Name, to); err != nil {
		return mgmt.LogLevel{}, fmt.Errorf("%s %q: %w, only %s", r.Kind, r.Name, err, strings.Join(append(Subsystems(), levels.Main), ", "))
	}
	s.d.log.Info("log level", zap.String("kind", r.Kind), zap.String("name", r.Name), zap.String("to", r.Level))
	for _, l := range s.d.levels.List() {
		if now := levelOf(l); now.Kind == r.Kind && now.Name == r.Name {
			return now, nil
		}
	}
	return mgmt.LogLevel{Kind: r.Kind, Name: r.Name, Level: s.d.levels.All().String()}, nil
}

// traceMessage logs that a control message was exchanged; Messages has its AVPs, which are not for a log.
func (d *daemon) traceMessage(c *control.Conn, m *control.TracedMessage) {
	ce := d.noisyControl.Check(zap.DebugLevel, "control message")
	if ce == nil {
		return
	}
	e := control.Explain(m.Path.Transport, m.Payload, nil)
	fields := []zap.Field{
		zap.Bool("sent", m.Sent), zap.Stringer("type", e.Type), zap.Uint16("ns", uint16(e.Ns)), zap.Uint16("nr", uint16(e.Nr)),
		zap.Stringer("peer", m.Path.Remote), zap.Int("length", e.Length),
	}
	if e.LocalSession != 0 || e.RemoteSession != 0 {
		fields = append(fields, zap.Uint32("local_session", uint32(e.LocalSession)), zap.Uint32("remote_session", uint32(e.RemoteSession)))
	}
	if k, ok := c.Data.(*connection); ok {
		fields = append(fields, zap.String(levels.FieldTunnel, k.cfg.Name))
	}
	ce.Write(fields...)
}

// traceFrame logs that a PPP control frame was exchanged, and of it what is no secret.
func (d *daemon) traceFrame(s *session, sent bool, frame []byte) {
	ce := d.noisyPPP.Check(zap.DebugLevel, "PPP frame")
	if ce == nil {
		return
	}
	fields := []zap.Field{zap.String(levels.FieldSession, s.fullName()), zap.Bool("sent", sent), zap.Int("length", len(frame))}
	if body, ok := bytes.CutPrefix(frame, []byte{0xff, 0x03}); ok && len(body) >= 4 {
		fields = append(fields, zap.Stringer("protocol", encap.PPPProtocol(binary.BigEndian.Uint16(body))),
			zap.Uint8("code", body[2]), zap.Uint8("id", body[3]))
	}
	ce.Write(fields...)
}

// remedy says in the log of a refusal what to do about it.
func remedy(text string) zap.Field { return zap.String("remedy", text) }

const seePools = "culvert show pools: give the pool more ranges, or the session an address of its own"
