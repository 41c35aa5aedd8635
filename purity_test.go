package gquic_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The core is everything but the adapters, and the tests.
var coreRoots = []string{".", "wire", "handshake", "flowctl", "conn"}

// What the core must not import, and why.
var forbiddenImports = map[string]string{
	"net":          "sockets belong to adapters (net/netip is fine)",
	"os":           "the system belongs to adapters",
	"sync":         "an endpoint is driven by one caller",
	"sync/atomic":  "an endpoint is driven by one caller",
	"context":      "nothing blocks",
	"log":          "the core emits events",
	"log/slog":     "the core emits events",
	"math/rand":    "randomness is a seed that is handed in",
	"math/rand/v2": "randomness is a seed that is handed in",
	"crypto/rand":  "randomness is a seed that is handed in",
	"crypto/tls":   "it brings sockets and clocks",
	"runtime":      "behaviour must not depend on it",
	"unsafe":       "behaviour must not depend on it",
	"testing":      "tests only",
}

var forbiddenCalls = map[string]string{
	"time.Now": "", "time.Since": "", "time.Until": "", "time.After": "", "time.AfterFunc": "",
	"time.Sleep": "", "time.NewTimer": "", "time.NewTicker": "", "time.Tick": "",
}

// TestCoreIsPure reads the source of the core, and names file, line and reason of
// everything in it that could make equal inputs give unequal outputs.
func TestCoreIsPure(t *testing.T) {
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "source", nil)
	for _, dir := range coreDirs(t) {
		files := parseDir(t, fset, dir)
		if len(files) == 0 {
			continue
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		config := types.Config{Importer: imports}
		if _, err := config.Check("example.com/gquic/"+filepath.ToSlash(dir), fset, files, info); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, breach := range breaches(fset, files, info) {
			t.Error(breach)
		}
	}
}

func coreDirs(t *testing.T) (dirs []string) {
	for _, root := range coreRoots {
		if root == "." {
			dirs = append(dirs, root)
			continue
		}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				if d.Name() == "testdata" {
					return filepath.SkipDir
				}
				dirs = append(dirs, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

func parseDir(t *testing.T, fset *token.FileSet, dir string) (files []*ast.File) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		built, err := build.Default.MatchFile(dir, filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		if !built || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// breaches lists what in the files is not pure.
func breaches(fset *token.FileSet, files []*ast.File, info *types.Info) (found []string) {
	report := func(n ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%v: %s", fset.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}
	written := writtenObjects(files, info)
	for _, f := range files {
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			if why := forbiddenImports[path]; why != "" {
				report(imp, "imports %s: %s", path, why)
			}
			if strings.Contains(path, "/adapters/") {
				report(imp, "imports %s: arrows point from adapters to the core", path)
			}
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						if written[name.Name] {
							report(name, "package variable %s is written to: state belongs to an endpoint", name.Name)
						}
					}
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(n, "starts a goroutine")
			case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
				report(n, "uses a channel")
			case *ast.RangeStmt:
				if _, ok := info.TypeOf(n.X).Underlying().(*types.Map); ok {
					report(n, "ranges over a map, whose order is random")
				}
			case *ast.BinaryExpr:
				if b, ok := info.TypeOf(n).Underlying().(*types.Basic); ok && b.Info()&types.IsFloat != 0 && b.Kind() != types.UntypedFloat {
					report(n, "computes in floating point, which differs between architectures")
				}
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok {
					if p, ok := info.Uses[pkg].(*types.PkgName); ok {
						if _, bad := forbiddenCalls[p.Imported().Path()+"."+n.Sel.Name]; bad {
							report(n, "uses %s.%s: time is an argument", pkg.Name, n.Sel.Name)
						}
					}
				}
			case *ast.CompositeLit:
				checkVerifyOptions(n, info, report)
			}
			return true
		})
	}
	return found
}

// checkVerifyOptions wants roots and a time in every x509.VerifyOptions: without them
// x509 reaches for the system's.
func checkVerifyOptions(n *ast.CompositeLit, info *types.Info, report func(ast.Node, string, ...any)) {
	if t := info.TypeOf(n); t == nil || t.String() != "crypto/x509.VerifyOptions" {
		return
	}
	set := map[string]bool{}
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			set[kv.Key.(*ast.Ident).Name] = true
		}
	}
	if !set["Roots"] || !set["CurrentTime"] {
		report(n, "x509.VerifyOptions without Roots and CurrentTime takes them from the system")
	}
}

// writtenObjects names the package variables that some function assigns to, takes the
// address of an element of, or increments.
func writtenObjects(files []*ast.File, info *types.Info) map[string]bool {
	written := map[string]bool{}
	note := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
				continue
			case *ast.SelectorExpr:
				e = x.X
				continue
			case *ast.StarExpr:
				e = x.X
				continue
			case *ast.ParenExpr:
				e = x.X
				continue
			case *ast.Ident:
				if v, ok := info.Uses[x].(*types.Var); ok && v.Parent() == v.Pkg().Scope() {
					written[x.Name] = true
				}
			}
			return
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, l := range n.Lhs {
					note(l)
				}
			case *ast.IncDecStmt:
				note(n.X)
			}
			return true
		})
	}
	return written
}

// The test itself must see what it is for: each of these snippets has one breach.
func TestPurityTestSeesBreaches(t *testing.T) {
	for want, body := range map[string]string{
		"imports os":             `import "os"; var _ = os.Args`,
		"starts a goroutine":     `func f() { go f() }`,
		"uses a channel":         `type c chan int`,
		"ranges over a map":      `func f(m map[int]int) { for range m { } }`,
		"floating point":         `func f(x float64) float64 { return x * 2 }`,
		"uses time.Now":          `import "time"; func f() time.Time { return time.Now() }`,
		"is written to":          `var n int; func f() { n++ }`,
		"without Roots":          `import "crypto/x509"; var _ = x509.VerifyOptions{DNSName: "a"}`,
		"arrows point":           `import _ "example.com/gquic/adapters/x"`,
		"imports math/rand/v2":   `import "math/rand/v2"; var _ = rand.Int`,
		"takes them from the":    `import "crypto/x509"; var _ = x509.VerifyOptions{Roots: nil}`,
		"package variable table": `var table = [2]int{}; func f() { table[1] = 2 }`,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package x; "+body, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		config := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(error) {}}
		config.Check("x", fset, []*ast.File{f}, info)
		got := breaches(fset, []*ast.File{f}, info)
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: found %q, want one breach that says %q", body, got, want)
		}
	}
}
