// Command kinds prints, as JSON, how the types of one version of Kubernetes are written in protobuf and in JSON: for each
// kind its type, for each type its fields, as their struct tags say. It reads the sources, which takes no compiling of them.
//
// Its arguments are the modules and where they are: k8s.io/api=/folder.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

type field struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`   // in JSON; none where it is inlined or not shown
	Inline bool   `json:"inline,omitempty"` // its fields are those of the type around it
	Hidden bool   `json:"hidden,omitempty"` // not in JSON
	Empty  bool   `json:"omitempty,omitempty"`
	Zero   bool   `json:"omitzero,omitempty"`
	Shape  shape  `json:"shape"`
}

type shape struct {
	Of      string `json:"of"` // string, bool, int, double, bytes or the name of a type
	Pointer bool   `json:"pointer,omitempty"`
	List    bool   `json:"list,omitempty"`
	Map     bool   `json:"map,omitempty"`
}

type described struct {
	// What its own MarshalJSON is needed for: the fields do not tell how it is shown.
	Special bool    `json:"special,omitempty"`
	List    string  `json:"list,omitempty"` // a list that is a message: of what
	Fields  []field `json:"fields,omitempty"`
}

type kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Type       string `json:"type"`
}

// A package's declarations.
type source struct {
	path    string
	types   map[string]declared
	methods map[string]bool // Type.Method
	group   *string         // const GroupName
	known   []string        // what its AddKnownTypes adds
}

// A type, in a file with these imports.
type declared struct {
	spec    *ast.TypeSpec
	imports map[string]string
}

const objectMeta = "k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta"

var (
	modules = map[string]string{}
	sources = map[string]*source{}
	types   = map[string]*described{}
)

func main() {
	for _, argument := range os.Args[1:] {
		module, folder, _ := strings.Cut(argument, "=")
		modules[module] = folder
	}
	kinds := []kind{}
	for module := range modules {
		if module == "k8s.io/apimachinery" {
			continue
		}
		for _, in := range packagesOf(module) {
			from := load(in)
			if from.group == nil {
				continue
			}
			for _, name := range from.known {
				if isObject(from, name) {
					version := strings.TrimPrefix(*from.group+"/"+path.Base(in), "/")
					kinds = append(kinds, kind{version, name, typeOf(from, name)})
				}
			}
		}
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return strings.Compare(a.APIVersion+" "+a.Kind, b.APIVersion+" "+b.Kind)
	})
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"kinds": kinds, "types": types}); err != nil {
		fail("%v", err)
	}
}

// The packages of a module that hold a version of an API.
func packagesOf(module string) []string {
	var found []string
	for _, pattern := range []string{"*/v*/register.go", "pkg/apis/*/v*/register.go"} {
		files, err := filepath.Glob(filepath.Join(modules[module], pattern))
		if err != nil {
			fail("%v", err)
		}
		for _, file := range files {
			in, err := filepath.Rel(modules[module], filepath.Dir(file))
			if err != nil {
				fail("%v", err)
			}
			found = append(found, module+"/"+filepath.ToSlash(in))
		}
	}
	return found
}

func load(at string) *source {
	if sources[at] != nil {
		return sources[at]
	}
	this := &source{path: at, types: map[string]declared{}, methods: map[string]bool{}}
	sources[at] = this
	for module, folder := range modules {
		if in, ok := strings.CutPrefix(at, module+"/"); ok {
			folder = filepath.Join(folder, filepath.FromSlash(in))
			files, _ := filepath.Glob(filepath.Join(folder, "*.go"))
			for _, file := range files {
				if !strings.HasSuffix(file, "_test.go") {
					this.add(file)
				}
			}
		}
	}
	return this
}

func (this *source) add(file string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		fail("%v", err)
	}
	imports := map[string]string{}
	for _, spec := range parsed.Imports {
		at := unquote(spec.Path.Value)
		name := path.Base(at)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = at
	}
	for _, declaration := range parsed.Decls {
		switch declaration := declaration.(type) {
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					this.types[spec.Name.Name] = declared{spec, imports}
				case *ast.ValueSpec:
					if spec.Names[0].Name == "GroupName" && len(spec.Values) == 1 {
						group := this.groupName(spec.Values[0], imports)
						this.group = &group
					}
				}
			}
		case *ast.FuncDecl:
			if declaration.Recv != nil {
				receiver := declaration.Recv.List[0].Type
				if pointer, ok := receiver.(*ast.StarExpr); ok {
					receiver = pointer.X
				}
				if name, ok := receiver.(*ast.Ident); ok {
					this.methods[name.Name+"."+declaration.Name.Name] = true
				}
			} else if declaration.Body != nil {
				this.findKnown(declaration.Body)
			}
		}
	}
}

// GroupName is a text, or that of another package.
func (this *source) groupName(value ast.Expr, imports map[string]string) string {
	switch value := value.(type) {
	case *ast.BasicLit:
		return unquote(value.Value)
	case *ast.SelectorExpr:
		if group := load(imports[value.X.(*ast.Ident).Name]).group; group != nil {
			return *group
		}
	}
	fail("%s: GroupName", this.path)
	return ""
}

// scheme.AddKnownTypes(SchemeGroupVersion, &Deployment{}, …)
func (this *source) findKnown(body ast.Node) {
	ast.Inspect(body, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		if called, ok := call.Fun.(*ast.SelectorExpr); !ok || called.Sel.Name != "AddKnownTypes" {
			return true
		}
		for _, argument := range call.Args[1:] {
			pointer, ok := argument.(*ast.UnaryExpr)
			if !ok {
				continue
			}
			if literal, ok := pointer.X.(*ast.CompositeLit); ok {
				if name, ok := literal.Type.(*ast.Ident); ok {
					this.known = append(this.known, name.Name)
				}
			}
		}
		return true
	})
}

// Whether a type is one of objects with metadata.
func isObject(from *source, name string) bool {
	declared := from.types[name]
	fields, ok := declared.spec.Type.(*ast.StructType)
	if !ok {
		return false
	}
	for _, field := range fields.Fields.List {
		selected, ok := field.Type.(*ast.SelectorExpr)
		if ok && field.Names == nil && declared.imports[selected.X.(*ast.Ident).Name]+"."+selected.Sel.Name == objectMeta {
			return true
		}
	}
	return false
}

// The name of a message's type; describes it the first time.
func typeOf(from *source, name string) string {
	full := from.path + "." + name
	if types[full] != nil {
		return full
	}
	this := &described{Special: from.methods[name+".MarshalJSON"]}
	types[full] = this
	from, declared := definition(from, name)
	switch underlying := declared.spec.Type.(type) {
	case *ast.ArrayType:
		this.List = shapeOf(from, declared.imports, underlying.Elt, full).Of
	case *ast.StructType:
		for _, f := range underlying.Fields.List {
			if found, ok := fieldOf(from, declared.imports, f, full); ok {
				this.Fields = append(this.Fields, found)
			}
		}
	default:
		fail("%s: neither a struct nor a list", full)
	}
	return full
}

// The declaration that tells what a type is: type MatchCondition v1.MatchCondition has that of the other.
func definition(from *source, name string) (*source, declared) {
	found := from.types[name]
	switch other := found.spec.Type.(type) {
	case *ast.SelectorExpr:
		return definition(load(found.imports[other.X.(*ast.Ident).Name]), other.Sel.Name)
	case *ast.Ident:
		return definition(from, other.Name)
	}
	return from, found
}

func fieldOf(from *source, imports map[string]string, f *ast.Field, owner string) (field, bool) {
	if f.Tag == nil {
		return field{}, false
	}
	tags := reflect.StructTag(unquote(f.Tag.Value))
	tag := tags.Get("protobuf")
	if tag == "" || tag == "-" {
		return field{}, false
	}
	// The tag's wire type is not looked at: that of ServiceSpec.HealthCheckNodePort is wrong.
	number, err := strconv.Atoi(strings.Split(tag, ",")[1])
	if err != nil {
		fail("%s: %v", owner, err)
	}
	words := strings.Split(tags.Get("json"), ",")
	found := field{Number: number, Name: words[0]}
	for _, word := range words[1:] {
		switch word {
		case "omitempty":
			found.Empty = true
		case "omitzero":
			found.Zero = true
		case "inline":
		default:
			fail("%s %d: JSON option %q", owner, number, word)
		}
	}
	switch {
	case found.Name == "-":
		found.Name, found.Hidden = "", true
	case found.Name == "" && f.Names == nil:
		found.Inline = true
	case found.Name == "":
		found.Name = f.Names[0].Name
	}
	found.Shape = shapeOf(from, imports, f.Type, fmt.Sprintf("%s %d", owner, number))
	return found, true
}

func shapeOf(from *source, imports map[string]string, of ast.Expr, where string) shape {
	inner := func(expression ast.Expr) shape {
		s := shapeOf(from, imports, expression, where)
		if s.Pointer || s.List || s.Map {
			fail("%s: nested too deep", where)
		}
		return s
	}
	switch of := of.(type) {
	case *ast.StarExpr:
		s := inner(of.X)
		s.Pointer = true
		return s
	case *ast.ArrayType:
		if element, ok := of.Elt.(*ast.Ident); ok && (element.Name == "byte" || element.Name == "uint8") {
			return shape{Of: "bytes"}
		}
		s := inner(of.Elt)
		s.List = true
		return s
	case *ast.MapType:
		if key := shapeOf(from, imports, of.Key, where); key.Of != "string" {
			fail("%s: map by %s", where, key.Of)
		}
		s := inner(of.Value)
		s.Map = true
		return s
	case *ast.SelectorExpr:
		return shapeOfNamed(load(imports[of.X.(*ast.Ident).Name]), of.Sel.Name, where)
	case *ast.Ident:
		switch of.Name {
		case "string", "bool":
			return shape{Of: of.Name}
		case "int32", "int64":
			return shape{Of: "int"}
		case "float64":
			return shape{Of: "double"}
		}
		return shapeOfNamed(from, of.Name, where)
	}
	fail("%s: type %T", where, of)
	return shape{}
}

func shapeOfNamed(from *source, name, where string) shape {
	declared, ok := from.types[name]
	if !ok {
		fail("%s: no type %s in %s", where, name, from.path)
	}
	// What encodes itself in protobuf: all messages, and the lists that are messages of their own.
	if from.methods[name+".Unmarshal"] {
		return shape{Of: typeOf(from, name)}
	}
	return shapeOf(from, declared.imports, declared.spec.Type, where)
}

func unquote(text string) string {
	text, err := strconv.Unquote(text)
	if err != nil {
		fail("%v", err)
	}
	return text
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
