#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest's tree as the command line makes it: the overlay, --changes, --bind, --ro-bind, --tmpfs, --hide,
# --disk-limit. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# run ARG...: husk run; output in out and err, status in $status.
run() {
	# shellcheck disable=SC2086
	limited 30 "$HUSK" run ${HUSK_FLAGS:-} "$@"
}

# said TEXT...: the program ended with 0 and printed just these lines.
said() {
	[ $status = 0 ] && printf '%s\n' "$@" | cmp -s - out
}

mkdir -p tree/sub/deep
echo one >tree/a
echo two >tree/sub/b
echo three >tree/sub/deep/c
ln -s a tree/link
ln tree/a tree/sub/hard
mkfifo tree/fifo
find tree -printf '%p %y %m %n %s %l\n' | sort >before

# The overlay takes every change and the host keeps its own.
run -- sh -c 'echo more >>tree/a; rm tree/sub/b; mv tree/sub tree/moved; chmod 600 tree/link; mkdir tree/sub; touch tree/new; cat tree/moved/hard tree/moved/deep/c; ls tree tree/sub'
said one more three 'tree:' a fifo link moved new sub '' 'tree/sub:'; check 'the overlay takes changes'
find tree -printf '%p %y %m %n %s %l\n' | sort | cmp -s - before && [ "$(cat tree/a)" = one ]; check 'the host keeps its tree'

# What stat tells of a name that nothing was done about, and of one whose file was changed by its other name.
chmod 644 tree/a
run -- sh -c 's="stat -c %a-%h-%s"; $s tree/a tree/sub/hard; chmod 604 tree/a; $s tree/sub/hard; echo more >>tree/a; $s tree/sub/hard; mv tree/a tree/x; $s tree/x tree/sub/hard; rm tree/x; $s tree/x 2>/dev/null || $s tree/sub/hard'
said 644-2-4 644-2-4 604-2-4 604-2-9 604-2-9 604-2-9 604-1-9; check 'stat of what changes by another name'

# What is changed of the attributes of devices, and of what /proc and /sys tell of the whole system, stays.
run --uid 0 --gid 0 -- sh -c 'chmod 600 /dev/full; chown 5:6 /proc/version /proc/net/unix; chmod 700 /sys/kernel; touch -d @5 /proc/meminfo; stat -c %a-%u-%g /dev/full /proc/version /proc/thread-self/net/unix /sys/kernel /dev/zero; stat -c %Y /proc/meminfo'
said 600-0-0 444-5-6 444-5-6 700-0-0 666-0-0 5; check 'attributes of devices, /proc and /sys'

# The host's changes show, if late.
mkdir told
echo short >told.late
(until [ -e told/ready ]; do sleep 0.01; done; echo longer >told.late) &
run --bind told -- sh -c 'stat -c %s told.late; touch told/ready; until [ "$(stat -c %s told.late)" = 7 ]; do :; done; cat told.late'
wait $!
said 6 longer; check "the host's changes of a file show"
rm -r told told.late

# --changes: sorted, one a line, nothing of what only had to be there for it.
run --changes=list --tmpfs "$dir/made/here" -- sh -c 'echo x >>tree/a; rm tree/sub/deep/c; mv tree/link tree/other; mkdir tree/d; echo 1 >"tree/d/a
b"; touch /tmp/nobody-cares; cat tree/sub/b >/dev/null; mv tree/sub/b tree/b; mv tree/b tree/sub/b; chmod 700 tree/sub'
printf '%s\n' "C $dir/tree/a" "A $dir/tree/d" "A $dir/tree/d/a\\012b" "D $dir/tree/link" "A $dir/tree/other" "C $dir/tree/sub" "D $dir/tree/sub/deep/c" |
	cmp -s - list
check 'changes'
run --changes=list -- sh -c 'mv tree/sub tree/s2; rm tree/a; mkdir tree/a; touch tree/a/x; rm -r tree/s2/deep'
printf '%s\n' "C $dir/tree/a" "A $dir/tree/a/x" "A $dir/tree/s2" "A $dir/tree/s2/b" "A $dir/tree/s2/hard" "D $dir/tree/sub" | cmp -s - list
check 'changes of a moved directory'
run --changes=list -- cat tree/a; [ $status = 0 ] && [ -f list ] && [ ! -s list ]; check 'no changes'

