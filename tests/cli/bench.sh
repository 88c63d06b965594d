#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# husk bench: every workload runs natively and in every trap that works, what is counted is what must be counted, and
# the reports hold together. No figure of time is judged. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
REFUSE=$TOOLS/refuse
unset HUSK_TRAP COLUMNS NO_COLOR
export LC_ALL=C.UTF-8

# run COMMAND...: output in out and err, status in $status.
run() {
	limited 240 "$@"
}

run "$HUSK" bench --rounds 1 --json=all.json
[ $status = 0 ] && [ ! -s err ]; check 'all workloads in all traps'
! grep -q "$(printf '\033')" out; check 'no colour but on a terminal'
! grep -nE ' $' out; check 'no blanks at the ends of lines'
for name in 'null call' 'null call by signal' 'stack growth' 'first touch' 'copy on write' 'fork\+exit\+wait' 'vfork\+exec\+wait' \
	'signal to self' 'pipe ping-pong' 'open\+close' 'shell: 3 forks, 2 execs'; do
	[ "$(grep -cE "^  $name  .*[0-9]" out)" = 2 ]; check "a row of times and one of counts: $name"
done

if command -v python3 >/dev/null; then
	# The prices that the design promises, counted: a call and a fault that the kernel resolves are one turn each, and
	# with the stub two context switches; what the host can do alone takes none.
	python3 - >err 2>&1 <<'END'
import json
b = json.load(open("all.json"))
rows = {w["name"]: w for w in b["workloads"]}
traps = [k for k in b["workloads"][0] if k not in ("name", "native")]
assert traps, "no trap"
for name, row in rows.items():
    for variant in ["native"] + traps:
        assert row[variant]["ns"] > 0, (name, variant)
        assert "guest_switches" in row[variant], (name, variant)
def near(a, b): return abs(a - b) <= 0.1
for t in traps:
    assert near(rows["null call"][t]["turns"], 1), (t, rows["null call"])
    assert near(rows["stack growth"][t]["turns"], 1), (t, rows["stack growth"])
    for name in ("first touch", "page of a file"):
        assert rows[name][t]["turns"] < 0.1, (t, rows[name])
for t in set(traps) & {"seccomp", "dispatch"}:
    # One way or another: a site may be patched.
    assert near(rows["null call"][t]["by_signal"] + rows["null call"][t]["by_patch"], 1), (t, rows["null call"])
    r = rows["null call by signal"][t]
    assert near(r["turns"], 1) and near(r["by_signal"], 1), (t, r)
    assert near(rows["private futex wake"][t]["in_stub"], 1), (t, rows["private futex wake"])
    for name in ("null call", "stack growth"):
        r = rows[name][t]
        # The machine may take its processor away now and then, which counts, too.
        assert 1.9 <= r["kernel_switches"] + r["guest_switches"] < 2.5, (t, r)
    assert near(rows["call with dispatch on ALLOW"][t]["turns"], 1), (t, rows["call with dispatch on ALLOW"])
    for name in ("call with a known result", "clock_gettime", "known result with dispatch on ALLOW"):
        assert rows[name][t]["turns"] < 0.1 and near(rows[name][t]["in_stub"], 1), (t, name, rows[name])
    assert rows["private futex wake"][t]["turns"] < 0.1, (t, rows["private futex wake"])
END
	check 'what is counted'
fi

run "$HUSK" bench --rounds 2 --json 'null call' stat
[ $status = 0 ] && grep -q '"rounds": 2,' out && [ "$(grep -c '"name"' out)" = 2 ]; check 'two workloads as JSON'
run "$HUSK" bench --rounds 1 --no-counts --trap seccomp stat
[ $status = 0 ] && grep -q ' seccomp$' out && ! grep -q dispatch out && ! grep -q switches out; check 'one trap, no counts'
LC_ALL=C run "$HUSK" bench --rounds 1 --no-counts stat
[ $status = 0 ] && ! LC_ALL=C grep -qP '[^\x00-\x7f]' out; check 'plain ASCII where the locale is'
run "$HUSK" bench --rounds 1 --no-counts --pin stat
[ $status = 0 ] && grep -q ', 1 processor;' out; check 'pinned'
run "$HUSK" bench --help
[ $status = 0 ] && grep -q "'stack growth'" out; check 'help'
for words in --nonsense '--rounds 0' '--rounds x' '--trap magic' 'nonsense' '--json=/nonexistent/file'; do
	# shellcheck disable=SC2086
	run "$HUSK" bench $words
	[ $status = 125 ] && grep -qE '^husk: [^:]+: .+' err; check "wrong: husk bench $words"
done
if [ -x "$REFUSE" ] && "$REFUSE" mseal true 2>/dev/null; then
	run "$REFUSE" memfd,ptrace "$HUSK" bench stat
	[ $status = 125 ] && grep -q 'no trap works here' err && [ ! -s out ]; check 'no trap works: says so'
fi

# Whoever is killed in the middle leaves nothing.
env "HUSK_BENCH_MARK=$$" "$HUSK" bench >out 2>err </dev/null &
pid=$!
for _ in $(seq 200); do
	[ "$(grep -lazs "^HUSK_BENCH_MARK=$$\$" /proc/[0-9]*/environ | wc -l)" -gt 3 ] && break
	sleep 0.02
done
exec 3>&2 2>/dev/null
kill -KILL $pid
wait $pid
exec 2>&3
for _ in $(seq 200); do
	left=$(grep -lazs "^HUSK_BENCH_MARK=$$\$" /proc/[0-9]*/environ | wc -l)
	[ "$left" = 0 ] && break
	sleep 0.02
done
[ "$left" = 0 ]; check 'SIGKILL in the middle leaves no process'

finish
