#!/bin/sh
# autogen.sh: from a checkout to ./configure, and on to the demo or the tests.
# "./autogen.sh help" says how.
set -eu

cd "$(dirname "$0")"
BUILD_DIR=${BUILD_DIR-build}
TAGGED=
FUZZ=

# What it takes, as packages of Debian 12. The one list; everything below reads it.
packages() {
    cat <<'TABLE'
autoconf              generate configure
automake              generate configure
pkg-config            find libraries
gcc                   build
libc6-dev             build
make                  build
libsnmp-dev           AgentX, polling, traps
libesmtp-dev          mail
libssl-dev            mail over TLS
libxml2-dev           configuration
liblmdb-dev           store
libcurl4-openssl-dev  polling by HTTP
libmujs-dev           conditions
libseccomp-dev        the sandbox of conditions
libjansson-dev        JSON
libcmocka-dev         unit tests
libxml2-utils         tests of the configuration's schema
smitools              pages about the MIB, and its tests
snmp                  demo, tests: snmpget and its family
snmpd                 demo, tests
snmptrapd             demo, tests
openssl               tests of mail over TLS
faketime              tests: a clock that is set
valgrind              tests
groff-base            tests of the manual pages
python3               demo, tests, pages about the MIB
python3-pytest        tests
python3-aiosmtpd      demo, tests: a mail server
python3-pysnmp4       tests: a second SNMP implementation
clang                 fuzzing
libclang-rt-14-dev    fuzzing
TABLE
}

say() {
    printf '%s\n' "$*"
}

die() {
    printf 'autogen.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    cat <<'TEXT'
usage: ./autogen.sh [command]
  (none), configure   make ./configure
  demo [--once]       install what is missing, build, and show the main job at work on
                      loopback; --once ends it and fails if anything was not seen
  check               install what is missing, build without a warning, run all tests
  check --sanitizers  the same, and the unit and MIB tests with the address and undefined
                      behaviour sanitizers
  check --fuzz        the same, and each fuzz target for a minute beside the tests (with clang)
  packages            print the Debian packages that demo and check install
  help                this text

demo and check build in ./build, or in $BUILD_DIR; $CONFIGURE_FLAGS goes to configure. They
never touch the machine's own SNMP daemons.
TEXT
}

# ---- what is missing ----

missing_packages() {
    wanted=$(packages | awk -v fuzz="$FUZZ" '$2 != "fuzzing" || fuzz { printf "%s ", $1 }')
    # shellcheck disable=SC2086
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
        awk -v wanted="$wanted" '
            $1 == "installed" { have[$2] = 1 }
            END { n = split(wanted, w)
                  for (i = 1; i <= n; i++) if (!(w[i] in have)) printf " %s", w[i] }'
}

# Runs apt-get as root. No service that comes with a package is started now: policy-rc.d says no.
install_packages() {
    $1 sh -eu -s -- "$2" <<'ROOT'
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null
apt-get install -q -y --no-install-recommends $1 </dev/null
ROOT
}

set_up() {
    command -v dpkg-query >/dev/null 2>&1 || {
        say "This is not Debian: what is missing, configure and the tests will name."
        return 0
    }
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    say "Installing:$missing"
    if [ "$(id -u)" = 0 ]; then
        install_packages '' "$missing"
    elif command -v sudo >/dev/null 2>&1; then
        install_packages sudo "$missing"
    else
        die "missing, and neither root nor sudo is here to install it:
  apt-get install --no-install-recommends$missing"
    fi
}

# ---- building ----

# need PROGRAM DEBIAN-PACKAGE: note that PROGRAM is missing.
need() {
    command -v "$1" >/dev/null 2>&1 || absent="$absent $2"
}

make_configure() {
    absent=
    need autoreconf autoconf
    need automake automake
    need pkg-config pkg-config
    [ -z "$absent" ] || die "missing; on Debian: apt-get install$absent"
    autoreconf -fi
}

jobs() {
    nproc 2>/dev/null || echo 2
}

# quietly LOG COMMAND...: its output goes to LOG, and to the screen if it fails.
quietly() {
    log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 60 "$log" >&2
        die "this failed: $* (all of its output: $log)"
    }
}

# configure_in DIR FLAGS...: once; automake's own rules notice changes afterwards.
configure_in() {
    dir=$1
    shift
    mkdir -p "$dir"
    top=$(pwd)
    [ -x configure ] || quietly "$dir/autoreconf.log" make_configure
    [ -x "$dir/config.status" ] && [ -f "$dir/Makefile" ] && return 0
    say "Configuring in $dir"
    # shellcheck disable=SC2086
    (cd "$dir" && quietly configure.out "$top/configure" --enable-werror "$@" ${CONFIGURE_FLAGS-})
}

# make_in DIR LOG MAKE-ARGUMENTS...: without a warning.
make_in() {
    build=$1
    output=$1/$2
    shift 2
    quietly "$output" make -C "$build" -j"$(jobs)" "$@"
    if grep -n 'warning:' "$output"; then
        die "the build warned (all of its output: $output)"
    fi
}

build_in() {
    say "Building in $1"
    make_in "$1" build.log all
}

build_tests_in() {
    say "Building the tests in $1"
    make_in "$1" build-tests.log check TESTS=
}

# ---- testing ----

# run_tests DIR MAKE-ARGUMENTS...
run_tests() {
    dir=$1
    shift
    find "$dir/tests" -name '*.trs' -exec rm -f {} +
    say "Testing in $dir"
    status=0
    # One that hangs fails after half an hour.
    make -s --no-print-directory -C "$dir" -j"$(jobs)" check LOG_COMPILER=timeout \
        LOG_FLAGS='-k 10 1800' "$@" </dev/null || status=$?
    TAGGED="$TAGGED $dir"
}

