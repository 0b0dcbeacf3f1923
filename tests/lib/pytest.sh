# Sourced by the run.sh of each folder of tests in Python.

# use_pytest: sets $python, and $SNMPALERT_BUILD, whose programs are tested.
use_pytest() {
    python=${PYTHON:-/usr/bin/python3}
    if ! "$python" -c 'import pytest, aiosmtpd, pysnmp' 2>/dev/null; then
        echo "FAILED: these tests need pytest, aiosmtpd and pysnmp" \
            "(Debian packages: python3-pytest python3-aiosmtpd python3-pysnmp4)" >&2
        exit 1
    fi
    SNMPALERT_BUILD=$(cd "${top_builddir:-.}" && pwd) || exit 1
    export SNMPALERT_BUILD PYTHONDONTWRITEBYTECODE=1
}

# run_pytest WHAT [ARGUMENT...]: the tests of a folder or file of tests/.
run_pytest() {
    what=$1
    shift
    "$python" -m pytest -q -p no:cacheprovider "${top_srcdir:-.}/tests/$what" "$@"
}
