package ipv6link

import (
	"net/netip"
	"time"
)

// Defaults and bounds of RFC 4861 section 6.2.1.
const (
	// DefaultInterval is MaxRtrAdvInterval, which may be MinInterval to MaxInterval.
	DefaultInterval = 600 * time.Second
	MinInterval     = 4 * time.Second
	MaxInterval     = 1800 * time.Second
	// MaxRouterLifetime bounds AdvDefaultLifetime; its default is three intervals.
	MaxRouterLifetime = 9000 * time.Second
	// DefaultPreferred and DefaultValid are AdvPreferredLifetime and AdvValidLifetime.
	DefaultPreferred = 7 * 24 * time.Hour
	DefaultValid     = 30 * 24 * time.Hour
	// Infinite is the lifetime that never ends (section 4.6.2; RFC 8415 section 7.7).
	Infinite = (1<<32 - 1) * time.Second
)

// Config is what we say on links. Many links share one; it is not changed while they do.
type Config struct {
	// MTU goes into advertisements, in bytes; 0: that of the link.
	MTU int
	// Interval is the longest time between two advertisements.
	Interval time.Duration
	// RouterLifetime is how long we are a default router after an advertisement, in whole seconds; 0: not at all.
	RouterLifetime time.Duration
	// Preferred and Valid are the lifetimes of prefixes, advertised ones and delegated ones, in whole seconds.
	Preferred, Valid time.Duration
	// DNS are the recursive name servers told by advertisements (RFC 8106) and DHCPv6 (RFC 3646).
	DNS []netip.Addr
}
