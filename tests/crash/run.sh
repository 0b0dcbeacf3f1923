#!/bin/sh
# Tries the checker, then kills processes of the build folder's snmpalertd under load, and checks.
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import aiosmtpd, pytest' 2>/dev/null; then
    echo "FAILED: the crash test needs aiosmtpd and pytest" \
        "(Debian packages: python3-aiosmtpd python3-pytest)" >&2
    exit 1
fi
SNMPALERT_BUILD=$(cd "${top_builddir:-.}" && pwd) || exit 1
export SNMPALERT_BUILD PYTHONDONTWRITEBYTECODE=1
crash=$(cd "${top_srcdir:-.}/tests/crash" && pwd) || exit 1
"$python" -m pytest -q -p no:cacheprovider "$crash/test_checker.py" || exit 1
exec "$python" "$crash/crash.py" "$@"
