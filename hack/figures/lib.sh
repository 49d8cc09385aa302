# Sourced by the scripts that measure: a figure is a line `name value unit`, with its bound where there is one.
# `broken` is 1 once a bound does not hold.
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
criterion=$target/criterion
broken=0

# figure NAME VALUE UNIT [BOUND]: the bound is what the value is at most.
figure() {
	local verdict=''
	if [[ -n ${4:-} ]]; then
		verdict="  (at most $4: holds)"
		if awk -v value="$2" -v bound="$4" 'BEGIN { exit !(value > bound) }'; then
			verdict="  (at most $4: BROKEN)"
			broken=1
		fi
	fi
	printf '%s %s %s%s\n' "$1" "$2" "$3" "$verdict"
}

# bench NAME ARGUMENT...: the whole workspace, so that its libraries are built once, with the same features.
bench() {
	cargo bench --quiet --workspace --bench "$1" -- "${@:2}"
}

# median BENCHMARK: of its last run, in nanoseconds.
median() {
	sed -E 's/.*"median":\{"confidence_interval":\{[^}]*\},"point_estimate":([0-9.e+-]+).*/\1/' \
		"$criterion/$1/new/estimates.json" | awk '{ printf "%.0f", $1 }'
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}
