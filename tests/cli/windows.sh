#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Guest processes as the host sees them: the stub's code and the kernel page are sealed where the host seals. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
status=0

# sealed PID ADDRESS: whether the mapping that begins there is, by the host's smaps.
sealed() {
	awk -v at="^$2-" '/^[0-9a-f]+-[0-9a-f]+ / { here = $0 ~ at } here && /^VmFlags:/ && / sl( |$)/ { found = 1 }
		END { exit !found }' "/proc/$1/smaps"
}

for trap in seccomp dispatch; do
	coproc { exec timeout 30 "$HUSK" run --trap $trap -- sh -c 'echo ready; read -r _'; }
	in=${COPROC[1]} pid=$COPROC_PID
	read -r -u "${COPROC[0]}" _ || { echo "# $trap does not work here"; wait "$pid"; continue; }
	: >out 2>err
	husk=$(cat "/proc/$pid/task/$pid/children")
	guests=$(cat "/proc/${husk%% *}/task/${husk%% *}/children")
	[ -n "$guests" ]; check "$trap: there are guest processes"
	for guest in $guests; do
		if ! sealed "$guest" 7fff08000000; then
			echo "# this host does not seal"
			continue
		fi
		sealed "$guest" 7fff00000000; check "$trap: the stub's code is sealed"
		grep -E -A22 '^7fff000' "/proc/$guest/smaps" >out
		! grep -qE '^7fff000[0-9a-f]+-[0-9a-f]+ .w' out; check "$trap: none of it can be written"
	done
	echo >&"$in"
	wait "$pid"
done
finish
