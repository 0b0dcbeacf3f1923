#!/bin/sh
# Runs the tests of this folder with pytest against the programs of the build folder.
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import pytest' 2>/dev/null; then
    echo "FAILED: the tests of the MIB need pytest (Debian package: python3-pytest)" >&2
    exit 1
fi
SNMPALERT_BUILD=$(cd "${top_builddir:-.}" && pwd) || exit 1
export SNMPALERT_BUILD PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest -q -p no:cacheprovider "${top_srcdir:-.}/tests/mib" "$@"
