package netio

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread of its own, which ends with it, and gives the thread's attributes afterwards.
func onThread(t *testing.T, f func()) unix.SchedAttr {
	t.Helper()
	done := make(chan *unix.SchedAttr)
	go func() {
		runtime.LockOSThread()
		f()
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			a = nil
		}
		done <- a
	}()
	a := <-done
	if a == nil {
		t.Fatal("sched_getattr failed")
	}
	return *a
}

func TestTuneThread(t *testing.T) {
	if inherited := onThread(t, func() {}); inherited.Nice != 0 {
		if a := onThread(t, TuneThread); a.Policy != inherited.Policy || a.Nice != inherited.Nice {
			t.Errorf("policy %d nice %d: nice %d was somebody's choice", a.Policy, a.Nice, inherited.Nice)
		}
		return // a niced test run: the rest needs threads that start at 0
	}
	may := onThread(t, func() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, workerNice) }).Nice == workerNice
	want := int32(0)
	if may {
		want = workerNice
	}
	if a := onThread(t, TuneThread); a.Policy != unix.SCHED_BATCH || a.Nice != want {
		t.Errorf("policy %d nice %d, want %d and %d", a.Policy, a.Nice, unix.SCHED_BATCH, want)
	}
	chosen := onThread(t, func() {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 7)
		TuneThread()
	})
	if chosen.Policy != unix.SCHED_NORMAL || chosen.Nice != 7 {
		t.Errorf("policy %d nice %d: nice 7 was somebody's choice", chosen.Policy, chosen.Nice)
	}
}