# FIFOs of the host's are seen and lead nowhere.
timeout 30 sh -c 'exec 3<>tree/fifo; echo secret >&3; exec "$@"' sh "$HUSK" run -- sh -c 'test -p tree/fifo && timeout 1 cat tree/fifo; echo $?' >out 2>err
status=$?
said 124; check 'a FIFO of the host is not opened'
timeout 30 sh -c 'exec 3<>tree/fifo; echo secret >&3; exec "$@"' sh "$HUSK" run --bind tree:/b --ro-bind tree:/ro -- sh -c 'for d in /b /ro; do timeout 1 cat $d/fifo; echo $?; cat $d/fifo & echo own >$d/fifo; wait; done' >out 2>err
status=$?
said 124 own 124 own; check 'nor in a bind, where guests meet by it'

# --bind writes through, --ro-bind does not.
mkdir shared
echo host >shared/f
chmod 777 shared
run --bind shared:/mnt/s -- sh -c 'cat /mnt/s/f; echo guest >/mnt/s/g; mkdir /mnt/s/d; mv /mnt/s/f /mnt/s/d/f; ln -s d /mnt/s/l; chmod 640 /mnt/s/g; (umask 077; echo 1 >/mnt/s/private); grep -c " /mnt/s " /proc/mounts'
said host 1 && [ "$(cat shared/g)" = guest ] && [ "$(cat shared/l/f)" = host ] && [ "$(stat -c %a shared/g shared/private | tr '\n' ' ')" = '640 600 ' ]
check 'bind writes through'
run --bind "$dir/shared" -- sh -c "rm shared/g; cd /; echo again >$dir/shared/h; git init -q $dir/shared/repo 2>/dev/null; true"
[ $status = 0 ] && [ ! -e shared/g ] && [ "$(cat shared/h)" = again ]; check 'bind under its own name'
run --ro-bind shared:/mnt/s -- sh -c 'cat /mnt/s/h; echo x 2>/dev/null >/mnt/s/n || echo refused; grep -o " ro," /proc/mounts'
said again refused ' ro,' && [ ! -e shared/n ]; check 'ro-bind'
run --ro-bind shared/h:/etc/hostname -- cat /etc/hostname
said again; check 'a file bound over a file'
run --bind shared/h:/new/place -- sh -c 'echo changed >/new/place'
[ $status = 0 ] && [ "$(cat shared/h)" = changed ]; check 'a file bound where nothing was'
run --bind shared -- sh -c 'echo x >outside; ln -s /etc shared/out; echo pwned >shared/out/pwned; cat shared/out/pwned'
said pwned && [ ! -e outside ] && [ ! -e /etc/pwned ]; check 'links in a bind lead into the guest'
run --bind shared:/mnt/s -- sh -c 'cd /mnt/s/../s/../../mnt; pwd; mknod /mnt/s/null c 1 3 2>/dev/null || echo refused'
said /mnt refused; check "a bind's .., no devices"

# Names that the host changes under a bind, and a symlink that it puts in the way: nothing outside is reached.
mkdir shared/flip real
(
	while [ -e shared/flip.on ] || [ ! -e shared/flip.done ]; do
		mv shared/flip real/flip && ln -s "$dir/real" shared/flip && rm shared/flip && mv real/flip shared/flip
	done
) 2>/dev/null &
flipper=$!
touch shared/flip.on
run --bind "$dir/shared" --hide "$dir/real" -- sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo x 2>/dev/null >shared/flip/pwned; cat shared/flip/pwned >/dev/null 2>&1; ls shared/flip >/dev/null 2>&1; done; echo ended'
touch shared/flip.done
rm shared/flip.on
wait $flipper
said ended && [ ! -e real/pwned ]; check 'a host that flips a directory and a link'
rm -rf shared/flip shared/flip.done real

