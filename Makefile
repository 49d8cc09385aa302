# Each target does all its own set-up, on Linux with Rust, Go 1.26, make, Python 3 and OpenSSH's client.
.DEFAULT_GOAL := help
.PHONY: help demo demo-agent demo-down test test-all test-node test-gitops coverage lint build resource-hash controlplane \
	figures-main-job figures-no-way-around figures-tickets figures-agents mutants clean-cache

CONTROLPLANE := hack/controlplane/controlplane
LOCALNODE := hack/localnode/localnode
CLIENTS := hack/clients/clients
# Beside the version of hack/controlplane/kubernetes/go.mod, which all other tests run on.
OTHER_VERSIONS := 1.35.4 1.34.4
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/countersign
MUTANTS := $(CACHE)/cargo-mutants/bin/cargo-mutants
# How many random writes the two implementations of the hash compare, and from which seed.
WRITES ?= 5000
SEED ?= $(shell date +%s)
HASH_EXAMPLE = $(abspath $(or $(CARGO_TARGET_DIR),target))/debug/examples/resource_hash
HOST = $(shell rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)
BASH_SCRIPTS := .ci/run $(wildcard hack/demo/*.sh hack/figures/* hack/localnode/*.sh) hack/demo/demo $(LOCALNODE) $(CLIENTS)

help: ## Tell what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 20

demo: ## Play the main job on a real API server, and leave it running
	@hack/demo/demo

demo-agent: ## Play an agent that meets a denial, explains itself, waits for a person and goes on
	@hack/demo/demo agent

demo-down: ## End what make demo left running
	@hack/demo/demo down

# Tests that wait for time to pass leave the cores to others.
test: export RUST_TEST_THREADS = 7
# The API servers and kubectl spend memory, of which there is enough, rather than time.
test: export GOGC = 400
test: lint resource-hash controlplane ## Everything that must hold, end to end
	cargo test --workspace
	cd hack/controlplane && go vet ./... && go test ./...
	cd hack/statuses && go vet ./... && go test ./...

test-all: test test-node test-gitops coverage figures-main-job figures-no-way-around figures-agents figures-tickets ## The tests, those on a real node and with GitOps clients, every write on each version, all figures with their bounds

# cargo has a runner for each target; this one puts the test into the node's namespaces.
test-node: export CARGO_TARGET_$(HOST)_RUNNER := $(CURDIR)/$(LOCALNODE) enter
test-node: ## Strict mode on a real node: kubelet, scheduler and controllers do all their work; the charts; needs root
	for test in a_node the_charts; do \
		$(LOCALNODE) up && cargo test --workspace --test node -- --nocapture $$test || exit 1; \
	done
	$(LOCALNODE) down

test-gitops: controlplane ## Flux, Helm, Argo CD's engine and kubectl against a real API server in strict mode
	$(CLIENTS) build
	cargo test --workspace --test gitops

coverage: controlplane ## Try every write that the API server offers, on each version of Kubernetes; and in every way
	COUNTERSIGN_E2E_WAYS=4 cargo test --workspace --test e2e -- --nocapture coverage:: every_client::
	for version in $(OTHER_VERSIONS); do \
		K8S_VERSION=$$version $(CONTROLPLANE) build && \
		K8S_VERSION=$$version cargo test --workspace --test e2e -- --nocapture coverage:: || exit 1; \
	done

lint: ## Format, lints, generated files, scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test node --test gitops --test spending -- -D warnings
	cargo test --quiet --package countersign-api --test generated
	test -z "$$(gofmt -d hack/controlplane hack/statuses)" || { gofmt -d hack/controlplane hack/statuses; exit 1; }
	for script in $(BASH_SCRIPTS); do bash -n "$$script" || exit 1; done
	sh -n $(CONTROLPLANE)

resource-hash: ## Compare the resource hash with its second implementation, which is in Python: WRITES=5000 SEED=now
	@command -v python3 >/dev/null || { echo "python3 is missing; on Debian: apt-get install python3" >&2; exit 1; }
	cd tests && python3 -m resource_hash vectors
	cargo build --quiet --workspace --example resource_hash
	cd tests && python3 -m resource_hash fuzz $(SEED) $(WRITES) $(HASH_EXAMPLE)

build: ## The binaries, optimised, in target/release
	cargo build --workspace --release

controlplane: ## etcd, kube-apiserver, kube-controller-manager and kubectl, once: about 8 minutes on two cores
	$(CONTROLPLANE) build

figures-main-job: controlplane ## Measure what was promised, and fail where a bound does not hold
	hack/figures/main-job

figures-no-way-around: ## Measure that the rules hold everywhere and at scale, and fail where a bound does not hold
	hack/figures/no-way-around

figures-tickets: controlplane ## Measure that tickets survive faults, crashes and contention; hours on two cores
	hack/figures/tickets

figures-agents: controlplane ## Measure what agents and emergencies are held to, and fail where a bound does not hold
	hack/figures/agents

mutants: $(MUTANTS) ## Change the engine in every mechanical way: its tests notice 95 in 100 changes; hours on two cores
	PATH=$(dir $(MUTANTS)):$$PATH hack/figures/mutants

$(MUTANTS):
	cargo install --quiet --locked --root $(CACHE)/cargo-mutants cargo-mutants@27.1.0

clean-cache: demo-down ## Remove what was built and kept outside this folder
	$(LOCALNODE) down
	chmod -R u+w $(CACHE) 2>/dev/null; rm -rf $(CACHE)
