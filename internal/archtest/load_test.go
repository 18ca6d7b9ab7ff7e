package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// file is one Go file of the module, parsed without regard to build constraints.
type file struct {
	path    string // relative to the module's root, with slashes
	dir     string // the package's path inside the module
	test    bool
	lines   int
	source  []byte
	syntax  *ast.File
	imports []string
}

var (
	fset = token.NewFileSet()
	tree = sync.OnceValues(loadTree)
)

// goFiles returns all Go files of the module.
func goFiles(t *testing.T) []file {
	t.Helper()
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

// root is the module's root: this package is two levels below it.
var root = filepath.Join("..", "..")

func loadTree() ([]file, error) {
	var files []file
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := load(path)
		files = append(files, f)
		return err
	})
	return files, err
}

// walk calls fn with every file of the tree but what is built, captured or git's, by its path from the root.
func walk(fn func(path string) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == ".git" || rel == "build" {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return fn(rel)
	})
}

func load(path string) (file, error) {
	src, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return file{}, err
	}
	syntax, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	f := file{
		path:   path,
		dir:    filepath.ToSlash(filepath.Dir(path)),
		test:   strings.HasSuffix(path, "_test.go"),
		lines:  strings.Count(string(src), "\n"),
		source: src,
		syntax: syntax,
	}
	for _, i := range syntax.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return file{}, err
		}
		f.imports = append(f.imports, p)
	}
	return f, nil
}
