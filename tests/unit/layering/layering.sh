#!/bin/sh
# Every #include of the project points down, foreign headers stay in the folders that wrap their
# library, and no file includes what does not exist. First the test proves on a small bad example
# that it can fail.
set -eu

# Low to high. A folder may include itself and those before it.
folders="base mibs store config snmp http poll eval alerts dispatch agent daemon cli"

# Foreign headers, by how their names begin, and where they may be included. The longest wins.
borders="
lmdb.h           store
mujs.h           eval
libxml/          config
libesmtp.h       dispatch
auth-client.h    dispatch
auth-plugin.h    dispatch
curl/            http
openssl/         snmp dispatch
jansson.h        base/json.c
net-snmp/        snmp agent
net-snmp/agent/  agent
ucd-snmp/        agent
seccomp.h        eval daemon/confine.c
"

top=${top_srcdir:-$(dirname "$0")/../../..}
build=${top_builddir:-$top}

# check ROOT BUILD: print every offence; BUILD is where generated headers may be.
check() {
    root=$1
    (
        cd "$root"
        for folder in $folders tests bench; do
            if [ -d "$folder" ]; then
                find "$folder" -name '*.[ch]' -print
            fi
        done
    ) | sort | awk -v root="$root" -v build="$2" -v folders="$folders" -v borders="$borders" '
        BEGIN {
            n = split(folders, order, " ")
            for (i = 1; i <= n; i++)
                rank[order[i]] = i
            n = split(borders, lines, "\n")
            for (i = 1; i <= n; i++)
                if (split(lines[i], word, " ") > 1) {
                    where[word[1]] = lines[i] " "
                    sub(/^[^ ]+/, "", where[word[1]])
                }
        }
        function exists(path,  line, found) {
            found = (getline line < path) >= 0
            close(path)
            return found
        }
        function offence(file, no, text) {
            print file ":" no ": " text
        }
        function project(file, no, name,  to, from) {
            from = file
            sub("/.*", "", from)
            to = name
            sub("/.*", "", to)
            if (name != "config.h" && !exists(root "/" name) && !exists(build "/" name))
                offence(file, no, name " does not exist (project headers go by their full path)")
            else if (from in rank && to == "tests")
                offence(file, no, name " belongs to the tests")
            else if (from in rank && to in rank && rank[to] > rank[from])
                offence(file, no, name " is above " from "/")
        }
        function foreign(file, no, name,  from, prefix, best) {
            from = file
            sub("/.*", "", from)
            best = ""
            for (prefix in where)
                if (index(name, prefix) == 1 && length(prefix) > length(best))
                    best = prefix
            if (best != "" && from in rank && !index(where[best], " " from " ") &&
                !index(where[best], " " file " "))
                offence(file, no, "<" name "> is only for" where[best])
            if (best == "" && exists(root "/" name))
                offence(file, no, "<" name "> is a project header: use quotes")
        }
        {
            file = $0
            no = 0
            while ((getline line < (root "/" file)) > 0) {
                no++
                if (line !~ /^[ \t]*#[ \t]*include/)
                    continue
                if (line ~ /"[^"]+"/) {
                    split(line, part, "\"")
                    project(file, no, part[2])
                } else if (line ~ /<[^>]+>/) {
                    split(line, part, /[<>]/)
                    foreign(file, no, part[2])
                } else {
                    offence(file, no, "an #include that cannot be read")
                }
            }
            close(root "/" file)
        }'
}

# The bad example: each of its files breaks one rule, in the line that the table names.
self_test() {
    bad=$(mktemp -d)
    trap 'rm -rf "$bad"' EXIT
    mkdir -p "$bad/base" "$bad/store" "$bad/eval" "$bad/snmp" "$bad/tests/unit" "$bad/cli"
    echo 'int ok;' >"$bad/base/ok.h"
    echo 'int up;' >"$bad/store/up.h"
    echo 'int t;' >"$bad/tests/unit/t.h"
    printf '#include "base/ok.h"\n#include <stdio.h>\n#include "config.h"\n' >"$bad/base/good.c"
    printf '#include <lmdb.h>\n#include "base/ok.h"\n#include "store/up.h"\n' >"$bad/store/good.c"
    printf '#include <jansson.h>\n' >"$bad/base/json.c"
    printf '#include <net-snmp/net-snmp-includes.h>\n' >"$bad/snmp/good.c"
    printf '#include <lmdb.h>\n#include "cli/../base/ok.h"\n#include "tests/unit/t.h"\n' \
        >"$bad/tests/unit/good.c"
    [ -z "$(check "$bad" "$bad")" ] || fail "the good example is refused:" "$(check "$bad" "$bad")"

    printf '\n#include "store/up.h"\n' >"$bad/base/upward.c"
    printf '#include "base/gone.h"\n' >"$bad/base/missing.c"
    printf '#include "ok.h"\n' >"$bad/base/short.c"
    printf '# include <lmdb.h>\n' >"$bad/cli/border.c"
    printf '#include <jansson.h>\n' >"$bad/base/other.c"
    printf '#include <net-snmp/agent/net-snmp-agent-includes.h>\n' >"$bad/snmp/agent_half.c"
    printf '#include <base/ok.h>\n' >"$bad/store/brackets.h"
    printf '#include "tests/unit/t.h"\n' >"$bad/eval/tests.c"
    printf '#include HEADER\n' >"$bad/eval/macro.c"
    printf '#include "base/gone.h"\n' >"$bad/tests/unit/missing.c"
    found=$(check "$bad" "$bad" | sed 's/: .*//' | tr '\n' ' ')
    wanted="base/missing.c:1 base/other.c:1 base/short.c:1 base/upward.c:2 cli/border.c:1 \
eval/macro.c:1 eval/tests.c:1 snmp/agent_half.c:1 store/brackets.h:1 tests/unit/missing.c:1 "
    [ "$found" = "$wanted" ] || fail "in the bad example it found" "$found" "and not" "$wanted"
}

fail() {
    printf '%s\n' "layering.sh:" "$@" >&2
    exit 1
}

self_test
offences=$(check "$top" "$build")
[ -z "$offences" ] || fail "$offences"