# The same by the guest's own threads, in each kind of tree, and paths as long as they may be: natively first.
cp "$TOOLS/../guest/fs_race" .
limited 60 ./fs_race "$dir"
[ $status = 0 ]; check 'walks against renames and links, natively'
run -- ./fs_race "$dir"
[ $status = 0 ]; check 'walks against renames and links in the overlay'
run --upper raceup -- ./fs_race "$dir"
[ $status = 0 ]; check 'walks against renames and links in an upper layer'
mkdir race
chmod 777 race
run --bind "$dir/race:/r" -- ./fs_race /r
[ $status = 0 ]; check 'walks against renames and links in a bind'
rm -rf raceup race

# More small files mapped than husk may have descriptors.
cp "$TOOLS/map_many" .
(ulimit -n 256 && run -- sh -c './map_many . 1500 && ./map_many /tmp 1500'; echo "$status" >got)
[ "$(cat got)" = 0 ] && printf 'all there\nall there\n' | cmp -s - out; check 'many small files mapped, few descriptors'

# What the host's tree may hold: long names and paths, loops, what cannot be read, what goes away.
long=$(printf 'n%.0s' $(seq 255))
mkdir hostile
echo deep >"hostile/$long"
ln -s loop hostile/loop
ln -s ../hostile/.. hostile/up
mknod hostile/null c 1 3 2>/dev/null || ln -s /dev/null hostile/null
echo going >hostile/gone
run -- sh -c "cat hostile/$long; cat hostile/loop; cat hostile/${long}x; cat hostile/up/hostile/up/tree/a; cat /../../..$dir/tree/a" 2>/dev/null
[ "$(cat out)" = "$(printf 'deep\none\none')" ] && grep -q 'Too many levels' err && grep -q 'too long' err; check 'long names, loops, ..'
run -- sh -c 'cat hostile/gone; rm hostile/gone; cat hostile/gone; echo new >hostile/gone; cat hostile/gone; rm -r hostile; ls hostile' 2>/dev/null
[ "$(head -n 2 out | tr '\n' ' ')" = 'going new ' ] && [ -e hostile/gone ]; check 'a tree of them removed'
if [ "$(id -u)" = 0 ]; then
	chmod 711 hostile
	install -m 755 "$HUSK" husk-for-all
	limited 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/husk-for-all" run --uid 0 --gid 0 --changes -- sh -c 'mv hostile h2; echo x >h2/new; rm h2/gone; mv h2/null h2/nil; mkdir hostile; ls h2 2>/dev/null || echo closed'
	said closed && printf '%s\n' "A $dir/h2" "A $dir/h2/new" "A $dir/h2/nil" "C $dir/hostile" | cmp -s - err; check 'changes of what husk itself may not list'
	chmod 700 hostile
	install -m 755 "$HUSK" husk-for-all
	limited 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/husk-for-all" run --uid 0 --gid 0 -- sh -c "ls hostile; echo x >hostile/y; cat tree/a"
	grep -c 'Permission denied' err >got
	[ "$(cat got)" = 2 ] && [ "$(cat out)" = one ]; check 'what husk itself may not read'
fi

# A big file is copied by a helper while others read and write it.
seq 1500000 >big
(cat big; echo tail) | md5sum >want
run -- sh -c 'echo tail >>big; md5sum <big'
cmp -s want out; check 'a big file is copied whole'
run -- sh -c 'for i in 1 2 3 4; do echo tail$i >>big & head -n 1 big; done; wait; tail -n 4 big | sort; echo x >>big & truncate -s 100 big; wait; head -c 8 big'
said 1 1 1 1 tail1 tail2 tail3 tail4 1 2 3 4 && [ "$(tail -n 1 big)" = 1500000 ]; check 'several writers of a big file'
run --disk-limit 5M -- sh -c 'echo x 2>/dev/null >>big || echo full; tail -n 1 big'
said full 1500000; check 'no room for the copy'
rm big

# What is wrong is said before anything runs.
for wrong in "--bind nowhere" "--ro-bind nowhere:/x" "--bind shared:relative" "--tmpfs relative" "--tmpfs /x:12Q" "--hide x" "--disk-limit 0" "--disk-limit x"; do
	# shellcheck disable=SC2086
	run $wrong -- true
	[ $status = 125 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ]; check "wrong: $wrong"
