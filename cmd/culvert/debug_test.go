package main

import (
	"errors"
	"strings"
	"testing"

	"culvert/internal/mgmt"
)

func TestDebug(t *testing.T) {
	c := &changer{}
	socket := serve(t, source{}, mgmt.WithChanges(c))
	for _, tc := range []struct{ args, want string }{
		{"", "KIND NAME LEVEL SET subsystem ppp info - tunnel t1 debug here"},
		{"ppp debug", "KIND NAME LEVEL SET subsystem ppp debug here"},
		{"ppp default", "KIND NAME LEVEL SET subsystem ppp warn -"},
		{"tunnel t2 on", "KIND NAME LEVEL SET tunnel t2 debug here"},
		{"tunnel t2 off", "KIND NAME LEVEL SET tunnel t2 warn -"},
		{"tunnel t2 error", "KIND NAME LEVEL SET tunnel t2 error here"},
		{"--json ppp info", `[{"kind":"subsystem","name":"ppp","level":"info","own":true}]`},
	} {
		r := culvert(append([]string{"debug", "--socket", socket}, strings.Fields(tc.args)...)...)
		if got := strings.Join(strings.Fields(r.stdout), " "); r.status != exitOK || r.stderr != "" || got != tc.want {
			t.Errorf("%s: %+v", tc.args, r)
		}
	}
	for _, args := range []string{"ppp", "ppp loud", "tunnel t1", "tunnel t1 loud", "a b c", "a b c d"} {
		if r := culvert(append([]string{"debug", "--socket", socket}, strings.Fields(args)...)...); r.status != exitUsage {
			t.Errorf("%s: %+v", args, r)
		}
	}
	c.err = errors.New("no")
	wantFailure(t, culvert("debug", "--socket", socket, "ppp", "info"), exitFailure, "culvert: no")
}
