package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// binaries is where the programs are that make up a control plane.
type binaries struct {
	version string // of Kubernetes

	etcd              string
	apiserver         string
	controllerManager string
	kubectl           string
}

// locate finds the binaries, and builds those that are missing.
func locate(ctx context.Context) (binaries, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return locateAssets(ctx, assets)
	}
	return locateBuilt(ctx)
}

func locateBuilt(ctx context.Context) (binaries, error) {
	source, err := newSource()
	if err != nil {
		return binaries{}, err
	}
	etcd, err := source.etcd()
	if err != nil {
		return binaries{}, err
	}
	apiserver := source.kubernetes("kube-apiserver")
	controllerManager := source.kubernetes("kube-controller-manager")
	kubectl := source.kubernetes("kubectl")
	if err := ensureBuilt(ctx, etcd, apiserver, controllerManager, kubectl); err != nil {
		return binaries{}, err
	}
	return binaries{
		version:           source.version,
		etcd:              etcd.path,
		apiserver:         apiserver.path,
		controllerManager: controllerManager.path,
		kubectl:           kubectl.path,
	}, nil
}

// locateAssets takes the binaries from a folder like those of controller-runtime's envtest,
// which lack the controller manager: one of the same version is built then.
func locateAssets(ctx context.Context, dir string) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	found := binaries{
		etcd:              filepath.Join(dir, "etcd"),
		apiserver:         filepath.Join(dir, "kube-apiserver"),
		controllerManager: filepath.Join(dir, "kube-controller-manager"),
		kubectl:           filepath.Join(dir, "kubectl"),
	}
	if missing := missingOf(found.etcd, found.apiserver, found.kubectl); len(missing) > 0 {
		return binaries{}, fmt.Errorf("KUBEBUILDER_ASSETS %q: no executable %s", dir, strings.Join(missing, ", "))
	}
	if found.version, err = reportedVersion(ctx, found.apiserver); err != nil {
		return binaries{}, err
	}
	if !executable(found.controllerManager) {
		found.controllerManager, err = buildControllerManager(ctx, found.version)
	}
	return found, err
}

func buildControllerManager(ctx context.Context, version string) (string, error) {
	source, err := newSource()
	if err != nil {
		return "", err
	}
	source.version = version
	built := source.kubernetes("kube-controller-manager")
	return built.path, ensureBuilt(ctx, built)
}

func missingOf(paths ...string) []string {
	var missing []string
	for _, path := range paths {
		if !executable(path) {
			missing = append(missing, filepath.Base(path))
		}
	}
	return missing
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
