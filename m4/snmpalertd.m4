# Macros of snmpalertd's configure.ac.

# SA_MISSING(WHAT, DEBIAN-PACKAGE)
# Note that WHAT is absent. Nothing stops here, so that the user hears of everything at once.
AC_DEFUN([SA_MISSING],
[sa_missing="$sa_missing
  $1 (Debian package: $2)"
sa_packages="$sa_packages $2"])

# SA_REPORT_MISSING
# Stop if anything was missing, and name all of it.
AC_DEFUN([SA_REPORT_MISSING],
[AS_IF([test -n "$sa_missing"], [AC_MSG_ERROR([these required things are missing:$sa_missing
On Debian, this installs them:
  apt-get install$sa_packages])])])

# SA_REQUIRE_PKG(PREFIX, PKG-CONFIG-SPEC, DEBIAN-PACKAGE)
# Sets PREFIX_CFLAGS and PREFIX_LIBS.
AC_DEFUN([SA_REQUIRE_PKG],
[PKG_CHECK_MODULES([$1], [$2], [], [SA_MISSING([$2], [$3])])])

# SA_REQUIRE_LIB(PREFIX, PKG-CONFIG-NAME, HEADER, LIBRARY, FUNCTION, DEBIAN-PACKAGE)
# The same for libraries whose pkg-config file some versions lack: ask pkg-config, then the compiler.
AC_DEFUN([SA_REQUIRE_LIB],
[PKG_CHECK_MODULES([$1], [$2], [],
    [sa_found=no
     AC_CHECK_HEADER([$3], [AC_CHECK_LIB([$4], [$5], [sa_found=yes])])
     AS_IF([test $sa_found = yes], [$1_CFLAGS= $1_LIBS=-l$4], [SA_MISSING([$4], [$6])])])])

# SA_REQUIRE_NETSNMP
# Sets NETSNMP_LIBS (client half) and NETSNMP_AGENT_LIBS (agent half). The flags that
# net-snmp-config --cflags and --agent-libs print belong to its own build (Perl's paths, hardening,
# hardware sensors): only the libraries' names are taken.
AC_DEFUN([SA_REQUIRE_NETSNMP],
[AC_PATH_PROG([NETSNMP_CONFIG], [net-snmp-config])
NETSNMP_LIBS=
NETSNMP_AGENT_LIBS=
sa_netsnmp=no
AS_IF([test -n "$NETSNMP_CONFIG"],
    [sa_save_LIBS=$LIBS
     AC_CHECK_HEADER([net-snmp/net-snmp-config.h],
        [AC_CHECK_LIB([netsnmp], [snmp_sess_open],
            [AC_CHECK_LIB([netsnmpagent], [netsnmp_register_handler], [sa_netsnmp=yes], [],
                [-lnetsnmp])])])
     LIBS=$sa_save_LIBS])
AS_IF([test $sa_netsnmp = yes],
    [NETSNMP_LIBS=-lnetsnmp
     NETSNMP_AGENT_LIBS=-lnetsnmpagent
     NETSNMP_VERSION=`$NETSNMP_CONFIG --version`],
    [SA_MISSING([net-snmp], [libsnmp-dev])])
AC_SUBST([NETSNMP_LIBS])
AC_SUBST([NETSNMP_AGENT_LIBS])])

# SA_CHECK_CFLAG(VARIABLE, FLAG)
# Append FLAG to VARIABLE if the compiler takes it.
AC_DEFUN([SA_CHECK_CFLAG],
[AC_MSG_CHECKING([whether $CC takes $2])
sa_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -Werror $2"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [sa_takes=yes], [sa_takes=no])
CFLAGS=$sa_save_CFLAGS
AC_MSG_RESULT([$sa_takes])
AS_IF([test $sa_takes = yes], [AS_VAR_APPEND([$1], [" $2"])])])

