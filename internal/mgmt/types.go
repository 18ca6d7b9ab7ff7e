package mgmt

import "culvert/client"

// What is shown and asked for has the client's types.
type (
	Tunnel            = client.Tunnel
	Control           = client.Control
	Message           = client.Message
	AVP               = client.AVP
	Session           = client.Session
	PPP               = client.PPP
	Link              = client.Link
	Echo              = client.Echo
	Traffic           = client.Traffic
	Worker            = client.Worker
	Drop              = client.Drop
	Pool              = client.Pool
	Shared            = client.Shared
	MAC               = client.MAC
	Profile           = client.Profile
	Finding           = client.Finding
	LogLevel          = client.LogLevel
	DebugRequest      = client.DebugRequest
	Config            = client.Config
	Event             = client.Event
	ReloadRequest     = client.ReloadRequest
	ReloadReport      = client.ReloadReport
	Change            = client.Change
	DrainRequest      = client.DrainRequest
	DrainReport       = client.DrainReport
	DisconnectRequest = client.DisconnectRequest
	DisconnectReport  = client.DisconnectReport
	AddRequest        = client.AddRequest
	DeleteRequest     = client.DeleteRequest
	CaptureRequest    = client.CaptureRequest
	CaptureResult     = client.CaptureResult
)

// The kinds of Profile, of Change, and of Event.
const (
	ProfilePPP          = client.ProfilePPP
	ProfileSession      = client.ProfileSession
	LevelOfSubsystem    = client.LevelOfSubsystem
	LevelOfTunnel       = client.LevelOfTunnel
	LevelDefault        = client.LevelDefault
	KindTunnel          = client.KindTunnel
	KindSession         = client.KindSession
	KindListen          = client.KindListen
	KindPeer            = client.KindPeer
	KindSessionProfile  = client.KindSessionProfile
	KindPPPProfile      = client.KindPPPProfile
	KindPool            = client.KindPool
	KindShared          = client.KindShared
	KindHook            = client.KindHook
	EventTunnelUp       = client.EventTunnelUp
	EventTunnelDown     = client.EventTunnelDown
	EventTunnelFailed   = client.EventTunnelFailed
	EventSessionUp      = client.EventSessionUp
	EventSessionChanged = client.EventSessionChanged
	EventSessionDown    = client.EventSessionDown
	EventSessionFailed  = client.EventSessionFailed
	EventReload         = client.EventReload
	EventReloadRefused  = client.EventReloadRefused
	EventDrain          = client.EventDrain
	EventDrainEnd       = client.EventDrainEnd
	EventLost           = client.EventLost
)
