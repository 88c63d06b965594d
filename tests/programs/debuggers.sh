#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's strace, gdb and ltrace, at work on other programs: they find inside what they find natively.
#
# What differs from run to run is left out: addresses, numbers of processes, the order in which processes take turns; and
# what the two kernels answer differently (rseq, of which husk says that there is none).
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
seconds=120

# The calls of a trace and how they ended: name, and result where it is no address or number of a process. Loaders ask for
# what is natively another machine's.
calls='
calls() {
	cat "$@" | sed -E "s/^[0-9]+ +//; s/^[0-9:.]+ //" |
	grep -vE "unfinished|resumed|^(---|\+\+\+)|^(futex|rseq|brk|mmap|munmap|mprotect|wait4|rt_sigreturn|restart_syscall|madvise|sched_yield)\(" |
	sed -E "s/^([a-z0-9_]+)\(.*\) += (-?[0-9]+|\?|0x[0-9a-f]+)( [A-Z]+)?.*/\1 \2\3/" |
	sed -E "s/^((clone|clone3|fork|vfork|getpid|getppid|gettid|set_tid_address|getpgrp|getpgid|wait4|tgkill|getrandom|read|pread64|lseek|newfstatat|getdents64|sysinfo|ioctl|readlink)) .*/\1/" |
	sort | uniq -c
}
'

program='cat >p.c <<END
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int glob;
volatile int go;
static pthread_barrier_t both;
int add(int a, int b)
{
	int s = a + b;
	glob += s;
	return s;
}
static void *work(void *arg)
{
	pthread_barrier_wait(&both);
	add((int)(long)arg, 1);
	pthread_barrier_wait(&both);
	return NULL;
}
static void threads(void)
{
	pthread_t t[2];
	pthread_barrier_init(&both, NULL, 2);
	pthread_create(&t[0], NULL, work, (void *)1L);
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both);
	pthread_join(t[0], NULL);
}
static void *parks(void *arg)
{
	for (;;)
		pause();
}
static void forks(void)
{
	pid_t pid = fork();
	if (!pid) {
		add(3, 4);
		execl("/bin/true", "true", NULL);
	}
	waitpid(pid, NULL, 0);
}
int main(int argc, char **argv)
{
	int total = 0;
	if (argc > 1 && !strcmp(argv[1], "crash"))
		*(volatile int *)8 = 1;
	if (argc > 1 && !strcmp(argv[1], "threads"))
		threads();
	if (argc > 1 && !strcmp(argv[1], "fork"))
		forks();
	if (argc > 1 && !strcmp(argv[1], "only-fork")) {
		forks();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "park")) {
		pthread_t t[2];
		pthread_create(&t[0], NULL, parks, NULL);
		pthread_create(&t[1], NULL, parks, NULL);
		parks(NULL);
	}
	if (argc > 1 && !strcmp(argv[1], "wait"))
		while (!go)
			usleep(1000);
	for (int i = 0; i < 5; i++)
		total += add(i, 2);
	printf("%d %d\n", total, glob);
	return total;
}
END
gcc -g -O0 -o p p.c -pthread || exit 1
'

# gdb NAME COMMAND... -- ARGUMENTS: what it prints, without addresses, numbers of threads and lines of libraries.
gdb_on() {
	local name=$1 arguments=$2 script=$3

	compare "gdb: $name" "$program
cat >s.gdb <<'END'
set confirm off
set width 0
set debuginfod enabled off
set startup-with-shell off
$script
END
gdb -nx -q -batch -x s.gdb --args ./p $arguments 2>&1 |
	grep -vE 'libthread_db|^warning|debuginfod|sysdeps|No such file|LWP|^$' |
	sed -E 's/^#[0-9]+ +//; s/0x[0-9a-f]+/ADDR/g; s/process [0-9]+/process N/g'"
}

if need strace; then
for what in 'true' 'bash -c "echo a | cat; (exit 3); echo \$?"' 'cat /etc/hostname /nonexistent'; do
	compare "strace -f -tt: $what" "$calls
unset PWD OLDPWD; strace -f -ff -tt -o trace $what >/dev/null 2>&1; echo status \$?; calls trace.*"
done
need python3 &&
	compare 'strace -f -tt: python3 with a child and threads' "$calls
cat >p.py <<'END'
import subprocess, threading
subprocess.run(['true'])
t = [threading.Thread(target=lambda: None) for _ in range(3)]
for x in t: x.start()
for x in t: x.join()
END
strace -f -ff -tt -e trace=execve,openat,exit_group,vfork -o trace python3 -I -S p.py; echo status \$?; calls trace.*"
compare 'strace -f: a threaded program' "$calls$program
strace -f -ff -tt -o trace ./p threads; echo status \$?; calls trace.*; cat trace.* | grep -c exited"
compare 'strace -c' 'strace -c -o count -e trace=openat,close,execve true; echo $?; awk "/openat|close|execve/ { print \$4, \$NF }" count | sort'
compare 'strace of strace' 'strace -o outer strace -f -o inner bash -c "echo hi | cat"; echo $?; grep -c "^ptrace(PTRACE_GET_SYSCALL_INFO" outer >/dev/null && echo traced; grep -c "execve(" inner'
compare 'strace -p' 'cat >/dev/null <"$0" 2>/dev/null
sleep 100 & p=$!
strace -o trace -p $p 2>/dev/null & s=$!
until grep -q "^TracerPid:.*[1-9]" /proc/$p/status; do :; done
{ kill $p; wait $p; } 2>/dev/null; echo $?; wait $s; tail -n 1 trace'
compare 'strace -f -p of threads' "$program"'
./p park & p=$!
strace -f -o trace -e trace=none -p $p 2>/dev/null & s=$!
until [ "$(cat /proc/$p/task/*/status | grep -c "^TracerPid:.*[1-9]")" = 3 ]; do :; done
{ kill -USR1 $p; wait $p; } 2>/dev/null; echo $?; wait $s; echo $?
sed -E "s/^[0-9]+ +//; s/si_(pid|uid)=[0-9]+/N/g" trace | sort'
compare 'strace --seccomp-bpf' "$calls"'
strace -f -ff --seccomp-bpf -e trace=execve,openat -o trace sh -c "cat /etc/hostname; true" >/dev/null; echo $?; calls trace.*'
compare 'strace -D, and signals' 'strace -D -o trace -e trace=exit_group sh -c "trap : USR1; kill -USR1 \$\$; exit 5"; echo $?
until grep -q exited trace; do :; done; sed -E "s/si_(pid|uid)=[0-9]+/N/g" trace'
compare 'strace: what is injected' 'strace -o trace -e inject=getcwd:error=ENOENT pwd; echo $?
strace -f -o trace -e inject=write:retval=3:when=1 sh -c "echo a; echo b"; echo $?'
fi

