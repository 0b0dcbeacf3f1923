"""Numbers of SNMPALERT-MIB, by the checker's names."""

OK = 1
LEVELS = {1: "ok", 2: "info", 3: "warning", 4: "critical", 5: "unknown"}
CONDITION, DISABLED, DELETED = 1, 4, 5                    # reasons
RAISE, CLEAR, CHANGE, ACKNOWLEDGE, DISABLE, ENABLE, TEST = 1, 2, 3, 5, 7, 8, 9
PENDING, DISPATCHED, DELIVERED, FAILED, CANCELLED, SUPPRESSED = 1, 2, 3, 4, 5, 6
WAITING = (PENDING, DISPATCHED)
PROBLEMS = (RAISE, CHANGE)
HANDED_OFF, ACKNOWLEDGED = 2, 3                           # confirmations
NONE, NORMAL, STICKY, UNTIL = 1, 2, 3, 4                  # saAlertAcknowledge
CANCEL, RESEND = 2, 3                                     # saNoticeAction
BY_ACKNOWLEDGEMENT = 6                                    # saNoticeSuppression
FLAG_ACKNOWLEDGED = 1 << 3                                # in saAlertFlags, as they are stored
COMMIT_LAG = 1.0  # a transaction may begin so long after the time that its rows bear
