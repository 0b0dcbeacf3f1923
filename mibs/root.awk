# Fills the root's places of SNMPALERT-MIB.txt.in. -v root=1.3.6.1.4.1.8072.9999.9999.1
#
# @MODULE@ becomes the module's name: with that in its first line, net-snmp's tools would take the
# template for the module, in a build inside the sources.
# @ROOT_PARENT@ becomes what stands between the braces of the module's own OID. Each arc between a
# node that every tool knows and the root gets a node of its own (@ROOT_NODES@), since a node that
# only appears in the middle of another's OID is an implicit one, which smilint frowns on.

BEGIN {
    n = split(root, arc, ".")
    if (n < 2) {
        print "root.awk: no root was given" > "/dev/stderr"
        exit 1
    }
    if (n > 6 && root ~ /^1\.3\.6\.1\.4\.1\./) {
        parent = "enterprises"
        import = ", enterprises"
        first = 7
    } else {
        split("ccitt iso joint-iso-ccitt", top, " ")
        parent = top[arc[1] + 1]
        first = 2
    }
    for (i = first; i < n; i++) {
        name = "saRoot" i
        nodes = nodes name " OBJECT IDENTIFIER ::= { " parent " " arc[i] " }\n"
        parent = name
    }
    if (nodes)
        nodes = nodes "\n"
}

{
    gsub(/@MODULE@/, "SNMPALERT-MIB")
    gsub(/@ROOT_IMPORT@/, import)
    gsub(/@ROOT_PARENT@/, parent " " arc[n])
    gsub(/@ROOT_NODES@/, nodes)
    print
}
