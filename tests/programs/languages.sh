#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# python3 and perl: interpreters that use processes, threads, sockets and temporary files.
. "$(dirname "$0")/lib.sh"

py() {
	compare "python3: $1" "cat >p.py <<'END'
$2
END
python3 p.py"
}

pl() {
	compare "perl: $1" "cat >p.pl <<'END'
$2
END
perl p.pl"
}

if need python3; then
py 'hello' 'print("hello")'
py 'json' 'import json
d = {"a": [1, 2.5, None, True], "b": {"c": "\u00e9\n"}}
s = json.dumps(d, sort_keys=True, indent=1)
print(s, json.loads(s) == d)
with open("f.json", "w") as f: json.dump(list(range(1000)), f)
print(sum(json.load(open("f.json"))))'
py 'exit status' 'import sys
sys.stderr.write("to stderr\n"); sys.exit(9)'
py 'exception' 'def f(n):
    return 1 / n
f(0)'
py 'subprocess' 'import subprocess, sys
print(subprocess.run(["echo", "a b"], capture_output=True))
print(subprocess.check_output("seq 5 | tac", shell=True))
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(p.communicate(b"x" * 300000)[0].count(b"x"), p.returncode)
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
try: subprocess.run(["/nonexistent/prog"])
except FileNotFoundError as e: print(e)
try: subprocess.run(["sleep", "10"], timeout=0.1)
except subprocess.TimeoutExpired as e: print("timeout")
print(subprocess.run(["pwd"], cwd="/usr", env={"A": "1"}, capture_output=True, close_fds=True).stdout)
print(subprocess.run([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"], start_new_session=True, capture_output=True).stdout)
ps = [subprocess.Popen(["sh", "-c", "exit %d" % i]) for i in range(20)]
print([p.wait() for p in ps])'
py 'threading' 'import threading, queue
q, out, lock = queue.Queue(), [], threading.Lock()
def work():
    while (x := q.get()) is not None:
        with lock: out.append(x * x)
        q.task_done()
ts = [threading.Thread(target=work) for _ in range(8)]
for t in ts: t.start()
for i in range(2000): q.put(i)
q.join()
for t in ts: q.put(None)
for t in ts: t.join()
print(sum(out), len(out), threading.active_count())
e, b = threading.Event(), threading.Barrier(3)
def w(): e.wait(); b.wait()
ts = [threading.Thread(target=w) for _ in range(2)]
for t in ts: t.start()
e.set(); b.wait()
for t in ts: t.join()
print(e.wait(0.01), threading.Condition().acquire(), threading.Semaphore(0).acquire(timeout=0.05))'
py 'many threads' 'import threading
n, lock = 0, threading.Lock()
def w():
    global n
    with lock: n += 1
for r in range(10):
    ts = [threading.Thread(target=w) for _ in range(30)]
    for t in ts: t.start()
    for t in ts: t.join()
print(n)'
py 'thread pool' 'from concurrent.futures import ThreadPoolExecutor
import time
with ThreadPoolExecutor(4) as p: print(sum(p.map(lambda i: (time.sleep(0.001), i)[1], range(200))))'
py 'tempfile' 'import tempfile, os, shutil
with tempfile.NamedTemporaryFile() as f:
    f.write(b"abc"); f.flush(); print(open(f.name).read(), os.stat(f.name).st_mode & 0o777)
n = f.name; print(os.path.exists(n))
with tempfile.TemporaryDirectory() as d:
    open(d + "/x", "w").write("y"); print(os.listdir(d))
print(os.path.exists(d))
with tempfile.TemporaryFile() as f: f.write(b"z" * 10); f.seek(5); print(f.read())
with tempfile.SpooledTemporaryFile(100) as f: f.write(b"q" * 1000); f.seek(0); print(len(f.read()))'
py 'os' 'import os, stat, errno
os.makedirs("a/b/c"); open("a/f", "w").close(); os.symlink("f", "a/l"); os.link("a/f", "a/h"); os.rename("a/h", "a/g")
print(sorted((p, sorted(d), sorted(f)) for p, d, f in os.walk("a")))
print(os.readlink("a/l"), os.stat("a/f").st_nlink, stat.filemode(os.lstat("a/l").st_mode), os.path.realpath("a/l")[-3:])
for f in (lambda: os.mkdir("a"), lambda: os.rmdir("a"), lambda: os.unlink("nope"), lambda: os.listdir("a/f"), lambda: os.open("a", os.O_WRONLY), lambda: os.kill(99999999, 0), lambda: os.read(77, 1), lambda: os.rename("a", "a/b/x"), lambda: os.chdir("a/f")):
    try: print(f())
    except OSError as e: print(errno.errorcode[e.errno], e.strerror)
fd = os.open("d", os.O_RDWR | os.O_CREAT, 0o640); print(os.write(fd, b"hello"), os.pread(fd, 3, 1), os.lseek(fd, 0, 2), os.ftruncate(fd, 2), os.fstat(fd).st_size, oct(os.fstat(fd).st_mode))
os.posix_fallocate(fd, 0, 100); print(os.fstat(fd).st_size, os.pwritev(fd, [b"ab", b"cd"], 5), os.preadv(fd, [bytearray(2)], 5)); os.utime("d", (5, 6)); print(os.stat("d").st_mtime)
r, w = os.pipe(); print(os.get_inheritable(r), os.write(w, b"x" * 5), os.read(r, 10)); os.set_blocking(r, False)
try: os.read(r, 1)
except BlockingIOError as e: print(e)
print([e.name for e in sorted(os.scandir("/usr"), key=lambda e: e.name)], os.cpu_count() > 0, os.getcwd() == os.environ["T"], os.umask(0o77), os.umask(0), os.access("/etc/passwd", os.R_OK), os.access("/usr/x", os.W_OK), os.uname().sysname, os.sysconf("SC_PAGESIZE"), os.sched_getaffinity(0) != set(), os.getpriority(os.PRIO_PROCESS, 0), len(os.urandom(9)), len(os.getrandom(7)), os.nice(3), os.times().user >= 0)'
py 'fork and wait' 'import os, sys
for i in range(50):
    p = os.fork()
    if not p: os._exit(i)
    print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]), end=" ")
