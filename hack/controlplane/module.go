package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// ensureModule makes, in dir, a module that builds the given version of Kubernetes: what
// the kubernetes folder beside this source is for the version pinned there.
func ensureModule(ctx context.Context, dir, version string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	progress("resolving the modules of Kubernetes %s", version)
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return err
	}
	if err := resolveModule(ctx, unfinished, version); err != nil {
		return fmt.Errorf("Kubernetes %s: %w", version, err)
	}
	return os.Rename(unfinished, dir)
}

func resolveModule(ctx context.Context, dir, version string) error {
	if _, err := runGo(ctx, "go mod", dir, "mod", "init", "countersign.dev/hack/controlplane/kubernetes"); err != nil {
		return err
	}
	staging, err := stagingModules(ctx, dir, version)
	if err != nil {
		return err
	}
	edit := []string{"mod", "edit", "-require=" + kubernetesModule + "@" + version}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kubectl"} {
		edit = append(edit, "-tool="+kubernetesModule+"/cmd/"+name)
	}
	published := "v0" + strings.TrimPrefix(version, "v1")
	for _, module := range staging {
		edit = append(edit, "-replace="+module+"="+module+"@"+published)
	}
	if _, err := runGo(ctx, "go mod", dir, edit...); err != nil {
		return err
	}
	_, err = runGo(ctx, "go mod", dir, "mod", "tidy")
	return err
}

// stagingModules lists the modules that Kubernetes requires at v0.0.0, which stands for
// those in its own tree; k8s.io/api and its like are their published copies.
func stagingModules(ctx context.Context, dir, version string) ([]string, error) {
	var download struct{ GoMod, Error string }
	out, err := runGo(ctx, "go mod", dir, "mod", "download", "-json", kubernetesModule+"@"+version)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &download); err != nil {
		return nil, err
	}
	if download.Error != "" {
		return nil, errors.New(download.Error)
	}
	var module struct {
		Require []struct{ Path, Version string }
	}
	if out, err = runGo(ctx, "go mod", dir, "mod", "edit", "-json", download.GoMod); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	var staging []string
	for _, required := range module.Require {
		if required.Version == "v0.0.0" {
			staging = append(staging, required.Path)
		}
	}
	return staging, nil
}
