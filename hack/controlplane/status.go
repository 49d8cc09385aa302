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
	"text/tabwriter"
)

// errWentDown says that the control plane ended while it was being asked.
var errWentDown = errors.New("the control plane went down meanwhile")

// summary is what a user of the control plane needs to know.
type summary struct {
	Name            string `json:"name"`
	Dir             string `json:"dir"`
	Server          string `json:"server"`
	AdminKubeconfig string `json:"adminKubeconfig"`
	Kubectl         string `json:"kubectl"`
}

// status is the state of a control plane.
type status struct {
	summary
	Version    string            `json:"version"`
	Supervisor int               `json:"supervisor"` // process id
	Components []componentStatus `json:"components"`
}

type componentStatus struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
	Log     string `json:"log"`
}

func runStatus(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	var target target
	target.register(flags)
	output := flags.String("o", "text", "`FORMAT` of the output: text or json")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if *output != "text" && *output != "json" {
		return usagef("-o %q: want text or json", *output)
	}
	instance, err := target.instance()
	if err != nil {
		return err
	}
	found, err := instance.status(ctx)
	if err != nil {
		return err
	}
	if err := found.print(os.Stdout, *output); err != nil {
		return err
	}
	return found.failure()
}

// status asks the process that runs the instance.
func (i instance) status(ctx context.Context) (status, error) {
	answer, err := i.call(ctx, request{Action: "status"})
	if err == io.EOF {
		return status{}, fmt.Errorf("%q is %w", i.name, errNotUp)
	}
	if err != nil {
		return status{}, err
	}
	if answer.Status == nil {
		return status{}, errors.New("the answer holds no status")
	}
	return *answer.Status, nil
}

func (l layout) summary() summary {
	return summary{
		Name:            l.name,
		Dir:             l.dir,
		Server:          l.server(),
		AdminKubeconfig: l.adminKubeconfig(),
		Kubectl:         l.kubectl,
	}
}

// status describes the components as they are between changes.
func (c *controlPlane) status() status {
	c.changing.Lock()
	defer c.changing.Unlock()
	result := status{summary: c.summary(), Version: c.version, Supervisor: os.Getpid()}
	for _, component := range c.components {
		state := componentStatus{Name: component.name, Log: component.log}
		if component.running() {
			state.Running, state.PID = true, component.process.cmd.Process.Pid
		}
		result.Components = append(result.Components, state)
	}
	return result
}

func (s status) print(out io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "name\t%s\n", s.Name)
	fmt.Fprintf(table, "server\t%s\n", s.Server)
	fmt.Fprintf(table, "version\t%s\n", s.Version)
	fmt.Fprintf(table, "kubeconfig\t%s\n", s.AdminKubeconfig)
	fmt.Fprintf(table, "kubectl\t%s\n", s.Kubectl)
	fmt.Fprintf(table, "supervisor\tpid %d\n", s.Supervisor)
	for _, component := range s.Components {
		fmt.Fprintf(table, "%s\t%s\n", component.Name, component)
	}
	return table.Flush()
}

func (c componentStatus) String() string {
	if c.Running {
		return fmt.Sprintf("pid %d", c.PID)
	}
	return "not running"
}

// failure names the components that do not run.
func (s status) failure() error {
	var stopped []string
	for _, component := range s.Components {
		if !component.Running {
			stopped = append(stopped, component.Name)
		}
	}
	if len(stopped) == 0 {
		return nil
	}
	return fmt.Errorf("not running: %s", strings.Join(stopped, ", "))
}
