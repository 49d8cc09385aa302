package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests run the real thing, by way of the script that users run.
const script = "./controlplane"

func TestMain(m *testing.M) {
	build := exec.Command(script, "build")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the control plane:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// outcome is how a command ended.
type outcome struct {
	stdout, stderr string
	exit           int
}

func execute(t *testing.T, name string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func mustExecute(t *testing.T, name string, args ...string) string {
	t.Helper()
	got := execute(t, name, args...)
	if got.exit != 0 {
		t.Fatalf("%s %s: exit %d\n%s", name, strings.Join(args, " "), got.exit, got.stderr)
	}
	return got.stdout
}

// foreground is a control plane that ends when its standard input closes.
type foreground struct {
	summary
	cmd        *exec.Cmd
	stdin      io.Closer
	runtimeDir string
}

func startForeground(t *testing.T, args ...string) *foreground {
	t.Helper()
	cmd := exec.Command(script, append([]string{"up", "--until-stdin-closes"}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	f := &foreground{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("no line on standard output: %v", err)
	}
	if err := json.Unmarshal(line, &f.summary); err != nil {
		t.Fatal(err)
	}
	if f.runtimeDir, err = os.Readlink(filepath.Join(f.Dir, "run")); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s ready after %s", f.Name, since(began))
	return f
}

// requireNothingLeft fails unless the folders are gone and no process mentions them.
func requireNothingLeft(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", dir, err)
		}
		if found := processesMentioning(t, dir); len(found) > 0 {
			t.Errorf("processes left: %q", found)
		}
	}
}

func processesMentioning(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && bytes.Contains(content, []byte(dir)) {
			found = append(found, string(content))
		}
	}
	return found
}

func TestTwoSideBySide(t *testing.T) {
	one := startForeground(t, "--dir", filepath.Join(t.TempDir(), "one"))
	two := startForeground(t, "--dir", filepath.Join(t.TempDir(), "two"), "--apiserver-arg=--anonymous-auth=false")

	for _, plane := range []*foreground{one, two} {
		if got := mustExecute(t, plane.Kubectl, "--kubeconfig", plane.AdminKubeconfig, "get", "serviceaccount", "default", "-o", "name"); got != "serviceaccount/default\n" {
			t.Errorf("%s: got %q", plane.Name, got)
		}
	}
	foreign := execute(t, one.Kubectl, "--kubeconfig", one.AdminKubeconfig, "--server", two.Server, "get", "namespaces")
	if !strings.Contains(foreign.stderr, "certificate signed by unknown authority") {
		t.Errorf("one's kubeconfig at two: %q", foreign.stderr)
	}

	one.stdin.Close()
	if err := one.cmd.Wait(); err != nil {
		t.Errorf("exit after standard input closed: %v", err)
	}
	requireNothingLeft(t, one.Dir, one.runtimeDir)

	if err := two.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := two.cmd.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
	requireNothingLeft(t, two.Dir, two.runtimeDir)
}

func TestUsersAndComponents(t *testing.T) {
	plane := startForeground(t, "--dir", filepath.Join(t.TempDir(), "plane"))
	t.Run("user", plane.testUser)
	t.Run("node", plane.testNode)
	t.Run("up again", plane.testUpAgain)
	t.Run("restart", plane.testRestart)
	t.Run("stop and start", plane.testStopAndStart)
	t.Run("unknown component", plane.testUnknownComponent)
}

func (f *foreground) control(t *testing.T, command string, args ...string) outcome {
	t.Helper()
	return execute(t, script, append([]string{command, "--dir", f.Dir}, args...)...)
}

func (f *foreground) kubectl(t *testing.T, kubeconfig string, args ...string) outcome {
	t.Helper()
	return execute(t, f.Kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...)
}

// kubeconfig issues one to a file.
func (f *foreground) kubeconfig(t *testing.T, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if got := f.control(t, "kubeconfig", append(args, "--out", file)...); got.exit != 0 {
		t.Fatal(got.stderr)
	}
	return file
}

func (f *foreground) testUser(t *testing.T) {
	file := f.kubeconfig(t, "--user", "alice", "--group", "on-call", "--group", "payments")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	denied := f.kubectl(t, file, "get", "namespaces")
	if denied.exit == 0 || !strings.Contains(denied.stderr, "Forbidden") || !strings.Contains(denied.stderr, `User "alice"`) {
		t.Errorf("get namespaces: exit %d, %q", denied.exit, denied.stderr)
	}
	self := f.kubectl(t, file, "auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}")
	if want := `["on-call","payments","system:authenticated"]`; self.stdout != want {
		t.Errorf("groups %s, want %s", self.stdout, want)
	}
}

func (f *foreground) testNode(t *testing.T) {
	file := f.kubeconfig(t, "--user", "system:node:node1", "--group", "system:nodes")
	node := func(name string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":%q}}`, name)
	}
	create := func(name string) outcome {
		manifest := filepath.Join(t.TempDir(), "node.json")
		if err := os.WriteFile(manifest, []byte(node(name)), 0o600); err != nil {
			t.Fatal(err)
		}
		return f.kubectl(t, file, "create", "-f", manifest)
	}
	if got := create("node1"); got.exit != 0 {
		t.Errorf("its own node: %s", got.stderr)
	}
	if got := create("node2"); !strings.Contains(got.stderr, `node "node1" is not allowed to modify node "node2"`) {
		t.Errorf("another node: %s", got.stderr)
	}
}

func (f *foreground) testUpAgain(t *testing.T) {
	if got := f.control(t, "up"); got.exit != 1 || !strings.Contains(got.stderr, "already up") {
		t.Errorf("exit %d, %q", got.exit, got.stderr)
	}
}

func (f *foreground) status(t *testing.T) status {
	t.Helper()
	var found status
	if err := json.Unmarshal([]byte(f.control(t, "status", "-o", "json").stdout), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func (f *foreground) testRestart(t *testing.T) {
	mustExecute(t, f.Kubectl, "--kubeconfig", f.AdminKubeconfig, "create", "namespace", "kept")
	before := f.status(t)
	for _, name := range []string{"apiserver", "controller-manager", "all"} {
		if got := f.control(t, "restart", name); got.exit != 0 {
			t.Fatalf("%s: %s", name, got.stderr)
		}
		mustExecute(t, f.Kubectl, "--kubeconfig", f.AdminKubeconfig, "get", "namespace", "kept")
	}
	after := f.status(t)
	if after.Server != before.Server {
		t.Errorf("server %s, before %s", after.Server, before.Server)
	}
	for i, component := range after.Components {
		if !component.Running || component.PID == before.Components[i].PID {
			t.Errorf("not restarted: %+v", component)
		}
	}
}

func (f *foreground) testStopAndStart(t *testing.T) {
	if got := f.control(t, "stop", "apiserver"); got.exit != 0 {
		t.Fatal(got.stderr)
	}
	if got := f.control(t, "status"); got.exit != exitFailure || !strings.Contains(got.stderr, "not running: apiserver") {
		t.Errorf("status: exit %d, %q", got.exit, got.stderr)
	}
	if got := f.kubectl(t, f.AdminKubeconfig, "get", "namespaces"); !strings.Contains(got.stderr, "refused") {
		t.Errorf("kubectl: %q", got.stderr)
	}
	if got := f.control(t, "start", "apiserver"); got.exit != 0 {
		t.Fatal(got.stderr)
	}
	if got := f.control(t, "status"); got.exit != 0 {
		t.Errorf("status: exit %d, %q", got.exit, got.stderr)
	}
}

func (f *foreground) testUnknownComponent(t *testing.T) {
	if got := f.control(t, "restart", "kubelet"); got.exit == 0 || !strings.Contains(got.stderr, `unknown component "kubelet"`) {
		t.Errorf("exit %d, %q", got.exit, got.stderr)
	}
}

func TestBackground(t *testing.T) {
	name := "test-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() { execute(t, script, "down", "--name", name) })
	up := func() status {
		mustExecute(t, script, "up", "--name", name)
		var found status
		if err := json.Unmarshal([]byte(mustExecute(t, script, "status", "--name", name, "-o", "json")), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}

	first := up()
	if err := syscall.Kill(first.Supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	runtimeDir, err := os.Readlink(filepath.Join(first.Dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all processes are gone", func() bool { return len(processesMentioning(t, runtimeDir)) == 0 })
	if got := execute(t, script, "status", "--name", name); got.exit != exitNotUp {
		t.Errorf("status of a dead one: exit %d, %q", got.exit, got.stderr)
	}

	second := up()
	requireNothingLeft(t, runtimeDir)
	mustExecute(t, script, "down", "--name", name)
	requireNothingLeft(t, second.Dir)
	if got := execute(t, script, "down", "--name", name); got.exit != 0 || !strings.Contains(got.stderr, "was not up") {
		t.Errorf("second down: exit %d, %q", got.exit, got.stderr)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 100 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("not within 5 s: %s", what)
}

func TestFailureShowsTheLogAndLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	for _, mode := range [][]string{{"up"}, {"up", "--until-stdin-closes"}} {
		got := executeWithOpenStdin(t, append(mode, "--dir", dir, "--apiserver-arg=--no-such-flag")...)
		if got.exit != exitFailure || !strings.Contains(got.stderr, "unknown flag: --no-such-flag") {
			t.Errorf("%v: exit %d, %q", mode, got.exit, got.stderr)
		}
		requireNothingLeft(t, dir)
	}
}

func executeWithOpenStdin(t *testing.T, args ...string) outcome {
	t.Helper()
	open, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	var stderr bytes.Buffer
	cmd := exec.Command(script, args...)
	cmd.Stdin, cmd.Stderr = open, &stderr
	cmd.Run()
	return outcome{stderr: stderr.String(), exit: cmd.ProcessState.ExitCode()}
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	cmd := exec.Command(script, "up", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server is started", func() bool {
		_, err := os.Stat(filepath.Join(dir, "logs", "apiserver.log"))
		return err == nil
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("exit 0")
	}
	requireNothingLeft(t, dir)
}

func TestForeignFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"up", "down"} {
		got := execute(t, script, command, "--dir", dir)
		if got.exit != exitFailure || !strings.Contains(got.stderr, "neither empty nor the state of a control plane") {
			t.Errorf("%s: exit %d, %q", command, got.exit, got.stderr)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestTakenPortIsRecognised(t *testing.T) {
	listener, err := net.Listen("tcp", address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	free, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	for name, ports := range map[string][2]int{"apiserver": {taken, free}, "controller-manager": {free, taken}} {
		t.Run(name, func(t *testing.T) {
			plan := layout{instance: instance{"plane", t.TempDir()}, runtimeDir: t.TempDir()}
			if plan.binaries, err = locate(t.Context()); err != nil {
				t.Fatal(err)
			}
			plan.apiserverPort, plan.controllerPort = ports[0], ports[1]
			ca, err := plan.writeKeys()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := startOnPorts(t.Context(), plan, ca); !errors.Is(err, errPortTaken) {
				t.Errorf("got %v", err)
			}
		})
	}
}
