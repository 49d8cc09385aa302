#!/usr/bin/env bash
# Builds what the local node needs beside hack/controlplane, from Go modules, into $bin and $images.
# shellcheck source=hack/localnode/lib.sh
source "$(dirname "$(readlink -f "$0")")/lib.sh"

# go_build MODULE PACKAGE OUT FLAGS: whole or not at all.
go_build() {
	[[ -x $3 ]] && return
	say "building ${3##*/}"
	(cd "$here/$1" && CGO_ENABLED=0 GOFLAGS='' GOWORK=off nice go build -p 2 -mod=readonly -buildvcs=false -trimpath \
		-ldflags "$4" -o "$3.unfinished" "$2")
	mv "$3.unfinished" "$3"
}

# go_install NAME PACKAGE@VERSION: the same, of a program that is a module of its own.
go_install() {
	[[ -x $bin/$1 ]] && return
	say "building $1"
	(cd / && CGO_ENABLED=0 GOFLAGS='' GOBIN=$bin nice go install -p 2 -trimpath -ldflags '-s -w' "$2")
}

mkdir -p "$bin" "$images"
"$controlplane" build | while read -r program; do ln -sf "$program" "$bin/"; done

version=$(grep -oE 'k8s.io/kubernetes v\S+' "$here/kubernetes/go.mod" | head -1 | cut -d' ' -f2)
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
for name in kube-scheduler kubelet kube-proxy; do
	go_build kubernetes "k8s.io/kubernetes/cmd/$name" "$bin/$name" "$flags"
done
go_install coredns github.com/coredns/coredns@v1.15.0
"$clients" build helm
ln -sf "$("$clients" dir helm)/helm" "$bin/"
rm -f "$bin/work"
go_build work . "$bin/work" '-s -w'
image "$images" work "$bin/work"
image "$images" coredns "$bin/coredns"
