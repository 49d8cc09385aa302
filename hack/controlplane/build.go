package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const heartbeat = 10 * time.Second

func runBuild(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	if _, err := parse(flags, args); err != nil {
		return err
	}
	found, err := locate(ctx)
	if err != nil {
		return err
	}
	for _, path := range []string{found.etcd, found.apiserver, found.controllerManager, found.kubectl} {
		fmt.Println(path)
	}
	return nil
}

// ensureBuilt builds those artifacts that do not exist. When another process is building,
// it waits for that one and builds what is then still missing.
func ensureBuilt(ctx context.Context, wanted ...artifact) error {
	if len(notBuilt(wanted)) == 0 {
		return nil
	}
	root, err := cacheRoot()
	if err != nil {
		return err
	}
	lock, err := awaitLock(ctx, filepath.Join(root, "build.lock"), func() {
		progress("another build is under way, waiting for it")
	})
	if err != nil {
		return err
	}
	defer lock.Close()
	missing := notBuilt(wanted)
	for i, artifact := range missing {
		progress("building %s %s (%d of %d)", artifact.name, artifact.version, i+1, len(missing))
		if err := artifact.build(ctx); err != nil {
			return fmt.Errorf("building %s: %w", artifact.name, err)
		}
	}
	return nil
}

func notBuilt(wanted []artifact) []artifact {
	var missing []artifact
	for _, artifact := range wanted {
		if !executable(artifact.path) {
			missing = append(missing, artifact)
		}
	}
	return missing
}

// build compiles the binary and puts it in place whole or not at all.
func (a artifact) build(ctx context.Context) error {
	module, err := a.module(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o755); err != nil {
		return err
	}
	unfinished := a.path + ".unfinished"
	defer os.Remove(unfinished)
	// Two compilations at a time: each may take 2 GB, and the user is doing something else too.
	if _, err := runGo(ctx, a.name, module, "build", "-p", "2", "-mod=readonly", "-buildvcs=false",
		"-trimpath", "-ldflags", a.ldflags, "-o", unfinished, a.pkg); err != nil {
		return err
	}
	return os.Rename(unfinished, a.path)
}

// runGo runs the go command and returns its output, telling every now and then that it
// still works on what.
func runGo(ctx context.Context, what, dir string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}

	began := time.Now()
	err := withHeartbeat(func() error { return tied.run(cmd) }, func() {
		progress("still at %s, %s", what, since(began))
	})
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("the go command is needed and not in PATH")
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, withoutDownloads(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// withoutDownloads drops the lines among which a message would not be found.
func withoutDownloads(output string) string {
	lines := strings.SplitAfter(output, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "go: downloading ")
	}), "")
}

// withHeartbeat calls beat regularly until work is done.
func withHeartbeat(work func() error, beat func()) error {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	done := make(chan error, 1)
	go func() { done <- work() }()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			beat()
		}
	}
}

// progress tells the user on standard error what goes on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "controlplane: "+format+"\n", args...)
}

func since(began time.Time) time.Duration {
	return time.Since(began).Round(100 * time.Millisecond)
}