# SA_WITH_ROOT_OID(DEFAULT, MAX-ARCS)
# Checks --with-root-oid and defines SA_ROOT_OID, SA_ROOT_OID_LEN, SA_ROOT_OID_TEXT.
AC_DEFUN([SA_WITH_ROOT_OID],
[AC_ARG_WITH([root-oid],
    [AS_HELP_STRING([--with-root-oid=OID], [where SNMPALERT-MIB hangs, at most $2 arcs (default $1)])],
    [], [with_root_oid=$1])
AC_MSG_CHECKING([the root OID])
sa_oid=`AS_ECHO(["$with_root_oid"]) | sed 's/^\.//'`
# A sub-identifier has no leading zero and is at most 4294967295 (RFC 2578 section 3.5).
AS_CASE([$sa_oid],
    [*[[!0-9.]]*|.*|*.|*..*|''|0[[0-9]]*|*.0[[0-9]]*],
    [AC_MSG_ERROR([--with-root-oid=$with_root_oid is not a dotted object identifier])])
sa_arcs=0
for sa_arc in `AS_ECHO(["$sa_oid"]) | tr . ' '`; do
    sa_arcs=`expr $sa_arcs + 1`
    AS_IF([test ${#sa_arc} -gt 10 || test $sa_arc -gt 4294967295],
        [AC_MSG_ERROR([--with-root-oid: $sa_arc is larger than a sub-identifier may be (4294967295)])])
    AS_CASE([$sa_arcs],
        [1], [sa_first=$sa_arc
              AS_IF([test $sa_arc -gt 2],
                [AC_MSG_ERROR([--with-root-oid: the first arc is 0, 1 or 2, not $sa_arc])])],
        [2], [AS_IF([test $sa_first -lt 2 && test $sa_arc -gt 39],
                [AC_MSG_ERROR([--with-root-oid: the second arc below $sa_first is at most 39, not $sa_arc])])])
done
AS_IF([test $sa_arcs -lt 2], [AC_MSG_ERROR([--with-root-oid=$with_root_oid needs two arcs or more])])
AS_IF([test $sa_arcs -gt $2],
    [AC_MSG_ERROR([--with-root-oid=$with_root_oid has $sa_arcs arcs; at most $2 fit, since the rest of the 128 is for the index of a row])])
AC_MSG_RESULT([$sa_oid])
AC_DEFINE_UNQUOTED([SA_ROOT_OID], [`AS_ECHO(["$sa_oid"]) | sed 's/\./, /g'`],
    [Root of SNMPALERT-MIB, as what stands between the braces of an array's initialiser.])
AC_DEFINE_UNQUOTED([SA_ROOT_OID_LEN], [$sa_arcs], [Number of arcs of SA_ROOT_OID.])
AC_DEFINE_UNQUOTED([SA_ROOT_OID_TEXT], ["$sa_oid"], [SA_ROOT_OID in dotted notation.])
AC_SUBST([SA_ROOT_OID_TEXT], [$sa_oid])])

# SA_DEFINE_BUILD_ID
# One identifier per configured tree: processes of different builds must not talk to each other.
# SOURCE_DATE_EPOCH makes it repeatable.
AC_DEFUN([SA_DEFINE_BUILD_ID],
[AC_MSG_CHECKING([for the build's id])
sa_when=${SOURCE_DATE_EPOCH-`date +%s`}
sa_commit=`git -C "$srcdir" rev-parse --short=12 HEAD 2>/dev/null || AS_ECHO([dist])`
sa_build_id="$PACKAGE_VERSION-$sa_commit-$sa_when"
AC_MSG_RESULT([$sa_build_id])
AC_DEFINE_UNQUOTED([SA_BUILD_ID], ["$sa_build_id"],
    [What every process says in its greeting, so that a half-done upgrade is noticed.])])

# SA_WITH_FOLDER(NAME, BELOW-PREFIX, WHAT)
# --with-NAME=DIR, where WHAT is installed. Substitutes NAME, and the condition WITH_<NAME> says whether
# there is one.
AC_DEFUN([SA_WITH_FOLDER],
[AC_ARG_WITH([$1],
    [AS_HELP_STRING([--with-$1=DIR], [folder for $3 (default PREFIX/$2), or no])],
    [AS_CASE([$withval], [yes], [AC_MSG_ERROR([--with-$1 wants a folder])])],
    [with_$1='${prefix}/$2'])
AC_SUBST([$1], [$with_$1])
AM_CONDITIONAL(m4_toupper([WITH_$1]), [test "$with_$1" != no])])
