# shellcheck shell=bash
# Where everything is, and what every script needs.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
controlplane=$(dirname "$here")/controlplane/controlplane
clients=$(dirname "$here")/clients/clients
cache=${XDG_CACHE_HOME:-$HOME/.cache}/countersign/localnode
export bin=$cache/bin images=$cache/images state=$cache/state
export server=https://127.0.0.1:16443 node=node1

say() {
	echo "localnode: $*" >&2
}

fail() {
	say "$*"
	exit 1
}

is_up() {
	[[ -f $state/init.pid ]] && grep -qs node.sh "/proc/$(<"$state/init.pid")/cmdline"
}

# certificate NAME SUBJECT: a key and its certificate, of the cluster's authority.
certificate() {
	local names="DNS:localhost,DNS:$node,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" -CAcreateserial -out "$1.crt" \
		-days 365 -extfile <(echo "subjectAltName=$names,IP:127.0.0.1,IP:10.222.0.1,IP:10.224.0.1") 2>/dev/null
	rm "$1.csr"
}

# kubeconfig USER: for whom `user` in YAML tells the credential of.
kubeconfig() {
	cat <<-END
		apiVersion: v1
		kind: Config
		clusters:
		- name: node
		  cluster: {server: "$server", certificate-authority-data: $(base64 -w0 "$state/pki/ca.crt")}
		users:
		- {name: user, user: $1}
		contexts:
		- {name: node, context: {cluster: node, user: user}}
		current-context: node
	END
}

# kubeconfig_of KEY: with the certificate KEY.crt.
kubeconfig_of() {
	kubeconfig "{client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}"
}

# image FOLDER NAME PROGRAM: the archive FOLDER/NAME.tar of node.local/NAME:1, which holds the program and the libraries that
# it needs.
image() {
	local libraries
	mapfile -t libraries < <(ldd "$3" 2>/dev/null | grep -oE '/\S+' | sed 's/.*/&:&/')
	python3 "$here/mkimage.py" "$1/$2.tar" "node.local/$2:1" "/$2" 65532 "$3:/$2" "${libraries[@]}"
}
