#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# husk where the host refuses what a trap needs: each mechanism in turn, and all at once, with each errno that hosts
# give. What must be there is named with what to do (125); `auto` goes on with another trap where there is one; what
# can be done without is done without. TAP.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
REFUSE=$TOOLS/refuse
unset HUSK_TRAP
[ -x "$REFUSE" ] || { echo "1..0 # SKIP no $REFUSE"; exit 77; }
"$REFUSE" mseal true 2>/dev/null || { echo "1..0 # SKIP no filter can be installed here"; exit 77; }

# refused ERRNO MECHANISMS TRAP: a guest there, which executes a program that it has made where files in memory can be
# mapped at all.
refused() {
	local guest='cp /bin/cat /tmp/new && (echo fine) | /tmp/new'
	[ "$2" = memfd ] && guest='(echo fine) | cat'
	# shellcheck disable=SC2086
	limited 30 "$REFUSE" -e "$1" "$2" "$HUSK" run ${HUSK_FLAGS:-} --trap "$3" -- \
		sh -c "$guest"
}

fine() {
	[ $status = 0 ] && [ "$(cat out)" = fine ] && [ ! -s err ]
}

# told PATTERN: husk gave up and said why in one line, which matches.
told() {
	[ $status = 125 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] && grep -qE "^husk: [^:]+: .*$1" err
}

# The traps that work here when nothing is refused, and what each cannot do without.
works=
for name in seccomp dispatch ptrace; do
	timeout 30 "$HUSK" run --trap $name -- true >/dev/null 2>&1 </dev/null && works="$works $name"
done
declare -A needs=([seccomp]='seccomp memfd' [dispatch]='dispatch seccomp memfd' [ptrace]='ptrace')
# The word that the message must hold.
declare -A named=([seccomp]='seccomp' [memfd]='memfd' [dispatch]='User Dispatch' [ptrace]='ptrace')

# another MECHANISM: a trap that works without it.
another() {
	local t
	for t in $works; do
		case " ${needs[$t]} " in
		*" $1 "*) ;;
		*) echo "$t" && return ;;
		esac
	done
	return 1
}

for t in $works; do
	for what in ${needs[$t]}; do
		for error in EPERM ENOSYS EINVAL EACCES; do
			refused $error "$what" "$t"
			told "$t: .*${named[$what]}"; check "$t without $what ($error): says so"
		done
	done
done

for what in seccomp ptrace dispatch memfd; do
	refused EPERM $what auto
	if other=$(another $what); then
		fine; check "auto without $what goes on, as with $other"
	else
		told "${named[$what]}"; check "auto without $what: says so"
	fi
done
for error in EPERM ENOSYS EINVAL; do
	refused $error seccomp,dispatch auto
	case $works in
	*ptrace*) fine; check "auto without filters and dispatch ($error) goes on by ptrace" ;;
	*) told seccomp; check "auto without filters and dispatch ($error): says so" ;;
	esac
done
for error in EPERM ENOSYS EINVAL; do
	refused $error seccomp,listener,ptrace,dispatch,memfd,process-vm auto
	told 'no trap can be used here; seccomp: .*dispatch: '; check "auto without anything ($error): says so"
done

# What no trap depends on.
for t in auto $works; do
	for what in listener process-vm mseal landlock userns memfd-exec execveat sysemu process-vm,mseal,landlock,listener,userns; do
		for error in EPERM ENOSYS EINVAL EACCES; do
			refused $error $what "$t"
			fine; check "$t does without $what ($error)"
		done
	done
done

refused EPERM no-new-privs auto
told 'no_new_privs'; check 'no_new_privs refused: says so'

# Where the caller's limits are small. small ULIMIT TRAP
small() {
	# shellcheck disable=SC2016,SC2086
	limited 30 bash -c 'ulimit $0 && exec "$@"' "$1" "$HUSK" run ${HUSK_FLAGS:-} --trap "$2" -- \
		sh -c '(echo fine) | cat'
}
for t in $works; do
	small '-n 128' "$t"
	fine; check "$t with 128 descriptors"
	small '-n 14' "$t"
	told '(Too many open files|too few descriptors)'; check "$t with 14 descriptors: says so"
	small '-f 4096' "$t"
	fine; check "$t with files of 4 MiB"
	[ "$t" = ptrace ] && continue
	small '-v 500000' "$t"
	told 'raise ulimit -v'; check "$t with 500 MB of address space: says so"
	small '-f 100' "$t"
	told 'raise ulimit -f'; check "$t with files of 100 KiB: says so"
done
small '-v 500000' auto
case $works in
*ptrace*) fine; check 'auto with 500 MB of address space goes on by ptrace' ;;
*) told 'raise ulimit -v'; check 'auto with 500 MB of address space: says so' ;;
esac

finish
