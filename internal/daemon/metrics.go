package daemon

import (
	"context"
	"net"

	"culvert/internal/config"
	"culvert/internal/metrics"
)

// listenMetrics opens the address for scrapes, nil when there is none.
func listenMetrics(c *config.Config) (net.Listener, error) {
	if c.API.Metrics == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	ln, err := metrics.Listen(c.API.Metrics)
	if err != nil {
		return nil, config.At(c.File, c.API.MetricsLine, "api.metrics", err)
	}
	return ln, nil
}

// serveMetrics answers scrapes until ctx is done; what it returns waits for that.
func (d *daemon) serveMetrics(ctx context.Context, ln net.Listener) (wait func()) {
	if ln == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		metrics.Serve(ctx, ln, source{d}, d.log.Named("metrics"))
	}()
	return func() { <-done }
}
