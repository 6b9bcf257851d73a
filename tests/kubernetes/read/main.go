// Command read makes the lists of this folder: which flags, fields of configuration files and objects each release of Kubernetes has. It reads
// the sources, as zips of their Go modules, and nothing of it is run: a flag is what is defined on a flag set by a name, a field what has a JSON name.
//
//	go run ./read FOLDER-OF-LISTS 1.9=ZIP,ZIP 1.10=ZIP ... etcd 3.3=ZIP 3.4=ZIP ...
package main

import (
	"archive/zip"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// sources are the files of one release: path without the module's version → what is in it. What lies in staging/ is as the module of its own that it became.
type sources map[string]string

var keep = regexp.MustCompile(`^k8s\.io/(kubernetes/((plugin/)?cmd/(kube-apiserver|kube-controller-manager|kube-scheduler|kube-proxy|kubelet|controller-manager)/|` +
	`pkg/(kubeapiserver/options|controlplane|master|client/leaderelectionconfig|kubelet/config|(kubelet|proxy)/apis)/)|` +
	`apiserver/pkg/(server/options|util/feature)/|component-base/(featuregate|compatibility|config)/|controller-manager/|cloud-provider/options/|` +
	`kubelet/config/|kube-proxy/config/|api/)|^etcd/`)

// What etcd's module is called has changed with its releases.
var etcd = regexp.MustCompile(`^(github\.com/coreos|go\.etcd\.io)/etcd(/server/v3)?`)

func load(zips []string) sources {
	all := sources{}
	for _, name := range zips {
		archive, err := zip.OpenReader(name)
		check(err)
		for _, file := range archive.File {
			module, rest, _ := strings.Cut(etcd.ReplaceAllString(file.Name, "etcd"), "@")
			_, rest, _ = strings.Cut(rest, "/")
			name := module + "/" + rest
			name = strings.TrimPrefix(name, "k8s.io/kubernetes/staging/src/")
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_windows.go") || !keep.MatchString(name) {
				continue
			}
			reader, err := file.Open()
			check(err)
			text, err := io.ReadAll(reader)
			check(err)
			all[name] = string(text)
			check(reader.Close())
		}
		check(archive.Close())
	}
	return all
}

// in gives the names of files right in one of these folders, or of these files.
func (s sources) in(places ...string) []string {
	var found []string
	for name := range s {
		for _, place := range places {
			if path.Dir(name) == place || name == place {
				found = append(found, name)
			}
		}
	}
	sort.Strings(found)
	return found
}

func (s sources) parse(name string) *ast.File {
	file, err := parser.ParseFile(token.NewFileSet(), name, s[name], 0)
	check(err)
	return file
}

// ---- Flags

const k = "k8s.io/kubernetes/"

var ownPlaces = map[string][]string{
	"kube-apiserver": {k + "cmd/kube-apiserver/app/options", k + "pkg/kubeapiserver/options", k + "pkg/controlplane/apiserver/options", "k8s.io/apiserver/pkg/server/options"},
	"kube-controller-manager": {k + "cmd/kube-controller-manager/app/options", k + "cmd/controller-manager/app/options", "k8s.io/controller-manager/options",
		"k8s.io/cloud-provider/options"},
	"kube-scheduler": {k + "cmd/kube-scheduler/app", k + "cmd/kube-scheduler/app/options", k + "plugin/cmd/kube-scheduler/app", k + "plugin/cmd/kube-scheduler/app/options"},
	"etcd":           {"etcd/etcdmain", "etcd/embed"},
	"kubelet":        {k + "cmd/kubelet/app/options", k + "pkg/kubelet/config"},
	"kube-proxy":     {k + "cmd/kube-proxy/app"},
}

// What a part takes over where its own files name it.
var shared = []struct {
	named  string
	places []string
}{
	{"NewSecureServingOptions(", []string{"k8s.io/apiserver/pkg/server/options/serving.go"}},
	{"NewDelegatingAuthenticationOptions(", []string{"k8s.io/apiserver/pkg/server/options/authentication.go"}},
	{"NewDelegatingAuthorizationOptions(", []string{"k8s.io/apiserver/pkg/server/options/authorization.go"}},
	{"DeprecatedInsecureServingOptions", []string{"k8s.io/apiserver/pkg/server/options/deprecated_insecure_serving.go"}},
	{"leaderelectionconfig.BindFlags", []string{k + "pkg/client/leaderelectionconfig"}},
	{"options.BindLeaderElectionFlags", []string{"k8s.io/component-base/config/options"}},
	{"FeatureGate", []string{"k8s.io/component-base/featuregate", "k8s.io/apiserver/pkg/util/feature"}},
	{"ComponentGlobalsRegistry", []string{"k8s.io/component-base/featuregate", "k8s.io/component-base/compatibility"}},
}

