package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

const superviseCommand = "supervise"

// startSupervisor starts a process that holds the control plane after this one has ended,
// and returns when the control plane is ready.
func startSupervisor(ctx context.Context, options upOptions) (summary, error) {
	args := []string{superviseCommand, "--dir", options.dir}
	for _, arg := range options.apiserverArgs {
		args = append(args, "--apiserver-arg", arg)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	// Away from the terminal, so that neither Ctrl-C nor closing it ends the control plane.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return summary{}, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return summary{}, err
	}
	if err := cmd.Start(); err != nil {
		return summary{}, err
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })()
	// Both end when the supervisor is ready and lets go of them, or when it fails.
	io.Copy(os.Stderr, stderr)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return summary{}, supervisorFailure(ctx, cmd.Wait())
	}
	var ready summary
	return ready, json.Unmarshal(line, &ready)
}

func supervisorFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, exited := err.(*exec.ExitError); exited {
		return errReported
	}
	return fmt.Errorf("the supervisor ended early: %w", err)
}

// runSupervise is the process that startSupervisor starts.
func runSupervise(ctx context.Context, args []string) error {
	options, err := parseUp(flag.NewFlagSet(superviseCommand, flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	return supervise(ctx, options, func(s summary) error {
		if err := announce(s); err != nil {
			return err
		}
		return redirectOutput(options.log("supervisor"))
	})
}

// redirectOutput lets go of the standard output and error of whoever started this process.
func redirectOutput(log string) error {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, standard := range []*os.File{os.Stdout, os.Stderr} {
		if err := syscall.Dup3(int(file.Fd()), int(standard.Fd()), 0); err != nil {
			return err
		}
	}
	return nil
}
