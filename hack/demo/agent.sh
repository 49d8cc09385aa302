# shellcheck shell=bash
# The story of examples/agent: an agent with a key meets a denial, says what it is about to do, and waits for a person.

play_agent() {
	cd "$state"
	the_agent_gets_a_key
	two_admins_turn_strict_mode_on
	the_agent_deletes_what_nobody_needs
	what_it_did_is_on_record
}

# Before strict mode: afterwards each of these steps needs an approval.
the_agent_gets_a_key() {
	step "The agent gets a key, which never leaves this machine"
	local public
	public=$(kubectl countersign agent keygen deploy-bot.pem)
	echo "$public"
	as ada kubectl patch agent deploy-bot --type=merge -p '{"spec":{"publicKey":"'"$public"'","signing":"Required"}}'
	succeeds
	as_admin kubectl patch zone billing --type=merge -p '{"spec":{"minReviewers":1}}'
	as_admin kubectl create configmap old-settings -n billing --from-literal=a=1
	as_admin kubectl wait --for=condition=Ready agent/deploy-bot --timeout=30s
}

the_agent_deletes_what_nobody_needs() {
	step "The agent deletes a ConfigMap: examples/agent/agent.py"
	KUBECONFIG=$state/people/deploy-bot "$root/examples/agent/agent.py" billing old-settings --key deploy-bot.pem \
		--reason "nothing reads it since 2.0" >agent.log 2>&1 </dev/null &
	local agent=$! try ticket=
	for ((try = 0; try < 150; try++)); do
		ticket=$(sed -nE 's/^waiting until somebody approves ticket (.*)/\1/p' agent.log)
		[[ -z $ticket ]] || break
		sleep 0.2
	done
	cat agent.log
	[[ -n $ticket ]] || fail "the agent should wait for an approval"
	output=$(<agent.log)
	says IntentRequired ApprovalRequired "next step: request"
	say "Meanwhile Grace reads what it wants, and approves."
	as grace kubectl countersign describe "$ticket" -n billing
	succeeds
	says "agent:deploy-bot"
	as grace kubectl countersign approve "$ticket" -n billing --yes -o name
	succeeds
	wait "$agent" || fail "the agent should have gone on: $(<agent.log)"
	output=$(<agent.log)
	tail -1 agent.log
	says "deleted: old-settings"
}

what_it_did_is_on_record() {
	step "What it said it would do stays"
	as alan kubectl get intents -n billing
	succeeds
	says deploy-bot
	as ada kubectl countersign agent show deploy-bot
	succeeds
	as_admin kubectl get configmap old-settings -n billing && fail "it should be gone"
	return 0
}