print()
r, w = os.pipe()
if not os.fork():
    os.close(r); os.write(w, b"from the child"); os._exit(0)
os.close(w); print(os.read(r, 100), os.read(r, 100), os.wait()[1])
try: os.wait()
except ChildProcessError as e: print(e)
p = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ); print(os.waitpid(p, 0)[1] >> 8)
if not os.fork(): os.execvp("nosuch", ["x"]) if False else os.execv("/bin/echo", ["echo", "exec", "d"])
print(os.wait3(0)[1], os.getppid() > 0, os.getpgid(0) > 0)'
py 'signal' 'import signal, os, time, threading
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(s)); os.kill(os.getpid(), signal.SIGUSR1); print(got)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02); n = 0
def tick(s, f):
    global n; n += 1
    if n == 3: signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, tick)
while n < 3: signal.pause()
print(n); t = time.monotonic(); signal.signal(signal.SIGALRM, lambda s, f: None); signal.alarm(1); time.sleep(1.2); print(time.monotonic() - t >= 1.2)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}) # before threads: one that ends would take it
def boom(s, f): raise KeyboardInterrupt
signal.signal(signal.SIGINT, boom)
try:
    tm = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)); tm.start(); time.sleep(5)
except KeyboardInterrupt: print("interrupted")
tm.join()
os.kill(os.getpid(), signal.SIGUSR2); print(signal.sigpending(), signal.sigwait({signal.SIGUSR2}), signal.sigtimedwait({signal.SIGUSR2}, 0.01))
signal.signal(signal.SIGCHLD, lambda s, f: got.append("chld"))
if not os.fork(): os._exit(0)
os.wait(); print(got); signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)'
py 'select and sockets' 'import socket, select, os, threading
a, b = socket.socketpair(); a.send(b"hi"); print(b.recv(10), select.select([a, b], [a], [], 0)[1] == [a])
s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen()
def client():
    c = socket.socket(socket.AF_UNIX); c.connect("sock"); c.sendall(b"y" * 100000); c.shutdown(socket.SHUT_WR); print(c.recv(20)); c.close()
t = threading.Thread(target=client); t.start(); c, _ = s.accept(); n = 0
while (d := c.recv(65536)): n += len(d)
c.send(b"%d" % n); t.join(); c.close()
p = select.poll(); p.register(a, select.POLLIN | select.POLLOUT); print(p.poll(0)[0][1])
e = select.epoll(); e.register(b, select.EPOLLIN); print(e.poll(0.01)); a.send(b"z"); print(len(e.poll(1))); a.close(); print(e.poll(1)[0][1], b.recv(5), b.recv(5))
x, y = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); x.send(b"1"); x.send(b"22"); print(y.recv(9), y.recv(9))
socket.send_fds(x, [b"f"], [os.open("/etc/passwd", 0)]); d, fds, _, _ = socket.recv_fds(y, 5, 2); print(d, os.read(fds[0], 4))
try: socket.socket(socket.AF_UNIX).connect("nothing")
except OSError as e: print(e)'
py 'multiprocessing' 'import multiprocessing as m, os
def f(x): return x * x
def g(q, n): q.put(n * 2)
if __name__ == "__main__":
    with m.Pool(3) as p: print(p.map(f, range(100))[-1], p.apply_async(f, (9,)).get())
    q = m.Queue(); ps = [m.Process(target=g, args=(q, i)) for i in range(4)]
    for p in ps: p.start()
    print(sorted(q.get() for _ in ps))
    for p in ps: p.join()
    v = m.Value("i", 0); a, b = m.Pipe(); p = m.Process(target=b.send, args=([1, 2],)); p.start(); print(a.recv(), v.value); p.join(); print(p.exitcode)
    c = m.get_context("spawn"); p = c.Process(target=f, args=(1,)); p.start(); p.join(); print(p.exitcode)'
