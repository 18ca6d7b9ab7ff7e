package offload

// copySum is the fastest copySumGo of this machine.
func copySum(dst, src []byte) uint16 { return copySumGo(dst, src) }
