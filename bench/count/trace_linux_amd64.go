package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	breakpoint = 0xcc // INT3, Intel SDM volume 2
	// loopSlow is where testing.B.Loop goes for its first iteration and after its last; what lies between is inlined.
	loopSlow = "testing.(*B).loopSlowPath"
	// traceLimit bounds a benchmark that waits for a thread which is held.
	traceLimit = 3 * time.Minute
)

// errTrace says that the process did something that the tracer does not expect.
var errTrace = errors.New("trace")

// tracer follows one process. All its calls come from one locked thread, which ptrace(2) wants.
type tracer struct {
	pid     int
	symbols *symbols
	held    map[int]syscall.Signal // threads, stopped or not, and the signal each is to get when it goes on
	loops   []counted
}

// trace runs cmd, a test binary that runs benchmarks, to its end and counts the loop of each. Symbols are those of the
// binary.
func trace(cmd *exec.Cmd, sym *symbols) ([]counted, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	shareProcessor()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &tracer{pid: cmd.Process.Pid, symbols: sym, held: map[int]syscall.Signal{cmd.Process.Pid: 0}}
	kill := time.AfterFunc(traceLimit, func() { _ = syscall.Kill(t.pid, syscall.SIGKILL) })
	defer kill.Stop()
	status, err := t.run()
	if err != nil {
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
		for gone := false; !gone; { // the main thread ends last
			var s syscall.WaitStatus
			tid, werr := t.wait(0, &s)
			gone = werr != nil || tid == t.pid && (s.Exited() || s.Signaled())
		}
		return nil, err
	}
	_ = cmd.Process.Release()
	if status.Signaled() {
		return nil, fmt.Errorf("%w: %s ended by %v (longer than %v?)", errTrace, cmd.Path, status.Signal(), traceLimit)
	}
	if status.ExitStatus() != 0 {
		return nil, fmt.Errorf("%w: %s ended with status %d", errTrace, cmd.Path, status.ExitStatus())
	}
	return t.loops, nil
}

// shareProcessor puts this thread, and the processes that it starts, onto one processor: each step is two switches between
// them, and waking another processor takes longer than that. If it can't be done, all is slower.
func shareProcessor() {
	var mask [16]uint64
	size := unsafe.Sizeof(mask)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, size, uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return
	}
	for i, m := range mask {
		if m != 0 {
			clear(mask[:])
			mask[i] = m & -m
			break
		}
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, size, uintptr(unsafe.Pointer(&mask)))
}

// wait waits for thread tid, or for any of the process when it is 0.
func (t *tracer) wait(tid int, s *syscall.WaitStatus) (int, error) {
	if tid == 0 {
		tid = -t.pid // its process group
	}
	for {
		got, err := syscall.Wait4(tid, s, syscall.WALL, nil)
		if !errors.Is(err, syscall.EINTR) {
			return got, err
		}
	}
}

// run lets the process go, from its first stop at exec to its end.
func (t *tracer) run() (syscall.WaitStatus, error) {
	var s syscall.WaitStatus
	if _, err := t.wait(t.pid, &s); err != nil {
		return s, err
	}
	const exitKill = 0x100000 // PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(t.pid, syscall.PTRACE_O_TRACECLONE|exitKill); err != nil {
		return s, fmt.Errorf("%w: options: %w", errTrace, err)
	}
	slow, err := t.behindStackCheck(loopSlow)
	if err != nil {
		return s, err
	}
	original, err := setBreakpoint(t.pid, slow)
	if err != nil {
		return s, err
	}
	if err := syscall.PtraceCont(t.pid, 0); err != nil {
		return s, err
	}
	for {
		tid, err := t.nextTrap(&s)
		if err != nil || tid == 0 {
			return s, err
		}
		if err := t.loop(tid, slow, original); err != nil {
			return s, err
		}
	}
}

// behindStackCheck is the address in a function where it makes its frame. What lies before it checks whether the stack has
// room, and may be executed several times for one call. The return address is on top of the stack there.
func (t *tracer) behindStackCheck(function string) (uint64, error) {
	addr, ok := t.symbols.address(function)
	if !ok {
		return 0, fmt.Errorf("%w: no symbol %s", errTrace, function)
	}
	code := make([]byte, 64)
	if _, err := syscall.PtracePeekText(t.pid, uintptr(addr), code); err != nil {
		return 0, fmt.Errorf("%w: read %s: %w", errTrace, function, err)
	}
	at := bytes.Index(code, []byte{0x55, 0x48, 0x89, 0xe5}) // PUSHQ BP; MOVQ SP, BP
	if at < 0 {
		return 0, fmt.Errorf("%w: %s begins with % x: no frame is made", errTrace, function, code)
	}
	return addr + uint64(at), nil
}

// nextTrap lets all threads go on until one meets a breakpoint, whose number is returned, or the process ends: 0.
func (t *tracer) nextTrap(s *syscall.WaitStatus) (int, error) {
	for {
		tid, err := t.wait(0, s)
		if err != nil {
			return 0, err
		}
		if s.Exited() || s.Signaled() {
			delete(t.held, tid)
			if tid == t.pid {
				return 0, nil
			}
			continue
		}
		sig, trap := t.stopped(tid, *s)
		if trap {
			return tid, nil
		}
		if err := syscall.PtraceCont(tid, int(sig)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, err
		}
	}
}

