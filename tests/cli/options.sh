#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line as its description promises it: options, exit statuses, error sentences, reports. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# husk ARG...: output in out and err, status in $status.
husk() {
	limited 30 "$HUSK" "$@"
}

# run ARG...: husk run with the tests' own options first.
run() {
	# shellcheck disable=SC2086
	husk run ${HUSK_FLAGS:-} "$@"
}

# The caller's own.
[ "$(nice -n 3 timeout 30 "$HUSK" run -- nice 2>err)" = "$(nice -n 3 nice)" ]; check "the caller's niceness"
# Where the caller's own file stands.
run -- sh -c 'echo abcdef; head -n 1 /proc/self/fdinfo/1'
[ "$(tr '\t' ' ' <out)" = "$(printf 'abcdef\npos: 7')" ]; check "the offset of the caller's file"
# The caller's files opened anew by their names in /dev: a file, a pipe; and a socket, which cannot be.
for how in 'echo two >/dev/stdout' 'echo two >>/dev/stdout' 'exec 3>/dev/stdout; echo a >&3; echo b; echo c >&3' \
	'python3 -c "import os; f = os.open(\"/dev/stdout\", 1); print(os.lseek(f, 0, 2), os.lseek(f, 1, 0), os.write(f, b\"z\"), os.lseek(f, 0, 1), os.lseek(f, 3, 3))"'; do
	sh -c "echo one; $how; echo three" >want
	run -- sh -c "echo one; $how; echo three"
	cmp want out; check "to a file: $how"
