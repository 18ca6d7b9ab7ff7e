package mgmt

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"culvert/client"
	"culvert/docs"
	"culvert/internal/mgmt/mgmttest"
	"culvert/internal/version"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

const openAPIFile = "../../docs/openapi.json"

// TestOpenAPIIsCurrent makes the description of the API from routes, changes, their types and the words of docs/api.md.
func TestOpenAPIIsCurrent(t *testing.T) {
	b, err := json.MarshalIndent(describe(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(openAPIFile, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b, docs.OpenAPI) {
		t.Error("docs/openapi.json is not what the code says: go test ./internal/mgmt -run TestOpenAPIIsCurrent -update")
	}
}

// TestOpenAPIIsOpenAPI: the description is what the OpenAPI Initiative's schema of 3.1 calls one.
func TestOpenAPIIsOpenAPI(t *testing.T) {
	meta, err := jsonschema.UnmarshalJSON(strings.NewReader(datamodel.OpenAPI31SchemaData))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///meta.json", meta); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("file:///meta.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		t.Error(err)
	}
	document.(map[string]any)["paths"].(map[string]any)["/v1/tunnels"].(map[string]any)["get"].(map[string]any)["responses"] = 7
	if schema.Validate(document) == nil {
		t.Error("the schema takes anything")
	}
}

// object is one of JSON.
type object = map[string]any

// operation is what describes a path beyond its entry in routes or changes.
type operation struct {
	id      string
	request any // a value of the type of the body, nil: none
	answer  any // likewise, of a good answer
	content string
	errors  []int // statuses beside 400 and 413
}

// operations has one for each path, as written in docs/api.md.
var operations = map[string]operation{
	"/openapi.json":                   {id: "getDescription", answer: map[string]any{}},
	"/v1/tunnels":                     {id: "listTunnels", answer: []Tunnel{}},
	"/v1/tunnels/{tunnel}":            {id: "getTunnel", answer: Tunnel{}, errors: []int{404}},
	"/v1/tunnels/{tunnel}/messages":   {id: "listMessages", answer: []Message{}, errors: []int{404}},
	"/v1/tunnels/{tunnel}/doctor":     {id: "diagnoseTunnel", answer: []Finding{}, errors: []int{404, 409, 503}},
	"/v1/sessions":                    {id: "listSessions", answer: []Session{}},
	"/v1/sessions/{tunnel}/{session}": {id: "getSession", answer: Session{}, errors: []int{404}},
	"/v1/workers":                     {id: "listWorkers", answer: []Worker{}},
	"/v1/drops":                       {id: "listDrops", answer: []Drop{}},
	"/v1/pools":                       {id: "listPools", answer: []Pool{}},
	"/v1/shared":                      {id: "listShared", answer: []Shared{}},
	"/v1/shared/{shared}/macs":        {id: "listMACs", answer: []MAC{}, errors: []int{404}},
	"/v1/profiles":                    {id: "listProfiles", answer: []Profile{}},
	"/v1/config":                      {id: "getConfig", answer: Config{}, errors: []int{500}},
	"/v1/levels":                      {id: "listLevels", answer: []LogLevel{}},
	"/v1/debug":                       {id: "debug", request: DebugRequest{}, answer: LogLevel{}, errors: changeErrors},
	"/v1/version":                     {id: "getVersion", answer: version.Info{}},
	"/v1/capture":                     {id: "capture", content: captureType, errors: []int{404, 409, 500}},
	"/v1/events":                      {id: "listenToEvents", answer: Event{}, content: eventsType, errors: []int{409}},
	"/v1/reload":                      {id: "reload", request: ReloadRequest{}, answer: ReloadReport{}, errors: changeErrors},
	"/v1/drain":                       {id: "drain", request: DrainRequest{}, answer: DrainReport{}, errors: changeErrors},
	"/v1/disconnect":                  {id: "disconnect", request: DisconnectRequest{}, answer: DisconnectReport{}, errors: changeErrors},
	"/v1/add":                         {id: "add", request: AddRequest{}, answer: ReloadReport{}, errors: changeErrors},
	"/v1/delete":                      {id: "delete", request: DeleteRequest{}, answer: ReloadReport{}, errors: changeErrors},
}

var changeErrors = []int{403, 404, 422, 503}

// requestRules are what the server wants of a body beyond its type.
var requestRules = map[string]object{
	"AddRequest": {"properties": object{"kind": object{"enum": []string{KindTunnel, KindSession}}}, "required": []string{"kind", "text"}},
	"DebugRequest": {
		"properties": object{"kind": object{"enum": []string{LevelOfSubsystem, LevelOfTunnel}}, "level": object{"enum": debugLevels}},
		"required":   []string{"kind", "name", "level"},
	},
	"DeleteRequest":     {"minProperties": 1, "maxProperties": 1},
	"DisconnectRequest": {"minProperties": 1, "maxProperties": 1},
}

// parameterTypes are those of query parameters that are not just strings.
var parameterTypes = map[string]object{
	paramDryRun:  {"type": "boolean"},
	paramSnapLen: {"type": "integer", "minimum": 0},
	paramCount:   {"type": "integer", "minimum": 0},
	paramSize:    {"type": "integer", "minimum": 0},
	paramLayer:   {"type": "string", "enum": []string{layerOuter, layerInner}},
}

// describer writes one description.
type describer struct {
	t       *testing.T
	doc     map[string]string // docs/api.md by headings
	schemas object
}

func describe(t *testing.T) object {
	d := &describer{t: t, doc: apiDoc(t), schemas: object{}}
	paths := object{}
	seen := map[string]bool{}
	for _, r := range routes {
		template := r.path + r.suffix
		switch r.path {
		case pathTunnel:
			template = r.path + "{tunnel}" + r.suffix
		case pathSharedOf:
			template = r.path + "{shared}" + r.suffix
		case pathSession:
			template = r.path + "{tunnel}/{session}"
		}
		seen[template] = true
		paths[template] = object{"get": d.operation(template, r.params, "Resources", "GET")}
	}
	for _, c := range changes {
		seen[c.path] = true
		paths[c.path] = object{"post": d.operation(c.path, c.params, "Changes", "POST")}
	}
	for template := range operations {
		if !seen[template] {
			t.Errorf("%s is described and not served", template)
		}
	}
	d.schemas["Error"] = d.schema(reflect.TypeFor[errorBody](), false)
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "culvert management API", "version": "1", "summary": "Tunnels and sessions of a running culvert",
			"description": "HTTP/1.1 on a Unix socket, " + client.DefaultSocket + " unless configured otherwise. HEAD works wherever GET does. " +
				"Objects may get more fields; requests must not have others than these. docs/api.md says more.",
			"license": object{"name": "MIT", "identifier": "MIT"},
		},
		"servers":    []object{{"url": "http://culvert", "description": "the host name is ignored: it is a Unix socket"}},
		"paths":      paths,
		"components": object{"schemas": d.schemas},
	}
}

