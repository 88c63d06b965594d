#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bash and dash: what shells ask of processes, pipes, signals and descriptors.
. "$(dirname "$0")/lib.sh"

both() {
	shell=/bin/dash
	compare "dash: $1" "$2"
	shell=/bin/bash
	compare "bash: $1" "$2"
}

both 'echo' 'echo hello'
both 'nothing' ':'
both 'exit status' 'exit 17'
both 'killed by a signal' 'kill -TERM $$'
both 'killed by an ignored signal is not' 'trap "" TERM; kill -TERM $$; echo alive'
both 'status of children' '(exit 3); echo $?; sh -c "kill -KILL \$\$"; echo $?; /nonexistent; echo $?; /etc/passwd; echo $?'
both 'pipe' 'seq 1 10000 | grep 99 | sort -rn | head -n 4'
both 'pipe status' 'true | false; echo $?; false | true; echo $?; ! true; echo $?'
both 'pipe broken by head' 'yes | head -n 3; seq 1 1000000 | head -n 1'
both 'substitution' 'a=$(echo one; echo two); echo "$a"; b=`expr 1 + 2`; echo $b; echo "$(cat /etc/hostname | wc -l)"'
both 'nested substitution' 'echo $(echo $(echo $(echo deep)))'
both 'here-document' 'x=5; cat <<E
value $x $(echo sub)
E
cat <<"E"
literal $x
E
cat <<-E
	tab
	E'
