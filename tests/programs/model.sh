#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random file operations from a seed (tests/tools/fs_model.c): on the overlay over a tree of the host's, on a tree in
# memory and on a bind inside husk, and natively on the host's tmpfs (or, for the bind, beside it). Every result and the
# whole tree afterwards are the same; and several at once in one tree. The same of mappings of two files by three processes
# (tests/tools/map_model.c). TAP.
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
install -m 755 "$build/tests/tools/fs_model" "$build/tests/tools/map_model" "$build/husk" "$work"
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

# same NAME USER SEED DIR [OPTION]...: the guest's tree at DIR, prepared by the host when it is below $work. What operates
# changes its root directory to the tree first, here as there.
same() {
	local name=$1 user=$2 seed=$3 dir=$4 prepare=: host=$native/tree uid=
	shift 4
	cases=$((cases + 1))
	rm -rf "$native/tree" "$work/tree" "$work/host"
	# What a bind does is what the host's file system does.
	if [ "${name%% *}" = bind ]; then
		host=$work/host
		export MODEL_WITHOUT=wide_watch,wide_touches
	else
		unset MODEL_WITHOUT
	fi
	mkdir -m 777 "$host" "$work/tree"
	case $user in
	nobody) uid=65534 ;;
	me) uid=$(id -u) ;;
	esac
	"$work/fs_model" prepare "$host" "$seed" $uid
	case $dir in
	"$work"/*) "$work/fs_model" prepare "$dir" "$seed" $uid ;;
	*) prepare="mkdir -m 777 $dir && $work/fs_model prepare $dir $seed $uid" ;;
	esac
	(cd / && timeout 60 "$work/fs_model" run "$host" "$seed" "$count" $uid) >"$work/native" 2>&1
	# shellcheck disable=SC2086
	(cd / && as "$user" timeout 100 "$work/husk" run ${HUSK_FLAGS:-} --uid 0 --gid 0 "$@" -- \
		sh -c "$prepare && exec $work/fs_model run $dir $seed $count $uid") >"$work/inside" 2>&1 </dev/null
	if [ "$(wc -l <"$work/native")" -gt "$((count * 9 / 10))" ] && cmp -s "$work/native" "$work/inside"; then
		echo "ok $cases - $name, seed $seed: $count operations"
	else
		failed=$((failed + 1))
		echo "not ok $cases - $name, seed $seed"
		diff "$work/native" "$work/inside" | head -n 8 | sed 's/^/# /'
	fi
}

# The tree that an upper layer keeps is the same in the runs after.
kept() {
	local seed=$1 again uid=
	[ -z "$me" ] || uid=$(id -u)
	rm -rf "$work/upper"
	same "upper layer" "$me" "$seed" "$work/tree" --upper "$work/upper"
	(cd / && "$work/fs_model" run "$native/tree" "$seed" 0 $uid) >"$work/native" 2>&1
	for again in next third; do
		cases=$((cases + 1))
		# shellcheck disable=SC2086
		(cd / && timeout 60 "$work/husk" run ${HUSK_FLAGS:-} --uid 0 --gid 0 --upper "$work/upper" -- \
			"$work/fs_model" run "$work/tree" "$seed" 0 $uid) >"$work/inside" 2>&1 </dev/null
		if [ "$(wc -l <"$work/native")" -gt 20 ] && cmp -s "$work/native" "$work/inside"; then
			echo "ok $cases - upper layer in the $again run, seed $seed"
		else
			failed=$((failed + 1))
			echo "not ok $cases - upper layer in the $again run, seed $seed"
			diff "$work/native" "$work/inside" | head -n 8 | sed 's/^/# /'
		fi
	done
}

# Four at once in one tree: what they leave is listed as it is, and its removal gives all room back.
at_once() {
	local seed=$1
	cases=$((cases + 1))
	unset MODEL_WITHOUT
	# shellcheck disable=SC2016,SC2086
	(cd / && timeout 100 "$work/husk" run ${HUSK_FLAGS:-} --uid 0 --gid 0 --tmpfs /mnt:200M -- sh -c '
		before=$(stat -f -c "%f %d" /mnt)
		mkdir -m 777 /mnt/tree && "$0" prepare /mnt/tree $1 || exit 1
		for i in 1 2 3 4; do
			"$0" run /mnt/tree $(($1 * 10 + i)) 2000 >/dev/null &
		done
		wait
		"$0" run /mnt/tree 0 0 | grep "^listed" && exit 1
		rm -rf /mnt/tree && [ "$before" = "$(stat -f -c "%f %d" /mnt)" ]
	' "$work/fs_model" "$seed") >"$work/inside" 2>&1 </dev/null
	if [ $? = 0 ] && [ ! -s "$work/inside" ]; then
		echo "ok $cases - four at once, seed $seed"
	else
		failed=$((failed + 1))
		echo "not ok $cases - four at once, seed $seed"
		head -n 8 "$work/inside" | sed 's/^/# /'
	fi
}

# mappings NAME SEED DIR WHICH [OPTION]...: of files in a tree as in same(). WHICH is "shared" or nothing.
mappings() {
	local name=$1 seed=$2 dir=$3 which=$4 some='mkdir -p "$0" && seq 6000 | head -c 30000 >"$0/a" && seq 2000 >"$0/b"'
	local prepare=$some
	shift 4
	cases=$((cases + 1))
	rm -rf "$native/maps" "$work/maps" "$work/kept"
	sh -c "$some" "$native/maps"
	case $dir in
	"$work"/*) sh -c "$some" "$dir" && prepare=: ;;
	esac
	# shellcheck disable=SC2086
	timeout 60 "$work/map_model" "$native/maps" "$seed" 3000 $which >"$work/native" 2>&1
	# shellcheck disable=SC2086
	timeout 100 "$work/husk" run ${HUSK_FLAGS:-} "$@" -- sh -c "$prepare
		exec $work/map_model $dir $seed 3000 $which" "$dir" >"$work/inside" 2>&1 </dev/null
	if [ "$(wc -l <"$work/native")" = 3000 ] && cmp -s "$work/native" "$work/inside"; then
		echo "ok $cases - mappings, $name, seed $seed: 3000 operations"
	else
		failed=$((failed + 1))
		echo "not ok $cases - mappings, $name, seed $seed"
		diff "$work/native" "$work/inside" | head -n 8 | sed 's/^/# /'
	fi
}

me=me
[ "$(id -u)" != 0 ] || me=
for seed in $seeds; do
	kept "$seed"
	same overlay "$me" "$seed" "$work/tree"
	same tmpfs "$me" "$seed" /tmp/tree
	at_once "$seed"
	mappings overlay "$seed" "$work/maps" shared
	mappings 'upper layer' "$seed" "$work/maps" shared --upper "$work/kept"
	mappings tmpfs "$seed" /tmp/maps ''
	mappings bind "$seed" "$work/maps" '' --bind "$work/maps"
	# Root inside has no more rights over a bind than husk has, which drops them.
	if [ "$(id -u)" = 0 ]; then
		same bind nobody "$seed" "$work/tree" --bind "$work/tree"
		same "overlay as nobody" nobody "$seed" "$work/tree"
	else
		same bind "$me" "$seed" "$work/tree" --bind "$work/tree"
	fi
done
echo "1..$cases"
[ $failed = 0 ]
