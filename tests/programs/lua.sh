#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lua as Debian packages it: built by make and gcc, tested by its own test suite, installed (examples/lua/job).
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"

if ! ls "$lib_build"/sources/lua5.1_* "$lib_build"/sources/*gopher-lua_* >/dev/null 2>&1; then
	echo "1..0 # SKIP no source of Lua in $lib_build/sources; make deps fetches it"
	exit 77
fi
# Not below /tmp: the guest has a /tmp of its own.
source=$(mktemp -d /var/tmp/husk-lua.XXXXXX)
trap 'rm -rf "$lib_out" "$T" "$source"' EXIT
cp "$lib_build"/sources/*lua*.orig.tar.* "$lib_top/examples/lua/job" "$source"
chmod 755 "$source"
# shellcheck disable=SC2034 # lib.sh reads it
seconds=120
# In a directory of the host's tree, so that the overlay has it.
compare 'lua: build, test suite, install' "sh $source/job $source $source/work; s=\$?; rm -r $source/work; exit \$s"
# shellcheck disable=SC2034
flags="--upper $source/upper"
compare 'lua: the same with --upper' "sh $source/job $source $source/work; s=\$?; rm -r $source/work; exit \$s"
finish
