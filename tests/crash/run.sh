#!/bin/sh
# Kills processes of the build folder's snmpalertd under load: a few, or as many as --kills says.
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import aiosmtpd' 2>/dev/null; then
    echo "FAILED: the crash test needs aiosmtpd (Debian package: python3-aiosmtpd)" >&2
    exit 1
fi
SNMPALERT_BUILD=$(cd "${top_builddir:-.}" && pwd) || exit 1
export SNMPALERT_BUILD PYTHONDONTWRITEBYTECODE=1
exec "$python" "${top_srcdir:-.}/tests/crash/crash.py" "$@"
