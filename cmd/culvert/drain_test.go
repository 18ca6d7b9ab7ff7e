package main

import (
	"errors"
	"testing"

	"culvert/internal/mgmt"
)

func TestDrain(t *testing.T) {
	c := &changer{}
	socket := serve(t, source{}, mgmt.WithChanges(c))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "draining: 1 dynamic tunnel, 3 sessions\n"},
		{[]string{"--off"}, "not draining: 1 dynamic tunnel, 3 sessions\n"},
		{[]string{"--json"}, "{\"draining\":true,\"tunnels\":1,\"sessions\":3}\n"},
	} {
		r := culvert(append([]string{"drain", "--socket", socket}, tc.args...)...)
		if r.status != exitOK || r.stderr != "" || r.stdout != tc.want {
			t.Errorf("%v: status %d, stderr %q, stdout %q", tc.args, r.status, r.stderr, r.stdout)
		}
	}
	c.err = errors.New("no")
	wantFailure(t, culvert("drain", "--socket", socket), exitFailure, "culvert: no")
}