// stopped notes a thread and tells what signal it is to get, and whether it met a breakpoint.
func (t *tracer) stopped(tid int, s syscall.WaitStatus) (sig syscall.Signal, trap bool) {
	if _, known := t.held[tid]; !known {
		t.held[tid] = 0
	}
	sig = s.StopSignal()
	if sig == syscall.SIGTRAP {
		return 0, s.TrapCause() == 0 // else an event of ptrace: a new thread
	}
	if sig == syscall.SIGSTOP { // a new thread, or one that hold has stopped
		return 0, false
	}
	return sig, false
}

// loop counts one loop: from where its first iteration begins to where it ends. Thread tid has met the breakpoint at
// address slow; afterwards it has passed it for the second time, and all threads run.
func (t *tracer) loop(tid int, slow uint64, original byte) error {
	var regs syscall.PtraceRegs
	if err := t.atBreakpoint(tid, slow, &regs); err != nil {
		return err
	}
	var b [8]byte
	if _, err := syscall.PtracePeekData(tid, uintptr(regs.Rsp), b[:]); err != nil {
		return err
	}
	back := binary.LittleEndian.Uint64(b[:])
	first, err := setBreakpoint(tid, back)
	if err != nil {
		return err
	}
	if err := t.pass(tid, slow, original); err != nil {
		return err
	}
	if err := syscall.PtraceCont(tid, 0); err != nil {
		return err
	}
	var s syscall.WaitStatus
	if tid, err = t.nextTrap(&s); err != nil || tid == 0 {
		return errors.Join(fmt.Errorf("%w: the process ended before its loop began", errTrace), err)
	}
	if err := t.atBreakpoint(tid, back, &regs); err != nil {
		return err
	}
	if err := poke(tid, back, first); err != nil {
		return err
	}
	if err := t.hold(tid); err != nil {
		return err
	}
	c, err := t.count(tid, back, slow)
	if err != nil {
		return err
	}
	t.loops = append(t.loops, c)
	if err := t.pass(tid, slow, original); err != nil {
		return err
	}
	return t.release()
}

// count steps through thread tid from address pc until it comes to end.
func (t *tracer) count(tid int, pc, end uint64) (counted, error) {
	at := map[uint64]uint64{} // instructions by address
	var regs syscall.PtraceRegs
	for pc != end {
		if err := t.step(tid); err != nil {
			return counted{}, err
		}
		if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
			return counted{}, err
		}
		if regs.Rip != pc { // else one more round of a REP instruction
			at[pc]++
			pc = regs.Rip
		}
	}
	c := counted{functions: map[string]uint64{}}
	for a, n := range at {
		c.instructions += n
		c.functions[t.symbols.function(a)] += n
	}
	return c, nil
}

// step lets thread tid execute one instruction. A signal that comes meanwhile waits until the thread is released.
func (t *tracer) step(tid int) error {
	for {
		if err := syscall.PtraceSingleStep(tid); err != nil {
			return err
		}
		var s syscall.WaitStatus
		if _, err := t.wait(tid, &s); err != nil {
			return err
		}
		if !s.Stopped() {
			return fmt.Errorf("%w: the thread ended in its loop", errTrace)
		}
		sig, trap := t.stopped(tid, s)
		if trap {
			return nil
		}
		if sig != 0 {
			t.held[tid] = sig
		}
	}
}

// hold stops all threads but tid.
func (t *tracer) hold(tid int) error {
	for other := range t.held {
		if other == tid {
			continue
		}
		if err := syscall.Tgkill(t.pid, other, syscall.SIGSTOP); err != nil {
			delete(t.held, other) // ended
			continue
		}
		var s syscall.WaitStatus
		if _, err := t.wait(other, &s); err != nil {
			return err
		}
		if !s.Stopped() {
			delete(t.held, other)
			continue
		}
		t.held[other], _ = t.stopped(other, s) // with another signal than SIGSTOP that one comes later, and is ignored
	}
	return nil
}

// release lets all threads go on.
func (t *tracer) release() error {
	for tid, sig := range t.held {
		if err := syscall.PtraceCont(tid, int(sig)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		t.held[tid] = 0
	}
	return nil
}

// atBreakpoint puts thread tid, which has executed a breakpoint, back to its address, which must be addr.
func (t *tracer) atBreakpoint(tid int, addr uint64, regs *syscall.PtraceRegs) error {
	if err := syscall.PtraceGetRegs(tid, regs); err != nil {
		return err
	}
	if regs.Rip != addr+1 {
		return fmt.Errorf("%w: stopped at %s+%#x, not at %s", errTrace, t.symbols.function(regs.Rip), regs.Rip, t.symbols.function(addr))
	}
	regs.Rip = addr
	return syscall.PtraceSetRegs(tid, regs)
}

// pass lets thread tid execute the instruction under the breakpoint at addr.
func (t *tracer) pass(tid int, addr uint64, original byte) error {
	if err := poke(tid, addr, original); err != nil {
		return err
	}
	if err := t.step(tid); err != nil {
		return err
	}
	return poke(tid, addr, breakpoint)
}

// setBreakpoint returns the byte that it replaces. Thread tid is stopped.
func setBreakpoint(tid int, addr uint64) (byte, error) {
	var b [1]byte
	if _, err := syscall.PtracePeekText(tid, uintptr(addr), b[:]); err != nil {
		return 0, fmt.Errorf("%w: read %#x: %w", errTrace, addr, err)
	}
	return b[0], poke(tid, addr, breakpoint)
}

func poke(tid int, addr uint64, b byte) error {
	if _, err := syscall.PtracePokeText(tid, uintptr(addr), []byte{b}); err != nil {
		return fmt.Errorf("%w: write %#x: %w", errTrace, addr, err)
	}
	return nil
}