// operation describes what one path answers; its row in docs/api.md has the words.
func (d *describer) operation(template string, params []string, section, method string) object {
	op, ok := operations[template]
	if !ok {
		d.t.Errorf("%s is served and has no entry in operations", template)
		return nil
	}
	row := regexp.MustCompile("(?m)^\\| `" + method + " " + regexp.QuoteMeta(template) + "` \\|.*?([^|]*) \\|$").FindStringSubmatch(d.doc[section])
	if row == nil {
		d.t.Errorf("docs/api.md has no row for %s %s", method, template)
		return nil
	}
	content := op.content
	if content == "" {
		content = jsonType
	}
	media := object{}
	if op.answer != nil {
		media["schema"] = d.schema(reflect.TypeOf(op.answer), false)
	}
	responses := object{"200": object{"description": plain(row[1]), "content": object{content: media}}}
	for _, status := range append([]int{400, 413}, op.errors...) {
		responses[fmt.Sprint(status)] = object{
			"description": http.StatusText(status),
			"content":     object{jsonType: object{"schema": object{"$ref": "#/components/schemas/Error"}}},
		}
	}
	all := object{"operationId": op.id, "responses": responses}
	if op.request != nil {
		typ := reflect.TypeOf(op.request)
		_, needed := requestRules[typ.Name()]
		all["requestBody"] = object{"required": needed, "content": object{jsonType: object{"schema": d.schema(typ, true)}}}
	}
	if ps := d.parameters(template, params); len(ps) > 0 {
		all["parameters"] = ps
	}
	return all
}

