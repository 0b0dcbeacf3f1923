#include "agent/patience.h"

#include "base/log.h"

enum { ADVICE_LEAST_S = 5 };

/* Twice what was needed, in seconds. */
static int advice_s(int64_t took_ms)
{
    int64_t s = (2 * took_ms + 999) / 1000;

    return s < ADVICE_LEAST_S ? ADVICE_LEAST_S : (int)s;
}

void patience_connected(struct patience *p)
{
    p->request_ms = 0;
}

void patience_request(struct patience *p, int64_t now_ms)
{
    p->request_ms = now_ms;
}

void patience_again(struct patience *p, int64_t first_ms, int64_t now_ms)
{
    int64_t took_ms = now_ms - first_ms;
    bool near = took_ms >= PATIENCE_NEAR_MS;

    if (took_ms < PATIENCE_SLOW_MS) /* it was read late, with its first copy */
        return;
    if (near && !p->said_near)
        log_warning("agentx",
                    "an answer took %.1f s, and the master agent at %s asked again meanwhile; "
                    "unless told otherwise it gives up after 6 s: write 'agentXTimeout %d' into "
                    "snmpd.conf",
                    (double)took_ms / 1000, p->address, advice_s(took_ms));
    else if (!p->said_near && !p->said_again)
        log_info("agentx",
                 "an answer took %.1f s, and the master agent at %s asked again meanwhile; it is "
                 "answered once",
                 (double)took_ms / 1000, p->address);
    p->said_again = true;
    p->said_near = p->said_near || near;
}

void patience_turn_begins(struct patience *p, int64_t now_ms)
{
    p->turn_ms = now_ms;
}

/* How long the present turn has kept a request waiting; 0: not long, or there is none. */
static int64_t kept_waiting(const struct patience *p, int64_t now_ms)
{
    if (!p->turn_ms || now_ms - p->turn_ms < PATIENCE_SLOW_MS || !p->request_ms ||
        p->turn_ms - p->request_ms > PATIENCE_BEHIND_MS)
        return 0;
    return now_ms - (p->request_ms < p->turn_ms ? p->request_ms : p->turn_ms);
}

void patience_turn_ends(struct patience *p, int64_t now_ms)
{
    int64_t took_ms = kept_waiting(p, now_ms);

    if (took_ms) {
        p->slow_took_ms = took_ms;
        p->slow_end_ms = now_ms;
    }
    p->turn_ms = 0;
}

void patience_lost(struct patience *p, int64_t now_ms)
{
    int64_t took_ms = kept_waiting(p, now_ms);

    if (!took_ms && p->slow_end_ms && now_ms - p->slow_end_ms < PATIENCE_BEHIND_MS)
        took_ms = p->slow_took_ms;
    p->request_ms = p->slow_end_ms = 0;
    if (!took_ms || p->said_lost)
        return;
    p->said_lost = true;
    log_warning("agentx",
                "the master agent at %s hung up on an answer that took %.1f s; unless it ended by "
                "itself, its agentXTimeout, for each of 1 + agentXRetries attempts, is too short "
                "for this disk: write 'agentXTimeout %d' into snmpd.conf",
                p->address, (double)took_ms / 1000, advice_s(took_ms));
}
