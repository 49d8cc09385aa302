package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// upOptions is what control plane to run.
type upOptions struct {
	instance
	apiserverArgs []string
}

func runUp(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	untilStdinCloses := flags.Bool("until-stdin-closes", false,
		"stay, print one line of JSON when ready, and end all when standard input does")
	options, err := parseUp(flags, args)
	if err != nil {
		return err
	}
	if *untilStdinCloses {
		return supervise(untilEOF(ctx, os.Stdin), options, announce)
	}
	// Built here, not by the process in the background: this one can be watched and interrupted.
	if _, err := locate(ctx); err != nil {
		return err
	}
	began := time.Now()
	ready, err := startSupervisor(ctx, options)
	if err != nil {
		return err
	}
	progress("%q is ready at %s after %s", ready.Name, ready.Server, since(began))
	fmt.Printf("export KUBECONFIG=%s\n", shellQuote(ready.AdminKubeconfig))
	return nil
}

func parseUp(flags *flag.FlagSet, args []string) (upOptions, error) {
	var target target
	var apiserverArgs componentFlags
	target.register(flags)
	flags.Var(&apiserverArgs, "apiserver-arg", "`FLAG` for kube-apiserver, like --v=2; may be given several times")
	if _, err := parse(flags, args); err != nil {
		return upOptions{}, err
	}
	instance, err := target.instance()
	return upOptions{instance, apiserverArgs}, err
}

// supervise runs a control plane until ctx ends or another process asks it to, and leaves
// nothing behind.
func supervise(ctx context.Context, options upOptions, ready func(summary) error) error {
	found, err := locate(ctx)
	if err != nil {
		return err
	}
	release, err := options.claim()
	if err != nil {
		return err
	}
	defer release()
	runtimeDir, remove, err := options.makeRuntimeDir()
	if err != nil {
		return err
	}
	defer remove()

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	control, err := listenControl(ctx, runtimeDir, end)
	if err != nil {
		return err
	}
	plan := layout{instance: options.instance, binaries: found, runtimeDir: runtimeDir, apiserverArgs: options.apiserverArgs}
	plane, err := startControlPlane(ctx, plan)
	if err != nil {
		return err
	}
	defer plane.end()
	control.ready <- plane
	if err := ready(plane.summary()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// announce prints the line that tells a program that all is ready.
func announce(s summary) error { return json.NewEncoder(os.Stdout).Encode(s) }

var errStdinClosed = errors.New("standard input closed")

// untilEOF ends the context when there is no more to read.
func untilEOF(ctx context.Context, in io.Reader) context.Context {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		io.Copy(io.Discard, in)
		end(errStdinClosed)
	}()
	return ctx
}
