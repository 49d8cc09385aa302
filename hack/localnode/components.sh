# shellcheck shell=bash
# The parts of the node: what each is told, and how it is started. All of it runs inside the node's namespaces.

readonly address=10.222.0.1 pods=10.223.0.0/16 services=10.224.0.0/16 dns=10.224.0.10

# In the order in which they need each other.
readonly components=(containerd etcd apiserver controller-manager scheduler kubelet proxy)

# start COMPONENT: in the background, unless it runs.
start() {
	runs "$1" && return
	cd "$state"
	"start_${1//-/_}" >>"$state/logs/$1.log" 2>&1 </dev/null &
	echo $! >"/run/$1.pid"
}

stop() {
	runs "$1" || return 0
	kill -KILL "$(<"/run/$1.pid")"
	while runs "$1"; do sleep 0.05; done
	rm "/run/$1.pid"
}

runs() {
	[[ -f /run/$1.pid ]] && kill -0 "$(<"/run/$1.pid")" 2>/dev/null
}

start_containerd() {
	exec containerd --config config/containerd.toml
}

start_etcd() {
	exec etcd --data-dir=etcd --unsafe-no-fsync --log-level=warn --listen-client-urls=http://127.0.0.1:22379 \
		--advertise-client-urls=http://127.0.0.1:22379 --listen-peer-urls=http://127.0.0.1:22380 \
		--initial-advertise-peer-urls=http://127.0.0.1:22380 --initial-cluster=default=http://127.0.0.1:22380
}

start_apiserver() {
	exec kube-apiserver --etcd-servers=http://127.0.0.1:22379 --secure-port=16443 --bind-address=0.0.0.0 \
		--advertise-address=$address --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key \
		--client-ca-file=pki/ca.crt --service-account-key-file=pki/accounts.key \
		--service-account-signing-key-file=pki/accounts.key --service-account-issuer=https://kubernetes.default.svc \
		--authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --enable-bootstrap-token-auth \
		--service-cluster-ip-range=$services --allow-privileged=true --kubelet-client-certificate=pki/admin.crt \
		--kubelet-client-key=pki/admin.key --kubelet-certificate-authority=pki/ca.crt \
		--kubelet-preferred-address-types=InternalIP --audit-policy-file=config/audit.yaml \
		--audit-log-path=logs/writes.log
}

start_controller_manager() {
	exec kube-controller-manager --kubeconfig=config/controller-manager.kubeconfig --use-service-account-credentials \
		--controllers='*,bootstrap-signer-controller,token-cleaner-controller' --root-ca-file=pki/ca.crt \
		--service-account-private-key-file=pki/accounts.key --cluster-signing-cert-file=pki/ca.crt \
		--cluster-signing-key-file=pki/ca.key --bind-address=127.0.0.1 --secure-port=20257 --allocate-node-cidrs=true \
		--cluster-cidr=$pods --node-cidr-mask-size=24 --kube-api-qps=200 --kube-api-burst=400 \
		--node-monitor-grace-period=12s --enable-hostpath-provisioner
}

start_scheduler() {
	exec kube-scheduler --kubeconfig=config/scheduler.kubeconfig --bind-address=127.0.0.1 --secure-port=20259
}

start_kubelet() {
	exec kubelet --config=config/kubelet.yaml --bootstrap-kubeconfig=config/bootstrap.kubeconfig \
		--kubeconfig=kubelet/kubeconfig --root-dir="$state/kubelet" --cert-dir=kubelet/pki --hostname-override="$node" \
		--node-ip=$address --node-labels=example.com/rack=r1
}

start_proxy() {
	exec kube-proxy --config=config/proxy.yaml
}

# A kubelet gets its certificates as kubeadm's do: by a bootstrap token first, then by its own name.
configure() {
	mkdir -p config/cni kubelet static
	cat >config/audit.yaml <<-END
		apiVersion: audit.k8s.io/v1
		kind: Policy
		omitStages: [RequestReceived, ResponseStarted]
		rules:
		- {level: None, verbs: [get, list, watch]}
		- {level: Metadata}
	END
	cat >config/containerd.toml <<-END
		version = 2
		root = "$state/containerd"
		state = "/run/containerd"
		oom_score = 0
		[grpc]
		  address = "/run/containerd/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "node.local/work:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  tolerate_missing_hugetlb_controller = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$state/config/cni"
		  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		    runtime_type = "io.containerd.runc.v2"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		      SystemdCgroup = false
	END
	cat >config/cni/10-bridge.conflist <<-END
		{"cniVersion": "1.0.0", "name": "bridge", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {
		    "type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": "10.223.0.0/24"}]],
		    "routes": [{"dst": "0.0.0.0/0"}]}}]}
	END
	echo "nameserver $dns" >config/resolv.conf
	cat >config/kubelet.yaml <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		cgroupDriver: cgroupfs
		cgroupRoot: /countersign
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		address: $address
		authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
		authorization: {mode: Webhook}
		rotateCertificates: true
		serverTLSBootstrap: true
		healthzPort: 20248
		clusterDomain: cluster.local
		clusterDNS: [$dns]
		resolvConf: $state/config/resolv.conf
		podLogsDir: $state/pods
		staticPodPath: $state/static
		failSwapOn: false
		oomScoreAdj: 0
		makeIPTablesUtilChains: false
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
		evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
		nodeStatusUpdateFrequency: 3s
		fileCheckFrequency: 2s
	END
	cat >config/proxy.yaml <<-END
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: nftables
		clientConnection: {kubeconfig: $state/config/proxy.kubeconfig}
		clusterCIDR: $pods
		hostnameOverride: $node
		metricsBindAddress: 127.0.0.1:20249
		healthzBindAddress: 127.0.0.1:20256
		conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	END
	identify
}

identify() {
	mkdir -p pki
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout pki/ca.key -out pki/ca.crt -subj /CN=ca \
		-days 365 2>/dev/null
	openssl ecparam -name prime256v1 -genkey -noout -out pki/accounts.key
	certificate pki/apiserver /CN=kube-apiserver
	local name
	for name in admin:/O=system:masters/CN=admin controller-manager:/CN=system:kube-controller-manager \
		scheduler:/CN=system:kube-scheduler proxy:/CN=system:kube-proxy; do
		certificate "pki/${name%%:*}" "${name#*:}"
		kubeconfig_of "pki/${name%%:*}" >"config/${name%%:*}.kubeconfig"
	done
	kubeconfig "{token: abcdef.0123456789abcdef}" >config/bootstrap.kubeconfig
}
