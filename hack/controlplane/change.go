package main

import (
	"context"
	"flag"
	"io"
)

// runComponent is the command that starts, stops or restarts a component.
func runComponent(action string) command {
	return func(ctx context.Context, args []string) error {
		flags := flag.NewFlagSet(action+" COMPONENT", flag.ContinueOnError)
		var target target
		target.register(flags)
		operands, err := parse(flags, args, "COMPONENT")
		if err != nil {
			return err
		}
		instance, err := target.instance()
		if err != nil {
			return err
		}
		_, err = instance.call(ctx, request{Action: action, Component: operands[0]})
		if err == io.EOF {
			return errWentDown
		}
		return err
	}
}
