#!/bin/sh
# run.sh SECONDS SEEDS PROGRAM...: runs each fuzz target for SECONDS, starting with its seeds and
# with what former runs have found interesting (corpus/). Crashing inputs are left in found/.
set -u

seconds=$1 seeds=$2
shift 2
here=tests/fuzz
status=0

for program; do
    name=${program##*/fuzz_}
    corpus=$here/corpus/$name
    log=$here/fuzz_$name.log
    dict=
    [ -f "$seeds/../$name.dict" ] && dict=-dict=$seeds/../$name.dict
    mkdir -p "$corpus" "$here/found"
    if "./$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1500 \
        ${dict:+"$dict"} \
        -artifact_prefix="$here/found/$name-" "$corpus" "$seeds/$name" >"$log" 2>&1; then
        echo "PASS: $name $(grep 'DONE' "$log" | tail -n 1)"
    else
        echo "FAIL: $name, see $log and $here/found/"
        tail -n 40 "$log"
        status=1
    fi
done
exit $status