func (d *describer) parameters(template string, params []string) (all []object) {
	for _, m := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(template, -1) {
		all = append(all, object{"name": m[1], "in": "path", "required": true, "description": "name, percent-encoded", "schema": object{"type": "string"}})
	}
	section := map[string]string{
		pathSessions: "Resources", pathCapture: "Capture", pathEvents: "Parameters of events", pathReload: "Changes",
		pathTunnel + "{tunnel}" + doctorOf: "Parameters of a doctor",
	}[template]
	for _, name := range params {
		schema, ok := parameterTypes[name]
		if !ok {
			schema = object{"type": "string"}
		}
		p := object{"name": name, "in": "query", "schema": schema}
		if row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| (.*) \\|$").FindStringSubmatch(d.doc[section]); row != nil {
			p["description"] = plain(row[1])
		} else if name == paramDryRun {
			p["description"] = "true: nothing is done, and the report says what would be"
		} else {
			d.t.Errorf("docs/api.md does not explain %s of %s", name, template)
		}
		all = append(all, p)
	}
	return all
}

// schema describes a type. Structs get a schema of their own and are referred to.
func (d *describer) schema(typ reflect.Type, request bool) object {
	switch typ.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0, "format": typ.Kind().String()}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(typ.Elem(), request)}
	case reflect.Map:
		if typ.Elem().Kind() == reflect.Interface {
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": d.schema(typ.Elem(), request)}
	case reflect.Pointer:
		return d.schema(typ.Elem(), request)
	case reflect.Struct:
		return d.structure(typ, request)
	default:
		d.t.Fatalf("no schema for %v", typ)
		return nil
	}
}

func (d *describer) structure(typ reflect.Type, request bool) object {
	if typ == reflect.TypeFor[errorBody]() {
		return object{"type": "object", "properties": object{"error": object{"type": "string"}}, "required": []string{"error"}, "additionalProperties": false}
	}
	name := typ.Name()
	if typ == reflect.TypeFor[version.Info]() {
		name = "Version"
	}
	ref := object{"$ref": "#/components/schemas/" + name}
	if _, done := d.schemas[name]; done {
		return ref
	}
	properties, required := object{}, []string{}
	schema := object{"type": "object", "properties": properties}
	d.schemas[name] = schema
	words := map[string]string{}
	for _, m := range fieldRow.FindAllStringSubmatch(d.doc[name], -1) {
		words[m[1]] = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(plain(m[4]), "optional: "), ", optional"))
		if unit := strings.TrimSpace(m[3]); unit != "" {
			words[m[1]] += " (" + unit + ")"
		}
	}
	d.fields(typ, request, words, properties, &required)
	if len(required) > 0 {
		schema["required"] = required
	}
	if request {
		schema["additionalProperties"] = false
	}
	for key, rule := range requestRules[name] {
		if key == "properties" {
			for property, more := range rule.(object) {
				for k, v := range more.(object) {
					properties[property].(object)[k] = v
				}
			}
			continue
		}
		schema[key] = rule
	}
	return ref
}

func (d *describer) fields(typ reflect.Type, request bool, words map[string]string, properties object, required *[]string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			d.fields(f.Type, request, words, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		property := d.schema(f.Type, request)
		if words[name] != "" && words[name] != "optional" {
			property["description"] = words[name]
		}
		properties[name] = property
		if options != "omitempty" && !request {
			*required = append(*required, name)
		}
	}
}

// plain takes the links and code marks out of Markdown.
func plain(s string) string {
	s = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(s, "$1")
	return strings.TrimSpace(strings.ReplaceAll(s, "`", ""))
}

