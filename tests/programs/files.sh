#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs that live by locks, syncs, renames and watches: sqlite, git on real trees, python's file modules, and those that
# look at processes.
. "$(dirname "$0")/lib.sh"

if need sqlite3; then
compare 'sqlite3: 100,000 rows' 'sqlite3 db "create table t(a integer primary key, b text); begin; with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) insert into t select i, hex(i * 7919) from n; commit; create index i on t(b); select count(*), sum(length(b)), max(b) from t; pragma integrity_check"; sqlite3 db "delete from t where a % 3 = 0; vacuum; select count(*) from t"; sqlite3 db .dump | md5sum; stat -c %s db; ls'
for mode in delete truncate persist wal memory; do
	compare "sqlite3: journal $mode, two writers" "sqlite3 db 'pragma journal_mode=$mode; create table t(who, n)'; for w in a b; do (for i in 1 2 3 4 5 6 7 8 9 10; do sqlite3 -cmd '.timeout 20000' db \"insert into t values('\$w', \$i)\"; done) & done; wait; sqlite3 db 'select who, count(*), sum(n) from t group by who; pragma integrity_check'; ls | grep -v -e -shm -e -wal -e -journal"
done
compare 'sqlite3: locks and roll back' 'sqlite3 db "create table t(a)"; (echo "begin exclusive; insert into t values(1);"; echo ".system sqlite3 db \"select 1 from t\""; echo "rollback;") | sqlite3 db 2>&1; sqlite3 db "select count(*) from t"; sqlite3 -readonly db "insert into t values(2)"; echo $?; sqlite3 none/db "select 1"; echo $?; sqlite3 db ".backup b2"; cmp db b2 && echo same'
fi
if need git; then
gitenv='export GIT_AUTHOR_DATE="@1000000000 +0000" GIT_COMMITTER_DATE="@1000000000 +0000" GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e GIT_CONFIG_NOSYSTEM=1; git config --global init.defaultBranch main; '
compare 'git: a tree of headers' "$gitenv cp -r /usr/include/linux src; cd src; git init -q; git add .; git commit -qm all; git rev-parse HEAD; git status --short | wc -l; echo '/* x */' >>stat.h; rm fs.h; git status --short; git diff | md5sum; git stash -q; git status --short; git stash pop -q; git commit -qam change; git log --format='%H %s'; git show --stat HEAD | tail -n 3"
compare 'git: clone, branch, merge, gc' "$gitenv mkdir r; cd r; git init -q; for i in 1 2 3 4 5; do seq \$i 500 >f\$i; git add .; git commit -qm c\$i; done; git checkout -qb side HEAD~2; echo s >s; git add .; git commit -qm side; git checkout -q main; git merge -q side -m merge; git log --oneline | wc -l; git gc -q; git count-objects -v | grep -e in-pack -e ^count; git fsck; cd ..; git clone -q r c; cd c; git log -1 --format=%H; git worktree add -q ../w side; ls ../w; echo l >f1; git commit -qam local; git push -q origin HEAD:new; git -C ../r branch; git rebase -q origin/side; git log --format=%s | head -n 3; git clean -nfdx; git grep -c 499; git blame -s f1 | tail -n 1; git archive HEAD | tar t | sort; git bundle create -q ../b HEAD; git bundle verify -q ../b; echo \$?"
fi
if need python3; then
py() {
	compare "python3: $1" "cat >s.py <<'END'
$2
END
python3 s.py"
}
py 'pathlib and shutil' 'import pathlib, shutil, os
p = pathlib.Path("a/b/c"); p.mkdir(parents=True); (p / "f").write_text("x" * 1000); (p / "l").symlink_to("f"); (p / "h").hardlink_to(p / "f")
print(sorted(str(q) for q in pathlib.Path("a").rglob("*")), (p / "l").readlink(), (p / "f").stat().st_nlink)
shutil.copytree("a", "z", symlinks=True); print(sorted(os.listdir("z/b/c")), os.path.islink("z/b/c/l"))
(p / "f").chmod(0o400); print(oct((p / "h").stat().st_mode)); shutil.move("z", "y"); print(os.path.exists("z"))
print(shutil.disk_usage(".").total > 0, shutil.copyfile("/bin/true", "t"), shutil.which("sh") is not None)
(p / "f").rename(p / "g"); (p / "g").replace(p / "h"); print(sorted(os.listdir(p)))
try: pathlib.Path("a").rmdir()
except OSError as e: print(e)
shutil.rmtree("a"); shutil.rmtree("y"); print(sorted(os.listdir(".")))
for f in ("zip", "tar", "gztar", "xztar"): os.makedirs("d", exist_ok=True); open("d/x", "w").write("y"); n = shutil.make_archive("out", f, "d"); shutil.unpack_archive(n, "u" + f); print(os.listdir("u" + f))'
py 'mmap and sparse files' 'import mmap, os
with open("f", "wb") as f: f.truncate(1 << 30); f.seek(5 << 20); f.write(b"data")
print(os.stat("f").st_size, os.stat("f").st_blocks < 10000)
with open("f", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0); print(m[5 << 20:(5 << 20) + 4], m.find(b"data")); m[100:104] = b"abcd"; m.flush(); f.seek(100); print(f.read(4)); m.close()
fd = os.open("f", os.O_RDWR); print(os.lseek(fd, 0, os.SEEK_END)); os.ftruncate(fd, 10); print(os.pread(fd, 100, 0)); os.close(fd)
m = mmap.mmap(-1, 1 << 20)
if not os.fork(): m[:5] = b"child"; os._exit(0)
os.wait(); print(m[:5]); r = mmap.mmap(os.open("/bin/true", 0), 0, access=mmap.ACCESS_READ)
try: r[0] = 1
except TypeError as e: print(e)
print(os.copy_file_range(os.open("/bin/true", 0), os.open("c", os.O_CREAT | os.O_RDWR), 100) if False else "", os.posix_fadvise(os.open("f", 0), 0, 0, os.POSIX_FADV_DONTNEED))
a, b = os.pipe(); print(os.splice(os.open("/bin/true", 0), b, 4), os.read(a, 10)); print(os.sendfile(os.open("o", os.O_CREAT | os.O_WRONLY), os.open("/bin/true", 0), 0, 1000))'
py 'locks, attributes, descriptors' 'import fcntl, os, struct, errno, select
f = open("l", "w+"); fcntl.lockf(f, fcntl.LOCK_EX, 10, 5); r, w = os.pipe()
if not os.fork():
    g = open("l", "r+")
    try: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB); s = "got"
    except OSError as e: s = errno.errorcode[e.errno]
    t = struct.unpack("hhqqi", fcntl.fcntl(g, fcntl.F_GETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))[:28]); os.write(w, ("%s %d %d" % (s, t[2], t[3])).encode()); os._exit(0)
