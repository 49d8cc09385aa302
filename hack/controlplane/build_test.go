package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// isolateCache points this process to an empty cache folder, but not the go command.
func isolateCache(t *testing.T) {
	t.Helper()
	gocache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(gocache)))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

// program is an artifact with this source, which counts how often it is built.
func program(t *testing.T, source string, builds *int) artifact {
	t.Helper()
	module := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module program\n", "main.go": source} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return artifact{name: "program", path: filepath.Join(t.TempDir(), "v1", "program"), pkg: ".",
		module: func(context.Context) (string, error) {
			*builds++ // the builds of one cache folder exclude each other
			return module, nil
		}}
}

func TestConcurrentBuildsBuildOnce(t *testing.T) {
	isolateCache(t)
	var builds int
	wanted := program(t, "package main\nfunc main() {}\n", &builds)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := ensureBuilt(t.Context(), wanted); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if builds != 1 || !executable(wanted.path) {
		t.Errorf("%d builds, executable: %t", builds, executable(wanted.path))
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	isolateCache(t)
	var builds int
	wanted := program(t, "package main\nfunc main() { wrong() }\n", &builds)
	err := ensureBuilt(t.Context(), wanted)
	if err == nil || !strings.Contains(err.Error(), "undefined: wrong") {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(wanted.path)); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestVersionFromEnvironment(t *testing.T) {
	for value, want := range map[string]string{"": "", "1.35.4": "v1.35.4", "v1.34.4": "v1.34.4", "1.37.0-rc.1": "v1.37.0-rc.1"} {
		t.Setenv("K8S_VERSION", value)
		if got, err := wantedVersion(); got != want || err != nil {
			t.Errorf("%q: got %q, %v", value, got, err)
		}
	}
	for _, value := range []string{"1.35", "latest", "1.35.4/../x", "2.0.0"} {
		t.Setenv("K8S_VERSION", value)
		if _, err := wantedVersion(); err == nil || !strings.Contains(err.Error(), value) {
			t.Errorf("%q: got %v", value, err)
		}
	}
}

func TestAssetsMustBeComplete(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "etcd"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	_, err := locate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no executable kube-apiserver, kubectl") {
		t.Errorf("got %v", err)
	}
}

func TestAssetsReplaceTheBuild(t *testing.T) {
	built, err := locate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, path := range []string{built.etcd, built.apiserver, built.kubectl} {
		if err := os.Symlink(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	found, err := locate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found.apiserver != filepath.Join(dir, "kube-apiserver") || found.controllerManager != built.controllerManager {
		t.Errorf("got %+v", found)
	}
}