done
# What would be without effect.
for wrong in "--hide /" "--hide /proc" "--hide /tmp" "--bind shared:/m --hide /m" "--bind shared:/" "--ro-bind shared://" "--tmpfs /usr/.."; do
	# shellcheck disable=SC2086
	run $wrong -- true
	[ $status = 125 ] && [ ! -s out ] && grep -q -e 'a mount begins there' -e 'the root itself is what --root says' err
	check "without effect: $wrong"
done
run --ro-bind shared:/etc/passwd -- true
[ $status = 125 ] && grep -q 'Not a directory' err; check 'a directory over a file'

# --tmpfs
run --tmpfs /x/y:1M -- sh -c 'stat -f -c "%T %b" /x/y; head -c 900K /dev/zero >/x/y/a && head -c 900K /dev/zero 2>/dev/null >/x/y/b || echo full; ls /x'
said 'tmpfs 256' full y; check 'tmpfs of a size'
mkdir 'odd name'
run --tmpfs '/x y\z:1M' --ro-bind "$dir/odd name" -- sh -c 'tail -n 2 /proc/mounts; tail -n 2 /proc/self/mountinfo | cut -d" " -f 5-; df --output=size "/x y\z" | tail -n 1 | tr -d " "'
# shellcheck disable=SC1003
said 'tmpfs /x\040y\134z tmpfs rw,relatime,size=1024k,mode=755 0 0' "/dev/root $dir/odd\\040name husk-host ro,relatime 0 0" \
	'/x\040y\134z rw,relatime - tmpfs tmpfs rw,size=1024k,mode=755' "$dir/odd\\040name ro,relatime - husk-host /dev/root ro" 1024
check 'mounts of odd names, and their options'

# --hide
run --hide "$dir/tree/sub" --hide "$dir/tree/link" --hide /no/such -- sh -c 'ls tree; cat tree/a 2>&1; ls tree/sub 2>/dev/null || echo none; mkdir tree/sub; ls tree/sub'
said fifo "cat: tree/a: No such file or directory" none; check 'hide, with what a link leads to'
run --changes=list --hide "$dir/tree/sub" -- true
[ $status = 0 ] && [ ! -s list ]; check 'what is hidden is no change'

run --hide /proc/self -- true
[ $status = 125 ] && grep -q 'cannot hide /proc/self: .*--tmpfs' err; check 'hide where it cannot says what to do'
mkdir -p masked/sub && echo key >masked/sub/secret && echo open >masked/sub/public
run --ro-bind "$dir/masked:/mnt" --hide /mnt/sub/secret -- sh -c 'cd /mnt; cat sub/secret 2>/dev/null || echo none; ls -a sub; stat sub/secret 2>/dev/null; find . | sort'
said none . .. public . ./sub ./sub/public; check 'hide below a read-only bind'
run --bind "$dir/masked:/mnt" --hide /mnt/sub/secret -- sh -c 'cd /mnt; ls sub; for how in "mv sub/public sub/secret" "ln sub/public sub/secret" "mkdir sub/secret" "ln -s x sub/secret" "rm -r sub/secret"; do $how 2>/dev/null && echo "$how"; done; (echo lost >sub/secret) 2>/dev/null || echo refused; mv sub moved; cat moved/secret; ls moved; mkdir sub; echo x >sub/other; ls sub; rm -r moved 2>/dev/null || echo kept' 2>/dev/null
said public refused public other kept && [ "$(cat masked/moved/secret)" = key ]; check 'hide below a bind, whose directory is moved'
run --ro-bind "$dir/masked:/mnt" --hide /mnt/moved/secret -- sh -c "ls /mnt/moved; echo ready >&2; while [ ! -e /mnt/go ]; do sleep 0.1; done; ls /mnt/moved; cat /mnt/moved/secret" &
until grep -qs ready err; do sleep 0.1; done
mv masked/moved masked/away && mkdir masked/moved && echo again >masked/moved/secret && : >masked/go
wait $!
[ ! -s out ] && grep -q 'secret: No such file' err; check 'hide holds where the host puts another directory'

