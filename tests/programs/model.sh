#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random file operations from a seed (tests/tools/fs_model.c): on the overlay over a tree of the host's and on a tree in
# memory inside husk, and natively on the host's tmpfs. Every result and the whole tree afterwards are the same. TAP.
#
#   MODEL_COUNT   operations of a case (20000)
#   MODEL_SEEDS   the seeds (1 2)

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$top" && cd "${BUILD:-build}" && pwd)
count=${MODEL_COUNT:-20000}
seeds=${MODEL_SEEDS:-1 2}
cases=0 failed=0

# Where the host has a tmpfs, and where the guest sees the host's tree.
native=$(mktemp -d /dev/shm/husk-model.XXXXXX) && work=$(mktemp -d /var/tmp/husk-model.XXXXXX) || exit 1
trap 'rm -rf "$native" "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "$(stat -f -c %T /dev/shm)" != tmpfs ]; then
	echo "1..0 # SKIP no tmpfs at /dev/shm"
	exit 77
fi
install -m 755 "$build/tests/tools/fs_model" "$build/husk" "$work"
chmod 755 "$native" "$work"

# as USER COMMAND...: as somebody without any rights when USER is nobody.
as() {
	local user=$1
	shift
	case $user in
	nobody) setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "$@" ;;
	*) "$@" ;;
	esac
}

# same NAME USER SEED DIR [OPTION]...: the guest's tree at DIR, prepared by the host when it is below $work.
same() {
	local name=$1 user=$2 seed=$3 dir=$4 prepare=:
	shift 4
	cases=$((cases + 1))
	rm -rf "$native/tree" "$work/tree"
	as root mkdir -m 777 "$native/tree" "$work/tree"
	as "$user" "$work/fs_model" prepare "$native/tree" "$seed"
	case $dir in
	"$work"/*) as "$user" "$work/fs_model" prepare "$dir" "$seed" ;;
	*) prepare="mkdir $dir && $work/fs_model prepare $dir $seed" ;;
	esac
	(cd / && as "$user" timeout 60 "$work/fs_model" run "$native/tree" "$seed" "$count") >"$work/native" 2>&1
	# shellcheck disable=SC2086
	(cd / && as "$user" timeout 100 "$work/husk" run ${HUSK_FLAGS:-} "$@" -- \
		sh -c "$prepare && exec $work/fs_model run $dir $seed $count") >"$work/inside" 2>&1 </dev/null
	if [ "$(wc -l <"$work/native")" -gt "$count" ] && cmp -s "$work/native" "$work/inside"; then
		echo "ok $cases - $name, seed $seed: $count operations"
	else
		failed=$((failed + 1))
		echo "not ok $cases - $name, seed $seed"
		diff "$work/native" "$work/inside" | head -n 8 | sed 's/^/# /'
	fi
}

# The tree that an upper layer keeps is the same in the runs after.
kept() {
	local seed=$1 again
	rm -rf "$work/upper"
	same "upper layer" "" "$seed" "$work/tree" --upper "$work/upper"
	(cd / && "$work/fs_model" run "$native/tree" "$seed" 0) >"$work/native" 2>&1
	for again in next third; do
		cases=$((cases + 1))
		# shellcheck disable=SC2086
		(cd / && timeout 60 "$work/husk" run ${HUSK_FLAGS:-} --upper "$work/upper" -- \
			"$work/fs_model" run "$work/tree" "$seed" 0) >"$work/inside" 2>&1 </dev/null
		if [ "$(wc -l <"$work/native")" -gt 20 ] && cmp -s "$work/native" "$work/inside"; then
			echo "ok $cases - upper layer in the $again run, seed $seed"
		else
			failed=$((failed + 1))
			echo "not ok $cases - upper layer in the $again run, seed $seed"
			diff "$work/native" "$work/inside" | head -n 8 | sed 's/^/# /'
		fi
	done
}

for seed in $seeds; do
	kept "$seed"
	same overlay "" "$seed" "$work/tree"
	same tmpfs "" "$seed" /tmp/tree
	# Root inside has no more rights over a bind than husk has, which drops them.
	if [ "$(id -u)" = 0 ]; then
		same bind nobody "$seed" "$work/tree" --bind "$work/tree"
		same "overlay as nobody" nobody "$seed" "$work/tree"
	else
		same bind "" "$seed" "$work/tree" --bind "$work/tree"
	fi
done
echo "1..$cases"
[ $failed = 0 ]
