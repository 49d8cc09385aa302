package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"time"
)

const downTimeout = 30 * time.Second

func runDown(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	var target target
	target.register(flags)
	if _, err := parse(flags, args); err != nil {
		return err
	}
	instance, err := target.instance()
	if err != nil {
		return err
	}
	return instance.down(ctx)
}

// down ends the instance and returns when nothing is left of it. One that is not up is
// fine: what it may have left is removed.
func (i instance) down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	_, err := i.call(ctx, request{Action: "down"})
	if !errors.Is(err, io.EOF) && !errors.Is(err, errNotUp) {
		return err
	}
	wasUp := errors.Is(err, io.EOF)
	leftovers, err := i.removeDead()
	switch {
	case err != nil:
		return err
	case wasUp:
		progress("%q is down", i.name)
	case leftovers:
		progress("%q was dead; removed what it left", i.name)
	default:
		progress("%q was not up", i.name)
	}
	return nil
}
