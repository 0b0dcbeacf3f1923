# The mask that view lines for owners have in snmpd.conf, for ROOT.1.table.1.column.owner: a bit an
# arc, 0 where any will do. -v root=1.3.6.1.4.1.8072.9999.9999.1

BEGIN {
    n = split(root, arc, ".")
    for (i = 1; i <= n + 1; i++)
        bits = bits "1"
    bits = bits "010"
    while (length(bits) % 8)
        bits = bits "1"
    for (i = 1; i <= length(bits); i += 4) {
        v = 0
        for (j = i; j < i + 4; j++)
            v = 2 * v + substr(bits, j, 1)
        mask = mask (i > 1 && i % 8 == 1 ? ":" : "") substr("0123456789abcdef", v + 1, 1)
    }
    print mask
}
