/* storehold STORE-FOLDER: takes the store's one write transaction, as a process does whose disk is
 * slow, prints "held", and gives it back at SIGTERM. */
#include <signal.h>
#include <stdio.h>

#include "store/store.h"

int main(int argc, char **argv)
{
    struct store_options o = {.path = argc > 1 ? argv[1] : ""};
    struct store *s = NULL;
    struct txn *t;
    struct err e;
    sigset_t set;
    int signo;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (argc != 2 || store_open(&s, &o, &e)) {
        fprintf(stderr, "storehold: %s\n", argc == 2 ? e.text : "one folder, please");
        return 1;
    }
    t = txn_begin(s, TXN_WRITE);
    puts("held");
    fflush(stdout);
    sigwait(&set, &signo);
    txn_abort(t);
    store_close(s);
    return 0;
}
