package load

import (
	"errors"
	"fmt"
)

// Limits of IP packet lengths. The upper one is a jumbo frame's.
const (
	MinSize = 64
	MaxSize = 9000
)

// ErrSize is a packet length outside MinSize to MaxSize.
var ErrSize = errors.New("packet size must be 64 to 9000 bytes")

// Profile is a repeating sequence of IP packet lengths in bytes, IP header included.
type Profile struct {
	Name  string
	Sizes []int
}

// Fixed is a profile of one size.
func Fixed(size int) (Profile, error) {
	if size < MinSize || size > MaxSize {
		return Profile{}, fmt.Errorf("%w, not %d", ErrSize, size)
	}
	return Profile{Name: fmt.Sprint(size), Sizes: []int{size}}, nil
}

// imixSizes is the simple IMIX, seven small packets, four medium and one large in every twelve, spread out so that
// short trials see all of them. The customary 64, 594 and 1518 are taken as IP lengths.
var imixSizes = [...]int{64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594, 64}

// IMIX is the simple IMIX with 64, 594 and 1518 byte IP packets; what is longer than mtu is cut to it.
func IMIX(mtu int) (Profile, error) {
	if mtu < 594 || mtu > MaxSize {
		return Profile{}, fmt.Errorf("IMIX needs an MTU of 594 to %d, not %d", MaxSize, mtu)
	}
	p := Profile{Name: "imix", Sizes: make([]int, len(imixSizes))}
	for i, n := range imixSizes {
		p.Sizes[i] = min(n, mtu)
	}
	return p, nil
}

// Mean is the mean IP length in bytes.
func (p Profile) Mean() float64 {
	sum := 0
	for _, n := range p.Sizes {
		sum += n
	}
	return float64(sum) / float64(len(p.Sizes))
}

// max is the longest length.
func (p Profile) max() int {
	longest := 0
	for _, n := range p.Sizes {
		longest = max(longest, n)
	}
	return longest
}

// udpOverhead is what IP and UDP headers take (RFC 791, RFC 8200, RFC 768).
func udpOverhead(v6 bool) int {
	if v6 {
		return 40 + 8
	}
	return 20 + 8
}
