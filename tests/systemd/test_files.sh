#!/bin/sh
# The files for systemd, asked of systemd's own tools, which need no systemd that runs: each in a
# scratch root. A tool that is not here is named, and what it would have said is left out.
set -eu

build=$(cd "${top_builddir:-.}" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
unit=$build/systemd/snmpalertd.service
asked=0

fail() {
    printf '%s\n' "test_files.sh:" "$@" >&2
    exit 1
}

# has TOOL
has() {
    if command -v "$1" >/dev/null 2>&1; then
        asked=$((asked + 1))
        return 0
    fi
    echo "left out: $1 is not installed (Debian package: systemd)"
    return 1
}

# value KEY: of the unit
value() {
    sed -n "s/^$1=//p" "$unit"
}

for file in "$unit" "$build/systemd/sysusers.d/snmpalertd.conf" \
    "$build/systemd/tmpfiles.d/snmpalertd.conf"; do
    ! grep -n '@[A-Za-z_]*@' "$file" || fail "$file: not filled in"
done
service=$(value User)
network=$(value ExecStart | sed 's/.*--network-user=\([^ ]*\).*/\1/')
runs=$(value ExecStart | sed 's/.*--program-user=\([^ ]*\).*/\1/')
program=$(value ExecStart | sed 's/ .*//')

# What the unit starts takes the options that it gives.
for option in $(value ExecStart | grep -o -e '--[a-z-]*'); do
    "$build/snmpalertd" --help | grep -q -e " $option" || fail "snmpalertd has no $option"
done

# The unit, where its programs, manual pages and other units are.
set_up_unit() {
    units=$root/etc/systemd/system
    mkdir -p "$units" "$root/$(dirname "$program")" "$root/bin" "$root/man/man8" "$root/man/man5"
    cp /bin/true "$root/$program"
    cp /bin/true "$root/bin/kill"
    cp "$build/man/snmpalertd.8" "$root/man/man8"
    cp "$build/man/snmpalertd.xml.5" "$root/man/man5"
    for other in sysinit basic network-online shutdown multi-user; do
        printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $other >"$units/$other.target"
    done
}

# verify FILE: what systemd-analyze says of it, "" if all is well
verify() {
    cp "$1" "$units/snmpalertd.service"
    MANPATH=$root/man systemd-analyze verify --root="$root" snmpalertd.service 2>&1 |
        { if command -v man >/dev/null 2>&1; then cat; else grep -v "'man snmpalertd" || :; fi; }
}

if has systemd-analyze; then
    set_up_unit
    said=$(verify "$unit")
    [ -z "$said" ] || fail "systemd-analyze verify:" "$said"
    sed 's/^ProtectClock=/ProtectClocks=/' "$unit" >"$root/spoiled"
    [ -n "$(verify "$root/spoiled")" ] || fail "systemd-analyze verify says nothing of an unknown key"

    if systemd-analyze --help 2>&1 | grep -q -e '--offline'; then
        mkdir "$root/security"
        cp "$unit" "$root/security"
        # Below 2.0: the threshold is in tenths, and what is at most that passes.
        said=$(systemd-analyze security --offline=true --no-pager --threshold=19 \
            "$root/security/snmpalertd.service") || fail "exposed too much:" "$said"
        printf '%s\n' "$said" | tail -n 1
        sed '/^ProtectSystem=/d' "$unit" >"$root/security/snmpalertd.service"
        ! systemd-analyze security --offline=true --no-pager --threshold=19 \
            "$root/security/snmpalertd.service" >/dev/null || fail "the threshold lets through all"
    else
        echo "left out: this systemd-analyze has no security --offline"
    fi
fi

mkdir -p "$root/etc"
if has systemd-sysusers; then
    systemd-sysusers --root="$root" "$build/systemd/sysusers.d/snmpalertd.conf"
    group=$(sed -n "s/^$service:[^:]*:\([0-9]*\):.*/\1/p" "$root/etc/group")
    uids=$(sed -n "s/^\($service\|$network\):[^:]*:\([0-9]*\):$group:.*/\2/p" "$root/etc/passwd")
    [ "$(printf '%s\n' "$uids" | sort -u | wc -l)" = 2 ] ||
        fail "these are not two users of one group:" "$(cat "$root/etc/passwd")"
    others=$(sed -n "s/^$runs:[^:]*:\([0-9]*:[0-9]*\):.*/\1/p" "$root/etc/passwd")
    [ -n "$others" ] && [ "${others#*:}" != "$group" ] ||
        fail "$runs is not a user with a group of its own:" "$(cat "$root/etc/passwd")"
fi

# Owners of its own it can give to nobody but by root.
if [ "$(id -u)" = 0 ] && [ -s "$root/etc/passwd" ] && has systemd-tmpfiles; then
    folder=$(sed -n 's/^d \([^ ]*\/snmpalertd\) 0750 root .*/\1/p' \
        "$build/systemd/tmpfiles.d/snmpalertd.conf")
    mkdir -p "$root/$folder"
    echo secret >"$root/$folder/smtp.secret"
    echo '<snmpalertd/>' >"$root/$folder/snmpalertd.xml"
    systemd-tmpfiles --root="$root" --create "$build/systemd/tmpfiles.d/snmpalertd.conf"
    owner=$(printf '%s\n' "$uids" | head -n 1)
    for wanted in "700 $owner $group /var/lib/snmpalertd" "750 0 $group $folder" \
        "750 ${others%:*} ${others#*:} /var/log/snmpalertd" \
        "640 0 $group $folder/smtp.secret" "640 0 $group $folder/snmpalertd.xml"; do
        path=${wanted##* }
        found="$(stat -c '%a %u %g' "$root/$path") $path"
        [ "$found" = "$wanted" ] || fail "found: $found" "wanted: $wanted"
    done
fi

[ $asked -gt 0 ] || exit 77
