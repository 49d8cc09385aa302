# shellcheck shell=bash
# The cluster of the demo, started for it or given, and who acts in it.

# With a cluster of their own people have a kubectl as well.
kubectl_binary() {
	if [[ -n ${COUNTERSIGN_KUBECONFIG:-} ]] && command -v kubectl; then
		return
	fi
	"$controlplane" build | grep '/kubectl$'
}

start_cluster() {
	step "Start"
	if [[ -n ${COUNTERSIGN_KUBECONFIG:-} ]]; then
		use_given_cluster
	else
		"$controlplane" up --name "$instance" >/dev/null
		"$controlplane" kubeconfig --name "$instance" --admin --out "$state/admin.kubeconfig"
	fi
}

use_given_cluster() {
	[[ -n ${COUNTERSIGN_WEBHOOK_URL:-} ]] || fail "COUNTERSIGN_KUBECONFIG needs COUNTERSIGN_WEBHOOK_URL: https://HOST:PORT of this machine, as the API server reaches it"
	as_given() { kubectl --kubeconfig "$COUNTERSIGN_KUBECONFIG" "$@"; }
	as_given config view --raw --minify --flatten >"$state/admin.kubeconfig"
	chmod 600 "$state/admin.kubeconfig"
	if as_given get crd zones.countersign.dev >/dev/null 2>&1; then
		rm "$state/admin.kubeconfig"
		fail "that cluster has Countersign already, and the demo would remove it at its end"
	fi
	touch "$state/given"
}

# Nothing guards webhook configurations but the operator, which is stopped by now.
stop_cluster() {
	if [[ -e $state/given ]]; then
		as_admin kubectl delete --ignore-not-found validatingwebhookconfiguration,mutatingwebhookconfiguration countersign
		as_admin kubectl delete --ignore-not-found certificatesigningrequest -l app.kubernetes.io/part-of=countersign-demo
		as_admin kubectl delete --ignore-not-found --timeout=90s -f "$root/examples/quickstart" -f "$root/crds" -f "$here/operator-rbac.yaml" -f "$operator_roles" || true
	else
		"$controlplane" down --name "$instance"
	fi
}

# person NAME: a kubeconfig with a client certificate for NAME.
person() {
	if [[ -e $state/given ]]; then
		certificate_by_signing_request "$1"
	else
		"$controlplane" kubeconfig --name "$instance" --user "$1" --out "$state/people/$1"
	fi
}

certificate_by_signing_request() {
	local name=$1 request=countersign-demo-$1 key=$state/people/$1.key
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$key" -subj "/CN=$name" \
		-out "$key.csr" 2>/dev/null
	as_admin kubectl delete --ignore-not-found certificatesigningrequest "$request" >/dev/null
	as_admin kubectl create -f - >/dev/null <<-END
		apiVersion: certificates.k8s.io/v1
		kind: CertificateSigningRequest
		metadata:
		  name: $request
		  labels:
		    app.kubernetes.io/part-of: countersign-demo
		spec:
		  signerName: kubernetes.io/kube-apiserver-client
		  usages: [client auth]
		  request: $(base64 -w0 <"$key.csr")
	END
	as_admin kubectl certificate approve "$request" >/dev/null
	as_admin kubectl wait certificatesigningrequest "$request" --for='jsonpath={.status.certificate}' --timeout=30s >/dev/null
	as_admin kubectl get certificatesigningrequest "$request" -o 'jsonpath={.status.certificate}' | base64 -d >"$key.crt"
	kubeconfig_with "$name" --client-certificate="$key.crt" --client-key="$key" --embed-certs
}

# agent NAMESPACE NAME: a kubeconfig with a token of a service account. In strict mode nobody gets one without a ticket.
agent() {
	local token
	token=$(as_admin kubectl create token "$2" -n "$1" --duration=8h)
	kubeconfig_with "$2" --token="$token"
}

# kubeconfig_with NAME CREDENTIAL...: the administrator's kubeconfig, with these credentials and no others.
kubeconfig_with() {
	local name=$1 file=$state/people/$1 administrator
	shift
	(umask 077 && as_admin kubectl config view --raw --minify --flatten >"$file")
	local config=(kubectl config --kubeconfig "$file")
	administrator=$("${config[@]}" view -o 'jsonpath={.users[0].name}')
	"${config[@]}" delete-user "$administrator" >/dev/null
	"${config[@]}" set-credentials "$name" "$@" >/dev/null
	"${config[@]}" set-context --current --user="$name" >/dev/null
}
