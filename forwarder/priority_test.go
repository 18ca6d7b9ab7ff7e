package forwarder

import (
	"runtime"
	"syscall"
	"testing"
)

func TestRaisePriority(t *testing.T) {
	nice := func(before int) (after int) {
		done := make(chan int)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its priority
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, before)
			raisePriority()
			n, _ := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
			done <- rawNiceZero - n
		}()
		return <-done
	}
	if got := nice(7); got != 7 {
		t.Errorf("nice 7 became %d: it was somebody's choice", got)
	}
	want := workerNice
	if !mayRaise() {
		want = 0
	}
	if got := nice(0); got != want {
		t.Errorf("nice %d, want %d", got, want)
	}
}

// mayRaise tells whether this process may raise a thread's priority.
func mayRaise() bool {
	may := make(chan bool)
	go func() {
		runtime.LockOSThread()
		may <- syscall.Setpriority(syscall.PRIO_PROCESS, 0, workerNice) == nil
	}()
	return <-may
}
