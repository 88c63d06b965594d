# SPDX-License-Identifier: Apache-2.0
# Runs real programs natively and inside husk and compares standard output, standard error and exit status.
#
# A script sources this file, calls `compare NAME 'shell command'` for each case and ends with `finish`. Every case
# runs in a fresh directory $T (below /tmp: the host's natively, the guest's own inside husk) with a small, fixed
# environment and no standard input. Output is TAP, one line a case; the script ends with 1 if a case failed and with
# 77 if none ran.
#
#   HUSK, BUILD      the binary, or the directory that holds it (build)
#   HUSK_FLAGS       more options for `husk run`
#   HUSK_SELF_CHECK  run the native side twice instead: shows that a case is steady
#   HUSK_PLACE       where $T is instead of /tmp: elsewhere it is in the overlay
#   HUSK_UPPER       each case begins with a new upper layer in this directory
#   ONLY             a pattern: just the cases whose names match
#   KEEP             keep what the last failing case printed in this directory
#
# Variables that a script may set before a case: shell (/bin/sh), seconds (60, of either side), flags (husk's).

if [ -z "${BASH_VERSION:-}" ]; then
	echo "lib.sh: wants bash" >&2
	exit 1
fi
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	echo "1..0 # SKIP a library"
	exit 77
fi

lib_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lib_build=$(cd "$lib_top" && mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
HUSK=${HUSK:-$lib_build/husk}
lib_out=$(mktemp -d)
trap 'rm -rf "$lib_out" "$T"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

T=${HUSK_PLACE:-/tmp}/husk-case.$$
shell=/bin/sh
seconds=${SECONDS_LIMIT:-60}
flags=
cases=0 failed=0 skipped=0

if [ -z "${HUSK_SELF_CHECK:-}" ] && [ ! -x "$HUSK" ]; then
	echo "1..0 # SKIP no $HUSK"
	exit 77
fi

# The environment of both sides.
lib_env=(env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/tmp LC_ALL=C TERM=dumb "T=$T")

# native_run COMMAND NAME, husk_run COMMAND NAME: the command in a fresh $T; output in NAME.out and NAME.err, status in
# lib_status.
native_run() {
	rm -rf "$T"
	mkdir -p "$T"
	{
		(cd "$T" && exec "${lib_env[@]}" timeout -k 2 "$seconds" "$shell" -c "$1") \
			>"$lib_out/$2.out" 2>"$lib_out/$2.err" </dev/null
		lib_status=$?
	} 2>/dev/null
	rm -rf "$T"
}

husk_run() {
	[ -z "${HUSK_UPPER:-}" ] || rm -rf "$HUSK_UPPER"
	# shellcheck disable=SC2086
	"${lib_env[@]}" timeout -k 2 $((seconds + 5)) "$HUSK" run --time-limit "$seconds" $flags ${HUSK_FLAGS:-} \
		${HUSK_UPPER:+--upper "$HUSK_UPPER"} -- \
		"$shell" -c "mkdir -p '$T' && cd '$T' || exit 99; $1" \
		>"$lib_out/$2.out" 2>"$lib_out/$2.err" </dev/null
	lib_status=$?
}

# need PROGRAM...: false, and the next cases are skipped, when one is missing.
need() {
	local p
	for p; do
		if ! PATH=/usr/bin:/bin:/usr/sbin:/sbin command -v "$p" >/dev/null; then
			cases=$((cases + 1)) skipped=$((skipped + 1))
			echo "ok $cases - $p # SKIP not installed"
			return 1
		fi
	done
}

lib_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# compare NAME COMMAND: one case.
compare() {
	local name=$1 command=$2 want got t0 t1 t2 part same=1
	if [ -n "${ONLY:-}" ]; then
		# shellcheck disable=SC2053
		[[ $name == $ONLY ]] || return 0
	fi
	cases=$((cases + 1))
	t0=$(lib_ms)
	native_run "$command" want
	want=$lib_status
	t1=$(lib_ms)
	if [ -n "${HUSK_SELF_CHECK:-}" ]; then
		native_run "$command" got
	else
		husk_run "$command" got
	fi
	got=$lib_status
	t2=$(lib_ms)
	[ "$want" = "$got" ] || same=0
	# bash tells a killed child's pid.
	sed -i 's/\(line [0-9]*:\) *[0-9]\{1,\} /\1 PID /' "$lib_out/want.err" "$lib_out/got.err"
	for part in out err; do
		cmp -s "$lib_out/want.$part" "$lib_out/got.$part" || same=0
	done
	if [ $same = 1 ]; then
		echo "ok $cases - $name # native $((t1 - t0)) ms, husk $((t2 - t1)) ms"
		return 0
	fi
	failed=$((failed + 1))
	echo "not ok $cases - $name # native $((t1 - t0)) ms, husk $((t2 - t1)) ms"
	[ "$want" = "$got" ] || echo "# status: native $want, husk $got"
	for part in out err; do
		diff "$lib_out/want.$part" "$lib_out/got.$part" | head -n 12 | cut -c1-200 | sed "s/^/# $part: /"
	done
	if [ -n "${KEEP:-}" ]; then
		mkdir -p "$KEEP" && cp "$lib_out"/*.out "$lib_out"/*.err "$KEEP"
	fi
	return 1
}

finish() {
	echo "1..$cases"
	echo "# $((cases - failed - skipped)) passed, $failed failed, $skipped skipped"
	[ $failed = 0 ] || exit 1
	[ $cases -gt $skipped ] || exit 77
	exit 0
}
