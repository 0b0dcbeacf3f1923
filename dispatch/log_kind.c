#include "dispatch/log_kind.h"

#include <string.h>

#include "base/text.h"

static const char *const facility_names[] = {
    "user",   "mail",   "daemon", "auth",   "cron",   "local0", "local1",
    "local2", "local3", "local4", "local5", "local6", "local7", NULL,
};
const unsigned log_facilities[] = {1, 2, 3, 4, 9, 16, 17, 18, 19, 20, 21, 22, 23};
_Static_assert(sizeof log_facilities / sizeof *log_facilities + 1 ==
                   sizeof facility_names / sizeof *facility_names,
               "each facility has its code");

static const char *const formats[] = {"json", "text", NULL};

static const struct property properties[] = {
    {.name = "file",
     .type = PROPERTY_FILE,
     .help =
         "File that each notice is appended to, one a line. It is made if it is not there "
         "(mode 0640, of the user that programs run as); it must be a regular file, and no "
         "symbolic link. Whoever rotates it may rename it at any time: the next notice makes it "
         "anew. Without one the notices go to syslog, and from there to the journal."},
    {.name = "format",
     .type = PROPERTY_ENUM,
     .def = "json",
     .names = formats,
     .help = "json: one object for each notice, as exec handlers get it; text: its subject, in a "
             "file after its time."},
    {.name = "sync",
     .type = PROPERTY_BOOLEAN,
     .def = "false",
     .help = "Whether a notice is delivered only when the file is on the disk (fdatasync(2)); else "
             "it is when the system has it, which a crash of the machine may undo."},
    {.name = "facility",
     .type = PROPERTY_ENUM,
     .def = "daemon",
     .names = facility_names,
     .help = "Facility of what goes to syslog. Its severity is the notice's level: crit, warning, "
             "info, err for UNKNOWN, notice for OK and the rest."},
    {.name = "ident",
     .type = PROPERTY_TEXT,
     .min = 1,
     .max = 48,
     .def = "snmpalertd",
     .help = "Name that syslog shows in front: printable ASCII without blanks and \":\" or \"[\"."},
    {.name = "socket",
     .type = PROPERTY_FILE,
     .def = "/dev/log",
     .help = "Where syslog listens for datagrams."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

static bool says(const struct values *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->items[i].property->name, name) == 0)
            return true;
    }
    return false;
}

static bool ident_valid(const char *s)
{
    while (*s > ' ' && *s < 127 && *s != ':' && *s != '[' && *s != ']')
        s++;
    return !*s;
}

static int check(const struct values *v, struct err *e)
{
    static const char *const of_syslog[] = {"facility", "ident", "socket"};
    bool file = says(v, "file");

    if (!ident_valid(values_text(v, properties, NPROPERTIES, "ident")))
        return err_set(e, ERR_INVALID,
                       "ident: expected printable ASCII without blanks, ':' and brackets");
    for (size_t i = 0; file && i < sizeof of_syslog / sizeof *of_syslog; i++) {
        if (says(v, of_syslog[i]))
            return err_set(e, ERR_INVALID, "%s is of syslog: expected none beside a file",
                           of_syslog[i]);
    }
    if (!file && says(v, "sync"))
        return err_set(e, ERR_INVALID, "sync is of files: expected a file beside it");
    return 0;
}

const struct kind log_kind = {
    .class_ = KIND_HANDLER,
    .name = "log",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .by_runner = true,
    .help = "A line in a file, or a message to syslog, for each notice. What cannot be written is "
            "tried again. A target's recipients are not used.",
    .check = check,
};
