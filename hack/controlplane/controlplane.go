package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

const portAttempts = 5

// controlPlane is the components and the processes that run them.
type controlPlane struct {
	layout
	components []*component

	// Held while components are started or stopped: one change at a time.
	changing sync.Mutex
}

// startControlPlane starts all components and waits until they are ready. Should another
// process take one of the chosen ports, it starts again with others.
func startControlPlane(ctx context.Context, plan layout) (*controlPlane, error) {
	ca, err := plan.writeKeys()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		started, err := startOnFreePorts(ctx, plan, ca)
		if !errors.Is(err, errPortTaken) || attempt == portAttempts {
			return started, err
		}
		progress("%v; trying others", err)
	}
}

func startOnFreePorts(ctx context.Context, plan layout, ca keyPair) (*controlPlane, error) {
	var err error
	if plan.apiserverPort, err = freePort(); err != nil {
		return nil, err
	}
	if plan.controllerPort, err = freePort(); err != nil {
		return nil, err
	}
	return startOnPorts(ctx, plan, ca)
}

func startOnPorts(ctx context.Context, plan layout, ca keyPair) (*controlPlane, error) {
	if err := plan.writeKubeconfigs(); err != nil {
		return nil, err
	}
	admin, err := adminClient(ca)
	if err != nil {
		return nil, err
	}
	c := &controlPlane{layout: plan, components: plan.components(admin)}
	if err := c.start(ctx, c.components); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// writeKeys makes the authority and all keys that the components read.
func (l layout) writeKeys() (keyPair, error) {
	for _, dir := range []string{"pki", "logs"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return keyPair{}, err
		}
	}
	ca, err := newAuthority()
	if err != nil {
		return keyPair{}, err
	}
	serving, err := ca.issueServing()
	if err != nil {
		return keyPair{}, err
	}
	return ca, errors.Join(
		ca.write(l.pki("ca")),
		serving.write(l.pki("serving")),
		writeSigningKey(l.pki("service-account")),
	)
}

func (l layout) writeKubeconfigs() error {
	admin, err := l.issueKubeconfig(l.server(), adminUser, []string{adminGroup})
	if err != nil {
		return err
	}
	controllers, err := l.issueKubeconfig(l.server(), "system:kube-controller-manager", nil)
	if err != nil {
		return err
	}
	return errors.Join(
		writePrivate(l.adminKubeconfig(), admin),
		writePrivate(l.controllerKubeconfig(), controllers),
	)
}

// choose returns the components a user means by a name.
func (c *controlPlane) choose(name string) ([]*component, error) {
	if name == "all" {
		return c.components, nil
	}
	for _, part := range c.components {
		if part.name == name {
			return []*component{part}, nil
		}
	}
	return nil, fmt.Errorf("unknown component %q: want etcd, apiserver, controller-manager or all", name)
}

// change does to the components what is asked: start, stop or restart.
func (c *controlPlane) change(ctx context.Context, action, name string) error {
	chosen, err := c.choose(name)
	if err != nil {
		return err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	switch action {
	case "start":
		return c.start(ctx, chosen)
	case "stop":
		c.stop(chosen)
		return nil
	case "restart":
		c.stop(chosen)
		return c.start(ctx, chosen)
	default:
		return fmt.Errorf("unknown action %q", action)
	}
}

// start starts those components that do not run, each when the one before it is ready: the
// controller manager looks for the API server only once a second.
func (c *controlPlane) start(ctx context.Context, chosen []*component) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, component := range chosen {
		if err := component.start(); err != nil {
			return fmt.Errorf("%s: %w", component.name, err)
		}
		if err := component.awaitReady(ctx); err != nil {
			return fmt.Errorf("%s: %w", component.name, err)
		}
	}
	return nil
}

// stop kills the components, those first that need the others.
func (c *controlPlane) stop(chosen []*component) {
	for _, component := range slices.Backward(chosen) {
		if component.process != nil {
			component.process.kill()
		}
	}
}

// end stops everything for good.
func (c *controlPlane) end() {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.stop(c.components)
}
