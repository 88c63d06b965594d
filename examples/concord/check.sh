#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# concord's own tests: what it counts against what sort and uniq count.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

is() {
	if [ "$2" = "$3" ]; then
		echo "  ok    $1"
	else
		echo "  BAD   $1: '$2', not '$3'"
		bad=1
	fi
}

printf 'The cat sat. The dog sat; the END' >"$dir/a"
printf 'cat\ncat\n' >"$dir/b"
: >"$dir/empty"
is "one word" "$(./concord -w the "$dir/a")" "the: 3 times in 1 files"
is "two files" "$(./concord -w cat "$dir/a" "$dir/b")" "cat: 3 times in 2 files"
is "no such word" "$(./concord -w bird "$dir/a")" "bird: 0 times in 0 files"
is "an empty file" "$(./concord "$dir/empty")" "0 words, 0 different, in 1 files"
is "files, whatever the threads" "$(./concord -t 8 -w include ./*.c)" \
	"include: $(grep -c "#include" ./*.c | awk -F: '{ n += $2 } END { print n }') times in $(find . -name "*.c" | wc -l) files"
is "a missing file" "$(./concord "$dir/none" 2>&1 >/dev/null; echo $?)" "$dir/none: No such file or directory
1"
counted=$(cat ./*.c | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | grep -c .)
is "its own source" "$(./concord -t 4 ./*.c | sed -n '1s/ words.*//p')" "$counted"
[ "$(./concord -t 1 -n 50 ./*.c)" = "$(./concord -t 8 -n 50 ./*.c)" ]
is "threads don't matter" $? 0
exit $bad
