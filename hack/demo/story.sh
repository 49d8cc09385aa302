# shellcheck shell=bash
# The story: three people and one agent. Each step says what must come back, and fails when something else does.

play() {
	cd "$state"
	two_admins_turn_strict_mode_on
	the_agent_is_denied_and_a_ticket_appears
	not_everybody_may_approve
	one_of_two_reviews_is_not_enough
	a_second_reviewer_joins_the_team
	the_approval_is_for_exactly_one_change
	the_unchanged_retry_passes_once
	a_secret_is_never_shown
}

two_admins_turn_strict_mode_on() {
	step "Strict mode: it can be turned on once two admins were seen to be able to act"
	say "So far Countersign only warns."
	as ada kubectl annotate -n billing deployment my-api example.com/on-call=ada
	succeeds
	says "Warning: countersign: ApprovalRequired"
	as ada kubectl patch accesspolicy default --type=merge -p '{"spec":{"strictMode":true}}'
	denied TooFewAdmins "live human admins, and 2 are needed"
	as grace kubectl label -n billing deployment my-api tier=backend
	succeeds
	as_admin kubectl wait rolegrant/ada rolegrant/grace --for='jsonpath={.status.lastSeen}' --timeout=10s >/dev/null
	as ada kubectl patch accesspolicy default --type=merge -p '{"spec":{"strictMode":true}}'
	succeeds
	as ada kubectl wait accesspolicy default --for=condition=Enforcing --timeout=30s
	succeeds
	as ada kubectl get accesspolicy
	says "default"
}

the_agent_is_denied_and_a_ticket_appears() {
	step "The agent wants a new version in prod"
	sed 's/my-api:1.4.0/my-api:1.5.0/' "$root/examples/quickstart/60-my-api.yaml" >my-api.yaml
	as deploy-bot kubectl apply -f my-api.yaml
	denied ApprovalRequired "team:payments (owner of zone \`billing\`)" "kubectl countersign approve" "(2 reviews)"
	ticket=$(ticket_of_denial)
	hash=$(hash_of_denial)
	say "The denial made a ticket. Trying again makes no second one."
	as deploy-bot kubectl apply -f my-api.yaml
	denied ApprovalRequired "$ticket"
	as alan kubectl countersign list -n billing
	says "$ticket" Pending "agent:deploy-bot" "0/2"
	[[ $(grep -c Pending <<<"$output") == 1 ]] || fail "there should be one ticket"
	say "What would change, and its hash, can be had before asking: the same as in the denial."
	as deploy-bot kubectl countersign diff -f my-api.yaml
	[[ $status == 1 ]] || fail "diff should end with 1, something would change, and ended with $status"
	says "$hash" "my-api:1.4.0" "my-api:1.5.0"
}

not_everybody_may_approve() {
	step "Not everybody may approve it"
	say "Not the one who asks,"
	as deploy-bot kubectl countersign approve "$ticket" -n billing --yes -o name
	denied IneligibleReviewer "agent:deploy-bot is not a human"
	say "not the agent's owner alone, who is even an admin,"
	as ada kubectl countersign approve "$ticket" -n billing --yes -o name
	denied IneligibleReviewer "user:ada owns the agent that asks"
	say "and not who has no part in the zone."
	as alan kubectl countersign approve "$ticket" -n billing --yes -o name
	denied IneligibleReviewer "user:alan is neither owner, cooperator, reviewer nor team member of zone \`billing\`"
	is_in_state "$ticket" Pending
}

one_of_two_reviews_is_not_enough() {
	step "Grace reads the change, and approves"
	as grace kubectl countersign describe "$ticket" -n billing
	succeeds
	says "agent:deploy-bot" "my-api:1.4.0" "my-api:1.5.0" "$hash"
	as grace kubectl countersign approve "$ticket" -n billing --yes -o name
	succeeds
	say "The zone asks for two reviews: one opens nothing."
	as deploy-bot kubectl apply -f my-api.yaml
	denied ApprovalRequired "$ticket"
	as alan kubectl countersign list -n billing
	says Pending "1/2"
}

