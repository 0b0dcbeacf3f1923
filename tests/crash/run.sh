#!/bin/sh
# Tries the checker, then kills processes of the build folder's snmpalertd under load, and checks.
. "${top_srcdir:-.}/tests/lib/pytest.sh"
use_pytest
run_pytest crash || exit 1
exec "$python" "${top_srcdir:-.}/tests/crash/crash.py" "$@"
