package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	serviceCIDR = "10.96.0.0/16"
	serviceIP   = "10.96.0.1" // of the API server itself
)

// layout is what the components' arguments depend on.
type layout struct {
	instance
	binaries
	runtimeDir     string
	apiserverPort  int
	controllerPort int
	apiserverArgs  []string
}

func (l layout) server() string { return "https://" + address(l.apiserverPort) }

func (l layout) etcdSocket() string { return filepath.Join(l.runtimeDir, "etcd.sock") }

func (l layout) pki(file string) string { return l.path("pki", file) }

func (l layout) controllerKubeconfig() string { return l.path("controller-manager.kubeconfig") }

// components lists the parts in the order in which they need each other.
func (l layout) components(admin *http.Client) []*component {
	etcd := &component{name: "etcd", binary: l.etcd, args: l.etcdArgs(), dir: l.runtimeDir, ready: l.etcdReady}
	apiserver := &component{name: "apiserver", binary: l.apiserver, args: l.apiserverFlags()}
	apiserver.ready = func(ctx context.Context) error { return l.apiserverReady(ctx, admin) }
	controllers := &component{name: "controller-manager", binary: l.controllerManager, args: l.controllerArgs()}
	controllers.ready = func(ctx context.Context) error { return l.controllersReady(ctx, admin) }
	all := []*component{etcd, apiserver, controllers}
	for _, component := range all {
		component.log = l.log(component.name)
	}
	return all
}

// etcdArgs has etcd listen on sockets only, which need no port and which no other user reaches.
func (l layout) etcdArgs() []string {
	clients := "unix://" + l.etcdSocket()
	const peers = "unix://peer.sock" // etcd takes only the name, hence its working folder
	return []string{
		"--data-dir=" + filepath.Join(l.runtimeDir, "etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=" + clients,
		"--advertise-client-urls=" + clients,
		"--listen-peer-urls=" + peers,
		"--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=default=" + peers,
	}
}

func (l layout) apiserverFlags() []string {
	return append([]string{
		"--etcd-servers=unix://" + l.etcdSocket(),
		"--bind-address=" + host,
		"--advertise-address=" + host,
		"--secure-port=" + strconv.Itoa(l.apiserverPort),
		// The address is no endpoint for pods, and the API server says so once a second.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + l.pki("serving.crt"),
		"--tls-private-key-file=" + l.pki("serving.key"),
		"--client-ca-file=" + l.pki("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + serviceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + l.pki("service-account.pub"),
		"--service-account-signing-key-file=" + l.pki("service-account.key"),
	}, l.apiserverArgs...)
}

func (l layout) controllerArgs() []string {
	return []string{
		"--kubeconfig=" + l.controllerKubeconfig(),
		"--bind-address=" + host,
		"--secure-port=" + strconv.Itoa(l.controllerPort),
		"--tls-cert-file=" + l.pki("serving.crt"),
		"--tls-private-key-file=" + l.pki("serving.key"),
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + l.pki("service-account.key"),
		"--root-ca-file=" + l.pki("ca.crt"),
		"--cluster-signing-cert-file=" + l.pki("ca.crt"),
		"--cluster-signing-key-file=" + l.pki("ca.key"),
		// Every controller asks for its own account at the start; the default of 20 a second delays that.
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	}
}

func (l layout) etcdReady(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", l.etcdSocket())
	if err != nil {
		return err
	}
	return conn.Close()
}

func (l layout) apiserverReady(ctx context.Context, admin *http.Client) error {
	_, err := get(ctx, admin, l.server()+"/readyz")
	return err
}

// controllersReady asks whether the controllers run, and for the first thing that users
// need of them: without its service account no pod is admitted to the default namespace.
func (l layout) controllersReady(ctx context.Context, admin *http.Client) error {
	// The controllers join the list only once they have been started.
	health, err := get(ctx, admin, "https://"+address(l.controllerPort)+"/healthz?verbose")
	if err != nil {
		return err
	}
	if !strings.Contains(health, "serviceaccount-controller ok") {
		return errors.New("the controllers do not run yet")
	}
	_, err = get(ctx, admin, l.server()+"/api/v1/namespaces/default/serviceaccounts/default")
	return err
}

// adminClient talks to the components as a user who may do anything.
func adminClient(ca keyPair) (*http.Client, error) {
	client, err := ca.issueClient(adminUser, []string{adminGroup})
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	return &http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client.tls()}},
		},
	}, nil
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return string(body), err
}
