"""What must have become of what managers asked for, as part of the checker: of acknowledgements,
and of notices that were cancelled and sent again. The one target whose notices are recalled keeps
its laws here, since each of them may end, and be told, more than once."""

import collections

from facts import (ACKNOWLEDGE, BY_ACKNOWLEDGEMENT, CANCEL, CANCELLED, CLEAR, DELIVERED, DISABLED,
                   FLAG_ACKNOWLEDGED, NONE, OK, PROBLEMS, RESEND, SUPPRESSED, WAITING)

HELD_BACK = 0x80  # in the level that a target was told
UNTOLD = "its problem was never told"
SENT_SLACK = 0.1  # seconds between a manager's clock and a row's


def u32(b, at):
    return int.from_bytes(b[at:at + 4], "big")


class Answers:
    """CHECKS: what it has seen; LOAD: what was asked."""

    def __init__(self, checks, load):
        self.checks, self.load = checks, load
        self.say, self.count = checks.say, checks.count
        self.held = {}                                # (history, incarnation): id of the notice
        self.told = collections.Counter()             # (alert, words, incarnation): notices
        self.episodes = collections.defaultdict(list)  # alert: problems since it was OK last
        self.ends = {}                                # id of a recovery: problems before it
        self.first = {}                               # id: ms when it was delivered first
        self.kept_back = {}                           # alert: (newest recovery, did a manager cancel it?)
        self.silent = {}                              # uuid: cancelled before it was dispatched
        self.untold = []                              # (id or 0, at, alert, problems before)

    def recalls(self, n):
        return n["target"] == self.load.recalled

    def may_return(self, i):
        """Somebody asked for it to be sent again."""
        return any(a.action == RESEND for a in self.load.asked(i))

    def may_be_cancelled(self, i, n):
        return self.recalls(n) and (
            (n["error"] == UNTOLD and n["kind"] in (CLEAR, ACKNOWLEDGE)) or
            any(a.action == CANCEL for a in self.load.asked(i)))

    # ---- notices that belong to no transition's commit ----

    def belongs_elsewhere(self, i, n, first):
        """An acknowledgement's; or, later than the FIRST of its transition, what that held back."""
        if n["kind"] == ACKNOWLEDGE:
            self._acknowledged(i, n)
            return True
        key = n["history"], n["incarnation"]
        if n["state"] == SUPPRESSED and first:
            self.held[key] = i
        if first or n["kind"] not in PROBLEMS:
            return False
        if self.held.pop(key, None) is None and not self.recalls(n):
            return False
        self.count("notices of what was held back")
        return True

    def _acknowledged(self, i, n):
        key = n["alert"], n["message"], n["incarnation"]
        self.told[key] += 1
        if self.told[key] > 1:
            self.say(f"notice {i} tells again that {n['alert']} is {n['message']}")
        self.count("notices of acknowledgements")

    # ---- transitions ----

    def transition(self, i, h, at, notices):
        """NOTICES: [(id, row)] of its commit."""
        stable = [n for _, n in notices if n["target"] in self.load.stable_targets]
        held = {n["state"] == SUPPRESSED for n in stable}
        if len(held) > 1:
            self.say(f"history {i}: some targets were told, from others it was held back")
        elif held:
            want = h["to"] != OK and self.load.suppressed(
                h["definition"], at, self.checks.moves[h["alert"]])
            if want not in (None, *held):
                self.say(f"history {i} ({h}): was {'' if held.pop() else 'not '}held back, should "
                         f"{'' if want else 'not '}be")
            elif h["definition"] in self.load.acknowledged:
                self.count(f"transitions {'held back' if held.pop() else 'told'} where "
                           f"alerts are acknowledged{'' if want is not None else ', or are being'}")
        if self.load.recalled:
            self._of_recalled(i, h, [(k, n) for k, n in notices if self.recalls(n)])

    def _of_recalled(self, i, h, notices):
        """Of the target whose notices are cancelled: the end of what it was told."""
        episode = self.episodes[h["alert"]]
        want = int(h["reason"] != DISABLED)
        if h["to"] != OK:
            if len(notices) != want:
                self.say(f"history {i} ({h}): {self.load.recalled} should have {want} notices")
            episode += [k for k, _ in notices]
            return
        if want and not notices:
            self.untold.append((0, h["at"], h["alert"], list(episode)))
        for k, _ in notices:
            self.ends[k] = list(episode)
        episode.clear()

    # ---- ends of notices ----

    def end(self, i, n):
        """Was it right that it is not delivered? (Those that are, are looked at only.)"""
        if self.recalls(n) and n["kind"] == CLEAR and i >= self.kept_back.get(n["alert"], (0, 0))[0]:
            self.kept_back[n["alert"]] = i, n["state"] == CANCELLED and n["error"] != UNTOLD
        if n["state"] == DELIVERED:
            self.first.setdefault(i, n["finished"])
            return True
        if n["state"] == SUPPRESSED:
            return n["definition"] in self.load.acknowledged and \
                n["kind"] in PROBLEMS and n["suppression"] == BY_ACKNOWLEDGEMENT
        if n["state"] != CANCELLED or not self.may_be_cancelled(i, n):
            return False
        if not n["sequence"]:
            self.silent[n["uuid"]] = i
        if n["error"] == UNTOLD and n["kind"] == CLEAR:
            self.untold.append((i, n["finished"], n["alert"], self.ends.get(i, [])))
        return True

    def _ends_untold(self):
        """Recoveries that were not made, or not sent: nobody had been told of the problem."""
        for i, at, alert, problems in self.untold:
            told = [p for p in problems if self.first.get(p, at + 1) < at]
            if told:
                self.say(f"the end of alert {alert} was not told (notice {i} at {at}), problems "
                         f"{told} were")
            self.count("ends of problems that nobody had been told of")
        self.untold.clear()

    # ---- what was asked for ----

    def look(self, dump, begun):
        """BEGUN: what was known to be done at that time shows in DUMP."""
        self._ends_untold()
        for i, asked in self.load.all_asked():
            last = asked[-1]
            row = dump.notices.get(i)
            if row is not None and last.happened and last.known <= begun:
                (self._cancelled if last.action == CANCEL else self._resent)(dump, i, row, last)
        if not dump.ring:
            for key, row in dump.tables["saAlertTable"].items():
                self._alert(dump, key[1], row)

    def _cancelled(self, dump, i, n, ask):
        ended = n["state"] in (CANCELLED, DELIVERED)
        if not ended and not (n["state"] in WAITING and n["action"] == CANCEL):
            self.say(f"notice {i} was to be cancelled since {ask.sent:.3f}, and is {n}")
        self.count("looks at cancelled notices")

    def _resent(self, dump, i, n, ask):
        waits = n["state"] in WAITING or (n["action"] == RESEND and dump.ring)
        again = n["finished"] / 1000 >= ask.sent - SENT_SLACK and (
            n["state"] == DELIVERED or n["error"] == UNTOLD)
        if not waits and not again:
            self.say(f"notice {i} was to be sent again since {ask.sent:.3f}, and is {n}")
        self.count("looks at notices that were sent again")

    def _alert(self, dump, alert, row):
        """The core has taken in all that was set."""
        held = [k for k, v in dump.db["told"].items() if u32(k, 0) == alert and
                v[0] & HELD_BACK]
        if row["ack"] in (0, NONE):
            if held or row["flags"] & FLAG_ACKNOWLEDGED or row["ackTaken"] or row["ackDue"]:
                self.say(f"alert {alert} is not acknowledged any more: {row}, held back from "
                         f"{[k.hex() for k in held]}")
            return
        words = f"acknowledged by {row['ackAuthor']}: {row['ackText']}"
        untold = [t for t in self.load.stable_targets if not self.told[
            alert, words, dump.tables["saTargetTable"][("admin", t)]["incarnation"]]]
        if not row["flags"] & FLAG_ACKNOWLEDGED or not row["ackTaken"] or untold:
            self.say(f"alert {alert} is {words}, which {untold} were not told: {row}")
        self.count("looks at acknowledged alerts")

    # ---- in the end ----

    def at_the_end(self, dump):
        self._told_in_the_end(dump)
        for uuid, i in self.silent.items():
            if uuid in self.checks.arrived and not self.may_return(i):
                self.say(f"notice {i} was cancelled before it was sent, and arrived")
        for i, asked in self.load.all_asked():
            self._copies(dump, i, asked)
        for key, row in dump.tables["saAlertTable"].items():
            if row["ackDue"]:
                self.say(f"the acknowledgement of alert {key[1]} has not ended: {row}")

    def _told_in_the_end(self, dump):
        target = dump.tables["saTargetTable"].get(("admin", self.load.recalled))
        levels = {key[1]: a["level"] for key, a in dump.tables["saAlertTable"].items()}
        for k, v in dump.db["told"].items():
            alert, x = u32(k, 0), u32(k, 4)
            if not target or x != target["incarnation"]:
                continue
            over = levels.get(alert, OK) == OK
            if over and self.kept_back.get(alert, (0, False))[1]:
                self.count("ends that were cancelled, and are not known")
            elif over or u32(v, 1):
                self.say(f"{self.load.recalled} is taken to know of {alert}, or to be owed it, in "
                         f"the end: {v.hex()}")

    def _copies(self, dump, i, asked):
        """One that had been delivered and was sent again arrived twice."""
        row = dump.notices.get(i)
        if row is None or not asked[-1].happened or asked[-1].action != RESEND or \
                row["state"] != DELIVERED:
            return
        least = 1 + (asked[0].action == RESEND and asked[0].was == DELIVERED)
        if self.checks.copies[row["uuid"]] < least:
            self.say(f"notice {i} was sent again, and arrived {self.checks.copies[row['uuid']]} "
                     f"times, not {least}: {row}")
        self.count("notices that arrived again on request")