done
timeout 30 "$HUSK" run -- sh -c 'echo one; echo two >/dev/stderr; cat /dev/stdin; echo three >>/dev/stdout; cat </dev/stdin' 2>&1 <want | cat >out
(echo one; echo two; cat want; echo three; cat want) | cmp - out; check 'to a pipe and from a file'
seq 3 | timeout 30 "$HUSK" run -- sh -c 'read a; cat /dev/stdin; echo $a >/dev/stdout' | cat >out
[ "$(tr '\n' ' ' <out)" = '2 3 1 ' ]; check 'from a pipe'
cat >sockets.py <<'END'
import socket, subprocess, sys
a, b = socket.socketpair()
a.sendall(b"to the guest\n")
a.shutdown(socket.SHUT_WR)
p = subprocess.run(sys.argv[1:], stdin=b, stdout=b, timeout=30)
b.close()
print(p.returncode, a.makefile().read(), end="")
END
limited 40 python3 sockets.py "$HUSK" run -- sh -c 'cat; echo from the guest; echo again >/dev/stdout'
[ "$(cat out)" = '2 to the guest
from the guest' ] && grep -q 'No such device or address' err; check 'to and from a socket'
# Too few descriptors are told of at the start; a limit of the guest's own on what it writes holds for what is husk's standard
# output, too, natively and inside.
(ulimit -n 100 && husk run -- true; exit "$status")
[ $? = 125 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'ulimit -n' err; check 'too few descriptors'
# shellcheck disable=SC2016
writes='ulimit -S -f 1; trap "" XFSZ; printf abc; head -c 2048 /dev/zero || echo "$?" >&2; ulimit -S -f 2; printf efg'
sh -c "$writes" >want 2>want.err
run -- sh -c "$writes"
cmp -s want out; check 'a limit on the size of the standard output'

# A CPU whose number is beyond those that the host's files tell of.
cpu=$(sed -n 's/^Cpus_allowed_list:.*[^0-9]//p' /proc/self/status)
if [ "$cpu" != 0 ] && echo 0 >online && unshare -rm mount --bind online /sys/devices/system/cpu/online 2>/dev/null; then
	# shellcheck disable=SC2016
	limited 30 unshare -rm sh -c 'mount --bind online /sys/devices/system/cpu/online && exec taskset -c "$1" "$0" run -- taskset -c "$1" grep Cpus_allowed_list /proc/self/status' "$HUSK" "$cpu"
	[ $status = 0 ] && [ "$(tr -dc 0-9 <out)" = "$cpu" ]
	check 'a CPU that the host does not tell of'
else
	n=$((n + 1))
	echo "ok $n - a CPU that the host does not tell of # SKIP one CPU, or no namespaces here"
fi

# What the command line itself says.
husk --version
[ $status = 0 ] && grep -qE '^husk [0-9]+\.[0-9]+' out; check 'version'
husk --help
[ $status = 0 ] && grep -q 'husk run' out; check 'help'
husk run --help
[ $status = 0 ] && grep -q -- '--strace\[=FILE\]' out && grep -q -- '-w, --chdir DIR' out; check 'help of run'
husk completion bash
[ $status = 0 ] && bash -n out && grep -q -- --time-limit out; check 'completion'

# wrong COMMAND-LINE...: 125 and one line `husk: what: why`.
wrong() {
	husk "$@"
	[ $status = 125 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] && grep -qE '^husk: [^:]+: .+' err
	check "wrong: husk $*"
}
wrong run --disk-limit 1 -- true
wrong
wrong nonsense
wrong run
wrong run --nonsense -- true
wrong run --uid
wrong run --uid ten -- true
wrong run --gid -1 -- true
wrong run --setenv =x -- true
wrong run --setenv X -- true
wrong run --unsetenv A=B -- true
wrong run --time-limit 0 -- true
wrong run --time-limit soon -- true
wrong run --clearenv=yes -- true
wrong run --tmpfs relative -- true
wrong run --hostname '' -- true
wrong run --trap magic -- true
wrong run --result /nonexistent/file -- true
wrong run --strace=/nonexistent/file -- true
wrong run --root /nonexistent -- true
wrong run -w /nonexistent -- true

# Exit statuses.
run -- true
[ $status = 0 ] && [ ! -s err ]; check 'status 0'
run -- sh -c 'exit 7'
[ $status = 7 ]; check 'status 7'
run -- sh -c 'kill -TERM $$'
[ $status = 143 ]; check 'killed by a signal'
run -- sh -c 'kill -SEGV $$'
[ $status = 139 ]; check 'killed by SIGSEGV'
run -- no-such-program
[ $status = 127 ] && grep -q '^husk: no-such-program: ' err; check 'not found'
run -- /no/such/program
[ $status = 127 ]; check 'not found by path'
run -- /etc/passwd
[ $status = 126 ] && [ "$(wc -l <err)" = 1 ]; check 'not executable'
run -- /etc
[ $status = 126 ]; check 'a directory'
run --time-limit 0.3 -- sleep 20
[ $status = 124 ]; check 'time limit'
run -- sh -c 'exit 124'
[ $status = 124 ]; check "the program's own 124"

# Options.
run -- echo -n --help -- x
[ "$(cat out)" = '--help -- x' ]; check "the program's own options"
run -e HUSK_A=1 --setenv=HUSK_B='two words' -- sh -c 'echo "$HUSK_A/$HUSK_B"'
[ "$(cat out)" = '1/two words' ]; check 'setenv'
HUSK_A=1 HUSK_B=2 run --unsetenv HUSK_A -- sh -c 'echo "${HUSK_A-none}/$HUSK_B"'
[ "$(cat out)" = 'none/2' ]; check 'unsetenv'
run --clearenv -e A=1 -- /usr/bin/env
[ "$(cat out)" = 'A=1' ]; check 'clearenv'
run -w /usr -- pwd
[ "$(cat out)" = /usr ]; check 'chdir'
run -- pwd
[ "$(cat out)" = "$dir" ]; check "the caller's directory"
run --uid 1234 --gid 5678 -- sh -c 'id -u; id -g'
[ "$(tr '\n' ' ' <out)" = '1234 5678 ' ]; check 'uid and gid'
run -- id -u
[ "$(cat out)" = "$(id -u)" ]; check "the caller's id"
run --hostname elsewhere -- uname -n
[ "$(cat out)" = elsewhere ]; check 'hostname'
run -- uname -n
[ "$(cat out)" = husk ]; check 'hostname unless given'
if [ "$(id -u)" = 0 ]; then
	run -- sh -c 'echo fresh >/proc/sys/kernel/hostname && uname -n; echo dom >/proc/sys/kernel/domainname; cat /proc/sys/kernel/*name; { echo x >/proc/sys/kernel/osrelease; } 2>/dev/null || echo refused'
	[ "$(tr '\n' ' ' <out)" = 'fresh dom fresh refused ' ]; check 'hostname by sysctl'
fi
run --uid 1000 --gid 1000 -- sh -c '{ echo x >/proc/sys/kernel/hostname; } 2>/dev/null || uname -n'
[ "$(cat out)" = husk ]; check 'hostname by sysctl, by a user'
run --tmpfs /opt -- sh -c 'echo x >/opt/f && cat /opt/f; ls -A /opt'
[ "$(tr '\n' ' ' <out)" = 'x f ' ] && [ ! -e /opt/f ]; check 'tmpfs'
run -- sh -c "echo x >/tmp/husk-cli.$$ && cat /tmp/husk-cli.$$"
[ "$(cat out)" = x ] && [ ! -e /tmp/husk-cli.$$ ]; check 'what the guest writes to /tmp is gone'
HUSK_TRAP=magic husk run -- true
[ $status = 125 ]; check 'HUSK_TRAP'
HUSK_TRAP=magic run --trap seccomp -- true
[ $status = 0 ]; check '--trap before HUSK_TRAP'

# Streams.
# shellcheck disable=SC2086
printf 'a\nb\n' | timeout 20 "$HUSK" run ${HUSK_FLAGS:-} -- sh -c 'cat; echo c >&2' >out 2>err
[ "$(tr '\n' ' ' <out)" = 'a b ' ] && [ "$(cat err)" = c ]; check 'standard streams'
# shellcheck disable=SC2086
timeout 20 "$HUSK" run ${HUSK_FLAGS:-} -- sh -c 'ls /proc/self/fd | wc -l; echo x >&2' >out 2>&- <&-
[ "$(sed 1q out)" -le 3 ]; check 'closed streams stay closed'

# Reports.
run --result r.json -- sh -c 'exit 3'
grep -q '"exit_code": 3,' r.json && grep -q '"signal": null,' r.json && grep -q '"reason": "exited"' r.json &&
	grep -qE '"calls": [1-9]' r.json && grep -qE '"wall_ns": [1-9]' r.json; check 'result: exited'
run --result r.json -- sh -c 'kill -KILL $$'
grep -q '"exit_code": 137,' r.json && grep -q '"signal": 9,' r.json && grep -q '"reason": "signaled"' r.json
check 'result: signaled'
run --result r.json --time-limit 0.2 -- sleep 9
grep -q '"exit_code": 124,' r.json && grep -q '"reason": "time_limit"' r.json; check 'result: time limit'
run --result r.json -- /no/such/program
grep -q '"exit_code": 127,' r.json && grep -q '"started": false' r.json; check 'result: not started'
run --stats -- cat /etc/passwd
grep -qE ' openat$' err && grep -q '^calls: ' err && cmp -s out /etc/passwd; check 'stats as text'
run --stats=s.json -- cat /etc/passwd
grep -q '"name": "openat"' s.json && grep -qE '"by_signal": [1-9]' s.json; check 'stats as JSON'
if command -v python3 >/dev/null; then
	python3 -c 'import json; json.load(open("s.json")); json.load(open("r.json"))' 2>err; check 'reports are JSON'
fi

# --strace.
for option in --strace --stats --result; do
	run $option=/dev/full -- true
	[ $status = 125 ] && grep -q "^husk: $option: .*No space left on device" err; check "$option: no room for it"
done
run --strace=t -- sh -c 'cat /etc/hostname /no/such; exit 2'
head -n 1 t | grep -qE '^\[pid +2\] execve\("/[^"]*/sh", \["sh", "-c", .*\], \[/\* [0-9]+ vars \*/\]\) = 0$'; check "strace: the first program"
grep -qE '^\[pid +[0-9]+\] execve\("/[^"]*/cat", \["cat", "/etc/hostname", "/no/such"\], 0x[0-9a-f]+ /\* [0-9]+ vars \*/\) += 0' t; check 'strace: execve'
grep -qE 'openat\(AT_FDCWD, "/no/such", O_RDONLY\) += -1 ENOENT \(No such file or directory\)$' t; check 'strace: an error'
grep -qE 'read\([0-9]+, "[^"]*", [0-9]+\) += [0-9]+$' t; check 'strace: what was read'
grep -qE '\+\+\+ exited with 2 \+\+\+$' t; check 'strace: the end'
grep -qE -- '--- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=[0-9]+, .*\} ---$' t; check 'strace: a signal'
run --strace=t -- printf 'a\tb\n\033[31mred\001'
! grep -q "$(printf '[\001-\010\013-\037]')" t && grep -qF 'write(1, "a\tb\n\33[31mred\1", 13)' t
check 'strace: no control bytes'
run --strace -- true
grep -q 'exit_group(0)' err; check 'strace on standard error'

# Signals go to the first process.
for signal in INT TERM HUP QUIT USR1 USR2; do
	# shellcheck disable=SC2086
	timeout 20 "$HUSK" run ${HUSK_FLAGS:-} -- sh -c "trap 'echo got; exit 9' $signal; echo ready; while :; do sleep 0.05; done" \
		>out 2>err </dev/null &
	pid=$!
	for _ in $(seq 200); do
		grep -q ready out && break
		sleep 0.02
	done
	pkill -"$signal" -P $pid -x husk
	wait $pid
	status=$?
	[ $status = 9 ] && grep -q got out; check "forwards SIG$signal"
done

# Standard output that takes nothing.
for words in --help --version 'run --help' check 'check --json' 'completion bash'; do
	# shellcheck disable=SC2086
	timeout 60 "$HUSK" $words 2>err >/dev/full
	status=$?
	: >out
	[ $status = 125 ] && [ "$(cat err)" = 'husk: standard output: No space left on device' ]
	check "husk $words to a full disk"
done
timeout 30 "$HUSK" --version >&- 2>err
status=$?
[ $status = 125 ] && grep -q '^husk: standard output: ' err; check 'husk --version to a closed output'

# Directories that the guest may not enter.
mkdir shut
chmod 700 shut
if [ "$(id -u)" = 0 ]; then
	as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
else
	as_nobody=()
	chmod 0 shut
fi
timeout 30 "${as_nobody[@]}" "$HUSK" run --root "$dir/shut" -- /bin/true >out 2>err
status=$?
[ $status = 125 ] && grep -q "^husk: run: cannot read $dir/shut: Permission denied" err; check 'a root that is shut'
timeout 30 "${as_nobody[@]}" "$HUSK" run --chdir "$dir/shut" -- /bin/true >out 2>err
status=$?
[ $status = 125 ] && grep -q "^husk: run: cannot enter $dir/shut: Permission denied" err; check 'a working directory that is shut'

finish
