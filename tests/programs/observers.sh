#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs that look at the system: processes, memory, mounts, devices. What they tell of the machine is other inside than
# natively, so numbers are taken out; what they tell of the case's own processes and files is the same.
. "$(dirname "$0")/lib.sh"

# Numbers and their padding away.
plain='sed -E "s/[0-9]+([.,:][0-9]+)*/ N/g; s/ +/ /g; s/^ //"'
child='sleep 1000 & p=$!; while [ "$(cat /proc/$p/comm)" != sleep ]; do :; done; '

# shellcheck disable=SC2016
if need ps; then
compare 'ps: what there is to show' "$child"'ps -o stat=,comm=,args=,nlwp=,ni=,cls=,tty=,user=,group=,rtprio=,wchan= -p $p | cut -d" " -f1-40; ps -o pid= -p $p | tr -d " " | grep -c "^$p$"; ps -o ppid= -p $p | tr -d " " | grep -c "^$$\$"; ps -o vsz=,rss=,sz= -p $p | grep -cE "^ *[1-9][0-9]* +[1-9][0-9]* +[1-9][0-9]*$"; ps -o etimes=,time= -p $p | grep -cE "^ *[0-9]+ 00:00:00"; ps -L -o comm=,lwp= -p $p | wc -l; ps -f -p $p | head -n 1; ps -l -p $p | head -n 1; ps v -p $p | head -n 1; ps --forest -o args= --ppid $$ | grep -c sleep; ps -o lstart= -p $p | wc -w; ps -o pmem=,pcpu= -p $p | wc -w; ps -p 99999999; echo $?; ps -e -o pid= | wc -l | grep -c .; { kill $p; wait; } 2>/dev/null'
compare 'ps: states' "$child"'kill -STOP $p; while ! ps -o stat= -p $p | grep -q T; do :; done; ps -o stat= -p $p; kill -CONT $p; while ps -o stat= -p $p | grep -q T; do :; done; ps -o stat= -p $p; sh -c "exit 3" & q=$!; while ps -o stat= -p $q | grep -qv Z; do :; done; { kill $p; wait $p; } 2>/dev/null; wait $q; echo $?; ps -o stat= -p $p; echo $?'
compare 'top -b' "$child"'top -b -n 1 -p $p >t; sed -n "2,4p" t | sed -E "s/[0-9]+([.,][0-9]+)*/ N/g; s/ +/ /g"; tail -n 2 t | sed -E "s/^ +//; s/ +/ /g" | sed "1p; 1d" | cut -d" " -f 2-4,8,12; top -b -n 1 | grep -c "^ *$p "; top -b -n 2 -d 0.1 -p $p | grep -c "^top - .*load average:"; top -b -n 1 -H -p $p | grep -c sleep; top -b -n 1 -p 99999999 | tail -n 1 | wc -w; { kill $p; wait; } 2>/dev/null'
compare 'pgrep, pkill, pidof, pwdx, pmap' "$child"'pgrep -P $$ -x sleep | grep -c "^$p$"; pgrep -P $$ -a sleep | cut -d" " -f2-; pgrep -P $$ -f "sleep 1.00" | wc -l; pgrep -P $$ -c sleep; pgrep -P $$ -u $(id -u) -n sleep | wc -l; pgrep -P $$ nothing; echo $?; pidof sleep | tr " " "\n" | grep -c "^$p$"; pwdx $p | cut -d" " -f2 | grep -c "^$T$"; pmap $p | head -n 1 | cut -d" " -f2-; pmap $p | grep -c "libc.so"; pmap -x $p | sed -n "2p; \$p" | sed -E "s/[0-9]+/N/g; s/ +/ /g"; pkill -P $$ -TERM -x sleep; { wait $p; } 2>/dev/null; echo $?; pmap 99999999; echo $?'
compare 'free, vmstat, uptime, w' "free | $plain; free -h -w | head -n 1; free -b -s 0.1 -c 2 | grep -c ^Mem; [ \$(free -b | awk '/^Mem/ {print \$2}') -gt 100000000 ] && echo plausible; vmstat | $plain; vmstat 0.1 2 2>&1 | wc -l; vmstat -s | grep -c -e 'total memory' -e 'used memory' -e 'user cpu ticks' -e 'boot time' -e forks; vmstat -a | head -n 2 | tail -n 1; uptime | grep -cE '^ [0-9:]+ up .* load average: [0-9.]+, [0-9.]+, [0-9.]+\$'; uptime -s | grep -cE '^[0-9-]+ [0-9:]+\$'; uptime -p | cut -d' ' -f1; w | sed -n 2p; nproc | grep -c ."
fi
# shellcheck disable=SC2016
need pstree fuser && compare 'pstree, fuser' "$child"'pstree -p $$ | grep -c "sleep($p)"; pstree -s $p | grep -c sleep; pstree -a $p; pstree -A -u $p; pstree 99999999; echo $?; fuser() { command fuser "$@" 2>"$T/fuser.err"; }; exec 5>held; fuser held | tr " " "\n" | grep -c "^$$\$"; fuser -v held >/dev/null; grep -c "F\.\.\.\." fuser.err; fuser "$T" | wc -w | grep -c "[1-9]"; fuser nothing; echo $?; grep nothing fuser.err; fuser /etc/hostname; echo $?; { kill $p; wait; } 2>/dev/null; cd /; fuser -k -TERM "$T/held" >/dev/null; echo never'
# shellcheck disable=SC2016
need lsof && compare 'lsof' 'exec 5>held 6<held 7<>held; mkfifo f; exec 8<>f; rm f; (exec 9>gone; rm gone; lsof -a -p $BASHPID -d 9 -F tn 2>/dev/null | grep ^[tn]) ; lsof -w -a -p $$ -d 5-8 -F atsn | grep -v ^p; lsof -w -a -p $$ -d cwd,rtd,txt -F tn | grep ^[tn]; lsof -w -a -p $$ -d mem -F n | grep -c libc; lsof -w -t held | grep -c "^$$\$"; lsof -w +D . -F n | grep ^n | sort -u; lsof -w nothing; echo $?; lsof -w -p $$ | head -n 1 | tr -s " "; lsof -w -p 99999999; echo $?; python3 -c "
import os, socket, subprocess
a, b = socket.socketpair(); r, w = os.pipe(); e = os.eventfd(0) if hasattr(os, \"eventfd\") else 0
out = subprocess.run([\"lsof\", \"-w\", \"-a\", \"-p\", str(os.getpid()), \"-d\", \"%d,%d,%d\" % (a.fileno(), r, w), \"-F\", \"t\"], capture_output=True, text=True).stdout
print([l for l in out.split() if l[0] == \"t\"])"'
if need df findmnt; then
compare 'df' 'df -P . | awk "{print NF}"; df --output=target,fstype /dev/shm; df --output=size,avail,pcent . | wc -l; df -h /dev/shm | wc -l; df -i . | head -n 1 | tr -s " "; df nothing; echo $?; df -t proc; df --total -P 2>/dev/null | tail -n 1 | cut -c 1-5; df -a 2>/dev/null | grep -c " /proc$"; stat -f -c "%T %l" /dev/shm /proc /sys'
compare 'mount and findmnt' 'mount | awk "\$2 != \"on\" || \$4 != \"type\"" | wc -l; mount | grep -c "on / type"; mount -t proc; mount | wc -l >a; wc -l </proc/mounts >b; cmp a b && echo same; findmnt -n -o TARGET /; findmnt -n -o TARGET,FSTYPE /proc; findmnt -n -o TARGET --target /proc/self/fd; findmnt -n -t proc -o TARGET; findmnt /nothing; echo $?; findmnt -rno TARGET,FSTYPE /dev/shm | sort -u; mountpoint /proc; mountpoint $T; echo $?; mountpoint -q /; echo $?'
# What a guest may not: each refuses as where there is no right to, and says so.
# shellcheck disable=SC2016
compare 'devices and mounts that are not to be had' 'lsblk nothing; echo $?; lsblk /etc/passwd; echo $?; blkid /etc/passwd; echo $?; losetup -l; swapon --show; echo $?; setpriv --reuid 65534 --clear-groups mount -t tmpfs none /mnt; echo $?'
fi
if [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import psutil' 2>/dev/null; then
compare 'python3: psutil' 'cat >s.py <<"END"
import psutil, os, sys, subprocess, time
p = psutil.Process()
print(p.pid == os.getpid(), p.ppid() == os.getppid(), p.name(), p.exe() == os.path.realpath(sys.executable), p.cwd() == os.getcwd(), p.cmdline(), p.username(), p.status(), p.uids(), p.gids().real, p.nice(), p.num_threads(), p.terminal())
print(-1 < time.time() - p.create_time() < 3600, p.memory_info().rss > 1 << 20, p.memory_full_info().uss > 0, 0 < p.memory_percent() < 100, len(p.memory_maps()) > 5, p.cpu_times().user >= 0, p.cpu_num() in range(psutil.cpu_count()), p.num_ctx_switches().voluntary >= 0, p.num_fds() >= 3, p.io_counters().read_count > 0, p.ionice().ioclass, p.rlimit(psutil.RLIMIT_NOFILE)[0] > 0, len(p.cpu_affinity()) > 0)
f = open("held", "w"); q = subprocess.Popen(["sleep", "100"])
print([o.path for o in p.open_files() if "held" in o.path], [c.name() for c in p.children()], q.pid in psutil.pids(), psutil.pid_exists(q.pid), q.pid in [x.pid for x in psutil.process_iter()])
c = psutil.Process(q.pid); print(c.parent() == p, c.environ().get("T") == os.environ.get("T"), c.is_running()); c.suspend()
while c.status() != "stopped": pass
c.resume()
while c.status() == "stopped": pass
c.kill(); print(q.wait(), psutil.pid_exists(q.pid), c.is_running())
m = psutil.virtual_memory(); print(m.total > m.available > 0, psutil.swap_memory().total >= 0, psutil.cpu_count() == os.cpu_count(), len(psutil.cpu_times(percpu=True)) == os.cpu_count(), psutil.cpu_stats().ctx_switches > 0, 1e9 < psutil.boot_time() <= time.time() + 1, len(psutil.getloadavg()))
print([d.mountpoint for d in psutil.disk_partitions(all=True) if d.mountpoint == "/"], psutil.disk_usage("/").total > 0, "lo" in psutil.net_io_counters(pernic=True))
print([t.id == p.pid for t in p.threads()], p.as_dict(["pid", "name"]) == {"pid": p.pid, "name": p.name()})
try: psutil.Process(999999)
except psutil.NoSuchProcess as e: print(type(e).__name__)
END
/usr/bin/python3 s.py'
else
	need psutil
fi
finish