both 'big here-document' 'x=$(seq 1 30000); cat <<E | md5sum
$x
E'
both 'redirections' 'echo a >f; echo b >>f; cat <f; cat f 2>&1 >/dev/null; ls nothere 2>err; cat err; exec 5<f; read l <&5; echo $l; read l <&5; echo $l; exec 5<&-; : >f; wc -c f'
both 'noclobber' 'set -C; echo a >f; echo b >f; echo $?; echo c >|f; cat f'
both 'subshell' 'x=1; (x=2; cd /; pwd); echo $x; pwd | sed s/[0-9]*//g; { echo g; echo h; } | cat'
both 'background and wait' '(exit 7) & wait $!; echo $?; sleep 0.05 & sleep 0.01 & wait; echo done; wait 99999; echo $?'
both 'many background jobs' 'for i in 1 2 3 4 5 6 7 8 9 10; do (exit $i) & p="$p $!"; done; for q in $p; do wait $q; echo $?; done'
both 'trap' 'trap "echo usr1" USR1; trap "echo term; exit 3" TERM; kill -USR1 $$; kill -USR1 $$; trap - USR1; trap; kill -TERM $$; echo never'
both 'trap EXIT' 'trap "echo bye" EXIT; (trap "echo sub" EXIT; :); exit 5'
both 'trap in wait' 'trap "echo chld" USR1; (sleep 0.1; kill -USR1 $$; sleep 0.1) & wait; echo $?; wait; echo $?'
both 'kill a child' 'sleep 100 & p=$!; kill -9 $p; wait $p 2>/dev/null; echo $?; sleep 100 & sleep 0.1; kill -INT $!; kill -TERM $!; wait $! 2>/dev/null; echo $?'
both 'kill -0' 'kill -0 $$ && echo yes; sleep 0 & wait; kill -0 $! 2>/dev/null || echo gone'
both 'stop and continue' 'sleep 0.2 & p=$!; kill -STOP $p; kill -CONT $p; wait $p; echo $?'
both 'arithmetic' 'echo $((1+2*3)) $((7/2)) $((-7%3)) $((1<<40)) $((0x1f & 017)) $((3>2?10:20))'
both 'loops' 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i; for f in /usr/*; do echo $f; done; until [ $i -eq 2990 ]; do i=$((i-1)); done; echo $i'
both 'case and functions' 'f() { case $1 in a*) echo A;; *b|c) echo B;; *) return 9;; esac; }; f abc; f xb; f c; f zzz; echo $?'
both 'parameters' 'set -- a "b c" d; echo $# "$2"; shift; echo "$*"; x=foo.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${#x} ${y:-def} ${y:=set} $y'
both 'globs' 'mkdir g; touch g/a1 g/a2 g/b1 g/.h; echo g/a* g/?1 g/[ab]1 g/*; echo nomatch*'
both 'read' 'printf "a b c\nd e\n" | while read x y; do echo "[$x][$y]"; done; printf "1:2:3\n" | (IFS=: read a b c; echo $c $b $a)'
both 'test' '[ -f /etc/passwd ] && [ -d /etc ] && [ ! -L /etc ] && [ -r /etc/passwd ] && [ -x /bin/sh ] && echo yes; [ /etc/passwd -nt /nonexistent ]; echo $?; [ -e /dev/null -a -c /dev/null ]; echo $?'
both 'exec' 'exec echo replaced; echo never'
both 'exec of nothing' 'exec /nonexistent/program'
both 'scripts' 'printf "#!/bin/sh\necho script \$0 \$1\n" >s; chmod +x s; ./s arg; printf "echo no line\n" >t; chmod +x t; ./t; printf "#!/nonexistent/x\n" >u; chmod +x u; ./u; echo $?; echo >v; ./v; echo $?'
both 'script with interpreter argument' 'printf "#!/bin/sh -x\necho \$1\n" >s; chmod +x s; ./s 1 2>&1; printf "#! /usr/bin/env -S sh -e\nfalse; echo no\n" >e; chmod +x e; ./e; echo $?'
both 'scripts run by scripts' 'printf "#!/bin/sh\necho A \"\$@\"\n" >a; chmod +x a; printf "#!$T/a one\n" >b; chmod +x b; ./b two'
both 'cd and pwd' 'cd /usr/share/../bin && pwd; cd /proc/self/.. && pwd; mkdir -p a/b; ln -s a/b l; cd l && pwd -P | sed "s/[0-9]//g"; cd .. ; ls; cd /nonexistent; echo $?'
both 'umask and permissions' 'umask 027; touch f; mkdir d; stat -c "%a %n" f d; chmod 000 f; stat -c %a f; umask'
both 'times and limits' 'ulimit -n 64; ulimit -n; ulimit -c 0; ulimit -c; ulimit -s; ulimit -S -v 4000000; ulimit -v'
both 'file size limit' 'ulimit -f 8; seq 1 100000 >f; echo $?; stat -c %s f'
both 'descriptors' 'exec 3>f 4>&3; echo a >&3; echo b >&4; exec 3>&- 4>&-; cat f; ls /proc/self/fd | grep "^[0-2]\$"; echo x >&3'
both 'long lines' 'x=$(head -c 200000 /dev/zero | tr "\0" x); echo ${#x}; echo $x | wc -c; /bin/echo $x | wc -c; echo $?'
both 'argument list' '/bin/echo $(seq 1 20000) | wc; /bin/true $(seq 1 400000) 2>/dev/null; echo $?'
both 'environment' 'A=1 B=2 env | sort | grep ^[AB]=; export C=3; sh -c "echo \$C"; unset C; sh -c "echo [\$C]"; env -i env'
both 'process tree' 'sh -c "sh -c \"sh -c \\\"exit 5\\\"; echo \\\$?; exit 4\"; echo \$?; exit 3"; echo $?'
both 'fork many' 'i=0; while [ $i -lt 150 ]; do (exit 0) || exit 1; i=$((i+1)); done; echo $i'
both 'exec many' 'i=0; while [ $i -lt 80 ]; do /bin/true || exit 1; i=$((i+1)); done; echo $i'
both 'deep pipeline' 'echo x | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat'
both 'fifo' 'mkfifo p; (seq 1 5 >p) & cat p; wait; (cat p) & echo one >p; wait'
both 'sleep and timeout' 'timeout 0.2 sleep 10; echo $?; timeout -s KILL 0.2 sleep 10; echo $?; timeout 5 sh -c "exit 3"; echo $?'
both 'devices' 'echo x >/dev/null; head -c 5 /dev/zero | od -An -c; [ -c /dev/urandom ] && head -c 16 /dev/urandom | wc -c; echo y >/dev/full; echo $?; (echo z >/dev/stdout) | cat; echo w | cat /dev/stdin; echo v | cat /dev/fd/0'
both 'no standard input' 'read x; echo $?; cat; exec 0<&-; cat; echo $?'
both 'closed output' 'exec 1>&-; echo x; exit $?'

# shellcheck disable=SC2034 # lib.sh reads it
shell=/bin/bash
compare 'bash: arrays' 'a=(1 2 "x y"); a+=(4); echo ${#a[@]} "${a[2]}" ${!a[@]}; declare -A m; m[k]=v; m[z]=w; for i in $(printf "%s\n" "${!m[@]}" | sort); do echo $i=${m[$i]}; done'
compare 'bash: process substitution' 'diff <(seq 1 5) <(seq 2 6); cat <(echo a) <(echo b); seq 3 > >(cat); wait; sleep 0.05'
compare 'bash: PIPESTATUS' 'true | false | (exit 3); echo ${PIPESTATUS[@]}; set -o pipefail; false | true; echo $?'
compare 'bash: here-string' 'cat <<<"one line"; read a b <<<"x y"; echo $b$a'
compare 'bash: regex and substring' 'x=hello123; [[ $x =~ ([a-z]+)([0-9]+) ]] && echo ${BASH_REMATCH[2]}; echo ${x:1:3} ${x^^} ${x//l/L}'
compare 'bash: coproc' 'coproc cat; echo hi >&${COPROC[1]}; read -r l <&${COPROC[0]}; echo "$l"; exec {COPROC[1]}>&-; wait'
compare 'bash: jobs' 'sleep 0.3 & sleep 0.3 & jobs | sed "s/[0-9]\{3,\}//"; wait'
compare 'bash: job control' 'set -m; sleep 0.1 & fg >/dev/null; echo $?; (exit 4) & wait %1; echo $?'
# Both must still run when they are waited for: bash forgets a job that ends before.
# Of those that end before the shell waits it tells nothing.
compare 'bash: wait -n' 'until_it_waits() { until read -r _ _ s _ </proc/$$/stat && [ $s = S ]; do :; done; }; (until [ -e told ]; do :; done; until_it_waits; exit 2) & (until_it_waits; exit 1) & wait -n; echo $?; : >told; wait -n; echo $?'
compare 'bash: read timeout' 'sleep 5 | { read -t 0.1 x; echo $?; }  & wait -n; kill %1 2>/dev/null; true'
compare 'bash: trap DEBUG and ERR' 'trap "echo err" ERR; false; true; trap "echo ret" RETURN; f() { :; }; f'
compare 'bash: printf and mapfile' 'printf "%05d|%-6s|%x|%q\n" 42 ab 255 "a b"; mapfile -t l </etc/group; echo ${#l[@]}; printf "%(%Y)T\n" 0'
compare 'bash: select and compgen' 'compgen -b | wc -l; echo 1 | { select x in a b; do echo $x; break; done; } 2>/dev/null'
compare 'bash: arithmetic loop' 'for ((i=0,s=0;i<20000;i++)); do ((s+=i)); done; echo $s; ((0)); echo $?; let x=5**3; echo $x'
compare 'bash: signals between processes' 'trap "n=\$((n+1))" USR1; n=0; for i in 1 2 3 4 5; do kill -USR1 $$; done; echo $n; (kill -USR1 $$); echo $n'
compare 'bash: SIGPIPE' 'trap "" PIPE; { while echo a; do :; done; echo b; } 2>/dev/null | true; echo ${PIPESTATUS[0]}; bash -c "trap - PIPE; yes" | head -n 1'
compare 'bash: recursive functions' 'fib() { if (($1<2)); then echo $1; else echo $(( $(fib $(($1-1))) + $(fib $(($1-2))) )); fi; }; fib 8'
compare 'bash: big output' 'for ((i=0;i<20000;i++)); do echo "line $i of many lines that go through a pipe"; done | md5sum'
compare 'bash: set -e' 'set -e; true; (false) || echo caught; false; echo never'
finish
