package scale

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"culvert/client"
	"culvert/internal/netlab"
)

// patience is how long nothing may get better before a run is given up.
const patience = 90 * time.Second

// lab is two ends and a wire between them.
type lab struct {
	c        Config
	lns, lac end
	dir      string
	before   int64 // bytes of the kernel before anything ran
}

// newLab builds namespaces and starts both culverts.
func newLab(c Config) (l *lab, err error) {
	l = &lab{c: c}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "culvert-scale-"); err != nil {
		return l, err
	}
	for _, e := range []*end{&l.lns, &l.lac} {
		if e.ns, err = netlab.New(); err != nil {
			return l, err
		}
	}
	for _, e := range []*end{&l.lns, &l.lac} {
		if err = e.ns.Do(looseFilter); err != nil {
			return l, err
		}
	}
	if err = l.lns.ns.Join(l.lac.ns, "wire", 1500); err != nil {
		return l, err
	}
	for address, e := range map[string]*end{"10.0.0.1/24": &l.lns, "10.0.0.2/24": &l.lac} {
		err = errors.Join(err, e.ns.Address("wire", netip.MustParsePrefix(address)), e.ns.Up("wire"))
	}
	if err != nil {
		return l, err
	}
	if l.before, err = kernelMemory(); err != nil {
		return l, err
	}
	if err = l.lns.start(&c, l.dir, "lns", accessServer); err != nil {
		return l, err
	}
	return l, l.lac.start(&c, l.dir, "lac", subscriber)
}

// looseFilter is what systemd sets on most hosts (sysctl.d/50-default.conf). Without any filter the kernel looks each
// packet's source up among the addresses of the namespace, in a table of 256 lists (fib_validate_source and
// inet_lookup_ifaddr_rcu of net/ipv4); with one it asks the routes.
func looseFilter() error {
	return os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("2"), 0o644)
}

// close ends what is left.
func (l *lab) close() {
	for _, e := range []*end{&l.lac, &l.lns} {
		if e.process != nil {
			e.process.Kill()
		}
		if e.ns != nil {
			e.ns.Close()
		}
	}
	_ = os.RemoveAll(l.dir)
}

// log tells what goes on.
func (l *lab) log(format string, args ...any) {
	if l.c.Log != nil {
		l.c.Log(format, args...)
	}
}

// check tells whether both culverts run.
func (l *lab) check() error { return errors.Join(l.lns.process.Check(), l.lac.process.Check()) }

// sample takes a measurement.
func (l *lab) sample(ctx context.Context, began time.Time) (s Sample, err error) {
	tunnels, err := l.lns.client.Tunnels(ctx)
	if err != nil {
		return s, err
	}
	for _, t := range tunnels {
		s.Sessions += t.Sessions
	}
	s.Seconds = time.Since(began).Seconds()
	now, err1 := kernelMemory()
	a, err2 := resident(l.lns.process.PID())
	b, err3 := resident(l.lac.process.PID())
	s.LNS, s.LAC, s.Kernel = a, b, max(now-l.before, 0)/2
	return s, errors.Join(err1, err2, err3)
}

// ramp waits until all sessions are there, or memory is used up.
func (l *lab) ramp(ctx context.Context, r *Result) error {
	began, better := time.Now(), time.Now()
	most := 0
	for ctx.Err() == nil {
		time.Sleep(250 * time.Millisecond)
		s, err := l.sample(ctx, began)
		if err != nil {
			if cerr := l.check(); cerr != nil || time.Since(began) > patience {
				return errors.Join(err, cerr)
			}
			continue // the API is not there yet
		}
		r.Ramp = append(r.Ramp, s)
		switch {
		case s.Sessions > most:
			most, better = s.Sessions, time.Now()
		case time.Since(better) > patience:
			return fmt.Errorf("%d of %d sessions after %v, and no more come", most, l.c.Sessions, time.Since(began))
		}
		if l.c.Memory > 0 && s.end() >= l.c.Memory {
			r.Limited = true
			r.Sessions = s.Sessions
			return nil
		}
		if s.Sessions >= l.c.Sessions {
			r.Sessions = s.Sessions
			return l.open(ctx, r, began)
		}
	}
	return context.Cause(ctx)
}

// open waits until IPCP of all sessions is.
func (l *lab) open(ctx context.Context, r *Result, began time.Time) error {
	for end := time.Now().Add(patience); ; time.Sleep(250 * time.Millisecond) {
		asked := time.Now()
		all, err := client.Collect(l.lns.client.Sessions(ctx, client.Filter{}))
		if err != nil {
			return errors.Join(err, l.check())
		}
		r.ListSeconds = time.Since(asked).Seconds()
		up := 0
		for i := range all {
			if all[i].State == "up" {
				up++
			}
		}
		if up == l.c.Sessions {
			r.SetupSeconds = time.Since(began).Seconds()
			s, err := l.sample(ctx, began)
			r.Ramp = append(r.Ramp, s)
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d sessions are up, and no more come", up, l.c.Sessions)
		}
	}
}

// teardown stops the dialing end and then the other, and waits until their devices are gone.
func (l *lab) teardown(r *Result) error {
	began := time.Now()
	if err := l.lac.process.Stop(); err != nil {
		return err
	}
	r.StopSeconds = time.Since(began).Seconds()
	for time.Since(began) < patience {
		n, err := l.lns.devices()
		if err != nil || n == 0 {
			r.PeerGoneSeconds = time.Since(began).Seconds()
			return errors.Join(err, l.lns.process.Stop())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("the responder keeps devices whose sessions are gone")
}
