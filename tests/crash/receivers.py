"""What arrived: the lines of snmptrapd's log, and the mails. Each is read once."""

import re

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TRAP = {"uuid": re.compile(rf'saNoticeUuid\S* = "?({_UUID})'),
         "level": re.compile(r"saAlertLevel\S* = (\w+)"),
         "sequence": re.compile(r"saNoticeTargetSequence\S* = (\d+)")}


class Arrival:
    """A notice in a message: which (in the order of arrival), and what it says: its level or None,
    its sequence or 0."""

    def __init__(self, uuid, message, level=None, sequence=0):
        self.uuid, self.message, self.level, self.sequence = uuid, message, level, sequence


class Receivers:
    def __init__(self, trap_log, mails):
        self._log, self._mails = open(trap_log, encoding="utf-8", errors="replace"), mails
        self._half = ""
        self._read_mails = self.messages = 0

    def close(self):
        self._log.close()

    def read(self):
        """The arrivals since the last time."""
        found = []
        lines = (self._half + self._log.read()).split("\n")
        self._half = lines.pop()
        for line in lines:
            self.messages += 1
            what = {name: match[1] for name, p in _TRAP.items() if (match := p.search(line))}
            if "uuid" in what:
                found.append(Arrival(what["uuid"], self.messages, what.get("level"),
                                     int(what.get("sequence", 0))))
        while self._read_mails < len(self._mails):
            mail, self._mails[self._read_mails] = self._mails[self._read_mails], None
            self._read_mails += 1
            self.messages += 1
            found += self._of_mail(mail)
        return found

    def _of_mail(self, mail):
        """A digest names its own UUID beside those of the notices in it."""
        text = mail.raw.decode() + "".join(p.get_content() for p in mail.message.walk()
                                           if p.get_content_type() == "text/plain")
        level = mail.message["X-SNMPAlert-Level"]
        uuids = set(re.findall(_UUID, text))
        if len(uuids) > 1:
            uuids.discard(re.match(r"<([0-9a-f-]{36})@", mail.message["Message-ID"])[1])
            level = None
        return [Arrival(u, self.messages, level.lower() if level else None)
                for u in sorted(uuids)]