# --disk-limit holds over all trees together, and what is removed is free again.
run --disk-limit 4M -- sh -c 'head -c 3M /dev/zero >/tmp/a && head -c 3M /dev/zero 2>/dev/null >/usr/b || echo full; rm /tmp/a /usr/b; head -c 3M /dev/zero >/usr/b && echo fits; stat -f -c %b /'
said full fits 1024; check 'disk limit'

# --changes goes whole to a pipe that does not wait and is read slowly.
cat >slow.py <<'END'
import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
p = subprocess.Popen(sys.argv[1:], stderr=w)
os.close(w)
time.sleep(0.5)
n = 0
while (data := os.read(r, 100)):
    n += data.count(b"A ")
    if n < 400:
        time.sleep(0.002)
print(n, p.wait())
END
# shellcheck disable=SC2086
limited 60 python3 slow.py "$HUSK" run ${HUSK_FLAGS:-} --changes -- sh -c 'mkdir many; cd many; seq -f "a-rather-long-name-that-fills-the-pipe-%04.0f" 3000 | xargs touch'
said '3001 0'; check 'changes to a pipe that does not wait'

# What trees and memfds in memory hold is counted together: three of a third and a bit of what df says do not fit. A shared
# writable mapping is counted whole, so nothing is filled here.
cat >hold.py <<'END'
import errno, mmap, os
st = os.statvfs("/tmp")
size = st.f_bavail * st.f_frsize * 2 // 5
held = []
def hold(fd):
    os.ftruncate(fd, size)
    try:
        held.append(mmap.mmap(fd, size))
        return "fits"
    except OSError as e:
        return errno.errorcode[e.errno]
print(hold(os.memfd_create("m")), hold(os.open("/tmp/a", os.O_RDWR | os.O_CREAT)), hold(os.open("/dev/shm/b", os.O_RDWR | os.O_CREAT)),
      hold(os.open("here", os.O_RDWR | os.O_CREAT)))
held[1].close()
os.truncate("/tmp/a", 0)
print(hold(os.open("/dev/shm/c", os.O_RDWR | os.O_CREAT)))
END
run -- python3 hold.py
said 'fits fits ENOMEM ENOMEM' fits; check 'one account of memory'
# All but 2 MB is taken, by a mapping that nobody fills: what is written then is written, or refused.
cat >write.py <<'END'
import errno, mmap, os, sys
st = os.statvfs("/tmp")
size = (st.f_bavail - 512) * st.f_frsize
m = os.memfd_create("m")
os.ftruncate(m, size)
held = mmap.mmap(m, size)
def refused(call):
    try: return call()
    except OSError as e: return errno.errorcode[e.errno]
for d in sys.argv[1:]:
    fd, wrote = os.open(d + "/filled", os.O_CREAT | os.O_RDWR), 0
    while isinstance(n := refused(lambda: os.write(fd, b"w" * 10000)), int): wrote += n
    print(n, 1500000 < wrote < 2100000, os.fstat(fd).st_size == wrote, os.pread(fd, wrote + 1, 0) == b"w" * wrote, end=" ")
    print(refused(lambda: os.posix_fallocate(fd, wrote, 1 << 20)), refused(lambda: os.write(os.memfd_create("x"), b"x" * 2000000)), os.pwrite(fd, b"over", 0))
    os.close(fd)
    os.unlink(d + "/filled")
END
run -- python3 write.py /tmp /dev/shm "$dir"
line='ENOSPC True True True ENOSPC ENOSPC 4'
said "$line" "$line" "$line"; check 'plain writes to full memory'
# With a small stack, too.
head -c 5M /dev/urandom >random
sh -c 'ulimit -s 200; exec timeout 30 "$@"' - "$HUSK" run -- sh -c 'cp random /tmp/r; cat /tmp/r random | md5sum; dd if=random of=/tmp/q bs=3M 2>/dev/null; cmp random /tmp/q' >out 2>err </dev/null
status=$?
said "$(cat random random | md5sum)"; check 'a small stack'
rm random