a_second_reviewer_joins_the_team() {
	step "Alan joins the team that owns the zone: who may do what is prod as well"
	local membership='{"spec":{"members":["user:ada","user:alan","agent:deploy-bot"]}}'
	as ada kubectl patch team payments --type=merge -p "$membership"
	denied ApprovalRequired "in countersign-system" "an admin"
	local joining
	joining=$(ticket_of_denial)
	as ada kubectl countersign approve "$joining" -n countersign-system --yes -o name
	denied IneligibleReviewer "user:ada asks for this change"
	as grace kubectl countersign approve "$joining" -n countersign-system --yes -o name
	succeeds
	as ada kubectl countersign wait "$joining" -n countersign-system --for=state=Approved
	succeeds
	as ada kubectl patch team payments --type=merge -p "$membership"
	succeeds
	is_in_state "$joining" Consumed countersign-system
	as alan kubectl countersign approve "$ticket" -n billing --yes -o name
	succeeds
	as deploy-bot kubectl countersign wait "$ticket" -n billing --for=state=Approved
	succeeds
}

the_approval_is_for_exactly_one_change() {
	step "The approval is for exactly this change: everything else is denied"
	say "another change,"
	sed 's/my-api:1.4.0/my-api:1.6.0/' "$root/examples/quickstart/60-my-api.yaml" >another-version.yaml
	as deploy-bot kubectl apply -f another-version.yaml
	denied ApprovalRequired
	[[ $(hash_of_denial) != "$hash" ]] || fail "another change should have another hash"
	say "another subject,"
	as alan kubectl apply -f my-api.yaml
	denied ApprovalRequired
	[[ $(ticket_of_denial) != "$ticket" ]] || fail "another subject should need a ticket of their own"
	say "another object,"
	sed 's/name: my-api$/name: my-other-api/' my-api.yaml >another-object.yaml
	as deploy-bot kubectl apply -f another-object.yaml
	denied ApprovalRequired my-other-api
	say "another verb."
	as deploy-bot kubectl scale deployment my-api -n billing --replicas=3
	denied ApprovalRequired
	say "What ends something an agent explains beforehand."
	as deploy-bot kubectl delete deployment my-api -n billing
	denied IntentRequired "kubectl countersign intent log"
	say "A dry run decides alike, and uses nothing up."
	as deploy-bot kubectl apply -f my-api.yaml --dry-run=server
	succeeds
	is_in_state "$ticket" Approved
}

the_unchanged_retry_passes_once() {
	step "The agent's unchanged retry passes"
	as deploy-bot kubectl apply -f my-api.yaml
	succeeds
	as deploy-bot kubectl countersign wait "$ticket" -n billing --for=state=Consumed
	succeeds
	as alan kubectl get deployment my-api -n billing -o 'jsonpath={.spec.template.spec.containers[0].image}'
	says "my-api:1.5.0"
	say "What changes nothing needs no ticket."
	as deploy-bot kubectl apply -f my-api.yaml
	succeeds
	says unchanged
	as deploy-bot kubectl patch deployment my-api -n billing --type=merge -p '{"spec":{"replicas":2}}'
	succeeds
	says "(no change)"
	roll_back
	step "The approval was good for once"
	as deploy-bot kubectl apply -f my-api.yaml
	denied ApprovalRequired "$hash"
	[[ $(ticket_of_denial) != "$ticket" ]] || fail "a second use should need another ticket"
	is_in_state "$ticket" Consumed
}

# The way back needs its own approval. It brings the object to where the first ticket would fit once more.
roll_back() {
	step "Back to the old version, with its own approval"
	cp "$root/examples/quickstart/60-my-api.yaml" old-version.yaml
	as deploy-bot kubectl apply -f old-version.yaml
	denied ApprovalRequired
	local back
	back=$(ticket_of_denial)
	as grace kubectl countersign approve "$back" -n billing --yes -o name
	succeeds
	as alan kubectl countersign approve "$back" -n billing --yes -o name
	succeeds
	as deploy-bot kubectl countersign wait "$back" -n billing --for=state=Approved
	succeeds
	as deploy-bot kubectl apply -f old-version.yaml
	succeeds
	is_in_state "$back" Consumed
}

a_secret_is_never_shown() {
	step "Of a Secret the ticket never shows a value"
	local value=correct-horse-battery-staple encoded
	encoded=$(printf %s "$value" | base64)
	cat >secret.yaml <<-END
		apiVersion: v1
		kind: Secret
		metadata:
		  name: my-api
		  namespace: billing
		stringData:
		  password: $value
	END
	as deploy-bot kubectl apply -f secret.yaml
	denied ApprovalRequired
	says_nothing_of "$value" "$encoded"
	local secret
	secret=$(ticket_of_denial)
	as grace kubectl countersign describe "$secret" -n billing
	succeeds
	says password
	says_nothing_of "$value" "$encoded"
	output=$(as_admin kubectl get approvaltickets,approvalreviews -A -o yaml; cat "$state/data/audit"/*)
	says_nothing_of "$value" "$encoded"
	say "Neither do any other ticket, any review and the audit log."
}
