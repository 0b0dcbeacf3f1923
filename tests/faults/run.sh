#!/bin/sh
# Runs the tests of this folder with pytest against the programs of the build folder.
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import pytest, aiosmtpd' 2>/dev/null; then
    echo "FAILED: the fault tests need pytest and aiosmtpd" \
        "(Debian packages: python3-pytest python3-aiosmtpd)" >&2
    exit 1
fi
SNMPALERT_BUILD=$(cd "${top_builddir:-.}" && pwd) || exit 1
export SNMPALERT_BUILD PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest -q -p no:cacheprovider "${top_srcdir:-.}/tests/faults" "$@"
