package archtest

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const maxFileLines = 600

func TestFileSize(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: split it by concern", f.path, f.lines, maxFileLines)
		}
	}
}

func TestFormatted(t *testing.T) {
	for _, f := range goFiles(t) {
		if out, err := format.Source(f.source); err != nil || !bytes.Equal(out, f.source) {
			t.Errorf("%s is not gofmt-ed (%v)", f.path, err)
		}
	}
}

func TestPackagesHaveDoc(t *testing.T) {
	type pkg struct {
		documented, inDocFile bool
		files                 int
	}
	pkgs := map[string]*pkg{}
	for _, f := range goFiles(t) {
		if pkgs[f.dir] == nil {
			pkgs[f.dir] = &pkg{}
		}
		p := pkgs[f.dir]
		if f.test {
			continue
		}
		p.files++
		if f.syntax.Doc != nil {
			p.documented = true
			p.inDocFile = p.inDocFile || filepath.Base(f.path) == "doc.go"
		}
	}
	for dir, p := range pkgs {
		switch {
		case p.files == 0: // tests alone
		case !p.documented:
			t.Errorf("package %s has no package comment", dir)
		case !p.inDocFile && p.files > 1 && withinLayers(dir):
			t.Errorf("package %s keeps its package comment elsewhere than in doc.go", dir)
		}
	}
}

// withinLayers tells whether dir is one of the packages that owe a doc.go.
func withinLayers(dir string) bool { return withinAny(dir, "encap", "pppfsm", "control", "forwarder") }

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || f.syntax.Name.Name == "main" {
			continue
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%s: %s has no comment", fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				checkGenDecl(t, d)
			}
		}
	}
}

// exportedReceiver tells whether a function is one, or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if p, ok := typ.(*ast.StarExpr); ok {
		typ = p.X
	}
	if g, ok := typ.(*ast.IndexExpr); ok {
		typ = g.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func checkGenDecl(t *testing.T, d *ast.GenDecl) {
	t.Helper()
	if d.Tok == token.IMPORT {
		return
	}
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
				t.Errorf("%s: type %s has no comment", fset.Position(s.Pos()), s.Name.Name)
			}
		case *ast.ValueSpec: // a block's comment documents its lines
			if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				t.Errorf("%s: %s has no comment", fset.Position(s.Pos()), s.Names[0].Name)
			}
		}
	}
}

// TestNothingUnfinished: marks of work left undone belong into the issue tracker. The words are put together here so
// that this file does not hold them.
func TestNothingUnfinished(t *testing.T) {
	marks := regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}, "|") + `)\b|not ` + `implemented|un` + `implemented`)
	for _, f := range goFiles(t) {
		if m := marks.Find(f.source); m != nil {
			t.Errorf("%s holds %q", f.path, m)
		}
	}
}

// TestStandsAlone: the project needs nothing beside its own tree.
func TestStandsAlone(t *testing.T) {
	outside := []byte(".." + "/shared")
	err := walk(func(path string) error {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil || info.Size() > 4<<20 {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if bytes.Contains(data, outside) {
			t.Errorf("%s refers to %s", path, outside)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestScriptsRun: make calls these by their path.
func TestScriptsRun(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(root, "scripts", "*.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(scripts, filepath.Join(root, ".ci", "run")) {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
		} else if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", path)
		}
	}
}
