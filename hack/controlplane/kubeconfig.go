package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

const (
	adminUser  = "admin"
	adminGroup = "system:masters"
)

func runKubeconfig(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("kubeconfig", flag.ContinueOnError)
	var target target
	var groups list
	target.register(flags)
	user := flags.String("user", "", "`NAME` of the user, such as alice or system:node:node1")
	flags.Var(&groups, "group", "`GROUP` of the user; may be given several times")
	admin := flags.Bool("admin", false, "a user who may do anything, instead of --user")
	out := flags.String("out", "", "`FILE` to write to, instead of standard output")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	name, groups, err := identity(*user, groups, *admin)
	if err != nil {
		return err
	}
	instance, err := target.instance()
	if err != nil {
		return err
	}
	status, err := instance.status(ctx)
	if err != nil {
		return err
	}
	content, err := instance.issueKubeconfig(status.Server, name, groups)
	if err != nil {
		return err
	}
	if *out == "" {
		_, err = os.Stdout.Write(content)
		return err
	}
	if err := writePrivate(*out, content); err != nil {
		return fmt.Errorf("--out %q: %w", *out, err)
	}
	return nil
}

// identity is who the flags ask a certificate for.
func identity(user string, groups []string, admin bool) (string, []string, error) {
	if admin {
		if user != "" || len(groups) > 0 {
			return "", nil, usagef("--admin excludes --user and --group")
		}
		return adminUser, []string{adminGroup}, nil
	}
	if user == "" {
		return "", nil, usagef("--user NAME or --admin is needed")
	}
	if !printable(user) {
		return "", nil, usagef("--user %q: must be printable", user)
	}
	for _, group := range groups {
		if group == "" || !printable(group) {
			return "", nil, usagef("--group %q: must be printable and not empty", group)
		}
	}
	return user, groups, nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// issueKubeconfig issues a client certificate and wraps it into a kubeconfig that needs no
// other file.
func (i instance) issueKubeconfig(server, user string, groups []string) ([]byte, error) {
	ca, err := readKeyPair(i.path("pki", "ca"))
	if err != nil {
		return nil, err
	}
	client, err := ca.issueClient(user, groups)
	if err != nil {
		return nil, err
	}
	key, err := client.keyPEM()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = kubeconfigTemplate.Execute(&out, map[string]any{
		"Cluster": i.name, "Server": server, "User": user,
		"CA": ca.certPEM(), "Cert": client.certPEM(), "Key": key,
	})
	return out.Bytes(), err
}

var kubeconfigTemplate = template.Must(template.New("kubeconfig").Funcs(template.FuncMap{
	"quote":  strconv.Quote,
	"base64": base64.StdEncoding.EncodeToString,
}).Parse(`apiVersion: v1
kind: Config
clusters:
- name: {{quote .Cluster}}
  cluster:
    server: {{quote .Server}}
    certificate-authority-data: {{base64 .CA}}
users:
- name: {{quote .User}}
  user:
    client-certificate-data: {{base64 .Cert}}
    client-key-data: {{base64 .Key}}
contexts:
- name: {{quote .Cluster}}
  context:
    cluster: {{quote .Cluster}}
    user: {{quote .User}}
current-context: {{quote .Cluster}}
`))

// writePrivate replaces the file with one that only this user can read.
func writePrivate(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(content); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
