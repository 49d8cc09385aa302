// Command controlplane runs a real Kubernetes control plane (etcd, kube-apiserver and
// kube-controller-manager) on this machine: no container engine, no cluster, nothing
// fetched but Go modules.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: controlplane COMMAND [FLAGS]

  build        build the binaries into the user's cache folder, once
  up           start a control plane and return, or with --until-stdin-closes stay with it
  down         end it and remove all it left
  status       say where it is and what runs (exit 0: all runs, 1: a part does not, 3: not up)
  kubeconfig   issue a client certificate and print a kubeconfig
  start, stop, restart COMPONENT
               COMPONENT is etcd, apiserver, controller-manager or all

"controlplane COMMAND -h" lists the flags. Environment: K8S_VERSION, KUBEBUILDER_ASSETS.
`

// command is one subcommand: it parses its arguments and runs.
type command func(ctx context.Context, args []string) error

var commands = map[string]command{
	"build":      runBuild,
	"up":         runUp,
	"down":       runDown,
	"status":     runStatus,
	"kubeconfig": runKubeconfig,
	"start":      runComponent("start"),
	"stop":       runComponent("stop"),
	"restart":    runComponent("restart"),

	// What `up` starts to hold the children once it has returned; not for users.
	superviseCommand: runSupervise,
}

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(os.Stderr, usage)
		return exitUsageUnless(len(args) > 0)
	}
	execute, known := commands[args[0]]
	if !known {
		fmt.Fprintf(os.Stderr, "controlplane: unknown command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	err := execute(ctx, args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, errReported) {
		fmt.Fprintf(os.Stderr, "controlplane %s: %v\n", userCommand(args[0]), err)
	}
	return exitCode(err)
}

// userCommand is what the user called for a command to run.
func userCommand(name string) string {
	if name == superviseCommand {
		return "up"
	}
	return name
}

const (
	exitFailure = 1
	exitUsage   = 2
	exitNotUp   = 3
)

// errReported is a failure that the user has been told about already.
var errReported = errors.New("already reported")

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errNotUp):
		return exitNotUp
	default:
		return exitFailure
	}
}

func exitUsageUnless(asked bool) int {
	if asked {
		return 0
	}
	return exitUsage
}
