package main

import (
	"strings"
	"testing"
)

func TestWrongUseIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "usage: controlplane COMMAND",
		"fly":                            `unknown command "fly"`,
		"up --no-such":                   "-no-such",
		"up operand":                     `unexpected argument "operand"`,
		"up --name Bad_Name":             `--name "Bad_Name"`,
		"up --name ../x":                 `--name "../x"`,
		"down --name a --dir b":          `--name "a" and --dir "b"`,
		"up --apiserver-arg v=2":         `"v=2" for flag -apiserver-arg`,
		"status -o yaml":                 `-o "yaml"`,
		"restart":                        "missing operand COMPONENT",
		"restart etcd apiserver":         `unexpected argument "apiserver"`,
		"kubeconfig":                     "--user NAME or --admin",
		"kubeconfig --admin --user a":    "--admin excludes",
		"kubeconfig --user a\nb":         `--user "a\nb"`,
		"kubeconfig --user a --group \t": `--group "\t"`,
	} {
		got := execute(t, script, split(args)...)
		if got.exit != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: exit %d, %q, want %q", args, got.exit, got.stderr, want)
		}
	}
}

func split(args string) []string {
	if args == "" {
		return nil
	}
	return strings.Split(args, " ")
}
