#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# husk run --seccomp and --bpf-jit: a profile is the program's first filter, whoever runs the filters. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

cat >profile.json <<'END'
{"defaultAction": "SCMP_ACT_ALLOW",
 "syscalls": [
  {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
  {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 3, "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]},
  {"names": ["chroot"], "action": "SCMP_ACT_KILL_PROCESS"}]}
END
run() {
	limited 60 "$HUSK" run ${HUSK_FLAGS:-} "$@"
}
run --seccomp profile.json -- true
if grep -q libseccomp2 err; then
	echo "1..0 # SKIP no libseccomp"
	exit 77
fi
[ $status = 0 ] && [ ! -s err ]; check 'a program runs under a profile'
for jit in auto on off; do
	run --bpf-jit $jit --seccomp profile.json -- sh -c 'mkdir /tmp/x; echo $?; trap "echo caught" USR1; kill -USR1 $$; kill -0 $$; echo $?'
	if [ $jit = on ] && grep -q 'no executable memory' err; then
		n=$((n + 1))
		echo "ok $n - --bpf-jit on # SKIP no executable memory here"
		continue
	fi
	[ $status = 0 ] && [ "$(tr '\n' ' ' <out)" = '1 0 ' ] && grep -q 'Read-only file system' err
	check "by number and by argument, --bpf-jit $jit"
done
run --seccomp profile.json -- sh -c 'grep Seccomp /proc/self/status; sh -c "exec grep Seccomp: /proc/self/status"'
[ $status = 0 ] && [ "$(grep -c '^Seccomp:.2$' out)" = 2 ] && grep -q '^Seccomp_filters:.1$' out
check 'it is there after fork and exec'
run --uid 0 --seccomp profile.json -- chroot / true
[ $status = 159 ]; check 'KILL_PROCESS ends the program with SIGSYS'
cat >logs.json <<'END'
{"defaultAction": "SCMP_ACT_ALLOW",
 "syscalls": [
  {"names": ["sync"], "action": "SCMP_ACT_LOG"},
  {"names": ["chroot"], "action": "SCMP_ACT_KILL_PROCESS"},
  {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}]}
END
run --uid 0 --seccomp logs.json -- sh -c 'sync; mkdir /tmp/x; chroot / true; dmesg; dmesg -C; cd /proc/sys/kernel/seccomp
	echo log >actions_logged; cat actions_logged; chroot / true; sync; dmesg; dmesg -C; echo kill_process trap >actions_logged
	cat actions_logged; sync; dmesg'
sed 's/.*uid=0 gid=0 ses=.* pid=[0-9]* comm=\("[a-z]*"\) exe=.* \(sig=.*\) ip=0x[0-9a-f]* /\1 \2 /' out >lines
cat >wanted <<'END'
"sync" sig=0 arch=c000003e syscall=162 compat=0 code=0x7ffc0000
"chroot" sig=31 arch=c000003e syscall=161 compat=0 code=0x80000000
log
"sync" sig=0 arch=c000003e syscall=162 compat=0 code=0x7ffc0000
kill_process trap
END
[ $status = 0 ] && cmp -s lines wanted; check 'LOG and kills reach the log, as actions_logged says'
run --uid 0 --ro-bind "$BUILD/tests/guest:/mnt" -- sh -c '/mnt/task_seccomp log && dmesg'
sed 's/.* \(sig=.*\) ip=0x[0-9a-f]* /\1 /' out >lines
cat >wanted <<'END'
sig=0 arch=c000003e syscall=111 compat=0 code=0x50000
sig=0 arch=c000003e syscall=124 compat=0 code=0x7fc00000
END
[ $status = 0 ] && cmp -s lines wanted; check 'other verdicts do where the filter asks for it'
run --seccomp missing.json -- true
[ $status = 125 ] && [ "$(wc -l <err)" = 1 ]; check 'a profile that is not there'
run --bpf-jit maybe -- true
[ $status = 125 ] && grep -q 'auto, on or off' err; check 'no such way'

# Calls that the stub answers itself stay with it under filters that always allow them, and only under those; and with user
# dispatch on ALLOW.
mkdir bin
cp "$TOOLS/short_calls" bin/
short_of() {
	run --stats=stats.json -- "$dir/bin/short_calls" "$1" "$2"
	short=$(sed -n 's/.*"stub_calls": *\([0-9]*\).*/\1/p' stats.json)
}
# By number: read, fstat, lseek, rt_sigprocmask, pread64, sched_yield, getpid, gettimeofday, getuid, getgid, geteuid, getegid,
# getppid, gettid, time, futex, clock_gettime, getcpu.
shorts=
for nr in 0 5 8 14 17 24 39 96 102 104 107 108 110 186 201 202 228 309; do
	short_of $nr none
	[ $status = 0 ] || check "call $nr without a filter"
	[ "${short:-0}" -ge 400 ] || continue
	shorts="$shorts $nr"
	short_of $nr allow
	[ $status = 0 ] && [ "$short" -ge 400 ]; check "call $nr stays short with user dispatch on ALLOW"
	short_of $nr other
	[ $status = 0 ] && [ "$short" -ge 400 ]; check "call $nr stays short under a filter of other calls"
	bad=
	for kind in args ip log errno; do
		short_of $nr $kind
		[ $status = 0 ] && [ "$short" -lt 100 ] || bad="$bad $kind:$status:$short"
	done
	[ -z "$bad" ]; check "call $nr is seen by filters that look at it$bad"
done
case " $shorts " in
*' 202 '*) true ;;
*) [ "${HUSK_TRAP:-}" = ptrace ] ;;
esac
check "some calls are short:$shorts"
finish
