#!/bin/sh
# Tries the comparison, then keeps the build folder's snmpalertd busy beside a master agent that is
# restarted: for a short time, or as the arguments say (soak.py).
. "${top_srcdir:-.}/tests/lib/pytest.sh"
use_pytest
run_pytest soak/test_rows.py || exit 1
[ $# -gt 0 ] || set -- --seconds 20 --restart 5
exec "$python" "${top_srcdir:-.}/tests/soak/soak.py" "$@"
