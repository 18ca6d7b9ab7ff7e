// Package mgmttest holds answers of the management API against its description, docs/openapi.json. It is for tests.
package mgmttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"culvert/docs"
)

const documentURL = "file:///openapi.json"

// Contract is the description of the API. It is used from one goroutine.
type Contract struct {
	compiler *jsonschema.Compiler
	paths    []path
}

type path struct {
	template string
	match    *regexp.Regexp
	methods  map[string]operation
}

type operation struct {
	Responses map[string]struct {
		Content map[string]any `json:"content"`
	} `json:"responses"`
}

// methods are those that paths have operations for.
var methods = []string{"get", "post"}

// New reads the description.
func New(t testing.TB) *Contract {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	c := &Contract{compiler: jsonschema.NewCompiler()}
	if err := c.compiler.AddResource(documentURL, document); err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(docs.OpenAPI, &described); err != nil {
		t.Fatal(err)
	}
	for template, item := range described.Paths {
		p := path{template: template, methods: map[string]operation{}}
		p.match = regexp.MustCompile("^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), ".*") + "$")
		for _, method := range methods {
			var op operation
			if text, ok := item[method]; ok {
				if err := json.Unmarshal(text, &op); err != nil {
					t.Fatal(err)
				}
				p.methods[method] = op
			}
		}
		c.paths = append(c.paths, p)
	}
	// The longer template is the more exact one.
	slices.SortFunc(c.paths, func(a, b path) int { return len(b.template) - len(a.template) })
	return c
}

// Templates are the paths, in no order.
func (c *Contract) Templates() []string {
	all := make([]string, 0, len(c.paths))
	for i := range c.paths {
		all = append(all, c.paths[i].template)
	}
	return all
}

// Check tells what is wrong with an answer: its status is not one that the description has for the request, or its body
// is not of the form that it has for that.
func (c *Contract) Check(method, target string, status int, contentType string, body []byte) error {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.paths, func(p path) bool { return p.match.MatchString(u.Path) })
	if i < 0 {
		return c.other(status, body)
	}
	op, ok := c.paths[i].methods[strings.ToLower(method)]
	if !ok && status == http.StatusMethodNotAllowed {
		return c.other(status, body)
	}
	response, documented := op.Responses[strconv.Itoa(status)]
	if !ok || !documented {
		return fmt.Errorf("%s %s: status %d is not described", method, c.paths[i].template, status)
	}
	if _, documented := response.Content[contentType]; !documented {
		return fmt.Errorf("%s %s: %d with content of type %q is not described", method, c.paths[i].template, status, contentType)
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	at := fmt.Sprintf("/paths/%s/%s/responses/%d/content/%s/schema", escape.Replace(c.paths[i].template),
		strings.ToLower(method), status, escape.Replace(contentType))
	switch contentType {
	case "application/json":
		return c.valid(at, body)
	case "application/x-ndjson":
		for line := range bytes.Lines(body) {
			if err := c.valid(at, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// other is for a path or method that there is not.
func (c *Contract) other(status int, body []byte) error {
	if !slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed}, status) {
		return fmt.Errorf("status %d of what is not described", status)
	}
	return c.valid("/components/schemas/Error", body)
}

// valid tells whether a JSON value is of the form that the description has at a JSON pointer (RFC 6901).
func (c *Contract) valid(pointer string, text []byte) error {
	schema, err := c.compiler.Compile(documentURL + "#" + (&url.URL{Fragment: pointer}).EscapedFragment())
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// Request tells what is wrong with the body of a POST request.
func (c *Contract) Request(target string, body []byte) error {
	return c.valid("/paths/"+strings.ReplaceAll(target, "/", "~1")+"/post/requestBody/content/application~1json/schema", body)
}