var defines = regexp.MustCompile(`^((Bool|String|StringSlice|StringArray|StringToString|Int|Int8|Int16|Int32|Int64|Uint|Uint16|Uint32|Float32|Float64|Duration|IP|IPNet|IPSlice|IntSlice)(Var)?P?|VarP?F?)$`)
var flagName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]+$`)

func (s sources) flags(part string) map[string]bool {
	files := s.in(ownPlaces[part]...)
	text := ""
	for _, name := range files {
		text += regexp.MustCompile(`//.*`).ReplaceAllString(s[name], "")
	}
	for _, it := range shared {
		if strings.Contains(text, it.named) {
			files = append(files, s.in(it.places...)...)
		}
	}
	found := map[string]bool{}
	for _, name := range files {
		file := s.parse(name)
		constants := map[string]string{}
		for _, other := range s.in(path.Dir(name)) {
			ast.Inspect(s.parse(other), func(n ast.Node) bool {
				if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
					for i := range spec.Names {
						if value, ok := literal(spec.Values[i]); ok {
							constants[spec.Names[i].Name] = value
						}
					}
				}
				return true
			})
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !defines.MatchString(method.Sel.Name) {
				return true
			}
			at := 0
			if strings.Contains(method.Sel.Name, "Var") {
				at = 1
			}
			if len(call.Args) < at+2 {
				return true
			}
			flag, ok := literal(call.Args[at])
			if name, isName := call.Args[at].(*ast.Ident); isName {
				flag, ok = constants[name.Name]
			}
			if ok && flagName.MatchString(flag) {
				found[flag] = true
			}
			return true
		})
	}
	return found
}

func literal(value ast.Expr) (string, bool) {
	basic, ok := value.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// ---- Fields

var types = map[string]struct {
	places, roots []string
	leaves        *regexp.Regexp
}{
	"kubelet.config.k8s.io-v1beta1": {[]string{"k8s.io/kubelet/config/v1beta1", k + "pkg/kubelet/apis/kubeletconfig/v1beta1", k + "pkg/kubelet/apis/config/v1beta1"},
		[]string{"KubeletConfiguration"}, regexp.MustCompile(`^$`)},
	"kubeproxy.config.k8s.io-v1alpha1": {[]string{"k8s.io/kube-proxy/config/v1alpha1", k + "pkg/proxy/apis/kubeproxyconfig/v1alpha1", k + "pkg/proxy/apis/config/v1alpha1"},
		[]string{"KubeProxyConfiguration"}, regexp.MustCompile(`^$`)},
	"objects": {[]string{"k8s.io/api/core/v1", "k8s.io/api/apps/v1"}, []string{"PodSpec", "DaemonSetSpec", "DeploymentSpec", "ServiceSpec"},
		// Kinds of volumes that the playbooks do not use, and what they leave to the release.
		regexp.MustCompile(`^((AWS|Azure|Ceph|Cinder|CSI|FC|Flex|Flocker|GCE|Git|Glusterfs|ISCSI|NFS|Photon|Portworx|Quobyte|RBD|Scale|Storage|Persistent|Ephemeral|Image).*Source|.*Affinity.*|Windows.*|Ephemeral.*)$`)},
}

func (s sources) fields(list string) map[string]bool {
	structs := map[string]*ast.StructType{}
	for _, name := range s.in(types[list].places...) {
		for _, declaration := range s.parse(name).Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if named, ok := spec.(*ast.TypeSpec); ok {
					if it, ok := named.Type.(*ast.StructType); ok {
						structs[named.Name.Name] = it
					}
				}
			}
		}
	}
	found, seen := map[string]bool{}, map[string]bool{}
	var walk func(as, name string)
	walk = func(as, name string) {
		if structs[name] == nil || seen[as+" "+name] || types[list].leaves.MatchString(name) {
			return
		}
		seen[as+" "+name] = true
		for _, field := range structs[name].Fields.List {
			tag := ""
			if field.Tag != nil {
				tag = regexp.MustCompile(`json:"([^"]*)"`).FindString(field.Tag.Value)
				tag = strings.TrimSuffix(strings.TrimPrefix(tag, `json:"`), `"`)
			}
			of := typeName(field.Type)
			if json, _, _ := strings.Cut(tag, ","); json != "" && json != "-" {
				next := of
				if structs[of] == nil || types[list].leaves.MatchString(of) {
					next = "-"
				}
				found[as+"."+json+" "+next] = true
				walk(of, of)
			} else if len(field.Names) == 0 {
				walk(as, of)
			}
		}
	}
	for _, root := range types[list].roots {
		walk(root, root)
	}
	return found
}

