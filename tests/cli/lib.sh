# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of the command line share; sourced first. Goes to a folder of its own, that ends with the test.
#
#   HUSK        the binary (build/husk beside this tree)
#   BUILD       where tests/tools are built (build)
#   HUSK_FLAGS  more options for `husk run`

top=$(cd "$(dirname "$0")/../.." && pwd)
HUSK=${HUSK:-$top/build/husk}
# shellcheck disable=SC2034 # for the tests
TOOLS=${BUILD:-$top/build}/tests/tools
dir=$(mktemp -d /var/tmp/husk-cli.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
cd "$dir" || exit 1
n=0 failed=0

[ -x "$HUSK" ] || { echo "1..0 # SKIP no $HUSK"; exit 77; }

# check NAME: the last [ ] or command held.
check() {
	local held=$?
	n=$((n + 1))
	if [ $held = 0 ]; then
		echo "ok $n - $1"
	else
		failed=$((failed + 1))
		echo "not ok $n - $1"
		sed 's/^/# out: /' out | head -n 8
		sed 's/^/# err: /' err | head -n 3
		echo "# status $status"
	fi
}

# limited SECONDS COMMAND...: output in out and err, status in $status.
limited() {
	timeout -k 2 "$@" >out 2>err </dev/null
	status=$?
}

# The last line and the test's own status.
finish() {
	echo "1..$n"
	[ $failed = 0 ]
}
