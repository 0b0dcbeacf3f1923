#!/bin/sh
# run.sh JOBS SECONDS SOURCES OUT PROGRAM...: runs each fuzz target for SECONDS, JOBS at a time. It
# starts with its seeds (SOURCES/seeds/NAME), with the corpus of long runs (SOURCES/corpora) and
# with what runs before this one found interesting (OUT/corpus). OUT/tests/fuzz gets a log and a
# result of each, as make check has them; OUT/found the inputs that failed.
set -u

# one SECONDS SOURCES OUT PROGRAM
one() {
    seconds=$1 sources=$2 out=$3 program=$4
    name=${program##*/fuzz_}
    corpus=$out/corpus/$name
    log=$out/tests/fuzz/fuzz_$name.log
    dict=
    [ -f "$sources/$name.dict" ] && dict=-dict=$sources/$name.dict
    mkdir -p "$corpus" "$out/found" "$out/tests/fuzz"
    [ ! -f "$sources/corpora/$name.tar.gz" ] ||
        tar -xzf "$sources/corpora/$name.tar.gz" -C "$corpus"
    rm -f "$out/found/$name-"*
    result=PASS
    "./$program" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=1500 -print_final_stats=1 \
        ${dict:+"$dict"} -artifact_prefix="$out/found/$name-" "$corpus" "$sources/seeds/$name" \
        >"$log" 2>&1 </dev/null || result=FAIL
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cov=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$log" | tail -n 1)
    [ "${runs:-0}" -gt 0 ] || result=FAIL
    if [ $result = FAIL ]; then
        for input in "$out/found/$name-"*; do
            [ -f "$input" ] || continue
            {
                echo "the input: $input"
                od -An -v -tx1 "$input"
            } >>"$log"
        done
        tail -n 80 "$log"
    fi
    # shellcheck disable=SC2086
    set -- ${cov:-0 0}
    echo "$result: $name: ${runs:-0} inputs in $seconds s, $1 edges, $2 features"
    echo ":test-result: $result" >"$out/tests/fuzz/fuzz_$name.trs"
    [ $result = PASS ]
}

if [ "$1" = --one ]; then
    shift
    one "$@"
    exit
fi

jobs=$1 seconds=$2 sources=$3 out=$4
shift 4
for program; do
    echo "$program"
done | xargs -n 1 -P "$jobs" sh "$0" --one "$seconds" "$sources" "$out"
