#!/bin/sh
# autogen.sh: make ./configure from a checkout. "./autogen.sh help" lists what else it does.
set -eu

cd "$(dirname "$0")"

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
  help                this text
TEXT
}

# need PROGRAM DEBIAN-PACKAGE: note that PROGRAM is missing.
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

make_configure() {
    missing=
    need autoreconf autoconf
    need automake automake
    need pkg-config pkg-config
    [ -z "$missing" ] || die "missing; on Debian: apt-get install$missing"
    autoreconf -fi
    say "Next: ./configure && make && make check && sudo make install"
}

case ${1-configure} in
configure) make_configure ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