py 'asyncio' 'import asyncio
async def w(i): await asyncio.sleep(0.001 * (i % 3)); return i
async def main():
    print(sum(await asyncio.gather(*(w(i) for i in range(200)))))
    p = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1); print((await p.communicate(b"async"))[0], p.returncode)
    r = await asyncio.get_running_loop().run_in_executor(None, sum, range(100)); print(r)
    try: await asyncio.wait_for(asyncio.sleep(9), 0.05)
    except asyncio.TimeoutError: print("timeout")
    async def serve(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()
    s = await asyncio.start_unix_server(serve, "as"); r, w2 = await asyncio.open_unix_connection("as"); w2.write(b"line\n"); print(await r.read()); w2.close(); s.close()
asyncio.run(main())'
py 'mmap and shared memory' 'import mmap, os
open("m", "wb").write(b"a" * 8192)
with open("m", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0); m[5:8] = b"XYZ"; m.flush(); print(open("m", "rb").read(10), m.find(b"Z"), len(m)); m.resize(16384); print(len(m), os.stat("m").st_size); m.close()
s = mmap.mmap(-1, 4096)
if not os.fork(): s[0] = 77; os._exit(0)
os.wait(); print(s[0])
r = mmap.mmap(os.open("/bin/true", 0), 0, prot=mmap.PROT_READ); print(r[:4])
from multiprocessing import shared_memory as sm
x = sm.SharedMemory(create=True, size=100); x.buf[0] = 5; y = sm.SharedMemory(x.name); print(y.buf[0]); y.close(); x.close(); x.unlink()'
py 'big memory' 'a = bytearray(200 << 20); a[::4096] = b"x" * len(a[::4096]); print(a.count(b"x")); del a
l = [str(i) for i in range(500000)]; print(len("".join(l))); d = {i: i for i in range(300000)}; print(sum(d.values()))'
py 'standard library' 'import hashlib, zlib, bz2, lzma, sqlite3, random, re, datetime, decimal, struct, glob, fnmatch, shutil, pathlib, csv, configparser, uuid, platform, getpass, pwd, grp, resource, locale, ctypes, fcntl, termios, zoneinfo
print(hashlib.sha256(open("/bin/true", "rb").read()).hexdigest(), zlib.crc32(b"abc"), len(bz2.compress(b"a" * 9999)), lzma.decompress(lzma.compress(b"q")))
c = sqlite3.connect("db"); c.execute("create table t(a, b)"); c.executemany("insert into t values (?, ?)", [(i, str(i)) for i in range(1000)]); c.commit(); print(c.execute("select sum(a), max(b) from t").fetchone()); c.close()
random.seed(5); print(random.random(), pathlib.Path("db").stat().st_size, pwd.getpwuid(0).pw_name, grp.getgrgid(0).gr_name, resource.getrlimit(resource.RLIMIT_CORE)[0] >= -1)
shutil.copytree("/usr/include/asm-generic", "x"); print(len(glob.glob("x/*.h"))); shutil.make_archive("z", "zip", "x"); shutil.rmtree("x"); print(ctypes.CDLL(None).abs(-4), platform.system())
with open("lk", "w") as f: fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX); print(fcntl.fcntl(f, fcntl.F_GETFL) & 3)
try: termios.tcgetattr(0)
except termios.error as e: print(e)'
py 'times' 'import time, resource
a = time.monotonic(); time.sleep(0.05); b = time.monotonic(); print(0.05 <= b - a < 2, time.time() > 1.6e9, time.process_time() >= 0, time.clock_gettime(time.CLOCK_BOOTTIME) > 0, time.clock_getres(time.CLOCK_MONOTONIC) < 0.02)
t = time.process_time(); sum(range(3000000)); print(time.process_time() > t, resource.getrusage(resource.RUSAGE_SELF).ru_utime > 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000)'
py 'compile everything' 'import compileall, sys, shutil
shutil.copytree("/usr/lib/python3.11/json", "json2"); print(compileall.compile_dir("json2", quiet=1))'
compare 'python3: modules and script on standard input' 'echo "print(6*7)" | python3; python3 -c "import sys; print(sys.argv)" a b; python3 -m json.tool <<<"{}" 2>/dev/null || echo "{\"a\":1}" | python3 -m json.tool; python3 -V; python3 -m venv --help | head -n 1; python3 -S -c "print(1)"; python3 -X importtime -c 1 2>&1 | wc -l >/dev/null; python3 nofile.py; echo $?'
fi

