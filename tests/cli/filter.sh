#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# husk filter: the forms that programs come in, what is said of them, what is refused and where. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# A program of four instructions in each form: getpid is refused.
printf '4\n32 0 0 0\n21 0 1 39\n6 0 0 327681\n6 0 0 2147418112\n' >decimal
printf '4,32 0 0 0,21 0 1 39,6 0 0 327681,6 0 0 2147418112,\n' >asm
cat >array <<'END'
struct sock_filter f[] = {
{ 0x20,  0,  0, 0000000000 },
{ 0x15,  0,  1, 0x00000027 },
{ 0x6,  0,  0, 0x00050001 },
{ 0x06, 0, 0, 0x7fff0000 },
};
END
sed -i 's/^struct.*/static f[] =/; s/^};//' array
printf '\x20\0\0\0\0\0\0\0\x15\0\0\x01\x27\0\0\0\x06\0\0\0\x01\0\x05\0\x06\0\0\0\0\0\xff\x7f' >raw

filter() {
	limited 30 "$HUSK" filter "$@"
}

for form in decimal asm array raw; do
	filter disasm $form
	[ $status = 0 ] && grep -q '1:  if nr == 39 (getpid) goto 2 else 3' out && grep -q 'return ERRNO(1)' out &&
		grep -q 'return ALLOW' out
	check "disasm reads $form"
done
# Whatever is asked of it, the form makes no difference.
for verb in check run explain graph 'disasm --internal' 'disasm --machine'; do
	bad=
	for form in raw decimal asm array; do
		# shellcheck disable=SC2086
		case $verb in
		run*) filter run $form getpid ;;
		*) filter $verb $form ;;
		esac
		[ $status = 0 ] || bad="$bad $form:$status"
		[ $form != raw ] || sed 's/0x[0-9a-f]\{9,\}/ADDRESS/g' out >out.raw
		sed 's/0x[0-9a-f]\{9,\}/ADDRESS/g' out | cmp -s - out.raw || bad="$bad $form:differs"
	done
	[ -z "$bad" ] && [ -s out.raw ]; check "$verb of every form$bad"
done
"$HUSK" filter disasm - <raw >out 2>err
status=$?
[ $status = 0 ] && [ "$(wc -l <out)" = 4 ]; check 'disasm reads standard input'
filter disasm --internal raw
[ $status = 0 ] && grep -q 'if r0 != 0x27 goto' out; check 'disasm --internal shows the converted program'
filter check raw
[ $status = 0 ] && grep -q '^good: 4 instructions, 9 when converted' out; check 'check finds it good'
filter run raw getpid
[ $status = 0 ] && [ "$(head -n 1 out)" = 'ERRNO(1)' ] && grep -q '2:  return' out && ! grep -q '3:  return' out
check 'run tells the verdict and the way'
filter run raw 1 2 3
[ $status = 0 ] && [ "$(head -n 1 out)" = ALLOW ]; check 'run takes numbers and arguments'
printf '1\n6 0 0 0\n' >nothing
filter run nothing 335
[ $status = 0 ] && [ "$(head -n 1 out)" = ALLOW ] && grep -q 'no filter sees' out; check 'run knows calls that pass every filter'
filter explain raw
[ $status = 0 ] && grep -A1 '^ERRNO(1):' out | grep -q '^ *getpid$' && grep -A1 '^ALLOW' out | grep -q ' read '
check 'explain groups the calls'
! grep -q '.\{101\}' out; check 'explain keeps to a hundred columns'
grep -q '^ERRNO(1): EPERM$' out && grep -q '^ALLOW: also for numbers that are no call$' out
check 'explain names the error and says what becomes of the rest'
# x32 calls are killed, clone is refused with any of two bits, ioctl is let through with two second arguments.
cat >conditions <<'END'
14
32 0 0 4
21 0 9 3221225534
32 0 0 0
53 7 0 1073741824
21 0 2 56
32 0 0 16
69 5 6 768
21 0 5 16
32 0 0 24
21 3 0 1
21 2 1 2
6 0 0 2147483648
6 0 0 327718
6 0 0 2147418112
END
filter disasm conditions
[ $status = 0 ] && grep -q 'if nr >= 0x40000000 (x32) goto' out && grep -q 'return ERRNO(38) (ENOSYS)$' out
check 'disasm knows x32 and errors'
filter explain conditions
[ $status = 0 ] && grep -A1 'if arg0.low & 0x300:' out | grep -q 'ERRNO(38) (ENOSYS)$'
check 'explain tells conditions'
grep -A1 'arg1.low == 0x1:' out | grep -q 'ALLOW' && grep -q '^ *else if arg1.low == 0x2:' out
check 'explain chains conditions'
filter run --arch 0xc000003e --ip 0xffffffffff600000 conditions clone 0x100
[ $status = 0 ] && [ "$(head -n 1 out)" = 'ERRNO(38)' ]; check 'numbers may be hexadecimal'
filter graph conditions
grep -q 'return ALLOW.*palegreen' out && grep -q 'return ERRNO.*mistyrose' out; check 'graph colours what is let through'
filter graph raw
[ $status = 0 ] && grep -q '^digraph' out && grep -q 'b0 -> b2 .*yes' out && grep -q 'b0 -> b3 .*no' out
check 'graph draws the branches'
if command -v dot >/dev/null; then
	filter graph conditions
	dot -Tsvg -o graph.svg out 2>err && grep -q '</svg>' graph.svg; check 'dot draws the graph'
