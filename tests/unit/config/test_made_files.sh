#!/bin/sh
# What is made from the tables at build time, looked at by the tools that users have: xmllint takes
# the sample by the schema and refuses a spoiled one; the manual pages have no roff warning, and
# snmpalertd(8) describes each option of --help.
set -u

sample=${top_srcdir:-.}/config/snmpalertd.xml.sample
schema=${top_builddir:-.}/config/snmpalertd.rng
spoiled=${top_builddir:-.}/config/spoiled.$$.xml
failed=0
tried=0
trap 'rm -f "$spoiled"' EXIT

fail() {
    echo "FAIL: $*"
    failed=1
}

if command -v xmllint >/dev/null; then
    tried=1
    xmllint --nonet --noout --relaxng "$schema" "$sample" || fail "the schema refuses the sample"
    sed -n '/^\.nf/,/^\.fi/p' "${top_builddir:-.}/man/snmpalertd.xml.5" |
        sed -e '/^\./d' -e "s/\\\\(aq/'/g" >"$spoiled"
    xmllint --nonet --noout --relaxng "$schema" "$spoiled" || fail "the manual's example is bad"
    for edit in 's/ port="587"/ prot="587"/' 's/<store .*//' 's/severity="critical"/severity="bad"/' \
        's/interval="10s"/interval="soon"/' 's/<owners>/<owners><user name="x"\/>/'; do
        sed "$edit" "$sample" >"$spoiled"
        cmp -s "$sample" "$spoiled" && fail "$edit changes nothing"
        xmllint --nonet --noout --relaxng "$schema" "$spoiled" 2>/dev/null &&
            fail "the schema takes the sample after $edit"
    done
fi

# A long prefix leaves lines that cannot be filled: no fault of the page.
if command -v groff >/dev/null; then
    tried=1
    for page in snmpalertd.8 snmpalertd.xml.5 SNMPALERT-MIB.5; do
        [ $page != SNMPALERT-MIB.5 ] || [ -e "${top_builddir:-.}/man/$page" ] || continue
        warnings=$(groff -man -ww -W break -z -Tutf8 "${top_builddir:-.}/man/$page" 2>&1)
        [ -z "$warnings" ] || fail "man/$page: $warnings"
    done
fi

if [ -x "${top_builddir:-.}/snmpalertd" ]; then
    tried=1
    for option in $("${top_builddir:-.}/snmpalertd" --help | grep -o -e '--[a-z-]*'); do
        tr -d '\\' <"${top_builddir:-.}/man/snmpalertd.8" | grep -q -e "^\.B.* *$option" ||
            fail "man/snmpalertd.8 does not describe $option"
    done
fi

[ $tried = 1 ] || {
    echo "neither xmllint (Debian package: libxml2-utils) nor groff is here"
    exit 77
}
exit $failed
