package main

import (
	"context"
	"path/filepath"
	"strings"
)

// artifact is a binary that can be built from a Go module.
type artifact struct {
	name    string
	version string
	path    string // where it goes
	pkg     string // the package to build
	ldflags string

	// module returns the folder of the main module to build in.
	module func(ctx context.Context) (string, error)
}

// source is what binaries are built from: the modules beside this command's source, and
// for a Kubernetes version other than theirs a module made for it.
type source struct {
	dir     string // of this command
	cache   string
	version string // of Kubernetes
	pinned  string // the Kubernetes version of the module in dir
}

func newSource() (*source, error) {
	dir, err := sourceDir()
	if err != nil {
		return nil, err
	}
	cache, err := cacheRoot()
	if err != nil {
		return nil, err
	}
	pinned, err := requiredVersion(filepath.Join(dir, "kubernetes"), kubernetesModule)
	if err != nil {
		return nil, err
	}
	version, err := wantedVersion()
	if err != nil {
		return nil, err
	}
	if version == "" {
		version = pinned
	}
	return &source{dir, cache, version, pinned}, nil
}

// etcd has a folder of its own: its version does not follow that of Kubernetes.
func (s *source) etcd() (artifact, error) {
	module := filepath.Join(s.dir, "etcd")
	version, err := requiredVersion(module, etcdModule)
	if err != nil {
		return artifact{}, err
	}
	return artifact{
		name:    "etcd",
		version: version,
		path:    filepath.Join(s.cache, "etcd-"+version, "etcd"),
		pkg:     ".",
		ldflags: "-s -w",
		module:  func(context.Context) (string, error) { return module, nil },
	}, nil
}

func (s *source) kubernetes(name string) artifact {
	return artifact{
		name:    name,
		version: s.version,
		path:    filepath.Join(s.cache, s.version, name),
		pkg:     kubernetesModule + "/cmd/" + name,
		ldflags: versionFlags(s.version),
		module:  s.kubernetesDir,
	}
}

func (s *source) kubernetesDir(ctx context.Context) (string, error) {
	if s.version == s.pinned {
		return filepath.Join(s.dir, "kubernetes"), nil
	}
	dir := filepath.Join(s.cache, s.version, "module")
	return dir, ensureModule(ctx, dir, s.version)
}

// versionFlags are the linker flags that tell a Kubernetes binary its version, without
// which it refuses to start.
func versionFlags(version string) string {
	const pkg = "k8s.io/component-base/version"
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	return "-s -w -X " + pkg + ".gitVersion=" + version +
		" -X " + pkg + ".gitMajor=" + numbers[0] + " -X " + pkg + ".gitMinor=" + numbers[1]
}