mkfifo fifo-in
# --upper: a later run goes on.
run --upper up -- sh -c 'echo kept >>tree/a; rm tree/link; mkdir tree/n; echo 1 >tree/n/f; chmod 400 tree/n/f; chown 5:6 tree/n/f 2>/dev/null; mv tree/sub tree/moved; ls -d up 2>&1'
[ $status = 2 ] && [ "$(cat tree/a)" = one ] && [ -e tree/link ]; check 'upper: the guest does not see it, the host keeps its tree'
run --upper up --changes=list -- sh -c 'cat tree/a tree/n/f tree/moved/b; ls tree; stat -c %a tree/n/f'
said one kept 1 two a fifo moved n 400 && grep -q "^D $dir/tree/link" list && grep -q "^A $dir/tree/moved/deep/c" list; check 'upper: the next run goes on'
"$HUSK" run --upper up -- sh -c ': >tree/started; read line' <fifo-in >/dev/null 2>&1 &
first=$!
exec 9>fifo-in
for _ in $(seq 100); do
	grep -q started up/log && break
	sleep 0.1
done
run --upper up -- true
[ $status = 125 ] && grep -q 'in use by another run' err; check 'upper: one run at a time'
exec 9>&-
wait $first
mkdir foreign
echo mine >foreign/file
run --upper foreign -- true
[ $status = 125 ] && grep -q 'neither empty nor' err && [ "$(ls foreign)" = file ]; check 'upper: a foreign directory'
mkdir other
echo 'husk upper layer 99' >other/husk-upper
run --upper other -- true
[ $status = 125 ] && grep -q 'another version' err; check 'upper: another version'
run --upper tree/a -- true
[ $status = 125 ]; check 'upper: a file'
for held in "$dir" "$dir/up/data" /; do
	run --upper up --bind "$held:/held" -- true
	[ $status = 125 ] && grep -q 'could write to its upper layer' err; check "upper: a bind of ${held#"$dir"}"
