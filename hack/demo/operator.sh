# shellcheck shell=bash
# Countersign in the cluster of the demo: kinds, operator, quickstart.

readonly people=(ada grace alan)

install_countersign() {
	as_admin kubectl apply -f "$root/crds"
	as_admin kubectl wait --for=condition=Established -f "$root/crds" --timeout=30s >/dev/null
	as_admin kubectl apply -f "$operator_roles" -f "$here/operator-rbac.yaml"
	local name
	for name in countersign-operator "${people[@]}"; do
		person "$name"
	done
}

# A port that nobody listens on.
free_port() {
	local port
	for ((port = 20000 + RANDOM % 8000; ; port++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	printf '%s' "$port"
}

start_operator() {
	local url=${COUNTERSIGN_WEBHOOK_URL:-}
	[[ -e $state/given ]] || url=https://127.0.0.1:$(free_port)
	setsid "$state/bin/countersign" run --kubeconfig "$state/people/countersign-operator" --webhook-url "$url" \
		--data-dir "$state/data" >"$state/operator.log" 2>&1 </dev/null &
	local pid=$! try
	echo "$pid" >"$state/operator.pid"
	for ((try = 0; try < 150; try++)); do
		kill -0 "$pid" 2>/dev/null || break
		if as_admin kubectl get validatingwebhookconfiguration,mutatingwebhookconfiguration countersign >/dev/null 2>&1; then
			echo "countersign run: the webhook is $url"
			return
		fi
		sleep 0.2
	done
	tail -20 "$state/operator.log" >&2
	fail "the operator did not start"
}

operator_runs() {
	[[ -e $state/operator.pid ]] || return 1
	local pid
	pid=$(<"$state/operator.pid")
	# The number may be another program's by now.
	[[ -r /proc/$pid/cmdline ]] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "--data-dir $state/data"
}

stop_operator() {
	local try
	for ((try = 0; try < 100; try++)); do
		operator_runs || return 0
		kill "$(<"$state/operator.pid")" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -9 "$(<"$state/operator.pid")"
}

apply_quickstart() {
	as_admin kubectl apply -f "$root/examples/quickstart"
	as_admin kubectl wait --for=condition=Ready accesspolicies,zones,rolegrants,teams,agents --all --timeout=30s
	agent billing deploy-bot
}
