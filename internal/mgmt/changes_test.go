package mgmt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/client"
)

// fakeChanger remembers what it was asked for, and answers err.
type fakeChanger struct {
	mu      sync.Mutex
	reloads []ReloadRequest
	drains  []DrainRequest
	err     error
}

func (f *fakeChanger) Reload(_ context.Context, r ReloadRequest) (ReloadReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reloads = append(f.reloads, r)
	return ReloadReport{File: "/etc/c.toml", DryRun: r.DryRun, Changes: []Change{{Kind: KindTunnel, Added: []string{"t1"}, Kept: 2}}}, f.err
}

func (f *fakeChanger) Drain(_ context.Context, r DrainRequest) (DrainReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drains = append(f.drains, r)
	return DrainReport{Draining: !r.Off, Tunnels: 2, Sessions: 3}, f.err
}

func (f *fakeChanger) Add(_ context.Context, r AddRequest) (ReloadReport, error) {
	return ReloadReport{Changes: []Change{{Kind: r.Kind, Added: []string{r.Text}}}}, f.err
}

func (f *fakeChanger) Delete(_ context.Context, r DeleteRequest) (ReloadReport, error) {
	return ReloadReport{Changes: []Change{{Kind: KindSession, Removed: []string{r.Tunnel + r.Session}}}}, f.err
}

func (f *fakeChanger) Disconnect(_ context.Context, r DisconnectRequest) (DisconnectReport, error) {
	return DisconnectReport{Sessions: []string{r.Session}}, f.err
}

func (f *fakeChanger) Debug(_ context.Context, r DebugRequest) (LogLevel, error) {
	return LogLevel{Kind: r.Kind, Name: r.Name, Level: r.Level, Own: true}, f.err
}

func (f *fakeChanger) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.reloads)
}

func post(t *testing.T, path, target, body string) (*http.Response, string) {
	t.Helper()
	return exchange(t, path, "POST", fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body))
}

func TestReloadOrders(t *testing.T) {
	f := &fakeChanger{}
	path, _ := serve(t, newFake(), WithChanges(f))
	c := client.New(path)
	for _, r := range []ReloadRequest{{}, {DryRun: true}, {DryRun: true, File: "/tmp/x y.toml"}} {
		got, err := c.Reload(context.Background(), r)
		want := ReloadReport{File: "/etc/c.toml", DryRun: r.DryRun, Changes: []Change{{Kind: KindTunnel, Added: []string{"t1"}, Kept: 2}}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if last := f.reloads[len(f.reloads)-1]; last != r {
			t.Errorf("asked for %+v, want %+v", last, r)
		}
	}
	if resp, body := post(t, path, "/v1/reload", ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"kept":2`) {
		t.Errorf("without a body: %s %s", resp.Status, body)
	}
}

func TestDrainOrders(t *testing.T) {
	f := &fakeChanger{}
	path, _ := serve(t, newFake(), WithChanges(f))
	for _, off := range []bool{false, true} {
		got, err := client.New(path).Drain(context.Background(), DrainRequest{Off: off})
		if want := (DrainReport{Draining: !off, Tunnels: 2, Sessions: 3}); err != nil || got != want {
			t.Errorf("off %v: %+v, %v", off, got, err)
		}
		if last := f.drains[len(f.drains)-1]; last.Off != off {
			t.Errorf("asked for %+v", last)
		}
	}
	if resp, body := post(t, path, "/v1/drain", ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"draining":true`) {
		t.Errorf("without a body: %s %s", resp.Status, body)
	}
	for target, body := range map[string]string{"/v1/drain": `{"on":true}`, "/v1/drain?off=true": ""} {
		if resp, text := post(t, path, target, body); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s %s: %s %s", target, body, resp.Status, text)
		}
	}
}

