package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	readyTimeout  = 60 * time.Second
	readyInterval = 50 * time.Millisecond
)

// component is a part of the control plane: how to run it, and when it is ready.
type component struct {
	name   string // as users call it
	binary string
	args   []string
	dir    string // to run in; "" is that of this process
	log    string
	ready  func(ctx context.Context) error

	process *process // nil before the first start
}

func (c *component) running() bool { return c.process != nil && c.process.running() }

// start starts the component unless it runs.
func (c *component) start() error {
	if c.running() {
		return nil
	}
	process, err := startProcess(c)
	if err != nil {
		return err
	}
	c.process = process
	go process.reportUnexpectedEnd()
	return nil
}

// awaitReady returns once the component is ready; it fails when its process ends or, with
// the end of its log, when ctx does.
func (c *component) awaitReady(ctx context.Context) error {
	for {
		err := c.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.process.ended:
			return c.endedEarly()
		case <-ctx.Done():
			return c.notReady(ctx, err)
		case <-time.After(readyInterval):
		}
	}
}

// endedEarly tells a lost race for a port from other reasons to end.
func (c *component) endedEarly() error {
	if strings.Contains(tail(c.log), "address already in use") {
		return errPortTaken
	}
	return c.process.failure()
}

// notReady tells a timeout from being interrupted.
func (c *component) notReady(ctx context.Context, last error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return fmt.Errorf("not ready within %s: %w; the end of %s:\n%s", readyTimeout, last, c.log, tail(c.log))
}
