// Package docs gives the program those of its documents that it hands out itself.
package docs

import _ "embed"

// OpenAPI describes the management API in the form of OpenAPI 3.1. It is made from the code: internal/mgmt's
// TestOpenAPIIsCurrent writes it with -update, and fails when it is not current.
//
//go:embed openapi.json
var OpenAPI []byte

// Configuration is the reference of the configuration file, in Markdown.
//
//go:embed configuration.md
var Configuration string
