// Package control is the control plane of L2TPv3, RFC 3931: messages and AVPs, so far. It holds no socket, goroutine or
// clock.
package control
