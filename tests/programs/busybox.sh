#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Static busybox: its shell and applets.
. "$(dirname "$0")/lib.sh"
need busybox || finish
bb=/bin/busybox
[ -x $bb ] || bb=/usr/bin/busybox

# Each applet is reached by a link of its own name, as on a busybox system.
run() {
	compare "busybox $1" "mkdir .b && $bb --install -s .b && PATH=$T/.b exec sh -c '$2'"
}

compare 'static binary alone' "$bb true"
compare 'false' "$bb false"
compare 'echo' "$bb echo hello world"
run 'ash loop' 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo $i'
run 'ash functions' 'f() { local x=$1; [ $x -le 1 ] && { echo 1; return; }; echo $(($x * $(f $(($x-1))))); }; f 6'
run 'pipes' 'seq 1 1000 | grep 7 | sort -r | head -n 5 | tr 0-9 a-j'
run 'ls' 'ls -l /usr/include | head -n 20; ls -d /usr /bin /etc'
run 'cat wc' 'cat /etc/passwd | wc; wc -l /etc/services /etc/group'
run 'cp mv rm' 'cp /etc/passwd a; mv a b; ls; cmp b /etc/passwd && echo same; rm b; ls'
run 'mkdir ln stat' 'mkdir -p x/y/z; ln -s y x/l; readlink x/l; cd x/l/z && pwd; stat -c "%a %F %s" /etc/passwd'
run 'find' 'mkdir -p d/e; touch d/1 d/e/2; find d | sort; find d -type f -exec echo {} \;'
run 'grep sed awk' 'sed -n "1,5s/:/|/gp" /etc/passwd; awk -F: "{s+=\$3} END {print s}" /etc/passwd; grep -c root /etc/group'
run 'sort uniq cut' 'cut -d: -f7 /etc/passwd | sort | uniq -c'
run 'md5sum sha' 'md5sum /etc/passwd; sha1sum /etc/passwd; sha256sum /etc/passwd; cksum /etc/group'
run 'tar' 'mkdir t; seq 1 100 >t/a; cp /etc/passwd t/b; tar cf t.tar t; rm -r t; tar xf t.tar; md5sum t/*; tar tf t.tar | sort'
run 'gzip' 'seq 1 5000 | gzip | gunzip | md5sum; seq 1 5000 | gzip >x.gz; zcat x.gz | tail -n 2'
run 'bzip2' 'seq 1 3000 | bzip2 | bunzip2 | md5sum'
run 'dd od' 'dd if=/dev/zero bs=4096 count=64 2>/dev/null | od -c | head; printf "\\001\\377abc" | od -An -tx1; printf abc | hexdump -C'
run 'xargs' 'seq 1 40 | xargs -n 7 echo; seq 1 6 | xargs -P 3 -n 1 sh -c "exit 0"; echo $?'
run 'tee' 'echo both | tee f1 f2; cat f1 f2'
run 'expr test' 'expr 6 \* 7; [ -d /usr ] && [ ! -e /nonexistent ] && echo yes; expr length hello'
run 'vi-less tools' 'echo "a b c" | rev; echo abc | fold -w 2; seq 3 | paste - - -; seq 5 | tac'
run 'diff patch' 'seq 5 >a; sed s/3/x/ a >b; diff -u a b | tail -n +3; diff -u a b >p; patch a p >/dev/null; cmp a b && echo ok'
run 'env' 'A=1 env | grep ^A=; env -i B=2 env'
run 'kill wait' 'sleep 100 & p=$!; kill $p; wait $p 2>/dev/null; echo $?'
run 'trap' 'trap "echo got" USR1; kill -USR1 $$; echo after; trap "echo bye" EXIT'
run 'timeout' 'timeout 1 sleep 10; echo $?; timeout 5 true; echo $?'
run 'usleep nice' 'usleep 1000; nice -n 0 echo niced; nohup echo n 2>/dev/null'
run 'here-document' 'cat <<E
one $((1+1))
E'
run 'mkfifo' 'mkfifo p; seq 3 >p & cat p; wait'
run 'uuencode base64' 'base64 /etc/hostname | base64 -d | cmp - /etc/hostname && echo same; seq 3 | uuencode x | uudecode -o - '
run 'date' 'date -u -d @86400; TZ=UTC date -d @0 +%F'
run 'id whoami' 'id; whoami; id -u; groups'
run 'touch stat times' 'touch -d "2020-01-02 03:04:05" f; stat -c %Y f; ls -l --full-time f | cut -c1-10'
run 'chmod umask' 'touch f; chmod 4751 f; stat -c %a f; umask 077; mkdir d; stat -c %a d; umask'
run 'install truncate' 'truncate -s 100000 f; wc -c f; install -m 600 f g; stat -c "%a %s" g'
run 'bc dc' 'echo "2 100 ^ p" | dc; echo "scale=20; 1/3" | bc'
run 'exit status' 'sh -c "exit 42"; echo $?; sh -c "kill -9 \$\$"; echo $?; nosuchcommand 2>/dev/null; echo $?'
run 'deep pipeline' 'seq 1 20000 | cat | cat | cat | cat | cat | cat | cat | md5sum'
run 'many processes' 'i=0; while [ $i -lt 100 ]; do $T/.b/true || exit 1; i=$((i+1)); done; echo $i'
finish
