package netio

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// acceptAll is the return value of a socket filter that keeps the whole packet (bpf(4): bytes to keep).
const acceptAll = 0xffffffff

// dropAll drops every packet: the filter of sockets that must not receive.
func dropAll() []bpf.Instruction {
	return []bpf.Instruction{bpf.RetConstant{Val: 0}}
}

// steerUDP returns the index of the socket of the reuseport group that gets a UDP payload (offset 0 is its first
// byte): session id modulo workers for data packets, workers itself (the control socket) for everything else.
// RFC 3931 section 4.1.2.1: T is the first bit, Ver the low four bits of the second byte, the Session ID of a data
// message is at offset 4. A load behind the end would end the program with 0, worker 0's index, hence the length test.
func steerUDP(workers int) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 8, SkipTrue: 6},
		bpf.LoadAbsolute{Off: 0, Size: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x800f},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0003, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 4, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(workers)},
		bpf.RetA{},
		bpf.RetConstant{Val: uint32(workers)},
	}
}

// loadSessionID loads the Session ID of an IP-115 packet (RFC 3931 section 4.1.1.1: its first four bytes) on a raw
// socket. The IPv4 kernel shows the filter the IP header too, whose length is in its first byte; IPv6 does not. A packet
// too short for the load is dropped.
func loadSessionID(ipv6 bool) []bpf.Instruction {
	if ipv6 {
		return []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}}
	}
	return []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: 0, Size: 4}}
}

// loadLength loads the length of an IP-115 packet without its IP header.
func loadLength(ipv6 bool) []bpf.Instruction {
	if ipv6 {
		return []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}
	}
	return []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpX{Op: bpf.ALUOpSub}}
}

// filterIPData accepts the data packets of one worker: session id not 0 and, modulo workers, the worker's index.
func filterIPData(ipv6 bool, worker, workers int) []bpf.Instruction {
	return append(loadSessionID(ipv6),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 3},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(workers)},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(worker), SkipTrue: 1},
		bpf.RetConstant{Val: acceptAll},
		bpf.RetConstant{Val: 0},
	)
}

// filterIPControl accepts control messages, session id 0 (RFC 3931 section 4.1.1.2), and what is too short to have a
// session id, so that somebody counts it.
func filterIPControl(ipv6 bool) []bpf.Instruction {
	load := loadSessionID(ipv6)
	prog := append(loadLength(ipv6), bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 4, SkipTrue: uint8(len(load)) + 1})
	prog = append(prog, load...)
	return append(prog,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{Val: acceptAll},
		bpf.RetConstant{Val: 0},
	)
}

// attach installs a program with SO_ATTACH_FILTER or SO_ATTACH_REUSEPORT_CBPF (socket(7)).
func attach(fd, option int, name string, prog []bpf.Instruction) error {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return &OpError{Op: "assemble packet filter", Err: err}
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, option, &fprog); err != nil {
		return &OpError{Op: "set " + name, Err: err, Hint: hint(err)}
	}
	return nil
}

// attachFilter installs or, atomically, replaces a socket's filter.
func attachFilter(fd int, prog []bpf.Instruction) error {
	return attach(fd, unix.SO_ATTACH_FILTER, "SO_ATTACH_FILTER", prog)
}

// attachSteering installs the program of the whole reuseport group that fd is a member of.
func attachSteering(fd, workers int) error {
	return attach(fd, unix.SO_ATTACH_REUSEPORT_CBPF, "SO_ATTACH_REUSEPORT_CBPF", steerUDP(workers))
}

// detachFilter removes a socket's filter.
func detachFilter(fd int) error {
	return setInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, "SO_DETACH_FILTER", 0)
}
