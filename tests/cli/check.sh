#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# husk check: what it says agrees with what then happens; the table and the JSON say the same. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
REFUSE=$TOOLS/refuse
LISTENER=$TOOLS/outer_listener
unset HUSK_TRAP COLUMNS NO_COLOR
export LC_ALL=C.UTF-8

# run COMMAND...: output in out and err, status in $status.
run() {
	limited 60 "$@"
}

# The row of the table that begins with this title, and its value.
value_of() {
	grep -E "^  [^ ]+  $1  " "${2:-out}" | head -n 1 | sed -E "s/^  [^ ]+  $1 +//" | sed -E 's/  .*//'
}

run "$HUSK" check
[ $status = 0 ] && [ ! -s err ] && grep -q '^husk can run here' out; check 'says that husk can run'
! grep -q "$(printf '\033')" out; check 'no colour but on a terminal'
! grep -nE ' $' out; check 'no blanks at the ends of lines'
[ "$(wc -L <out)" -le 100 ]; check 'no line longer than a hundred columns'
for t in seccomp dispatch ptrace; do
	said=$(value_of $t)
	if timeout 20 "$HUSK" run --trap $t -- true >/dev/null 2>&1 </dev/null; then
		[ "$said" = taken ] || [ "$said" = works ]; check "$t works, and check says so"
	else
		[ "$said" = no ]; check "$t does not work, and check says so"
	fi
done
taken=$(sed -nE 's/^  [^ ]+  ([a-z]+) +taken .*/\1/p' out)
run "$HUSK" run --stats -- true
grep -qx "trap: $taken" err; check "auto takes the one that is said to be taken ($taken)"

run "$HUSK" check --json
cp out check.json
[ $status = 0 ] && grep -q '"works": true' out && grep -q "\"trap\": \"$taken\"" out; check 'JSON'
if command -v python3 >/dev/null; then
	python3 - >err 2>&1 <<'END'
import json, os
c = json.load(open("check.json"))
probes = {p["name"]: p for p in c["probes"]}
assert sum(t["taken"] for t in c["traps"]) == 1
assert all(set(p) >= {"name", "group", "verdict", "why", "follows"} for p in c["probes"])
assert all(p["verdict"] in ("yes", "no", "wrong", "died") and p["why"] for p in c["probes"])
assert probes["cpus"]["number"] <= len(os.sched_getaffinity(0))
assert c["uid"] == os.geteuid() and c["host"] == os.uname().release
assert {l["name"] for l in c["containment"]} >= {"clone_gate", "no_new_privs", "landlock", "filter"}
END
	check 'JSON holds what it must'
fi

LC_ALL=C run "$HUSK" check
[ $status = 0 ] && ! LC_ALL=C grep -qP '[^\x00-\x7f]' out; check 'plain ASCII where the locale is'
COLUMNS=60 run "$HUSK" check
[ $status = 0 ] && [ "$(wc -L <out)" -le 80 ]; check 'narrow'
run taskset -c "$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')" "$HUSK" check --json
grep -A4 '"name": "cpus"' out | grep -q '"number": 1'; check 'one processor is counted as one'

# A cgroup with half a processor, by version 2 or 1 of the interface.
group=
for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/cpu; do
	# Where it is no cgroup's directory, a plain one would be made.
	[ -z "$group" ] && [ -e "$root/cgroup.procs" ] && mkdir "$root/husk-check.$$" 2>/dev/null || continue
	group=$root/husk-check.$$
	echo '50000 100000' 2>/dev/null >"$group/cpu.max" || echo 50000 2>/dev/null >"$group/cpu.cfs_quota_us" && break
	rmdir "$group"
	group=
done
if [ -n "$group" ]; then
	# shellcheck disable=SC2016
	run sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$HUSK" check --json
	grep -A8 '"name": "cpus"' out >probe
	grep -q '"number": 1' probe && grep -q 'quota allows 0.50' probe; check 'half a processor is counted as such'
	for _ in $(seq 100); do
		rmdir "$group" 2>/dev/null && break
		sleep 0.05
	done
