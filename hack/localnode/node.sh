#!/usr/bin/env bash
# Process 1 of the node's namespaces: it makes the machine, starts the components, and reaps what is left to it.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=hack/localnode/lib.sh
source "$here/lib.sh"
# shellcheck source=hack/localnode/components.sh
source "$here/components.sh"

# Its own /run, /sys and /var/log, and control groups rooted at its own.
mount_own() {
	mount --make-rshared /
	local groups name options
	groups=$(awk '$3=="cgroup"{n=split($2,a,"/"); print a[n] " " $4}' /proc/mounts)
	mount -t sysfs sysfs /sys
	mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	while read -r name options; do
		mkdir "/sys/fs/cgroup/$name"
		[[ $name != systemd ]] || options=none,name=systemd
		mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$name"
	done <<<"$groups"
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /run/containerd /run/netns /run/lock /run/varlog /run/cni /run/varlibcni /var/lib/cni
	mount --bind /run/varlog /var/log
	mount --bind /run/varlibcni /var/lib/cni
}

# The kubelet insists on some settings of the whole machine's kernel and would write them: it is shown, and only it,
# the values that it wants, so that the machine keeps its own.
show_settings() {
	local key value file
	mkdir -p /run/sysctl
	while read -r key value; do
		[[ $(<"/proc/sys/$key") != "$value" ]] || continue
		file=/run/sysctl/${key//\//.}
		echo "$value" >"$file"
		mount --bind "$file" "/proc/sys/$key"
	done <<-END
		vm/overcommit_memory 1
		vm/panic_on_oom 0
		kernel/panic 10
		kernel/panic_on_oops 1
		kernel/keys/root_maxkeys 1000000
		kernel/keys/root_maxbytes 25000000
	END
}

# A pair of interfaces with both ends here carries the node's address and the default route: there is no way out.
make_network() {
	hostname "$node"
	ip link set lo up
	ip link add node0 type veth peer name node0p
	ip addr add "$address/24" dev node0
	ip link set node0 up
	ip link set node0p up
	ip route add default dev node0
	sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

# As kubeadm does: nodes may ask for their first certificate, and for the next ones.
allow_bootstrap() {
	kubectl apply -f "$here/bootstrap.yaml"
	kubectl create clusterrolebinding node-proxier --clusterrole=system:node-proxier --user=system:kube-proxy
}

# People approve serving certificates; here, before the cluster is anybody's, this script does.
approve_serving() {
	kubectl get csr -o 'jsonpath={range .items[?(@.spec.signerName=="kubernetes.io/kubelet-serving")]}{.metadata.name} {end}' |
		xargs -r kubectl certificate approve
	[[ -e $state/kubelet/pki/kubelet-server-current.pem ]]
}

eventually() {
	local try
	for ((try = 0; try < 600; try++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	fail "waited in vain: $*"
}

export PATH=$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBECONFIG=$state/config/admin.kubeconfig
unset HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ALL_PROXY all_proxy
mount_own
show_settings
make_network
cd "$state"
configure
start containerd
start etcd
start apiserver
eventually ctr version
for archive in "$images"/*.tar; do ctr -n k8s.io images import "$archive" >/dev/null; done
eventually kubectl get --raw /readyz
start controller-manager
start scheduler
allow_bootstrap >/dev/null
start kubelet
start proxy
eventually kubectl wait --for=condition=Ready --timeout=5s "node/$node"
eventually approve_serving
eventually kubectl get serviceaccount default
kubectl apply -f "$here/dns.yaml" >/dev/null
eventually kubectl -n kube-system rollout status deploy/coredns --timeout=5s
touch "$state/ready"
while :; do
	sleep 3600 &
	wait
done
