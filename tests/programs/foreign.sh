#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Syscall User Dispatch at work: examples/foreign runs a program of another system, whose calls it answers itself.
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2154
source=$lib_top/examples/foreign
build="cp -r $source . && cd foreign && make -s all"

compare 'a foreign program' "$build && printf 'one line\nand another\n\nthe last\n' | ./loader ./program"
compare 'much to say' "$build && seq 3000 | ./loader ./program | md5sum && seq 300 | ./loader ./program | tail -n 3"
compare 'nothing to hear' "$build && ./loader ./program </dev/null"
compare 'no program' "$build && ./loader nothing"
compare 'several at once' "$build && for i in 1 2 3 4; do seq 100 | ./loader ./program | md5sum & done; wait"

finish