func TestChangeRefusals(t *testing.T) {
	f := &fakeChanger{}
	path, _ := serve(t, newFake(), WithChanges(f))
	tests := []struct {
		target, body string
		status       int
		says         string
	}{
		{"/v1/reload", `{"fiel":"/x"}`, 400, `unknown field "fiel"`},
		{"/v1/reload", `{"file":7}`, 400, "cannot unmarshal number"},
		{"/v1/reload", `[]`, 400, "cannot unmarshal array"},
		{"/v1/reload", `{"file":"/x"`, 400, "unexpected EOF"},
		{"/v1/reload", `{} {}`, 400, "more than one value"},
		{"/v1/reload", `{"file":"/x"}`, 400, "only for dry_run=true"},
		{"/v1/reload?dry_run=true", `{"file":"x"}`, 400, "absolute"},
		{"/v1/reload?dry_run=1", "", 400, "must be true or false"},
		{"/v1/reload?dry_run=true&dry_run=true", "", 400, "more than once"},
		{"/v1/reload?force=true", "", 400, `unknown parameter "force", only dry_run`},
		{"/v1/reload", `{"file":"` + strings.Repeat("x", maxBody) + `"}`, 413, "more than 1048576 bytes"},
		{"/v1/disconnect", "", 400, "one of session, user, address and tunnel is needed, not 0"},
		{"/v1/disconnect", `{"user":"a","tunnel":"b"}`, 400, "not 2"},
		{"/v1/disconnect", `{"address":"10.0.0"}`, 400, "must be an IP address"},
		{"/v1/add", `{"kind":"pool","text":""}`, 400, `kind must be "tunnel" or "session", not "pool"`},
		{"/v1/add", `{"kind":"tunnel","txt":""}`, 400, "unknown field"},
		{"/v1/delete", `{}`, 400, "one of tunnel and session is needed"},
		{"/v1/delete", `{"tunnel":"a","session":"a/b"}`, 400, "one of tunnel and session is needed"},
		{"/v1/delete", `{"session":"a"}`, 400, "is not of the form tunnel/session"},
		{"/v1/tunnels", "", 405, "only GET, HEAD"},
		{"/v1/reloads", "", 404, "no such resource"},
	}
	for _, tt := range tests {
		resp, body := post(t, path, tt.target, tt.body)
		if resp.StatusCode != tt.status || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), tt.says) {
			t.Errorf("%s %.40s: %s %.200s, want %d and %q", tt.target, tt.body, resp.Status, body, tt.status, tt.says)
		}
	}
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		resp, _ := request(t, path, method, "/v1/reload")
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %s, Allow %q", method, resp.Status, resp.Header.Get("Allow"))
		}
	}
	if f.asked() != 0 {
		t.Errorf("changed %d times by requests that are wrong", f.asked())
	}
}

// TestChangeErrors: what went wrong decides the status.
func TestChangeErrors(t *testing.T) {
	f := &fakeChanger{}
	path, _ := serve(t, newFake(), WithChanges(f))
	for err, status := range map[error]int{
		errors.New("f.toml:3: tunnel.t1.sid: must be"): 422,
		fmt.Errorf("session: %w", ErrNotFound):         404,
		ErrStopping:                                    503,
	} {
		f.err = err
		resp, body := post(t, path, "/v1/reload", "")
		if resp.StatusCode != status || !strings.Contains(body, err.Error()) {
			t.Errorf("%v: %s %s", err, resp.Status, body)
		}
	}
}

// TestWhoMayChange: only root and the server's own user, as the kernel says who they are; everybody else who may connect
// still reads.
func TestWhoMayChange(t *testing.T) {
	f := &fakeChanger{}
	var mu sync.Mutex
	var uids []uint32
	allow := false
	path, _ := serve(t, newFake(), WithChanges(f), func(o *options) {
		o.may = func(who peer) bool {
			mu.Lock()
			defer mu.Unlock()
			uids = append(uids, who.uid)
			return allow
		}
	})
	resp, body := post(t, path, "/v1/reload", "")
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "only root") || f.asked() != 0 {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, _ := request(t, path, "GET", "/v1/tunnels"); resp.StatusCode != http.StatusOK {
		t.Errorf("reading: %s", resp.Status)
	}
	mu.Lock()
	allow = true
	mu.Unlock()
	if resp, _ := post(t, path, "/v1/reload", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("%s", resp.Status)
	}
	if want := []uint32{uint32(os.Getuid()), uint32(os.Getuid())}; !cmp.Equal(uids, want) {
		t.Errorf("users %v, want %v", uids, want)
	}
	if own := uint32(os.Geteuid()); !mayChange(peer{uid: 0}) || !mayChange(peer{uid: own}) || mayChange(peer{uid: own + 1}) || mayChange(peer{uid: 1<<32 - 1}) {
		t.Error("wrong users may change things")
	}
	// Without WithChanges nobody may.
	path, _ = serve(t, newFake())
	if resp, _ := post(t, path, "/v1/reload", ""); resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s", resp.Status)
	}
}
