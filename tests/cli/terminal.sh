#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# husk on a terminal: terminal.py, which drives one.

top=$(cd "$(dirname "$0")/../.." && pwd)
export HUSK=${HUSK:-$top/build/husk}
exec python3 "$top/tests/cli/terminal.py"
