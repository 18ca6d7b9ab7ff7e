package encap

// Seq is a Sequence Number of the Default L2-Specific Sublayer: 24 bits, the
// first one of a session is 0 and every sequenced packet adds one modulo 2^24
// (RFC 3931 section 4.6, appendix C).
type Seq uint32

const (
	seqMask = 0x00ffffff // number field, RFC 3931 section 4.6
	seqHalf = 0x00800000 // half of the number space, RFC 3931 appendix C
)

// Next returns the number after s; 0 follows 0xffffff.
func (s Seq) Next() Seq { return (s + 1) & seqMask }

// Behind reports whether s, seen where expected is the next number due, is old
// or a duplicate: it lies in the half of the number space that ends just before
// expected (RFC 3931 appendix C: with L = expected-1 the set is
// {L - (2^23 - 1) ... L} modulo 2^24).
func (s Seq) Behind(expected Seq) bool { return s.Ahead(expected) >= seqHalf }

// Ahead returns how many packets lie between expected and s, counted forward
// modulo 2^24: 0 when s is just the one due, n when n are missing in front of
// it. The figure means nothing when s is Behind expected.
func (s Seq) Ahead(expected Seq) uint32 { return uint32(s-expected) & seqMask }
