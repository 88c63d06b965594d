#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Trees under hard conditions: work that takes long beside others' calls, a host that changes its tree meanwhile, no room,
# runs that were killed. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# run ARG...: husk run; output in out and err, status in $status.
run() {
	# shellcheck disable=SC2086
	limited 60 "$HUSK" run ${HUSK_FLAGS:-} "$@"
}

# said TEXT...: the program ended with 0 and printed just these lines.
said() {
	[ $status = 0 ] && printf '%s\n' "$@" | cmp -s - out
}

mkdir tree
cp "$TOOLS/beside" .

# Nobody waits for others' big files: copies of lower ones, in memory and with an upper layer, and writes.
head -c 100M /dev/zero | tr '\0' '=' >tree/big
for way in write truncate open allocate send; do
	run -- ./beside $way tree/big
	[ $status = 0 ] && [ ! -s out ]; check "beside a copy: $way"
	run --upper up-$way -- ./beside $way tree/big
	[ $status = 0 ] && [ ! -s out ]; check "beside a copy, with --upper: $way"
	run --upper up-$way -- sh -c 'stat -c %s tree/big; head -c 104857600 tree/big | cmp - tree/big 2>&1 | cut -c 1-10'
	[ "$(head -c 6 out)" = 104857 ] && ! grep -q differ out; check "what $way leaves in the upper layer"
	rm -rf up-$way
done
run --bind "$dir/tree:/bound" -- sh -c ': >small; ./beside big small; : >/tmp/small; ./beside big /tmp/small; : >/bound/small; ./beside big /bound/small; ls -s --block-size=1M /bound/small'
said '100 /bound/small'; check 'beside big writes'
rm tree/small

# To the disk: files of an upper layer, of a bind, and the caller's own.
# shellcheck disable=SC2016
run --upper synced --bind "$dir/tree:/bound" -- sh -c 'for f in tree/s /bound/s; do dd if=/dev/zero of=$f bs=4k count=3 oflag=sync 2>/dev/null && dd if=/dev/zero of=$f bs=4k count=3 oflag=dsync,append conv=notrunc,fsync 2>/dev/null && sync $f && sync -d $f && sync -f $f && stat -c %s $f; done
python3 -c "
import mmap, os
for f in \"tree/s\", \"/bound/s\":
    fd = os.open(f, os.O_RDWR); m = mmap.mmap(fd, 8192); m[4096:4099] = b\"abc\"; m.flush(); print(os.pwritev(fd, [b\"x\" * 100], 0, os.RWF_SYNC), os.pread(fd, 3, 4096).decode())
