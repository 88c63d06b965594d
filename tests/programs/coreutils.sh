#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# coreutils and their neighbours over /usr and over files of their own.
. "$(dirname "$0")/lib.sh"

compare 'ls -lR of headers' 'ls -lR /usr/include/linux'
compare 'ls -la of the root of things' 'ls -la /usr /etc/apt'
compare 'ls -R of /usr/share/doc' 'ls -R /usr/share/doc | md5sum'
compare 'ls sorted by size and time' 'ls -lS /usr/bin | head -n 40; ls -lt --full-time /usr/lib | tail -n 20'
compare 'ls of links and own files' 'ln -s a b; ln -s /etc/passwd c; mkfifo p; mkdir d; touch -d @1000000 e d; ln e f; ls -F; ls -lL c | cut -c1-10; stat -c "%n %F %h %N" b c p d e f; readlink -f b c'
compare 'stat formats' 'stat -c "%n %a %A %F %g %G %h %s %u %U %x %y %N" /etc/passwd /usr /bin /usr/bin/env /etc/alternatives/awk /usr/lib/os-release; stat -f -c "%l" /usr'
compare 'stat of what is missing' 'stat /nonexistent; stat /etc/passwd/x; cat /root/nothing/x; ls /nonexistent; cat /usr'
compare 'wc' 'wc /usr/include/*.h; wc -m /etc/services; cat /usr/include/*.h | wc'
compare 'sort' 'sort /etc/services | md5sum; sort -t: -k3 -n /etc/passwd; sort -u -r /etc/services | head -n 5; sort -c /etc/passwd'
compare 'uniq cut tr' 'cut -d: -f1,7 --output-delimiter=" " /etc/passwd; cut -c3-9 /etc/group; tr a-z A-Z </etc/hostname | wc -c; tr -s " \t" "\n" </etc/services | sort | uniq -c | sort -rn | head -n 20; tr -d 0-9 </etc/passwd'
compare 'head tail' 'head -n 3 /etc/services; tail -n 3 /etc/services; head -c 20 /etc/passwd; tail -c 20 /etc/passwd; head -n -40 /etc/services | wc; tail -n +50 /etc/services | wc; seq 100000 | tail -n 2; seq 9 | tail -c 5'
compare 'paste join comm' 'seq 5 >a; seq 3 7 >b; paste a b; comm a b; join a b; paste -sd+ a'
compare 'nl fmt pr expand' 'nl /etc/group | head; fmt -w 40 /usr/share/common-licenses/BSD; expand -t 4 /etc/services | head -n 20; fold -w 30 /etc/services | head -n 20'
compare 'split csplit' 'seq 1000 >a; split -l 300 a x; wc -l x*; cat x* | cmp - a && echo same; split -n 3 a y; cat y* | cmp - a && echo same; csplit -s a 100 200; wc -l xx*'
compare 'checksums' 'md5sum /usr/bin/perl; sha1sum /usr/bin/env; sha256sum /usr/bin/gcc /bin/bash; sha512sum /bin/ls; cksum /bin/cat; b2sum /bin/cat; sum /bin/cat; md5sum /etc/passwd >s; md5sum -c s'
compare 'sha256sum of a tree' 'find /usr/include -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum'
compare 'base64 od hexdump' 'base64 /bin/true | md5sum; base64 -w 0 /etc/passwd | base64 -d | cmp - /etc/passwd; od -An -tx8 -N 64 /bin/true; od -c /etc/hostname | head -n 1 | cut -c1-7; base32 </etc/group | md5sum'
compare 'cp' 'cp /etc/passwd a; cmp a /etc/passwd; cp -r /usr/include/asm-generic d; diff -r d /usr/include/asm-generic && echo same; cp -p /etc/group g; stat -c "%a %Y" g; stat -c "%a %Y" /etc/group; cp -a d e; ls -l e | head -n 5; cp a nodir/; echo $?'
compare 'cp of what is big' 'head -c 20000000 /dev/zero | tr "\0" q >a; cp a b; cmp a b && echo same; cp --reflink=never b c; md5sum c; cp --sparse=always a s; cmp a s; truncate -s 10M h; cp h i; stat -c %s i'
compare 'mv' 'echo 1 >a; echo 2 >b; mv a b; cat b; mkdir d; mv b d; ls d; mv d/b d/c; mv d e; find . | sort; mv -n e/c e/c; mv e/none e/d; echo $?' 
compare 'rm' 'mkdir -p a/b/c; touch a/1 a/b/2 a/b/c/3; rm a; echo $?; rm -r a; ls; rm -f nothing; echo $?; mkdir d; rmdir d; mkdir d; touch d/x; rmdir d; echo $?; chmod 500 d; rm -rf d; echo $?'
compare 'ln' 'echo x >a; ln a b; stat -c %h a; echo y >>b; cat a; rm a; cat b; stat -c %h b; ln -s b c; cat c; ln -sf nothing c; cat c; ln -s loop loop; cat loop; ln b b; mkdir d; ln d e'
compare 'touch and times' 'touch -d "2001-02-03 04:05:06.789" a; stat -c %y a; touch -r a b; stat -c %y b; touch -a -d @5 a; stat -c "%X %Y" a; touch -h -d @7 b; touch -c none; ls; date -r a -u'
compare 'chmod chown' 'touch a; chmod u=rwx,g=rx,o= a; stat -c %a a; chmod +t,g+s a; stat -c %a a; mkdir d; chmod 2775 d; touch d/f; mkdir d/e; stat -c "%a %n" d/f d/e; chown $(id -u):$(id -g) a; echo $?; chgrp $(id -g) a; chmod -R go-rwx d; stat -c %a d/e'
compare 'mkdir mkfifo mktemp' 'mkdir -p x/y/z; mkdir x; mkdir -m 700 q; stat -c %a q; mkfifo -m 600 f; stat -c "%a %F" f; mktemp -d tXXXXXX | wc -c; f=$(mktemp); [ -f $f ] && rm $f && echo ok; mkdir none/x'
compare 'dd' 'dd if=/dev/zero of=f bs=1k count=100 2>/dev/null; stat -c %s f; dd if=/bin/ls of=g bs=4k 2>/dev/null; cmp g /bin/ls; printf abc | dd of=f bs=1 seek=10 conv=notrunc 2>/dev/null; od -c f | head -n 4; stat -c %s f; dd if=/etc/services bs=7 skip=3 count=4 2>/dev/null; dd if=f bs=512 count=1 2>&1 >/dev/null | head -n 2'
compare 'truncate' 'truncate -s 1000000 f; wc -c f; truncate -s -999990 f; wc -c f; truncate -s 5 f; od -c f; echo abc >g; truncate -s 2 g; cat g; fallocate -l 5000 h; stat -c %s h'
compare 'tee' 'seq 1000 | tee a b | md5sum; cmp a b && echo same; echo more | tee -a a >/dev/null; wc -l a; yes | head -n 100000 | tee >/dev/null c; wc c'
# HUSK_EXTRA: all of /usr, and what is text in it.
usr=/usr/share/doc text=/usr/include
[ -z "${HUSK_EXTRA:-}" ] || usr=/usr text="/usr/include /usr/share /usr/lib/python3*" seconds=300
# As root without the right to read what others have closed: husk itself has given that up.
as=
[ "$(id -u)" != 0 ] || as='setpriv --bounding-set=-all --inh-caps=-all'
compare "find, du, ls -lR over $usr and grep" "$as sh <<'END'
find $usr | sort | md5sum; find $usr -printf '%p %y %m %n %s %b %U %G %T@ %l\n' | sort | md5sum; find $usr -newer /etc/passwd | wc -l; du -s $usr; du -sb $usr; du --inodes $usr | tail -n 1; ls -lR $usr | md5sum; grep -rIlF 'GNU General' $text | sort | md5sum; grep -rsc nosuchwordthere $text | sort | md5sum
END"
# shellcheck disable=SC2034 # lib.sh reads it
seconds=60
compare 'du' 'du -s --apparent-size /usr/include/asm-generic; du -b /usr/include/x86_64-linux-gnu/sys; mkdir d; head -c 100000 /dev/urandom >d/f; du -b d/f; du -b -a d/f | cut -f1'
compare 'df fails or not' 'df /usr >/dev/null; echo $?; df -P . | wc -l'
compare 'date' 'date -u -d @1234567890; TZ=Europe/Berlin date -d @1000000000; date -d "2020-02-29 + 1 year" +%F; TZ=America/New_York date -d @0 +%c; [ $(date +%s) -gt 1600000000 ] && echo now'
compare 'env and arguments' 'env A=b printenv A; printenv NOTHING; echo $?; env -u HOME sh -c "echo [\$HOME]"; printf "%s %d %x\n" a 12 255; expr 5 + 3; expr abc : "\(.\)"; factor 360360 1000000007; numfmt --to=iec 123456789; seq -s, 1 2 9; yes no | head -n 2; basename /a/b.c .c; dirname /a/b.c; pathchk /a; realpath /usr/../bin'
compare 'id and users' 'id; id -un; groups; id root; whoami; logname >/dev/null 2>&1; who >/dev/null; tty; echo $?; hostname | wc -l; nproc >/dev/null && echo ok; uname -s -m -o'
compare 'nice nohup timeout stdbuf' 'nice -n 5 nice; nohup echo x 2>/dev/null; timeout 0.1 sleep 5; echo $?; stdbuf -oL echo l; nice -n 3 sh -c "nice"; setsid echo s; chroot /nonexistent true 2>&1; echo $?'
compare 'sort of 50 MB' 'seq 1 6500000 | tac >a; stat -c %s a; sort -n a | md5sum; sort -S 4M -T . a | md5sum; ls'
compare 'shuf with a seed' 'seq 100 | shuf --random-source=/bin/ls | md5sum; seq 5 | shuf | sort | paste -s'
compare 'find' 'find /usr/include -name "*.h" | sort | md5sum; find /usr/lib -maxdepth 2 -type l | sort | head -n 50; find /usr/bin -perm -4000 | sort; find /usr/share/doc -maxdepth 1 -newer /etc/passwd | wc -l; find /usr/include/linux -size +20k -printf "%s %m %f\n" | sort'
compare 'find with actions' 'mkdir -p a/b; touch a/1 a/b/2 a/b/3; find a -type f -exec echo {} + | tr " " "\n" | sort; find a -depth | sort; find a -name 2 -delete; find a -empty | sort; find . -newermt 2001-01-01 -type f | wc -l; find a -exec test -d {} \; -print | sort; find /nonexistent'
compare 'grep' 'grep -r include /usr/include/asm-generic | sort | md5sum; grep -c . /etc/services; grep -rl mmap /usr/include | sort; grep -n root /etc/passwd; grep -E "^[a-d]+:" /etc/group; grep -v nologin /etc/passwd; echo abc | grep -o b; grep nothing /etc/passwd; echo $?; grep x /nonexistent; echo $?; grep -P "\d{3}" /etc/group | head -n 3; grep -F . /bin/ls'
compare 'sed' 'sed -n 2,4p /etc/passwd; sed "s/[aeiou]/<&>/g;3q" /etc/group; seq 10 | sed -n "\$p;/5/,/7/p"; cp /etc/passwd f; sed -i "s/root/toor/" f; head -n 1 f; ls; seq 5 | sed "N;P;D" ; seq 3 | sed "1!G;h;\$!d"; sed -i.bak 1d f; ls'
need mawk && compare 'mawk' 'mawk -F: "{ n[\$7]++ } END { for (s in n) print n[s], s }" /etc/passwd | sort; seq 100000 | mawk "{ s += \$1 } END { print s }"; mawk "BEGIN { while ((\"seq 3\" | getline x) > 0) print x; print \"b a\" | \"tr a-z A-Z\"; close(\"tr a-z A-Z\"); system(\"exit 3\"); printf \"%.3f\n\", atan2(0,-1) }"'
need gawk && compare 'gawk' 'gawk -F: "{ n[\$7]++ } END { PROCINFO[\"sorted_in\"] = \"@ind_str_asc\"; for (s in n) print n[s], s }" /etc/passwd; seq 100000 | gawk "{ s += \$1 } END { print s }"; gawk "BEGIN { c = \"cat\"; print \"hello\" |& c; close(c, \"to\"); c |& getline x; print x; print strftime(\"%F\", 0, 1); print system(\"exit 3\"); print toupper(substr(\"abc\",2)) }"; gawk "{ print > (\"o\" NR % 3) }" /etc/passwd; wc -l o*'
compare 'xargs' 'seq 1000 | xargs | wc; seq 20 | xargs -n 6; seq 9 | xargs -I{} echo "<{}>"; printf "a b\0c" | xargs -0 -n 1 echo; echo 1 2 | xargs -n 1 sh -c "exit \$0"; echo $?; seq 4 | xargs -P 4 -n 1 sh -c "exit 0"; echo $?; seq 3 | xargs nosuch; echo $?'
compare 'xargs -P' 'seq 1 60 | xargs -P 4 -n 3 sh -c "echo \$(expr \$0 + \$1 + \$2)" | sort -n'
compare 'tar' 'mkdir -p d/e; cp /etc/passwd d; ln -s passwd d/l; ln d/passwd d/h; touch -d @1000 d/e/f; tar cf a.tar --sort=name --mtime=@0 --owner=0 --group=0 d; md5sum a.tar; tar tvf a.tar --full-time --utc; mkdir x; tar xf a.tar -C x; diff -r d x/d && echo same; stat -c "%h %Y" x/d/h x/d/e/f | head -n 1; tar czf b.tgz d; tar tzf b.tgz | sort; tar cf - d | tar xf - -C x; tar xOf a.tar d/passwd | cmp - /etc/passwd'
compare 'tar of headers' 'tar cf - -C /usr/include --sort=name . | md5sum; tar czf h.tgz -C /usr/include linux asm-generic; mkdir o; tar xzf h.tgz -C o; diff -r o/linux /usr/include/linux && echo same'
compare 'gzip' 'gzip -c /bin/bash | md5sum; cp /bin/ls .; gzip -9 -n ls; ls; gzip -l ls.gz | tail -n 1 | cut -c1-30; gunzip ls.gz; cmp ls /bin/ls && echo same; echo bad | gunzip; echo $?; zcat /usr/share/doc/bash/*.gz | md5sum'
need xz && compare 'xz' 'xz -T2 -0 -c /bin/bash | xz -dc | cmp - /bin/bash && echo same; seq 100000 | xz -1 | wc -c'
need bzip2 && compare 'bzip2' 'bzip2 -c /bin/bash | bunzip2 | cmp - /bin/bash && echo same'
need diff && compare 'diff cmp patch' 'seq 100 >a; sed "s/^5/x/" a >b; diff a b; diff -u a b | tail -n +3 | md5sum; cmp a b; diff -rq /usr/include/asm-generic /usr/include/linux | wc -l'
need file && compare 'file' 'file -b /etc/passwd /usr/include/stdio.h; file -b /bin/ls | cut -d, -f1-3; file -b /usr/bin/awk /dev/null /usr'
need bc && compare 'bc' 'echo "2^200; scale=30; 1/7; sqrt(2)" | bc'
compare 'ps and /proc' 'ps -o stat= -p $$ | cut -c1; ps -o comm= -p $$; ps -o pid= -p $$ | grep -c .; cat /proc/self/comm; readlink /proc/self/exe; ls -l /proc/self/cwd | sed "s/.*-> //"; sed 1q /proc/self/cmdline | tr "\0" "+"; grep -c processor /proc/cpuinfo; grep ^State /proc/self/status; head -c 8 /proc/meminfo; grep -c . /proc/mounts >/dev/null; echo $?'
finish
