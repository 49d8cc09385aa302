package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// usageError is a mistake on the command line.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

// parse reads args into flags and returns the operands, of which there must be as many as
// are named.
func parse(flags *flag.FlagSet, args []string, operands ...string) ([]string, error) {
	flags.SetOutput(io.Discard)
	// The flag package stops at the first operand; ours may come before the flags.
	var given []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, explain(flags, err)
		}
		if flags.NArg() == 0 {
			break
		}
		given, args = append(given, flags.Arg(0)), flags.Args()[1:]
	}
	if len(given) < len(operands) {
		return nil, usagef("missing operand %s", operands[len(given)])
	}
	if len(given) > len(operands) {
		return nil, usagef("unexpected argument %q", given[len(operands)])
	}
	return given, nil
}

func explain(flags *flag.FlagSet, err error) error {
	if err != flag.ErrHelp {
		return usageError{err.Error()}
	}
	fmt.Fprintf(os.Stderr, "usage: controlplane %s [FLAGS]\n", flags.Name())
	flags.SetOutput(os.Stderr)
	flags.PrintDefaults()
	return err
}

// target is which control plane a command is about.
type target struct{ name, dir string }

func (t *target) register(flags *flag.FlagSet) {
	flags.StringVar(&t.name, "name", "", "`NAME` of the control plane (default \"default\")")
	flags.StringVar(&t.dir, "dir", "", "its state `DIR`, instead of one in the cache folder by name")
}

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// instance resolves the flags to the instance they mean.
func (t *target) instance() (instance, error) {
	switch {
	case t.name != "" && t.dir != "":
		return instance{}, usagef("--name %q and --dir %q exclude each other", t.name, t.dir)
	case t.dir != "":
		return instanceAt(t.dir)
	case t.name == "":
		return instanceNamed("default")
	case !validName.MatchString(t.name):
		return instance{}, usagef("--name %q: must be up to 63 of a-z, 0-9 and -, with neither first nor last a -", t.name)
	default:
		return instanceNamed(t.name)
	}
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// componentFlags is a list of flags to pass on to a component.
type componentFlags []string

func (f *componentFlags) String() string { return strings.Join(*f, " ") }

func (f *componentFlags) Set(value string) error {
	if !strings.HasPrefix(value, "--") {
		return fmt.Errorf("must itself be a flag, like --v=2")
	}
	*f = append(*f, value)
	return nil
}
