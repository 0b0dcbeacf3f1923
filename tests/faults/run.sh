#!/bin/sh
# Real programs, with pytest.
. "${top_srcdir:-.}/tests/lib/pytest.sh"
use_pytest
run_pytest faults "$@"
