"""SNMPv3 users as the manual page has them: its lines for snmpd.conf are what the tests configure."""

import os
import re

from .snmp import Tools

_BLOCK = re.compile(r"^\.nf\n(.*?)^\.fi\n", re.M | re.S)
_KEYS = re.compile(r'createUser (\S+) (\S+) "([^"]+)" (\S+) "([^"]+)"')


def manual_blocks(page, section="OWNERS"):
    """The indented blocks of a section, as man(1) shows them; of OWNERS: users, contexts, a command,
    communities, views."""
    with open(page) as f:
        section = re.search(rf"^\.SH {section}\n(.*?)^\.SH ", f.read(), re.M | re.S).group(1)
    return [re.sub(r"^    ", "", block.replace("\\-", "-"), flags=re.M)
            for block in _BLOCK.findall(section)]


class Manual:
    def __init__(self, build):
        self.users, self.contexts, _, self.communities, self.views = \
            manual_blocks(os.path.join(build, "man/snmpalertd.8"))
        self.keys = {m[0]: m[1:] for m in _KEYS.findall(self.users)}

    def tools(self, daemon, user, context=""):
        """The tools as USER, who proves it and hides what is said; each says what it has to say
        once, and waits as long for the answer as the tools do when nobody says how long."""
        return UsmTools(daemon, user, self.keys[user], context)


class UsmTools(Tools):
    def __init__(self, daemon, user, keys, context):
        super().__init__(daemon)
        auth, auth_word, priv, priv_word = keys
        self.security = ("-v3", "-l", "authPriv", "-u", user, "-a", auth, "-A", auth_word,
                         "-x", priv, "-X", priv_word, "-n", context)

    def run(self, program, *args, options=(), timeout=1, retries=0):
        return self.run_as(self.security, program, *args, options=options, timeout=timeout,
                           retries=retries)
