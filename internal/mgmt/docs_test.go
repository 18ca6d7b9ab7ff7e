package mgmt

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/internal/version"
)

// apiDoc is docs/api.md by headings: the text under each, whatever its level.
func apiDoc(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	title := ""
	for line := range strings.Lines(string(b)) {
		if h := strings.TrimLeft(line, "#"); h != line {
			title = strings.TrimSpace(h)
			continue
		}
		sections[title] += line
	}
	return sections
}

// docField is a row of a field table.
type docField struct {
	name, typ string
	optional  bool
}

var fieldRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([^|]*) \\|([^|]*)\\|([^|]*)\\|$")

func documented(text string) (fields []docField) {
	for _, m := range fieldRow.FindAllStringSubmatch(text, -1) {
		fields = append(fields, docField{m[1], m[2], strings.Contains(m[4], "optional")})
	}
	return fields
}

// declared lists the JSON fields of a struct in the order they are written.
func declared(t *testing.T, typ reflect.Type) (fields []docField) {
	t.Helper()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			fields = append(fields, declared(t, f.Type)...)
			continue
		}
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" {
			continue // it goes another way
		}
		if tag == "" {
			t.Errorf("%v.%s has no JSON name", typ, f.Name)
		}
		fields = append(fields, docField{tag, wordFor(t, f.Type), options == "omitempty"})
	}
	return fields
}

// wordFor is the word docs/api.md has for a Go type.
func wordFor(t *testing.T, typ reflect.Type) string {
	t.Helper()
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Slice:
		return "array of " + wordFor(t, typ.Elem())
	case reflect.Map:
		return "object of " + wordFor(t, typ.Elem())
	case reflect.Pointer:
		return wordFor(t, typ.Elem())
	case reflect.Struct:
		return "[" + typ.Name() + "](#" + strings.ToLower(typ.Name()) + ")"
	default:
		t.Errorf("no word for %v", typ)
		return ""
	}
}

func TestDocumentedFields(t *testing.T) {
	doc := apiDoc(t)
	types := map[string]reflect.Type{
		"Tunnel": reflect.TypeFor[Tunnel](), "Message": reflect.TypeFor[Message](), "AVP": reflect.TypeFor[AVP](), "Control": reflect.TypeFor[Control](), "Session": reflect.TypeFor[Session](), "PPP": reflect.TypeFor[PPP](),
		"Link": reflect.TypeFor[Link](), "Echo": reflect.TypeFor[Echo](),
		"Worker": reflect.TypeFor[Worker](), "Drop": reflect.TypeFor[Drop](), "Pool": reflect.TypeFor[Pool](), "Shared": reflect.TypeFor[Shared](), "MAC": reflect.TypeFor[MAC](), "Profile": reflect.TypeFor[Profile](), "Config": reflect.TypeFor[Config](), "Version": reflect.TypeFor[version.Info](),
		"ReloadRequest": reflect.TypeFor[ReloadRequest](), "ReloadReport": reflect.TypeFor[ReloadReport](), "Change": reflect.TypeFor[Change](),
		"Event":        reflect.TypeFor[Event](),
		"DebugRequest": reflect.TypeFor[DebugRequest](), "LogLevel": reflect.TypeFor[LogLevel](), "Finding": reflect.TypeFor[Finding](),
		"DrainRequest": reflect.TypeFor[DrainRequest](), "DrainReport": reflect.TypeFor[DrainReport](),
		"AddRequest": reflect.TypeFor[AddRequest](), "DeleteRequest": reflect.TypeFor[DeleteRequest](),
		"DisconnectRequest": reflect.TypeFor[DisconnectRequest](), "DisconnectReport": reflect.TypeFor[DisconnectReport](),
	}
	for title, typ := range types {
		want := declared(t, typ)
		if diff := cmp.Diff(want, documented(doc[title]), cmp.AllowUnexported(docField{})); diff != "" {
			t.Errorf("%s (-declared +documented):\n%s", title, diff)
		}
	}
	for title, text := range doc {
		if _, ok := types[title]; !ok && len(documented(text)) > 0 {
			t.Errorf("section %q documents fields of no type", title)
		}
	}
}

func TestDocumentedResources(t *testing.T) {
	text := apiDoc(t)["Resources"]
	var paths, params []string
	for _, m := range regexp.MustCompile("(?m)^\\| `GET ([^`]+)`").FindAllStringSubmatch(text, -1) {
		paths = append(paths, strings.NewReplacer("{tunnel}", "", "/{session}", "", "{shared}", "").Replace(m[1]))
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(text, -1) {
		params = append(params, m[1])
	}
	var wantPaths []string
	for _, r := range routes {
		wantPaths = append(wantPaths, r.path+r.suffix)
		if section := map[string]string{pathCapture: "Capture", pathTunnel + doctorOf: "Parameters of a doctor", pathEvents: "Parameters of events"}[r.path+r.suffix]; section != "" {
			var documented []string
			for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(apiDoc(t)[section], -1) {
				documented = append(documented, m[1])
			}
			if !slices.Equal(r.params, documented) {
				t.Errorf("%s takes %q, documented %q", r.path, r.params, documented)
			}
			continue
		}
		if len(r.params) > 0 && (r.path != pathSessions || !slices.Equal(r.params, params)) {
			t.Errorf("%s takes %q, documented %q for %s", r.path, r.params, params, pathSessions)
		}
	}
	if diff := cmp.Diff(wantPaths, paths); diff != "" {
		t.Errorf("paths (-served +documented):\n%s", diff)
	}
}

func TestDocumentedChanges(t *testing.T) {
	text := apiDoc(t)["Changes"]
	got, want := map[string][]string{}, map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `POST ([^`]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(text, -1) {
		got[m[1]] = nil
		for _, p := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[2], -1) {
			got[m[1]] = append(got[m[1]], p[1])
		}
	}
	for _, c := range changes {
		want[c.path] = c.params
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths and parameters (-served +documented):\n%s", diff)
	}
}

// TestDocumentedLimits keeps the figures of docs/api.md and the package comment right.
func TestDocumentedLimits(t *testing.T) {
	text := strings.Join(strings.Fields(apiDoc(t)["Limits"]+apiDoc(t)["Events"]), " ")
	for _, want := range []string{
		"At most 32 connections", "5 seconds for its header, 10 in all", "16 KiB of header", "an answer has 60 seconds",
		"closed after 30", "have 2 seconds", "1 MiB of body", "At most 16 clients listen", "4096 events wait",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/api.md does not say %q", want)
		}
	}
	got := []int{
		maxConnections, int(headerWait.Seconds()), int(requestWait.Seconds()), maxHeader >> 10, int(answerWait.Seconds()),
		int(idleWait.Seconds()), int(stopWait.Seconds()), maxBody >> 20, maxListeners, maxWaiting,
	}
	if want := []int{32, 5, 10, 16, 60, 30, 2, 1, 16, 4096}; !slices.Equal(got, want) {
		t.Errorf("limits are %v, documented %v", got, want)
	}
}

// TestDocumentedEvents: every type of event is explained, and nothing else.
func TestDocumentedEvents(t *testing.T) {
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(apiDoc(t)["Events"], -1) {
		got = append(got, m[1])
	}
	want := []string{
		EventTunnelUp, EventTunnelDown, EventTunnelFailed, EventSessionUp, EventSessionChanged, EventSessionDown, EventSessionFailed,
		EventReload, EventReloadRefused, EventDrain, EventDrainEnd, EventLost,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-declared +documented):\n%s", diff)
	}
}