os.wait(); print(os.read(r, 100))
fcntl.flock(f, fcntl.LOCK_EX); h = open("l")
try: fcntl.flock(h, fcntl.LOCK_SH | fcntl.LOCK_NB)
except BlockingIOError as e: print(e)
m = os.memfd_create("m", os.MFD_ALLOW_SEALING); os.write(m, b"abc"); fcntl.fcntl(m, 1033, 15); print(fcntl.fcntl(m, 1034))
try: os.write(m, b"x")
except PermissionError as e: print(e)
fd = os.open(".", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"t"); os.link("/proc/self/fd/%d" % fd, "named", follow_symlinks=True); print(open("named").read())
d = os.open(".", os.O_RDONLY); print(sorted(os.listdir(d)), os.stat("l", dir_fd=d).st_size, os.readlink("/proc/self/fd/%d" % d) == os.getcwd())
print([os.dup(d) > d, os.get_inheritable(d)], fcntl.fcntl(r, 1032), os.fpathconf(d, "PC_NAME_MAX"), os.statvfs(".").f_namemax)
os.mkfifo("p"); a = os.open("p", os.O_RDONLY | os.O_NONBLOCK); b = os.open("p", os.O_WRONLY); os.write(b, b"q"); print(select.select([a], [], [], 1)[0] == [a], os.read(a, 5), os.path.basename(os.readlink("/proc/self/fd/%d" % a)))'
compare 'python3: venv and a local package' 'python3 -m venv --without-pip v; v/bin/python -c "import sys; print(sys.prefix != sys.base_prefix)"; mkdir -p pkg; echo "print(\"imported\")" >pkg/__init__.py; (cd v/lib/python3*/site-packages && ln -s $T/pkg pkg); v/bin/python -c "import pkg"; ls v/bin | sort; python3 -m compileall -q pkg; ls pkg/__pycache__; python3 -m zipfile -c z.zip pkg/; python3 -c "import sys; sys.path.insert(0, \"z.zip\"); import pkg"; python3 -m py_compile nofile.py 2>&1 | tail -n 1'
fi
if need inotifywait; then
compare 'inotifywait' 'mkdir d; inotifywait -q -m -r --format "%e %f" -e create,delete,move,close_write d >log 2>err & i=$!; while ! grep -q inotify /proc/$i/fdinfo/3 2>/dev/null; do :; done; echo x >d/a; mv d/a d/b; mkdir d/s; rm d/b; rmdir d/s; while ! grep -q "DELETE,ISDIR s" log; do :; done; { kill $i; wait $i; } 2>/dev/null; grep -v " $" log; cat err'
fi
# wait_for TEXT FILE, in the guest's shell.
wait_for='wait_for() { while ! grep -q "$1" "$2"; do :; done; }; '
# tail says of a file that is renamed and made anew what it happens to see, so it sees one after the other.
compare 'tail -f and -F' "$wait_for"'seq 3 >l; >o; tail -n 1 -f l >o 2>&1 & p=$!; wait_for 3 o; echo 4 >>l; wait_for 4 o; { kill $p; wait; } 2>/dev/null; cat o; seq 5 >l; >o; tail -n 1 -F l >o 2>&1 & p=$!; wait_for 5 o; mv l m; wait_for inaccessible o; echo new >l; wait_for ^new o; { kill $p; wait; } 2>/dev/null; cat o; >o; tail --pid=$$ -f l >o & p=$!; wait_for ^new o; { kill $p; wait; } 2>/dev/null'
compare 'flock' 'exec 9>l; flock 9; flock -n l true; echo $?; flock -w 0.1 l true; echo $?; flock -u 9; flock l echo got; flock -s l sh -c "flock -s -n l echo shared; flock -n l echo never; echo \$?"; for i in 1 2 3 4 5 6 7 8; do flock c sh -c "read n <n || n=0; echo \$((n + 1)) >n" 2>/dev/null & done; wait; cat n'
compare 'ps, pgrep, pstree: the shape' 'sleep 100 & p=$!; sh -c "sleep 200 & wait" & q=$!; while ! ps -o args= --ppid $q | grep -q "sleep 200"; do :; done; ps -o stat=,args= -p $p; ps --no-headers -o args --ppid $$ >kids; sort kids | grep sleep; pgrep -P $q -l | cut -d" " -f2; ps -o ppid= -p $p | grep -c $$; pstree $q 2>/dev/null; ps -o comm=,ni=,nlwp= -p $q; pkill -P $q; { kill $p $q; wait; } 2>/dev/null; ps -p $p; echo $?; ps aux | head -n 1; ps -ef | head -n 1; top -bn1 | grep -c "^ *$$ "; uptime | grep -c "load average"; free | head -n 1; vmstat | wc -l; w -h | wc -l; ps -eo pid,comm --sort=pid | head -n 1'
need lsof && compare 'lsof and fuser' 'exec 5>held; lsof -a -p $$ -d 5 -F ant | grep -v ^p; lsof -t held | grep -c .; fuser held 2>/dev/null | grep -c .; exec 5>&-; lsof held; echo $?; lsof -p $$ -a -d cwd -F n | tail -n 1 | sed "s/.*husk-case.*/here/"'
finish