func typeName(t ast.Expr) string {
	switch it := t.(type) {
	case *ast.Ident:
		return it.Name
	case *ast.StarExpr:
		return typeName(it.X)
	case *ast.ArrayType:
		return typeName(it.Elt)
	}
	return ""
}

// ---- Objects

func (s sources) served(minor int) map[string]bool {
	found := map[string]bool{}
	for _, name := range s.in(k+"pkg/master/master.go", k+"pkg/controlplane/instance.go", k+"pkg/controlplane/apiserver/config.go") {
		file := s.parse(name)
		imports := map[string]string{}
		for _, it := range file.Imports {
			where, _ := strconv.Unquote(it.Path.Value)
			as := path.Base(where)
			if it.Name != nil {
				as = it.Name.Name
			}
			imports[as] = where
		}
		enabled := func(n ast.Node) {
			ast.Inspect(n, func(n ast.Node) bool {
				if it, ok := n.(*ast.SelectorExpr); ok && it.Sel.Name == "SchemeGroupVersion" {
					if from, ok := it.X.(*ast.Ident); ok {
						for _, kind := range s.kinds(imports[from.Name], minor) {
							found[kind] = true
						}
					}
				}
				return true
			})
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch it := n.(type) {
			case *ast.CallExpr:
				if method, ok := it.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "EnableVersions" {
					enabled(it)
				}
			case *ast.ValueSpec:
				if strings.HasSuffix(it.Names[0].Name, "EnabledByDefault") && len(it.Values) == 1 {
					enabled(it.Values[0])
				}
			}
			return true
		})
	}
	return found
}

var known = regexp.MustCompile(`&(?:[a-z]+\.)?([A-Z][A-Za-z]*)\{\}`)
var group = regexp.MustCompile(`const GroupName = "([^"]*)"`)

var removed = regexp.MustCompile(`func \(in \*([A-Za-z]+)\) APILifecycleRemoved\(\) \(major, minor int\) \{\s*return 1, ([0-9]+)`)

// kinds gives the objects of a group's version. From some release on they say themselves when they are served no more.
func (s sources) kinds(folder string, minor int) []string {
	text := s[folder+"/register.go"]
	if text == "" {
		return nil
	}
	version := path.Base(folder)
	if it := group.FindStringSubmatch(text); it != nil && it[1] != "" {
		version = it[1] + "/" + version
	}
	gone := map[string]bool{}
	for _, it := range removed.FindAllStringSubmatch(s[folder+"/zz_generated.prerelease-lifecycle.go"], -1) {
		last, err := strconv.Atoi(it[2])
		check(err)
		gone[it[1]] = last <= minor
	}
	var found []string
	for _, it := range known.FindAllStringSubmatch(text, -1) {
		if !strings.HasSuffix(it[1], "List") && !strings.HasSuffix(it[1], "Options") && !gone[it[1]] {
			found = append(found, version+" "+it[1])
		}
	}
	return found
}

// ---- All releases together

func main() {
	for i, argument := range os.Args {
		if argument == "etcd" {
			write(os.Args[2:i], []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"})
			write(os.Args[i+1:], []string{"etcd"})
		}
	}
}

// write makes the lists of some releases, and of the flags of these parts.
func write(releases, parts []string) {
	lists := map[string]map[string][]bool{}
	note := func(list string, release int, lines map[string]bool) {
		if lists[list] == nil {
			lists[list] = map[string][]bool{}
		}
		for line := range lines {
			if lists[list][line] == nil {
				lists[list][line] = make([]bool, len(releases))
			}
			lists[list][line][release] = true
		}
	}
	names := make([]string, len(releases))
	for i, it := range releases {
		release, zips, _ := strings.Cut(it, "=")
		names[i] = release
		s := load(strings.Split(zips, ","))
		for _, part := range parts {
			note("flags/"+part, i, s.flags(part))
		}
		if parts[0] == "etcd" {
			continue
		}
		for list := range types {
			note("fields/"+list, i, s.fields(list))
		}
		minor, err := strconv.Atoi(strings.TrimPrefix(release, "1."))
		check(err)
		note("served", i, s.served(minor))
	}
	for list, lines := range lists {
		var out []string
		for line, has := range lines {
			for from := 0; from < len(has); from++ {
				if !has[from] {
					continue
				}
				to := from
				for to+1 < len(has) && has[to+1] {
					to++
				}
				line += " " + names[from] + "-" + names[to]
				from = to
			}
			out = append(out, line)
		}
		sort.Strings(out)
		file := filepath.Join(os.Args[1], list)
		check(os.MkdirAll(filepath.Dir(file), 0o755))
		check(os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o644))
		fmt.Printf("%s: %d lines\n", file, len(out))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