os.fsync(1); os.fsync(os.open(\"tree\", os.O_RDONLY)); os.sync()"'
said 24576 24576 '100 abc' '100 abc'; check 'syncs'
run -- python3 -c 'import os; os.write(1, b"out\n"); os.fsync(1); os.fdatasync(1)'
said out; check "a sync of the caller's file"
rm -r tree/s synced

# A copy of a file with holes has them too.
truncate -s 4G tree/holes
echo end >>tree/holes
run --disk-limit 50M -- sh -c 'printf x | dd of=tree/holes bs=1 seek=100 conv=notrunc 2>/dev/null; stat -c %s tree/holes; tail -c 4 tree/holes; [ $(stat -c %b tree/holes) -lt 10000 ] && echo sparse'
said 4294967300 end sparse; check 'a copy of a file with holes'
rm tree/holes

# The host changes its tree while it is the guest's root.
mkfifo to-guest
mkdir tree/d tree/e outside
echo secret >outside/f
for f in a b c d/f e/f; do echo "$f was here" >tree/$f; done
head -c 100000 /dev/zero >tree/map
cat >guest.py <<'END'
import mmap, os, signal, sys
def step(): print("ready", flush=True); sys.stdin.readline()
def until(f):
    while not f(): pass
def text(p):
    try: return open(p).read().strip()
    except OSError as e: return e.strerror
a, b = os.open("tree/a", os.O_RDONLY), os.open("tree/b", os.O_RDONLY)
os.stat("tree/c"); os.chdir("tree/d"); before = os.stat("f").st_ino
m = mmap.mmap(os.open("../map", os.O_RDONLY), 0, prot=mmap.PROT_READ)
step()
until(lambda: text("../a") == "No such file or directory")
print(os.read(a, 100).decode().strip(), os.fstat(a).st_size, os.fstat(b).st_size)
until(lambda: text("../b") == "longer than it was before")
until(lambda: os.path.isdir("../c"))
until(lambda: os.path.exists("../new"))
print(sorted(os.listdir("..")))
print(text("../c/inside"), text("../new"), text("f"), text("../d/f"), text("../e/f"))
print(os.getcwd() == os.path.dirname(os.path.abspath(sys.argv[0])) + "/tree/d")
if not os.fork(): print(m[50000]); os._exit(0)
print(os.WTERMSIG(os.wait()[1]) == signal.SIGBUS)
try: open("../b", "a").write("more\n"); print(text("../b"))
except OSError as e: print(e)
END
"$HUSK" run -- python3 "$dir/guest.py" <to-guest >out 2>err &
guest=$!
exec 8>to-guest
for _ in $(seq 200); do
	grep -q ready out && break
	sleep 0.05
done
rm tree/a tree/c
echo "longer than it was before" >tree/b
mkdir tree/c
echo within >tree/c/inside
truncate -s 10 tree/map
rm -r tree/e
ln -s "$dir/outside" tree/e
echo fresh >tree/new
echo >&8
exec 8>&-
wait $guest
status=$?
said ready 'a was here 11 26' "['b', 'big', 'c', 'd', 'e', 'map', 'new']" 'within fresh d/f was here d/f was here secret' True True 'longer than it was before
more'
check 'a host that changes its tree'
[ "$(cat tree/b)" = 'longer than it was before' ]; check 'and keeps its own'

# Devices and sockets of the host's are seen and lead nowhere.
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("tree/sock")'
run -- python3 -c '
import os, socket, stat
def tried(f):
    try: f(); return "done"
    except OSError as e: return e.strerror
print(stat.S_ISSOCK(os.stat("tree/sock").st_mode), tried(lambda: open("tree/sock")), tried(lambda: socket.socket(socket.AF_UNIX).connect("tree/sock")))
print(tried(lambda: os.rename("tree/sock", "tree/sock2")), tried(lambda: os.unlink("tree/sock2")), os.path.exists("tree/sock"))'
said 'True No such device or address Connection refused' 'done done False' && [ -S tree/sock ]; check "a socket of the host's"
if [ "$(id -u)" = 0 ] && mknod tree/null c 1 3 2>/dev/null && mknod tree/disk b 7 0 2>/dev/null; then
	# shellcheck disable=SC2016
	run -- sh -c 'for d in null disk; do stat -c "%F %t %T" tree/$d; (: <tree/$d) 2>&1 | sed "s/.*: //"; (: >tree/$d) 2>&1 | sed "s/.*: //"; done; mv tree/null tree/n2 && rm tree/n2 && echo gone'
	said 'character special file 1 3' 'No such device or address' 'No such device or address' 'block special file 7 0' 'No such device or address' 'No such device or address' gone
	check "devices of the host's"
else
	n=$((n + 1))
	echo "ok $n - devices of the host's # SKIP only root makes some"
fi

# What husk may not read though the guest is root: refused when it is opened, but for what is thrown away.
if [ "$(id -u)" = 0 ]; then
	mkdir tree/closed
	echo secret >tree/secret
	chmod 700 tree/closed
	chmod 600 tree/secret
	chown 65534:65534 tree/closed tree/secret
	run -- python3 -c '
import os
for path, flags in ("tree/closed", 0), ("tree/secret", 0), ("tree/secret", os.O_WRONLY), ("tree/secret", os.O_RDWR | os.O_APPEND), ("tree/secret", os.O_RDWR | os.O_TRUNC), ("tree/secret", os.O_RDWR):
    try: print(os.fstat(os.open(path, flags)).st_size)
    except OSError as e: print(e.strerror)
os.rename("tree/closed", "tree/moved"); print("moved" in os.listdir("tree"))'
	said 'Permission denied' 'Permission denied' 'Permission denied' 'Permission denied' 0 0 True
	check 'what husk may not read'
	rm -r tree/closed tree/secret
else
	n=$((n + 1))
	echo "ok $n - what husk may not read # SKIP root alone could"
fi

# Names and inodes take room too, and give it back; what was written before stays as it is.
cat >fill.py <<'END'
import errno, os, sys
kept = os.path.join(sys.argv[1], "kept")
open(kept, "w").write("k" * 5000)
counts = []
for how in (lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY)), os.mkdir, lambda p: os.symlink("x", p), lambda p: os.link(kept, p), os.mkfifo):
    os.mkdir(os.path.join(sys.argv[1], "d"))
    n = 0
    try:
        while n < 1000000: how(os.path.join(sys.argv[1], "d", "name%d" % n)); n += 1
    except OSError as e: print(errno.errorcode[e.errno], end=" ")
    counts.append(n)
    print(len(os.listdir(os.path.join(sys.argv[1], "d"))) == n, end=" ")
    for i in range(n):
        p = os.path.join(sys.argv[1], "d", "name%d" % i)
        os.rmdir(p) if how is os.mkdir else os.unlink(p)
    os.rmdir(os.path.join(sys.argv[1], "d"))
