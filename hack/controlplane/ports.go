package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

const (
	// Control planes are reachable from this machine only.
	host = "127.0.0.1"

	lowestPort = 10000
	portTries  = 100
)

// errPortTaken says that another process took a port between its choice and its use.
var errPortTaken = errors.New("a chosen port was taken by another process")

// freePort chooses a port at random below those the kernel hands out: a component that is
// stopped for a while must not lose its port to an outgoing connection.
func freePort() (int, error) {
	highest := ephemeralStart()
	for range portTries {
		port := lowestPort + rand.IntN(highest-lowestPort)
		listener, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port found between %d and %d", lowestPort, highest)
}

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// ephemeralStart is the first of the ports that the kernel hands out.
func ephemeralStart() int {
	const usual = 32768
	content, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	var first int
	if _, err := fmt.Sscan(string(content), &first); err != nil || first < lowestPort+portTries {
		return usual
	}
	return first
}