else
	n=$((n + 1))
	echo "ok $n - dot draws the graph # SKIP no dot"
fi

# refuses FILE TEXT STATUS
refuses() {
	filter check "$1"
	[ $status = "$3" ] && [ "$(wc -l <err)" = 1 ] && grep -qF "$2" err
	check "refuses: $2"
}
printf '2\n48 0 0 0\n6 0 0 0\n' >half
refuses half 'instruction 0 is no instruction of seccomp programs' 1
printf '2\n96 0 0 3\n6 0 0 0\n' >unwritten
refuses unwritten 'instruction 0 reads a scratch word that not every path has set' 1
printf '2\n5 0 0 1\n6 0 0 0\n' >jump
refuses jump 'instruction 0 jumps beyond the end' 1
printf '1\n32 0 0 0\n' >open
refuses open 'instruction 0 is the last one and does not return' 1
printf '3\n6 0 0 0\n' >short
refuses short 'instruction 1 is not four numbers' 125
printf 'abcde\001' >odd
refuses odd 'neither text nor whole instructions' 125
printf '2\n40 0 0 4294963200\n6 0 0 0\n' >ancillary
filter check --packet ancillary
[ $status = 1 ] && grep -qF '(protocol)' err; check 'names the ancillary load of a packet program'

cat >profile.json <<'END'
{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13,
 "architectures": ["SCMP_ARCH_X86_64"],
 "syscalls": [
  {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
  {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
  {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
  {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}
END
filter compile profile.json
if grep -q libseccomp2 err; then
	n=$((n + 1))
	echo "ok $n - compile # SKIP no libseccomp"
else
	cp out program
	[ $status = 0 ] && [ ! -s err ]; check 'compiles a profile'
	for want in 'read ALLOW' 'mount ERRNO(13)' 'clone3 ERRNO(38)' 'personality ERRNO(13)' 'personality:8 ALLOW'; do
		call=${want% *} verdict=${want#* } words=()
		[ "${call#*:}" = "$call" ] || { words=("${call#*:}") call=${call%:*}; }
		filter run program "$call" "${words[@]}"
		[ $status = 0 ] && [ "$(head -n 1 out)" = "$verdict" ]; check "profile: $want"
	done
fi
printf '{"defaultAction": "SCMP_ACT_ALLOW",\n "syscalls": [}\n' >bad.json
filter compile bad.json
[ $status = 125 ] && grep -q 'line 2 is not JSON' err; check 'says where a profile is broken'

# Of a process that has two, the oldest first.
"$TOOLS/refuse" mseal "$TOOLS/docker_filter" sleep 60 &
pid=$!
for ((i = 0; i < 1000; i++)); do
	[ "$(cat /proc/$pid/comm)" != sleep ] || break
	sleep 0.01
done
filter dump $pid
kill $pid
wait $pid 2>/dev/null
if grep -q 'CAP_SYS_ADMIN\|restricts tracing' err; then
	n=$((n + 1))
	echo "ok $n - dump tells the filters of a process # SKIP not permitted here"
else
	[ $status = 0 ] && [ "$(grep -c '^filter' out)" -ge 2 ] && grep -A2 '^filter [0-9]*, 4 instructions' out | grep -q mseal &&
		tail -n 1 out | grep -q return && [ "$(grep '^filter\|mseal\|acct' out | grep -o 'mseal\|acct' | head -n 2 | tr '\n' ' ')" = 'mseal acct ' ]
	check 'dump tells the filters of a process, the oldest first'
fi
"$TOOLS/refuse" mseal "$HUSK" filter dump $$ >out 2>err
status=$?
[ $status = 125 ] && [ "$(wc -l <err)" = 1 ]; check 'dump says that its caller must be under no filter'
filter dump 1
[ $status != 0 ] && [ "$(wc -l <err)" = 1 ]; check 'dump says why a process has nothing to show'
filter nonsense
[ $status = 125 ]; check 'no such subcommand'
finish