if need gdb gcc; then
gdb_on 'break, backtrace, arguments' '' 'break add
run
backtrace
info args
delete
continue'
gdb_on 'step, next, finish' '' 'break main
run
next
next
tbreak add
continue
next
step
finish
p glob
p total
delete
continue'
gdb_on 'single instructions over calls' '' 'break puts
break printf
run
set $i = 0
while $i < 400
stepi
set $i = $i + 1
end
delete
continue'
gdb_on 'software watchpoint' '' 'set can-use-hw-watchpoints 0
break add
run
watch glob
continue
continue
delete
continue'
gdb_on 'hardware watchpoint and breakpoint' '' 'break add
run
watch glob
continue
continue
hbreak printf
delete 1 2
continue
delete
continue'
gdb_on 'catch syscall' '' 'catch syscall write
run
backtrace -1
continue
delete
continue'
gdb_on 'threads' 'threads' 'break add
run
p a
thread apply all backtrace -1
delete
continue'
gdb_on 'a crash' 'crash' 'run
backtrace
p $_siginfo.si_signo
p $_siginfo._sifields._sigfault.si_addr
kill'
gdb_on 'the parent, a call that returns early' 'fork' 'handle SIGCHLD stop print nopass
break add
run
signal 0
finish
tbreak add
continue
return 50
next
p total
delete
continue'
gdb_on 'the child, and what it executes' 'only-fork' 'set follow-fork-mode child
break add
catch fork
catch exec
run
continue
backtrace
continue
p $_siginfo.si_signo
info breakpoints
kill'
gdb_on 'backwards' '' 'break add
run
record
next
next
p glob
reverse-step
reverse-step
p glob
record stop
delete
continue'
gdb_on 'changes' '' 'break add if a == 3
run
set var b = 40
p add(100, 1)
p $rip != 0
p/x $mxcsr
delete
continue'
compare 'gdb: attach, detach' "$program
./p wait & p=\$!
until grep -q clock_nanosleep /proc/\$p/wchan 2>/dev/null || grep -q 'S (sleeping)' /proc/\$p/status; do :; done
gdb -nx -q -batch -ex 'p glob' -ex 'set var go = 1' -ex detach -p \$p 2>&1 | grep '^\\$'
wait \$p; echo \$?"
need gcore &&
	compare 'gdb: gcore, and the core' "$program
./p wait & p=\$!
until grep -q 'S (sleeping)' /proc/\$p/status; do :; done
gcore -o core \$p >/dev/null 2>&1; echo \$?
gdb -nx -q -batch -ex 'p go' -ex 'p glob' -ex 'frame function main' ./p core.\$p 2>/dev/null | grep '^\\$'
{ kill \$p; wait \$p; } 2>/dev/null; echo \$?"
# What the kernel writes: only where it is a file named core, natively too.
[ "$(cat /proc/sys/kernel/core_pattern)" = core ] && [ "$(ulimit -Hc)" = unlimited ] &&
	compare 'gdb: the core of a crash' "$program
ulimit -c unlimited
{ ./p crash; } 2>/dev/null; echo \$?
gdb -nx -q -batch -ex backtrace -ex 'p argc' -ex 'p glob' -ex 'p \$_siginfo.si_signo' -ex 'p \$_siginfo._sifields._sigfault.si_addr' ./p core 2>/dev/null |
	grep -E '^([#\$]|Program|Core)' | sed -E 's/0x[0-9a-f]{5,}/ADDR/g'
ulimit -c 0; rm core; { ./p crash; } 2>/dev/null; echo \$?; ls core 2>&1"
fi

if need ltrace gcc; then
	compare 'ltrace' "$program
ltrace -o trace -e printf ./p; echo \$?; grep -o 'printf(.*) *= [0-9]*' trace | tr -s ' '"
	compare 'ltrace -S -f' "$program
ltrace -S -f -o trace ./p fork; echo \$?; grep -c SYS_exit_group trace; grep -c 'waitpid(' trace"
fi

# rr wants the processor's counters, which no guest has: it says so, whatever processor it takes this one for.
if need rr; then
	name='rr is refused'
	cases=$((cases + 1))
	husk_run "rr -A 'Intel Skylake' record true" got
	# shellcheck disable=SC2154 # lib.sh's
	if [ "$lib_status" != 0 ] && grep -q "Permission denied to use 'perf_event_open'" "$lib_out/got.err"; then
		echo "ok $cases - $name"
	else
		failed=$((failed + 1))
		echo "not ok $cases - $name # status $lib_status"
	fi
fi
finish
