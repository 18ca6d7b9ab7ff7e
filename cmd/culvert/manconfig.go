package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"culvert/docs"
)

// configPage is the manual page culvert.toml(5), docs/configuration.md in that form.
func configPage(source string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%% %q %q %q %q %q\n", "CULVERT.TOML", "5", epoch.Format("Jan 2006"), source, "culvert")
	b.WriteString("# NAME\nculvert.toml - configuration of culvert\n\n# SYNOPSIS\n`/etc/culvert/culvert.toml`\n\n# DESCRIPTION\n")
	_, reference, _ := strings.Cut(docs.Configuration, "\n")
	b.WriteString(manMarkdown(reference))
	b.WriteString("\n# SEE ALSO\n**culvert(1)**, **culvert-run(1)**, **culvert-check(1)**, **culvert-reload(1)**\n")
	return md2man.Render([]byte(b.String()))
}

var (
	link      = regexp.MustCompile(`!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)`)
	ruleOfRow = regexp.MustCompile(`^[-: |]+$`)
)

// manMarkdown makes of Markdown as GitHub has it what a manual page can show: links are their texts, and the rows of a table
// are terms with what they mean.
func manMarkdown(text string) string {
	var b strings.Builder
	var heads []string // of the table we are in
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		switch {
		case code:
			heads = nil
			b.WriteString(line + "\n")
		case !strings.HasPrefix(line, "|"):
			heads = nil
			b.WriteString(plainLinks(line) + "\n")
		case heads == nil:
			heads = manCells(line)
		case !ruleOfRow.MatchString(line):
			b.WriteString(manTerm(heads, manCells(line)))
		}
	}
	return b.String()
}

func plainLinks(line string) string { return link.ReplaceAllString(line, "$1") }

// manCells are the fields of a table's row.
func manCells(line string) []string {
	const bar = "\x00"
	line = strings.ReplaceAll(plainLinks(line), `\|`, bar)
	all := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
	for i := range all {
		all[i] = strings.ReplaceAll(strings.TrimSpace(all[i]), bar, "|")
	}
	return all
}

// manTerm is a row as an entry of a definition list: its first cell, those between, and the last one as what it means.
func manTerm(heads, row []string) string {
	last := len(row) - 1
	var between []string
	for i := 1; i < last; i++ {
		switch {
		case row[i] == "":
		case i < len(heads) && heads[i] == "default" && row[i] != "required":
			between = append(between, "default "+row[i])
		default:
			between = append(between, row[i])
		}
	}
	head := strings.ReplaceAll(row[0], "`", "**")
	if len(between) > 0 {
		head += " (" + strings.Join(between, "; ") + ")"
	}
	if row[last] == "" {
		row[last] = "-"
	}
	return head + "\n: " + row[last] + "\n\n"
}