if need perl; then
pl 'hello' 'print "hello\n"; exit 3'
pl 'fork and pipes' 'for my $i (1 .. 20) { my $p = fork; if (!$p) { exit $i } waitpid $p, 0; print $? >> 8, " " } print "\n";
pipe(my $r, my $w); if (!fork) { close $r; print $w "line $_\n" for 1 .. 1000; exit } close $w; my @l = <$r>; print scalar(@l), " $l[-1]"; wait; print "$?\n"; print wait, " $!\n"'
pl 'backquotes and open' 'print `echo hi; exit 3`, $? >> 8, "\n"; open my $p, "-|", "seq", "5" or die; print <$p>; close $p; open $p, "|-", "tr a-z A-Z" or die; print $p "up\n"; close $p; print system("false"), " ", system("kill -9 \$\$"), " ", system("/nonexistent"), " $!\n"'
pl 'socketpair' 'use Socket; use IO::Handle; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; $_->autoflush for $a, $b; if (!fork) { close $a; while (<$b>) { print $b uc } exit } close $b; print $a "x$_\n" for 1 .. 50; shutdown $a, 1; my $n = () = <$a>; print "$n\n"; wait'
pl 'sort and hashes' 'my %h; open F, "/etc/services"; while (<F>) { $h{$_}++ for /\w+/g } print "$_ $h{$_}\n" for (sort { $h{$b} <=> $h{$a} || $a cmp $b } keys %h)[0 .. 19]; my @x = sort { $a <=> $b } map { ($_ * 7919) % 100003 } 1 .. 100000; print "$x[0] $x[-1] ", scalar @x, "\n"'
pl 'files' 'mkdir "d" or die; open my $f, ">", "d/f"; print $f "a\n" x 1000; close $f; print -s "d/f", " ", (stat "d/f")[7], " ", (-d "d" ? 1 : 0), "\n"; rename "d/f", "d/g"; opendir D, "d"; print join(" ", sort readdir D), "\n"; symlink "g", "d/l"; print readlink "d/l", "\n"; utime 5, 6, "d/g"; print +(stat "d/g")[9], "\n"; unlink "d/g", "d/l"; rmdir "d" or die; print -e "d" ? 1 : 0, "\n"; open $f, "<", "nothing" or print "$!\n"; use File::Temp "tempfile"; my ($h, $n) = tempfile(UNLINK => 1); print -e $n, "\n"; truncate $h, 100; print -s $n, "\n"; flock $h, 2; seek $h, 50, 0; print tell $h, "\n"'
pl 'signals' '$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print $@; $SIG{CHLD} = sub { print "chld\n" }; if (!fork) { exit } select undef, undef, undef, 1; wait; my $p = fork; if (!$p) { sleep 100 } kill TERM => $p; waitpid $p, 0; print $? & 127, "\n"; $SIG{PIPE} = "IGNORE"; pipe my $r, my $w; close $r; syswrite $w, "x" or print "$!\n"; kill KILL => $$'
pl 'modules' 'use POSIX; use Data::Dumper; use List::Util "sum"; use Time::HiRes "time"; use Digest::SHA "sha1_hex"; use Storable; use Cwd; use File::Find; $Data::Dumper::Sortkeys = 1; print Dumper({ a => [1, 2] }), sum(1 .. 10), " ", sha1_hex("x"), " ", strftime("%F", gmtime 0), " ", floor(2.7), "\n"; my $n = 0; find(sub { $n++ }, "/usr/share/perl5"); print $n > 0, "\n"; print POSIX::ttyname(0) // "no tty", " ", (POSIX::uname())[0], "\n"; my ($u) = getpwuid 0; print "$u $0\n"; select undef, undef, undef, 0.02; print time > 1e9, "\n"'
pl 'threads of work' 'my @p; for my $i (1 .. 8) { my $p = fork; if (!$p) { my $s = 0; $s += $_ for 1 .. 50000 * $i; exit($s % 251) } push @p, $p } for (@p) { waitpid $_, 0; print $? >> 8, " " } print "\n"'
compare 'perl: one-liners' 'perl -ne "print if /root/" /etc/passwd; perl -pe "s/:.*//" /etc/group | head -n 3; cp /etc/passwd f; perl -i -pe "s/root/ROOT/" f; head -n 1 f; perl -le "print join q(,), map { \$_ * 2 } 1..5"; perl -e "print 1/0"; perl -MSocket -e "print inet_ntoa(INADDR_LOOPBACK)"; echo 5 | perl -e "print <STDIN> + 1"; perl -v | head -n 2'
fi
finish