os.mkdir(os.path.join(sys.argv[1], "d"))
n = 0
try:
    while True: os.close(os.open(os.path.join(sys.argv[1], "d", "name%d" % n), os.O_CREAT | os.O_WRONLY)); n += 1
except OSError: pass
print(n == counts[0], 5000 < n < 100000, open(kept).read() == "k" * 5000)
END
for where in /tmp "$dir/tree"; do
	run --disk-limit 8M -- python3 fill.py "$where"
	said 'ENOSPC True ENOSPC True ENOSPC True ENOSPC True ENOSPC True True True True'; check "empty files and names fill $(basename "$where")"
done

# What was acknowledged before there was no room stays.
cat >full.py <<'END'
import errno, os, sys
d, n, said = sys.argv[1], 0, []
try:
    while True:
        p = "%s/f%d" % (d, n)
        fd = os.open(p, os.O_CREAT | os.O_WRONLY)
        said.append((p, 0))
        for i in range(5): os.write(fd, b"%05d" % n * 3000); said[-1] = (p, 15000 * (i + 1))
        os.close(fd); n += 1
except OSError as e: print(errno.errorcode[e.errno], n > 10)
for p, size in said:
    data = open(p, "rb").read()
    assert data[:size] == b"%05d" % int(p.rsplit("/f", 1)[1]) * (size // 5), p
os.unlink(said[0][0]); fd = os.open(d + "/again", os.O_CREAT | os.O_WRONLY); print(os.write(fd, b"x" * 10000))
END
run --tmpfs /small:3M -- python3 full.py /small
said 'ENOSPC True' 10000; check 'a full tmpfs keeps what was written'
run --disk-limit 3M -- python3 full.py "$dir/tree"
said 'ENOSPC True' 10000; check 'a full overlay keeps what was written'
# An upper layer on a disk that is full.
if unshare -rm sh -c 'mkdir -p full && mount -t tmpfs -o size=4m none full' 2>/dev/null; then
	# shellcheck disable=SC2016
	limited 60 unshare -rm sh -c 'mount -t tmpfs -o size=4m none full && "$0" run --upper full/up -- python3 full.py tree && "$0" run --upper full/up -- sh -c "ls tree | grep -c ^f; md5sum tree/f5; cat tree/again | wc -c"' "$HUSK"
	[ $status = 0 ] && [ "$(sed -n '1,2p;4,5p' out | tr '\n' ' ')" = "ENOSPC True 10000 $(for _ in $(seq 15000); do printf 00005; done | md5sum | cut -d' ' -f1)  tree/f5 10000 " ]
	check 'an upper layer on a full disk'
else
	n=$((n + 1))
	echo "ok $n - an upper layer on a full disk # SKIP no namespaces here"
fi

# An upper layer that was kept, on a file system that is read-only now.
if unshare -rm sh -c 'mount -t tmpfs none full && mount -o remount,ro full' 2>/dev/null; then
	# shellcheck disable=SC2016
	limited 60 unshare -rm sh -c 'mount -t tmpfs none full && "$0" run --upper full/up -- sh -c "echo kept >tree/ro" && mount -o remount,ro full && "$0" run --upper full/up -- true; echo $?; "$0" run --upper full/new -- true; echo $?; mount -o remount,rw full && "$0" run --upper full/up -- cat tree/ro' "$HUSK"
	said 125 125 kept && [ "$(grep -c 'Read-only file system' err)" = 2 ]
	check 'an upper layer on a read-only file system'
else
	n=$((n + 1))
	echo "ok $n - an upper layer on a read-only file system # SKIP no namespaces here"
fi

# Files that nobody has open take what they take, in this run and the next: what has no blocks is archived as a hole.
run --upper blocks -- sh -c 'head -c 300000 /dev/zero | tr "\0" x >tree/full; truncate -s 300000 tree/hollow; stat -c %b tree/full tree/hollow; tar cSf - tree/full | tar xO | md5sum'
printf '%s\n' "$(head -c 300000 /dev/zero | tr '\0' x | md5sum)" >want
[ $status = 0 ] && [ "$(head -n 1 out)" -ge 586 ] && [ "$(sed -n 2p out)" -lt 586 ] && tail -n 1 out | cmp -s - want; check 'blocks of closed files in an upper layer'
run --upper blocks -- sh -c 'stat -c %b tree/full; tar cSf - tree/full | tar xO | md5sum'
[ $status = 0 ] && [ "$(head -n 1 out)" -ge 586 ] && tail -n 1 out | cmp -s - want; check 'and in the next run'

# A run that was killed leaves bytes under numbers that it never told of: they are nobody's, and go.
"$HUSK" run --upper orphans -- python3 -c '
import os, time
fd = os.open("tree", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"o" * 5000)
g = os.open("tree/gone", os.O_CREAT | os.O_RDWR); os.write(g, b"g" * 5000); os.unlink("tree/gone")
print("ready", flush=True); time.sleep(60)' >told 2>/dev/null </dev/null &
victim=$!
for _ in $(seq 200); do
	grep -q ready told && break
	sleep 0.05
done
kill -9 $victim
wait $victim 2>/dev/null
[ -e orphans/running ] && [ "$(find orphans/data -type f | wc -l)" -ge 1 ]; check 'a killed run leaves its mark'
: >orphans/data/07/7.new
run --upper orphans -- sh -c 'printf 1 >tree/one; printf 2 >tree/two; ls tree/gone 2>&1 | sed "s/.*: //"'
said 'No such file or directory' && [ "$(find orphans/data -type f | wc -l)" = 2 ] && [ ! -e orphans/running ]; check "the next run takes away what is nobody's"
run --upper orphans -- sh -c 'stat -c %s tree/one tree/two; cat tree/one tree/two; echo'
said 1 1 12; check 'and nothing of it shows'

# The log of a run that goes on making and removing names does not grow for ever, and tells the tree all the same.
run --upper long -- python3 -c '
import os
os.mkdir("tree/kept"); fd = os.open("tree/open", os.O_CREAT | os.O_RDWR); os.write(fd, b"later"); os.unlink("tree/open"); os.setxattr("tree/kept", "user.x", b"y")
tmp = os.open("tree", os.O_TMPFILE | os.O_RDWR); os.write(tmp, b"linked")
for i in range(25000):
    os.close(os.open("tree/x%d" % i, os.O_CREAT | os.O_WRONLY))
    if i % 1000 == 0: os.rename("tree/x%d" % i, "tree/kept/%d" % i)
    else: os.unlink("tree/x%d" % i)
os.link("/proc/self/fd/%d" % tmp, "tree/linked", src_dir_fd=fd, follow_symlinks=True); print(os.pread(fd, 10, 0).decode())'
said later && [ "$(stat -c %s long/log)" -lt 14000000 ]; check 'the log is bounded'
run --upper long --changes=list -- sh -c 'ls tree/kept | wc -l; ls tree; getfattr -n user.x --only-values tree/kept 2>/dev/null || printf y; cat tree/linked'
[ $status = 0 ] && [ "$(head -n 1 out)" = 25 ] && grep -q '^linked$' out && ! grep -q '^open$' out && [ "$(tail -n 1 out)" = ylinked ] && [ "$(grep -c '^A' list)" = 27 ]
check 'and says what the tree is'

finish