# The fuzzers take the time that the other tests leave: they run while those do, two at a time, each
# for so many seconds by the clock, and get a processor when nobody else wants it.
start_fuzzing() {
    say "Building the fuzz targets in $BUILD_DIR"
    make_in "$BUILD_DIR" build-fuzz.log fuzz-programs
    rm -rf "$BUILD_DIR/fuzzing"
    mkdir -p "$BUILD_DIR/fuzzing"
    say "Fuzzing in the background"
    # A session is a group of its own to the scheduler (sched(7), autogroup), which does not know how
    # little those in it want: the group has to say so, too.
    setsid sh -c '(echo 19 >/proc/self/autogroup) 2>/dev/null; exec "$@"' sh \
        chrt --idle 0 nice -n 19 make -s --no-print-directory -C "$BUILD_DIR" fuzz-run \
        FUZZ_SECONDS="${FUZZ_SECONDS-60}" >"$BUILD_DIR/fuzzing/run.log" 2>&1 </dev/null &
    fuzzing=$!
    trap 'kill -- -$fuzzing 2>/dev/null || :' EXIT
    trap 'exit 130' INT TERM
}

end_fuzzing() {
    say "Waiting for the fuzzers"
    status=0
    wait "$fuzzing" || status=$?
    trap - EXIT
    cat "$BUILD_DIR/fuzzing/run.log"
    TAGGED="$TAGGED $BUILD_DIR/fuzzing"
}

# What failed, with what it said last, and then the sum: cases as cmocka and pytest count them; a
# test of another kind is one case, and so is the failure of a program that did not get to counting.
summary() {
    # shellcheck disable=SC2086
    find $(printf '%s/tests ' $TAGGED) -name '*.trs' | sort | awk '
        function count(line, word) {
            return match(line, "[0-9]+ " word) ? substr(line, RSTART) + 0 : 0
        }
        {
            trs = log_file = $0
            sub(/\.trs$/, ".log", log_file)
            result = ""
            p = f = s = 0
            while ((getline line <trs) > 0)
                if (line ~ /^:test-result:/) { split(line, w, " "); result = w[2] }
            close(trs)
            while ((getline line <log_file) > 0) {
                if (line ~ /^\[  PASSED  \] [0-9]+ test/) p += count(line, "test")
                else if (line ~ /^\[  FAILED  \] [0-9]+ test/) f += count(line, "test")
                else if (line ~ /^\[  SKIPPED \] [0-9]+ test/) s += count(line, "test")
                else if (line ~ /^[0-9]+ [a-z, 0-9]+ in [0-9.]+s/ || line ~ /^=+ .* in [0-9.]+s.*=+$/) {
                    p += count(line, "passed"); s += count(line, "skipped")
                    f += count(line, "failed") + count(line, "error")
                }
            }
            close(log_file)
            if (result == "PASS" && p + f + s == 0) p = 1
            if (result == "SKIP" && s == 0) s = 1
            if (result != "PASS" && result != "SKIP" && f == 0) f = 1
            sub(/\.trs$/, "", trs)
            printf "%-56s %5d passed %s%s\n", trs, p, f ? f " FAILED " : "", s ? s " skipped" : ""
            if (f) bad = bad " " log_file
            passed += p; failed += f
        }
        END {
            n = split(bad, logs, " ")
            for (i = 1; i <= n; i++) {
                printf "\n==> the end of %s\n", logs[i]
                system("tail -n 60 \047" logs[i] "\047")
            }
            printf "\n%d passed, %d failed\n", passed, failed
            exit failed > 0 || passed == 0
        }'
}

# ---- commands ----

run_demo() {
    set_up
    configure_in "$BUILD_DIR"
    build_in "$BUILD_DIR"
    python=/usr/bin/python3
    [ -x $python ] || python=python3
    SNMPALERT_BUILD=$(cd "$BUILD_DIR" && pwd) PYTHONDONTWRITEBYTECODE=1 \
        exec $python demo/demo.py "$@"
}

run_check() {
    sanitizers=
    for option; do
        case $option in
        --sanitizers) sanitizers=1 ;;
        --fuzz) FUZZ=1 ;;
        *) usage >&2 && exit 2 ;;
        esac
    done
    set_up
    configure_in "$BUILD_DIR"
    build_in "$BUILD_DIR"
    build_tests_in "$BUILD_DIR"
    all_status=0
    [ -z "$FUZZ" ] || start_fuzzing
    if [ -n "$sanitizers" ]; then
        configure_in "$BUILD_DIR/sanitizers" --enable-sanitizers
        build_in "$BUILD_DIR/sanitizers"
        build_tests_in "$BUILD_DIR/sanitizers"
        # Several times slower, and beside the fuzzers.
        SNMPALERT_PATIENCE=4 run_tests "$BUILD_DIR/sanitizers" \
            "TESTS=tests/mib/run.sh $(unit_tests "$BUILD_DIR/sanitizers")"
        all_status=$status
    fi
    run_tests "$BUILD_DIR"
    [ $status = 0 ] || all_status=$status
    if [ -n "$FUZZ" ]; then
        end_fuzzing
        [ $status = 0 ] || all_status=$status
    fi
    say
    summary || all_status=1
    exit $all_status
}

# The cmocka programs of a build.
unit_tests() {
    (cd "$1" && find tests/unit -type f -name 'test_*' -perm -u+x | sort | tr '\n' ' ')
}

command=${1-configure}
[ $# = 0 ] || shift
case $command in
configure)
    make_configure
    say "Next: ./configure && make && make check && sudo make install"
    ;;
demo) run_demo "$@" ;;
check) run_check "$@" ;;
packages) packages | awk '$2 != "fuzzing" { print $1 }' ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
