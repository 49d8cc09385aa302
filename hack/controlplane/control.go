package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

const controlSocket = "control.sock"

// errNotUp says that nothing answers for the instance.
var errNotUp = errors.New("not up")

// errTakenDown says why a control plane ends before it is ready.
var errTakenDown = errors.New("taken down")

// request is what another process asks of the one that runs a control plane.
type request struct {
	Action    string `json:"action"`              // status, start, stop, restart or down
	Component string `json:"component,omitempty"` // of start, stop and restart
}

// reply answers any request but down, which is answered by the end of the connection.
type reply struct {
	Error  string  `json:"error,omitempty"`
	Status *status `json:"status,omitempty"`
}

// call asks the process that runs the instance. Without an answer within ctx it fails;
// with nobody there it is errNotUp.
func (i instance) call(ctx context.Context, ask request) (reply, error) {
	conn, err := i.dial(ctx)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(ask); err != nil {
		return reply{}, err
	}
	var answer reply
	err = json.NewDecoder(conn).Decode(&answer)
	switch {
	case ctx.Err() != nil:
		return reply{}, context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return reply{}, io.EOF
	case err != nil:
		return reply{}, fmt.Errorf("unreadable answer: %w", err)
	case answer.Error != "":
		return reply{}, errors.New(answer.Error)
	}
	return answer, nil
}

func (i instance) dial(ctx context.Context) (net.Conn, error) {
	// The link is short where the state folder may not be: the kernel wants 107 bytes.
	runtimeDir, err := os.Readlink(i.path("run"))
	if err != nil {
		return nil, fmt.Errorf("%q is %w", i.name, errNotUp)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(runtimeDir, controlSocket))
	if err != nil {
		return nil, fmt.Errorf("%q is %w", i.name, errNotUp)
	}
	return conn, nil
}

// control answers the requests of other processes.
type control struct {
	listener net.Listener
	end      context.CancelCauseFunc
	ready    chan *controlPlane // holds the control plane once it is ready
}

// listenControl begins to answer. Before ready has a control plane, only down works; other
// requests wait.
func listenControl(ctx context.Context, runtimeDir string, end context.CancelCauseFunc) (*control, error) {
	listener, err := net.Listen("unix", filepath.Join(runtimeDir, controlSocket))
	if err != nil {
		return nil, err
	}
	c := &control{listener, end, make(chan *controlPlane, 1)}
	go c.accept(ctx)
	return c, nil
}

func (c *control) accept(ctx context.Context) {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		go c.answer(ctx, conn)
	}
}

func (c *control) answer(ctx context.Context, conn net.Conn) {
	var ask request
	if err := json.NewDecoder(conn).Decode(&ask); err != nil {
		conn.Close()
		return
	}
	if ask.Action == "down" {
		// The connection ends with this process, when everything is gone.
		c.end(errTakenDown)
		return
	}
	defer conn.Close()
	select {
	case <-ctx.Done():
	case plane := <-c.ready:
		c.ready <- plane
		json.NewEncoder(conn).Encode(plane.answer(ctx, ask))
	}
}

func (c *controlPlane) answer(ctx context.Context, ask request) reply {
	if ask.Action != "status" {
		if err := c.change(ctx, ask.Action, ask.Component); err != nil {
			return reply{Error: err.Error()}
		}
	}
	status := c.status()
	return reply{Status: &status}
}
