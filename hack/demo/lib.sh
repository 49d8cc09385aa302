# shellcheck shell=bash
# Commands as a person types them, what came back, and what must have come back.

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	bold=$'\e[1m' bad=$'\e[1;31m' dim=$'\e[2m' plain=$'\e[0m'
	declare -A color=([ada]=$'\e[1;35m' [grace]=$'\e[1;36m' [alan]=$'\e[1;33m' [deploy-bot]=$'\e[1;32m')
else
	bold='' bad='' dim='' plain=''
	declare -A color=()
fi

# What the last command of `as` did.
status=0
output=''

step() {
	printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

say() {
	printf '\n%s# %s%s\n' "$dim" "$*" "$plain"
}

fail() {
	printf '\n%sFAILED: %s%s\n' "$bad" "$*" "$plain" >&2
	exit 1
}

# The words of a command, quoted only where a shell needs it.
typed() {
	local word line=''
	for word; do
		[[ $word =~ ^[A-Za-z0-9_./:=@,%+-]+$ ]] || word="'$word'"
		line+=" $word"
	done
	printf '%s' "${line:1}"
}

# as WHO COMMAND...: runs the command as that person, and shows both. Sets status and output.
as() {
	local who=$1
	shift
	printf '\n%s%s $%s %s\n' "${color[$who]:-}" "$who" "$plain" "$(typed "$@")"
	status=0
	output=$(KUBECONFIG=$state/people/$who "$@" 2>&1 </dev/null) || status=$?
	# kubectl repeats the whole patch that was denied: its beginning will do.
	[[ -z $output ]] || sed -E 's/^(\{"metadata":.{60}).*/\1.../; s/^/  /' <<<"$output"
}

succeeds() {
	[[ $status == 0 ]] || fail "it should have succeeded, and ended with exit code $status"
}

# says TEXT...: the last output holds each text.
says() {
	local text
	for text; do
		[[ $output == *"$text"* ]] || fail "it should have said: $text"
	done
}

says_nothing_of() {
	local text
	for text; do
		[[ $output != *"$text"* ]] || fail "it should not have said: $text"
	done
}

# denied REASON TEXT...: Countersign refused, for this reason, in these words.
denied() {
	[[ $status != 0 ]] || fail "it should have been denied with $1"
	says "$1: " "${@:2}"
}

# The ticket that the last denial names, and its hash.
ticket_of_denial() {
	[[ $output =~ ticket\ ([a-z0-9.-]+)\ in ]] || fail "the denial should have named a ticket"
	printf '%s' "${BASH_REMATCH[1]}"
}

hash_of_denial() {
	[[ $output =~ sha256:[0-9a-f]{64} ]] || fail "the denial should have named a hash"
	printf '%s' "${BASH_REMATCH[0]}"
}

# is_in_state TICKET STATE [NAMESPACE]: within a few seconds.
is_in_state() {
	as_admin kubectl wait "approvalticket/$1" -n "${3:-billing}" --for="jsonpath={.status.state}=$2" --timeout=15s \
		>/dev/null || fail "ticket $1 should be $2"
}

as_admin() {
	KUBECONFIG=$state/admin.kubeconfig "$@"
}
