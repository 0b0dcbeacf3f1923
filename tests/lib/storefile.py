"""The store's file, as octets."""

import re
import struct

NOW = 3  # the format that this build writes


def of_version(data, version):
    """DATA, a data.mdb, as a program whose format is VERSION would have marked it: the record
    `version`, and the one with a sum, which no older program could have written."""
    assert data.count(b"version" + struct.pack(">Q", NOW)) >= 1
    key, value = b"format", struct.pack(">Q", version)
    data, n = re.subn(rb"format.{4}" + re.escape(struct.pack(">Q", NOW)),
                      lambda m: key + struct.pack(">I", sum_of("meta", key, value)) + value, data,
                      flags=re.S)
    assert n >= 1
    return data.replace(b"version" + struct.pack(">Q", NOW), b"version" + value)


def sum_of(db, key, value):
    """As store/FORMAT.md has it."""
    most = (1 << 64) - 1
    k0, k1, k2 = 0x6a09e667f3bcc909, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b

    def fold(a, b):
        return (a * b & most) ^ (a * b >> 64)

    def word(octets):
        return int.from_bytes(octets, "little")

    def take(h, p):
        h ^= len(p) * k0 & most
        while len(p) > 16:
            h = fold(word(p[:8]) ^ k1, word(p[8:16]) ^ h)
            p = p[16:]
        a = b = 0
        if len(p) >= 4:
            n = 8 if len(p) >= 8 else 4
            a, b = word(p[:n]), word(p[-n:])
        elif p:
            a = p[0] << 16 | p[len(p) // 2] << 8 | p[-1]
        return fold(a ^ k1, b ^ h)

    h = fold(take(take(take(k2, db.encode()), key), value) ^ k2, k0)
    return (h ^ h >> 32) & 0xffffffff