else
	n=$((n + 1))
	echo "ok $n - half a processor is counted as such # SKIP no cgroup can be made here"
fi

HUSK_TRAP=magic run "$HUSK" check
[ $status = 125 ] && grep -q '^husk: HUSK_TRAP: ' err; check 'a wrong HUSK_TRAP'
run "$HUSK" check --nonsense
[ $status = 125 ]; check 'a wrong option'
run "$HUSK" check extra
[ $status = 125 ]; check 'a word too many'
run "$HUSK" check --help
[ $status = 0 ] && grep -q -- --json out; check 'help'

# Where the host refuses: the probe of that name says no, with the reason; nothing crashes or hangs.
if [ -x "$REFUSE" ] && "$REFUSE" mseal true 2>/dev/null; then
	# refused MECHANISM PROBE
	refused() {
		run "$REFUSE" -e ENOSYS "$1" "$HUSK" check --json
		sed -n '/"probes"/,$p' out | grep -A8 "\"name\": \"$2\"" >probe
		[ $status -le 1 ] && grep -m 1 '"verdict"' probe | grep -q '"no"' &&
			grep -m 1 '"why"' probe | grep -q 'not implemented'
		check "$1 refused: $2 is no"
	}
	refused seccomp seccomp_filter
	refused seccomp trap_delivery
	refused listener user_notification
	refused dispatch user_dispatch
	refused ptrace ptrace
	refused ptrace ptrace_sysemu
	refused sysemu ptrace_sysemu
	refused process-vm process_vm_readv
	refused memfd memfd
	refused memfd-exec memfd_exec
	refused execveat memfd_exec
	refused mseal mseal
	refused landlock landlock
	refused userns user_namespaces
	refused no-new-privs no_new_privs
	run "$REFUSE" seccomp,ptrace,dispatch,memfd "$HUSK" check
	[ $status = 1 ] && grep -q '^husk cannot run here' out && [ "$(value_of seccomp)" = no ]; check 'nothing works: 1, and says so'
	run "$REFUSE" seccomp,ptrace,dispatch,memfd "$HUSK" check --json
	[ $status = 1 ] && grep -q '"works": false' out && grep -q '"trap": null' out; check 'nothing works: JSON'
	run "$REFUSE" listener "$HUSK" check
	[ $status = 0 ] && [ "$(value_of 'clone gate')" = off ]; check 'a refused listener: the gate is off'
fi

if "$LISTENER" true >/dev/null 2>&1; then
	run "$LISTENER" "$HUSK" check
	[ $status = 0 ] && [ "$(value_of 'clone gate')" = off ] && [ "$(value_of 'notification listener')" = no ] &&
		tr -s ' \n' ' ' <out | grep -q 'a supervisor around husk has the only one'
	check 'somebody else listens: the gate is off, and why'
fi

# The listing is the program: as many lines as instructions, and each jump to one that is there.
limited 20 "$HUSK" check --filter
size=$(sed -nE 's/.*: ([0-9]+) instructions\.$/\1/p' out)
grep -E '^ +[0-9]+  [a-zA-Z]' out >lines
[ $status = 0 ] && [ "$size" -gt 100 ] && [ "$(wc -l <lines)" = "$size" ] && ! grep -q '?' out &&
	grep -oE '(goto|else) [0-9]+' lines | awk -v n="$size" '$2 >= n { bad = 1 } END { exit bad || NR < 100 }'
check 'the filter: each line an instruction'
grep -q '^futex, from stub+0x' out && grep -q 'return USER_NOTIF$' out && tail -n 1 lines | grep -q 'return TRAP(0)$'
check 'the filter: names, and an end that traps'
HUSK_NO_GATE=1 limited 20 "$HUSK" check --filter
[ $status = 0 ] && ! grep -q USER_NOTIF out; check 'the filter without a gate'

# A probe's children are gone afterwards: whoever has the mark in its environment was started here.
run env "HUSK_CHECK_MARK=$$" "$HUSK" check
! grep -qaz "^HUSK_CHECK_MARK=$$\$" /proc/[0-9]*/environ 2>/dev/null; check 'no process is left'

finish
