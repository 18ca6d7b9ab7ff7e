package main

import (
	"regexp"
	"strings"
	"testing"

	"culvert/docs"
)

// TestConfigPage: culvert.toml(5) has every heading and every key of docs/configuration.md, and no Markdown.
func TestConfigPage(t *testing.T) {
	page := string(configPage("culvert 1.2.3"))
	for _, want := range []string{`.TH "CULVERT.TOML" "5" "Jan 1970" "culvert 1.2.3" "culvert"`, ".SH NAME\nculvert.toml", ".SH SEE ALSO"} {
		if !strings.Contains(strings.ReplaceAll(page, `\-`, "-"), want) {
			t.Errorf("no %q", want)
		}
	}
	keys := 0
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`").FindAllStringSubmatch(docs.Configuration, -1) {
		keys++
		if !regexp.MustCompile(`(?m)^\.TP\n\\fB` + m[1] + `\\fP`).MatchString(page) {
			t.Errorf("no entry for %s", m[1])
		}
	}
	if keys < 150 {
		t.Errorf("only %d keys", keys)
	}
	for _, m := range regexp.MustCompile(`(?m)^##+ (\[?[a-zA-Z ]+)`).FindAllStringSubmatch(docs.Configuration, -1) {
		if !regexp.MustCompile(`(?m)^\.S[HS] ` + regexp.QuoteMeta(m[1])).MatchString(page) {
			t.Errorf("no heading %s", m[1])
		}
	}
	for _, wrong := range []string{"](", "**", "`", "\n|"} {
		if i := strings.Index(page, wrong); i >= 0 {
			t.Errorf("%q is left of Markdown: %q", wrong, page[max(0, i-40):i+40])
		}
	}
}

func TestManMarkdown(t *testing.T) {
	const text = "See [`[a]`](#a) and [b](b.md).\n\n| key | type | default | meaning |\n|---|---|---|---|\n" +
		"| `x` | string | `\"y\\|z\"` | [that](#that) |\n| `w` | integer | required | |\n\n```\n| [code](x) |\n```\n"
	const want = "See `[a]` and b.\n\n**x** (string; default `\"y|z\"`)\n: that\n\n**w** (integer; required)\n: -\n\n\n```\n| [code](x) |\n```\n"
	if got := manMarkdown(text); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
