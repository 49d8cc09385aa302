package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
)

// starter starts children that the kernel kills with this process, even if that is killed
// itself. The kernel means the thread by it, hence one that lives as long as the process.
type starter struct{ requests chan func() }

var tied = newStarter()

func newStarter() starter {
	requests := make(chan func())
	go func() {
		runtime.LockOSThread()
		for request := range requests {
			request()
		}
	}()
	return starter{requests}
}

// start starts the command, whose SysProcAttr says with which Pdeathsig it goes.
func (s starter) start(cmd *exec.Cmd) error {
	started := make(chan error)
	s.requests <- func() { started <- cmd.Start() }
	return <-started
}

func (s starter) run(cmd *exec.Cmd) error {
	if err := s.start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// process is a running, or ended, child that logs to a file.
type process struct {
	cmd    *exec.Cmd
	name   string
	log    string
	killed atomic.Bool   // by us
	ended  chan struct{} // closed when it has ended
	err    error         // how; read once ended is closed
}

// startProcess starts a component; whatever it says is appended to its log.
func startProcess(c *component) (*process, error) {
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(c.binary, c.args...)
	cmd.Dir = c.dir
	cmd.Env = componentEnv()
	cmd.Stdout, cmd.Stderr = out, out
	// Own group: Ctrl-C at the terminal is for this process, which then ends the children.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := tied.start(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, name: c.name, log: c.log, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// componentEnv is this environment without what would change a component: etcd takes
// ETCD_* as flags, and the API server would call webhooks through a proxy.
func componentEnv() []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
		if !strings.HasPrefix(name, "ETCD_") && !strings.HasSuffix(name, "_PROXY") {
			env = append(env, entry)
		}
	}
	return env
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process at once: there is nothing in a throwaway control plane to save,
// and a restart should find what a crash leaves.
func (p *process) kill() {
	p.killed.Store(true)
	p.cmd.Process.Kill()
	<-p.ended
}

// reportUnexpectedEnd waits for the end and tells the user unless it was our doing.
func (p *process) reportUnexpectedEnd() {
	<-p.ended
	if !p.killed.Load() {
		progress("%s ended unexpectedly: %s", p.name, exitStatus(p.err))
	}
}

// failure describes why the process has ended, with the last that it said.
func (p *process) failure() error {
	return fmt.Errorf("ended: %s; the end of %s:\n%s", exitStatus(p.err), p.log, tail(p.log))
}

func exitStatus(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

const tailLines = 20

// tail returns the last lines of a log.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
