package control

// Seq is a message number, Ns or Nr: 16 bits, the first message of a control connection has 0, every message but ACK
// and ZLB adds one modulo 65536 (RFC 3931 section 4.2).
type Seq uint16

// Before reports whether s is older than t: it lies in the half of the number space that ends just before t (RFC 3931
// section 4.2, appendix A: with last = t-1 the set {last-32767 ... last} modulo 65536).
func (s Seq) Before(t Seq) bool { return s-t >= 1<<15 }