// TestAnswersAreAsDescribed: every path, good and refused requests alike.
func TestAnswersAreAsDescribed(t *testing.T) {
	contract := mgmttest.New(t)
	src := newFake()
	src.tunnels[1].Control = &Control{Role: "initiator"}
	src.sessions[1].Link = &Link{Phase: "network", Echo: &Echo{Recent: []float64{1, -1}}}
	path, _ := serve(t, src, WithChanges(&fakeChanger{}))
	asked := map[string]bool{}
	check := func(method, target string, resp *http.Response, body string) {
		asked[target] = true
		if err := contract.Check(method, target, resp.StatusCode, resp.Header.Get("Content-Type"), []byte(body)); err != nil {
			t.Errorf("%s %s: %v", method, target, err)
		}
	}
	for _, target := range []string{
		"/openapi.json", "/v1/tunnels", "/v1/tunnels/t1", "/v1/tunnels/t1/messages", "/v1/tunnels/t1/doctor", "/v1/sessions", "/v1/sessions/t1/s1",
		"/v1/workers", "/v1/drops", "/v1/pools", "/v1/shared", "/v1/shared/a%2Fb/macs", "/v1/shared/none/macs", "/v1/profiles", "/v1/config", "/v1/levels", "/v1/version",
		"/v1/capture?tunnel=t1&count=1", "/v1/capture?tunnel=busy", "/v1/capture?tunnel=broken", "/v1/capture?tunnel=t1&count=x",
		"/v1/tunnels/none", "/v1/tunnels/none/messages", "/v1/tunnels/none/doctor?wait=1s", "/v1/tunnels/t1/doctor?wait=1h", "/v1/sessions/t1/none", "/v1/sessions/t1", "/v1/sessions?x=1", "/v1/nothing",
	} {
		resp, body := request(t, path, "GET", target)
		check("GET", target, resp, body)
	}
	for _, r := range []struct{ target, body string }{
		{"/v1/reload", ""},
		{"/v1/reload?dry_run=true", `{"file":"/f"}`},
		{"/v1/drain", `{"off":true}`},
		{"/v1/disconnect", `{"session":"t1/s1"}`},
		{"/v1/add", `{"kind":"tunnel","text":""}`},
		{"/v1/delete", `{"tunnel":"t1"}`},
		{"/v1/debug", `{"kind":"tunnel","name":"t1","level":"debug"}`},
		{"/v1/debug", `{"kind":"tunnel","name":"t1","level":"loud"}`},
		{"/v1/delete", `{}`},
		{"/v1/drain", "7"},
		{"/v1/tunnels", ""},
	} {
		resp, body := post(t, path, r.target, r.body)
		check("POST", r.target, resp, body)
	}
	for _, template := range contract.Templates() {
		known := strings.NewReplacer("{tunnel}", "t1", "{session}", "s1", "{shared}", "a%2Fb").Replace(template)
		if !asked[known] && template != pathCapture && template != pathEvents {
			t.Errorf("%s was not asked for", template)
		}
	}
	event := `{"time":"2026-01-02T03:04:05Z","type":"tunnel_up"}` + "\n"
	if err := contract.Check("GET", pathEvents, 200, eventsType, []byte(event)); err != nil {
		t.Error(err)
	}
	for _, wrong := range []error{
		contract.Check("GET", pathEvents, 200, eventsType, []byte(event+`{"type":"x"}`)),
		contract.Check("GET", pathTunnels, 200, jsonType, []byte(`[{}]`)),
		contract.Check("GET", pathTunnels, 204, jsonType, nil),
		contract.Check("GET", pathTunnels, 200, "text/plain", []byte("[]")),
	} {
		if wrong == nil {
			t.Error("a wrong answer passes")
		}
	}
}

// TestRequestsAreAsDescribed: what the description takes for a body, the server takes, and the other way round.
func TestRequestsAreAsDescribed(t *testing.T) {
	contract := mgmttest.New(t)
	path, _ := serve(t, newFake(), WithChanges(&fakeChanger{}))
	for _, r := range []struct {
		target, body string
		good         bool
	}{
		{"/v1/reload", `{}`, true},
		{"/v1/reload", `{"fiel":"/f"}`, false},
		{"/v1/reload", `[]`, false},
		{"/v1/drain", `{"off":true}`, true},
		{"/v1/drain", `{"off":"yes"}`, false},
		{"/v1/disconnect", `{"user":"joe"}`, true},
		{"/v1/disconnect", `{"user":"joe","tunnel":"t1"}`, false},
		{"/v1/disconnect", `{"user":7}`, false},
		{"/v1/disconnect", `{}`, false},
		{"/v1/add", `{"kind":"session","text":"x"}`, true},
		{"/v1/add", `{"kind":"pool","text":"x"}`, false},
		{"/v1/delete", `{"session":"a/b"}`, true},
		{"/v1/delete", `{"name":"a"}`, false},
	} {
		described := contract.Request(r.target, []byte(r.body)) == nil
		resp, _ := post(t, path, r.target, r.body)
		if served := resp.StatusCode == http.StatusOK; described != r.good || served != r.good {
			t.Errorf("%s %s: served %v, described %v, want %v", r.target, r.body, served, described, r.good)
		}
	}
	if templates := contract.Templates(); !slices.Contains(templates, pathReload) || len(templates) != len(operations) {
		t.Errorf("%d paths: %v", len(templates), templates)
	}
}
