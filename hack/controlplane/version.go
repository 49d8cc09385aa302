package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
)

// sourceDir is the folder this file was compiled from; beside it are the modules to build.
func sourceDir() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	if !filepath.IsAbs(file) {
		return "", fmt.Errorf("compiled with -trimpath, so the modules to build cannot be found")
	}
	return filepath.Dir(file), nil
}

var validVersion = regexp.MustCompile(`^v1\.[0-9]+\.[0-9]+(-(alpha|beta|rc)\.[0-9]+)?$`)

// wantedVersion is the Kubernetes version that K8S_VERSION asks for, "" if it is not set.
func wantedVersion() (string, error) {
	asked := os.Getenv("K8S_VERSION")
	if asked == "" {
		return "", nil
	}
	version := "v" + strings.TrimPrefix(asked, "v")
	if !validVersion.MatchString(version) {
		return "", fmt.Errorf("K8S_VERSION %q: want a full version such as 1.35.2", asked)
	}
	return version, nil
}

// requiredVersion is the version of a module that the go.mod in dir requires.
func requiredVersion(dir, module string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	line := regexp.MustCompile(`(?m)^(?:require |\t)` + regexp.QuoteMeta(module) + ` (v\S+)`)
	found := line.FindSubmatch(content)
	if found == nil {
		return "", fmt.Errorf("%s/go.mod does not require %s", dir, module)
	}
	return string(found[1]), nil
}

// reportedVersion asks a Kubernetes binary for its version.
func reportedVersion(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", binary, err)
	}
	version, found := strings.CutPrefix(strings.TrimSpace(string(out)), "Kubernetes ")
	if !found || !validVersion.MatchString(version) {
		return "", fmt.Errorf("%s --version: unexpected answer %q", binary, out)
	}
	return version, nil
}
