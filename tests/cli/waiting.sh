#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where the host lets husk's processes run: on one CPU while guests fork all the time, and anywhere when they have stopped,
# threads that were made meanwhile, too. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
status=0

# Forks until a line comes, makes a thread at once that computes, and waits for another line.
cat >storm.py <<'E2'
import os, select, sys, threading
forked = 0
while not select.select([0], [], [], 0)[0]:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    forked += 1
    if forked == 20:
        print("storm", flush=True)
os.read(0, 1)
end = []
def compute():
    while not end:
        pass
thread = threading.Thread(target=compute)
thread.start()
print("over", flush=True)
os.read(0, 1)
end.append(True)
thread.join()
E2

# places PID...: the CPUs that each thread of these processes may use, leaving out those that a tracer has stopped: they
# are told when they go on.
places() {
	local pid
	for pid; do
		cat "/proc/$pid/task/"*/status 2>/dev/null |
			awk '$1 == "State:" { stopped = $2 == "t" } $1 == "Cpus_allowed_list:" && !stopped { print $2 }'
	done
}

# Whether COMMAND holds within twenty seconds.
soon() {
	local end=$((SECONDS + 20))
	until "$@"; do
		[ $SECONDS -lt $end ] && kill -0 "$pid" 2>/dev/null || return 1
	done
}

found() {
	husk=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
	husk=${husk%% *}
	[ -n "$husk" ]
}

# shellcheck disable=SC2046 # process numbers
on_one() { [ "$(places "$husk" $(cat "/proc/$husk/task/$husk/children") | grep -cx '[0-9]*')" -gt "$1" ]; }
# shellcheck disable=SC2046
anywhere() { [ "$(places "$husk" $(cat "/proc/$husk/task/$husk/children") | sort -u)" = "$all" ]; }

all=$(places self | head -n 1)
case $all in
*[-,]*) ;;
*) echo "1..0 # SKIP there is one CPU"; exit 77 ;;
esac

for trap in seccomp dispatch ptrace; do
	coproc { exec timeout 60 "$HUSK" run --trap $trap -- python3 "$dir/storm.py" 2>err; }
	out=${COPROC[0]} in=${COPROC[1]} pid=$COPROC_PID
	: >out
	soon found || { echo "# $trap does not work here"; wait "$pid"; continue; }
	read -r -u "$out" line
	[ $trap = ptrace ] && threads=0 || threads=1 # only one at a time is not stopped
	soon on_one $threads; check "$trap: who forks is on one CPU with the kernel"
	echo >&"$in"
	read -r -u "$out" line
	[ "$line" = over ]; check "$trap: it has stopped, and has a thread"
	soon anywhere; check "$trap: all may run anywhere again"
	echo >&"$in"
	wait "$pid"; status=$?
	[ $status = 0 ]; check "$trap: it has ended well"
done
finish