done
run --upper up --bind "$dir/shared:/up2" --ro-bind "$dir:/held" -- sh -c 'echo x 2>/dev/null >/held/up/log || echo refused'
said refused; check 'upper: a read-only bind that shows it'
mkdir -p empty
: >empty/husk-upper
run --upper empty -- touch tree/x
[ $status = 0 ] && run --upper empty -- ls tree/x && said tree/x; check 'upper: begun and killed at once'
# Bytes that something else has removed are an error, and not an empty file.
run --upper lossy -- sh -c 'echo one >tree/new; : >tree/empty; echo two >>tree/a; echo three >tree/again'
rm lossy/data/*/*
run --upper lossy -- sh -c 'cat tree/new 2>&1; cat tree/empty; (echo x >>tree/a) 2>/dev/null || echo refused; echo four >tree/again; cat tree/again; rm tree/new tree/a'
said 'cat: tree/new: Input/output error' refused four && grep -q '^husk: 3 files of the upper layer have lost their bytes' err; check 'upper: lost bytes'
run --upper lossy -- sh -c 'cat tree/again; ls tree'
said four again empty fifo link sub && [ ! -s err ]; check 'upper: lost files removed and overwritten'
if [ "$(id -u)" = 0 ]; then
	mkdir closed
	HUSK=$dir/husk-for-all
	limited 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$HUSK" run --upper "$dir/closed" -- true
	[ $status = 125 ] && grep -q 'cannot' err; check 'upper: one that may not be written'
	install -d -o 65534 -m 700 mine
	limited 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$HUSK" run --uid 0 --gid 0 --upper "$dir/mine" -- sh -c 'mkdir /usr/x; echo hi >/usr/x/f; chown 1000:1000 /usr/x/f; chmod 0 /usr/x/f; mkfifo /usr/x/p'
	limited 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$HUSK" run --uid 0 --gid 0 --upper "$dir/mine" -- stat -c '%n %u %a %F' /usr/x/f /usr/x/p
	said '/usr/x/f 1000 0 regular file' '/usr/x/p 0 644 fifo'; check 'upper: owners, modes and types as an ordinary user'
fi

# A run that is killed, at any moment, leaves a layer that the next one takes, with all that was acknowledged.
rm -rf up
for round in 1 2 3 4 5; do
	"$HUSK" run --upper up -- sh -c 'i=0; while :; do i=$((i + 1)); mkdir tree/k$i && echo $i >tree/k$i/f && mv tree/k$i tree/d$i && echo $i; rm -rf tree/d$((i - 20)); done' >told 2>/dev/null </dev/null &
	victim=$!
	for _ in $(seq 200); do
		[ "$(wc -l <told)" -gt $((10 * round)) ] && break
		sleep 0.05
	done
	kill -9 $victim
	wait $victim 2>/dev/null
	last=$(tail -n 1 told)
	run --upper up -- sh -c "cat tree/d$last/f; ls tree | grep -c '^d'; rm -rf tree/d* tree/k*"
	[ $status = 0 ] && [ "$(head -n 1 out)" = "$last" ]; check "upper: killed, round $round"
done
# Cut anywhere, the log's beginning is taken.
run --upper up2 -- sh -c 'for i in 1 2 3 4 5 6; do mkdir tree/c$i; echo $i >tree/c$i/f; done'
size=$(stat -c %s up2/log)
held=0
for at in 0 1 $((size / 3)) $((size / 2)) $((size - 1)); do
	rm -rf cut
	cp -r up2 cut
	truncate -s $at cut/log
	run --upper cut -- sh -c 'ls tree >/dev/null; touch tree/again'
	[ $status = 0 ] && held=$((held + 1))
	run --upper cut -- ls tree/again
	said tree/again && held=$((held + 1))
done
[ $held = 10 ]; check 'upper: a log that was cut'
# Damage in the middle is told, and nothing is written.
cp -r up2 damaged
printf 'Z' | dd of=damaged/log bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
cp damaged/log before-damage
run --upper damaged -- true
[ $status = 125 ] && grep -q 'damaged' err && cmp -s damaged/log before-damage; check 'upper: a damaged log'

# What stands in the place of bytes and is no file, or leads elsewhere, is told too.
bytes=$(cd up2 && find data -type f | head -n 1)
for put in 'mkfifo up3/$bytes' 'ln -s /etc/passwd up3/$bytes' 'mkdir up3/$bytes' 'mv up3/${bytes%/*} up3/aside; ln -s ../aside up3/${bytes%/*}'; do
	rm -rf up3
	cp -r up2 up3
	rm up3/$bytes
	eval "$put"
	cp up3/log before-damage
	run --upper up3 -- cat tree/c1/f
	[ $status = 125 ] && [ ! -s out ] && grep -q -e "$bytes .*not a regular file" -e 'Not a directory' err && cmp -s up3/log before-damage; check "upper: bytes that are none, ${put%% *}"
done
rm -rf up3

# Shared mappings of lower files see what is written later: a small file, and one that a helper copies; in memory and in
# an upper layer; natively first.
cp "$TOOLS/lower_map" .
for size in 20000 6000000; do
	head -c $size /dev/zero | tr '\0' - >mapped.native
	cp mapped.native mapped
	limited 30 ./lower_map mapped.native
	[ $status = 0 ] && [ ! -s out ]; check "mappings of a file of $size bytes, natively"
	run -- ./lower_map mapped
	[ $status = 0 ] && [ ! -s out ]; check "mappings of a lower file of $size bytes"
	run --upper mapup -- ./lower_map mapped
	[ $status = 0 ] && [ ! -s out ]; check "mappings of a lower file of $size bytes, with --upper"
	rm -rf mapup
done

# A file that a guest reads by itself, changed by its first write, again and again: natively first.
cp "$TOOLS/../guest/fs_donate" .
for size in 100000 6000000; do
	head -c $size /dev/zero >donate.native
	perl -e 'print pack "c*", map { ($_ * 7 + int($_ / 256)) & 255 } 0 .. 99999' | dd of=donate.native conv=notrunc 2>/dev/null
	cp donate.native donate
	limited 30 ./fs_donate donate.native
	[ $status = 0 ]; check "reads of a file of $size bytes while it changes, natively"
	run -- ./fs_donate donate
	[ $status = 0 ]; check "reads of a lower file of $size bytes while it changes"
	run --upper donateup -- ./fs_donate donate
	[ $status = 0 ]; check "reads of a lower file of $size bytes while it changes, with --upper"
	run --bind "$PWD:/bound" -- ./fs_donate /bound/donate
	[ $status = 0 ] && cmp -s donate donate.native; check "reads of a bound file of $size bytes while it changes"
	rm -rf donateup
done

# Big reads by an offset that several processes share, of a file that is not in the host's memory: natively first.
cp "$TOOLS/../guest/fs_offset" .
perl -e 'print pack "Q*", $_ * 1024 .. $_ * 1024 + 1023 for 0 .. 2047' >numbers
uncache() {
	dd if=numbers of=numbers conv=notrunc,nocreat,fsync count=0 2>/dev/null
	dd if=numbers iflag=nocache count=0 2>/dev/null
}
uncache
limited 30 ./fs_offset numbers
[ $status = 0 ]; check 'big reads by a shared offset, natively'
uncache
run -- ./fs_offset numbers
[ $status = 0 ]; check 'big reads by a shared offset, of a cold file'

# Copies of such a file from descriptor to descriptor: natively first.
cat >carry.py <<'END'
import hashlib, os, threading
size = os.stat("numbers").st_size
def sent(out): return os.sendfile(out, fd, None, size)
def ranged(out): return os.copy_file_range(fd, out, size)
def through(out):
    r, w = os.pipe()
    n = os.splice(fd, w, size)
    return os.splice(r, out, n) if n else 0
for carry in sent, ranged, through:
    fd = os.open("numbers", os.O_RDONLY)
    out = os.open("carried", os.O_CREAT | os.O_TRUNC | os.O_RDWR)
    while carry(out): pass
    print(hashlib.md5(open("carried", "rb").read()).hexdigest(), os.lseek(fd, 0, os.SEEK_CUR), os.lseek(out, 0, os.SEEK_CUR))
    os.system("dd if=numbers iflag=nocache count=0 2>/dev/null")
END
uncache
python3 carry.py >want
uncache
run -- python3 carry.py
[ $status = 0 ] && [ "$(cut -d' ' -f1 out | sort -u)" = "$(md5sum <numbers | cut -d' ' -f1)" ] && cmp -s want out
check 'copies from descriptor to descriptor, of a cold file'

# Numbers of synthetic files, and of directories that are there for a mount alone, tell nothing of where this kernel process
# happens to lie.
mkdir -p bare
numbered() { run --ro-bind "$PWD/bare:/bare" --tmpfs /bare/new/deep -- stat -c '%n %i' /proc/version /proc/1/stat /dev/null /sys/dev /bare/new; }
numbered
mv out want
numbered
[ $status = 0 ] && cmp -s want out; check 'the files of /proc, /dev and /sys have the same numbers in each sandbox'

# /dev is a tree in memory like Linux's: its names may be made, changed and removed, and the host's stay as they are.
ls -l --time-style=full-iso /dev >before
run -- sh -c 'mkdir /dev/sub && echo text >/dev/sub/file && ln -s sub/file /dev/link && cat /dev/link
	chmod 600 /dev/full && stat -c %a /dev/full
	mv /dev/zero /dev/sub/nought && head -c 3 /dev/sub/nought | wc -c
	ln /dev/null /dev/other && echo gone >/dev/other && wc -c </dev/other
	rm /dev/null && echo kept >/dev/null && cat /dev/null
	mknod /dev/made c 1 3 2>&1; stat -f -c %T /dev'
said text 600 3 0 kept 'mknod: /dev/made: Operation not permitted' tmpfs && ls -l --time-style=full-iso /dev | cmp -s before -
check 'names in /dev'
run --uid 1234 -- sh -c 'touch /dev/x 2>&1; echo gone >/dev/null; chmod 600 /dev/null 2>&1'
[ $status = 1 ] && [ "$(wc -l <out)" = 2 ] && ! grep -qv 'Permission denied$\|not permitted$' out
check 'names in /dev, by an ordinary user'

finish
