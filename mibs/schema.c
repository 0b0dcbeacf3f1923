/* The tables of SNMPALERT-MIB: data only (the functions that look things up are in lookup.c).
 *
 * What holds for every table:
 * - index objects are columns too; they are never stored, since the row's key holds them;
 * - cells that change only in transactions that commit anyway (levels, notices, what a target
 *   delivered) are durable; what every poll or evaluation would change is volatile;
 * - each `help` is how the object's DESCRIPTION in SNMPALERT-MIB.txt begins. */
#include "mibs/schema.h"

#include "config.h"

#define U32_MAX  4294967295
/* Type and id of a resource, and a slash, fit the instance that they make. */
#define RESOURCE_ID_MAX (255 - 32 - 1)
#define DATE_MAX 253402300799999 /* the year 9999's last millisecond */
/* How long and how much is kept unless a manager says otherwise: 90 days. */
#define KEEP_SECONDS     (90 * 24 * 60 * 60)
#define KEEP_SECONDS_MAX (36500LL * 24 * 60 * 60)
#define KEEP_ROWS        100000
#define KEEP_CLEARED     (12 * 60 * 60)
#define COUNT(a)         (sizeof(a) / sizeof((a)[0]))

/* ---- shapes of columns, to be completed by .xml, .def, .help, ... ------------------------ */

#define NUMBER(n, s, syntax_, a, k, lo, hi)                                                        \
    .number = (n), .name = (s), .syntax = (syntax_), .access = (a), .keep = (k), .min = (lo),      \
    .max = (hi)
#define INTEGER(n, s, a, k, lo, hi)    NUMBER(n, s, SA_INTEGER, a, k, lo, hi)
#define TEST_AND_INCR(n, s, a)         NUMBER(n, s, SA_TEST_AND_INCR, a, SA_DURABLE, 0, INT32_MAX)
#define HIDDEN(n, s, k)                NUMBER(n, s, SA_INTEGER, SA_HIDDEN, k, INT64_MIN, INT64_MAX)
#define UNSIGNED(n, s, a, k, lo, hi)   NUMBER(n, s, SA_UNSIGNED, a, k, lo, hi)
#define GAUGE(n, s, k)                 NUMBER(n, s, SA_GAUGE, SA_READ_ONLY, k, 0, U32_MAX)
#define COUNTER(n, s, k)               NUMBER(n, s, SA_COUNTER, SA_READ_ONLY, k, 0, U32_MAX)
#define MILLIS(n, s, a, k)             NUMBER(n, s, SA_MILLIS, a, k, 0, INT64_MAX)
#define GAUGE64(n, s, a, k)            NUMBER(n, s, SA_GAUGE64, a, k, 0, INT64_MAX)
#define DATE(n, s, k)                  NUMBER(n, s, SA_DATE, SA_READ_ONLY, k, 0, DATE_MAX)
#define ENUM(n, s, a, k, lo, hi, list) NUMBER(n, s, SA_ENUM, a, k, lo, hi), .names = (list)
#define BITS(n, s, a, k, list)                                                                     \
    NUMBER(n, s, SA_BITS, a, k, 0, (1 << (COUNT(list) - 1)) - 1), .names = (list)
#define TRUTH(n, s, a, k)                                                                          \
    NUMBER(n, s, SA_TRUTH, a, k, TRUTH_TRUE, TRUTH_FALSE), .names = truth_names
#define TRIGGER(n, s, a)                                                                           \
    ENUM(n, s, a, SA_COMPUTED, TRIGGER_IDLE, TRIGGER_RUN, trigger_names), .def = TRIGGER_IDLE
#define TEXT(n, s, a, k, longest) NUMBER(n, s, SA_TEXT, a, k, 0, longest)
#define NAME(n, s, a, k)          NUMBER(n, s, SA_NAME, a, k, 1, 32)
#define NAME_OR_EMPTY(n, s, a, k) NUMBER(n, s, SA_NAME_OR_EMPTY, a, k, 0, 32)

/* An index object: the row's own name, or its number. */
#define OWN_NAME(n, s, a)        NAME(n, s, a, SA_COMPUTED)
#define OWN_NUMBER(n, s, lo, hi) UNSIGNED(n, s, SA_NOT_ACCESSIBLE, SA_COMPUTED, lo, hi)

#define STORAGE(n, s)                                                                              \
    {                                                                                              \
        NUMBER(n, s, SA_STORAGE_TYPE, SA_READ_CREATE, SA_DURABLE, STORAGE_OTHER,                   \
               STORAGE_READ_ONLY),                                                                 \
            .names = storage_names, .def = STORAGE_NON_VOLATILE, .help = storage_help              \
    }
#define STATUS(n, s)                                                                               \
    {                                                                                              \
        NUMBER(n, s, SA_ROW_STATUS, SA_READ_CREATE, SA_DURABLE, ROW_ACTIVE, ROW_DESTROY),          \
            .names = row_status_names, .def = ROW_NOT_READY, .help = status_help                   \
    }

/* The trigger and what it goes back to. */
#define REVERT(n, s)                                                                               \
    {                                                                                              \
        TRIGGER(n, s, SA_READ_CREATE), .help = revert_help                                         \
    }
#define FILE_CELLS(n, s)                                                                           \
    {                                                                                              \
        NUMBER(n, s, SA_OCTETS, SA_HIDDEN, SA_DURABLE, 0, 16384), .help = file_help                 \
    }

#define NAME_PART(s, x)                                                                            \
    {                                                                                              \
        .name = (s), .xml = (x), .syntax = SA_NAME, .min = 1, .max = 32                            \
    }
#define NUMBER_PART(s, x, lo, hi)                                                                  \
    {                                                                                              \
        .name = (s), .xml = (x), .syntax = SA_UNSIGNED, .min = (lo), .max = (hi)                   \
    }
#define ID_PART(s, x) NUMBER_PART(s, x, 1, U32_MAX)

#define INDEX(a)   .index = (a), .nindex = COUNT(a)
#define COLUMNS(a) .columns = (a), .ncolumns = COUNT(a)

static const char storage_help[] =
    "How the row is kept: nonVolatile rows are on disk and survive a restart; rows of the "
    "configuration file are readOnly, or permanent where the file lets managers change them.";
static const char status_help[] =
    "The row's status, by which a manager creates, activates, suspends and deletes it.";
static const char revert_help[] =
    "Setting run takes the row back to what the configuration file says.";
static const char file_help[] =
    "What the configuration file says of the row: cells as they are stored.";

/* ---- enumerations ------------------------------------------------------------------------ */

static const struct sa_name truth_names[] = {
    {"true", TRUTH_TRUE},
    {"false", TRUTH_FALSE},
    {NULL, 0},
};
static const struct sa_name row_status_names[] = {
    {"active", ROW_ACTIVE},
    {"notInService", ROW_NOT_IN_SERVICE},
    {"notReady", ROW_NOT_READY},
    {"createAndGo", ROW_CREATE_AND_GO},
    {"createAndWait", ROW_CREATE_AND_WAIT},
    {"destroy", ROW_DESTROY},
    {NULL, 0},
};
static const struct sa_name storage_names[] = {
    {"other", STORAGE_OTHER},
    {"volatile", STORAGE_VOLATILE},
    {"nonVolatile", STORAGE_NON_VOLATILE},
    {"permanent", STORAGE_PERMANENT},
    {"readOnly", STORAGE_READ_ONLY},
    {NULL, 0},
};
static const struct sa_name config_status_names[] = {{"ok", 1}, {"refused", 2}, {NULL, 0}};
static const struct sa_name process_state_names[] = {
    {"starting", 1}, {"running", 2}, {"stopped", 3}, {"failed", 4}, {NULL, 0},
};
static const struct sa_name handler_status_names[] = {
    {"unknown", STATUS_UNKNOWN},
    {"up", STATUS_UP},
    {"failing", STATUS_FAILING},
    {NULL, 0},
};
static const struct sa_name source_status_names[] = {
    {"unknown", STATUS_UNKNOWN},   {"up", STATUS_UP},
    {"failing", STATUS_FAILING},   {"malformed", STATUS_MALFORMED},
    {"disabled", STATUS_DISABLED}, {NULL, 0},
};
static const struct sa_name property_type_names[] = {
    {"text", 1},   {"number", 2},   {"boolean", 3}, {"enumeration", 4}, {"file", 5},
    {"secret", 6}, {"duration", 7}, {"oid", 8},     {"template", 9},    {NULL, 0},
};
static const struct sa_name metric_type_names[] = {
    {"null", 1}, {"boolean", 2}, {"number", 3}, {"string", 4}, {NULL, 0},
};
static const struct sa_name severity_names[] = {
    {"info", LEVEL_INFO},
    {"warning", LEVEL_WARNING},
    {"critical", LEVEL_CRITICAL},
    {NULL, 0},
};
static const struct sa_name level_names[] = {
    {"ok", LEVEL_OK},           {"info", LEVEL_INFO},
    {"warning", LEVEL_WARNING}, {"critical", LEVEL_CRITICAL},
    {"unknown", LEVEL_UNKNOWN}, {NULL, 0},
};
static const struct sa_name level_bits[] = {
    {"ok", 0}, {"info", 1}, {"warning", 2}, {"critical", 3}, {"unknown", 4}, {NULL, 0},
};
static const struct sa_name policy_names[] = {
    {"keepLast", POLICY_KEEP_LAST}, {"ok", POLICY_OK}, {"alerting", POLICY_ALERTING},
    {"unknown", POLICY_UNKNOWN},    {NULL, 0},
};
static const struct sa_name check_names[] = {
    {"none", CHECK_NONE},           {"running", CHECK_RUNNING},
    {"succeeded", CHECK_SUCCEEDED}, {"failed", CHECK_FAILED},
    {NULL, 0},
};
static const struct sa_name trial_state_names[] = {
    {"idle", TRIAL_IDLE}, {"running", TRIAL_RUNNING}, {"done", TRIAL_DONE}, {"failed", TRIAL_FAILED},
    {NULL, 0},
};
static const struct sa_name trial_outcome_names[] = {
    {"false", ANSWER_FALSE},     {"true", ANSWER_TRUE},      {"level", ANSWER_LEVEL},
    {"skipped", ANSWER_SKIPPED}, {"noData", ANSWER_NO_DATA}, {"error", ANSWER_ERROR},
    {NULL, 0},
};
static const struct sa_name trigger_names[] = {
    {"idle", TRIGGER_IDLE},
    {"run", TRIGGER_RUN},
    {NULL, 0},
};
static const struct sa_name phase_names[] = {
    {"inactive", PHASE_INACTIVE},
    {"pending", PHASE_PENDING},
    {"active", PHASE_ACTIVE},
    {"clearing", PHASE_CLEARING},
    {NULL, 0},
};
static const struct sa_name firmness_names[] = {
    {"soft", FIRMNESS_SOFT},
    {"hard", FIRMNESS_HARD},
    {NULL, 0},
};
static const struct sa_name flag_bits[] = {
    {"noData", 0}, {"error", 1}, {"disabled", 2}, {"acknowledged", 3}, {"suppressed", 4},
    {"flapping", 5}, {NULL, 0},
};
static const struct sa_name acknowledge_names[] = {
    {"none", ACK_NONE}, {"normal", ACK_NORMAL}, {"sticky", ACK_STICKY}, {"until", ACK_UNTIL},
    {NULL, 0},
};
static const struct sa_name reason_names[] = {
    {"condition", REASON_CONDITION}, {"noData", REASON_NO_DATA},  {"error", REASON_ERROR},
    {"disabled", REASON_DISABLED},   {"deleted", REASON_DELETED}, {"raised", REASON_RAISED},
    {"cleared", REASON_CLEARED},     {"expired", REASON_EXPIRED}, {NULL, 0},
};
static const struct sa_name raise_verb_names[] = {
    {"raise", VERB_RAISE},
    {"clear", VERB_CLEAR},
    {"delete", VERB_DELETE},
    {NULL, 0},
};
static const struct sa_name raise_result_names[] = {
    {"queued", RAISE_QUEUED},
    {"done", RAISE_DONE},
    {"refused", RAISE_REFUSED},
    {NULL, 0},
};
static const struct sa_name notice_kind_names[] = {
    {"raise", KIND_RAISE},
    {"clear", KIND_CLEAR},
    {"change", KIND_CHANGE},
    {"reminder", KIND_REMINDER},
    {"acknowledge", KIND_ACKNOWLEDGE},
    {"flapping", KIND_FLAPPING},
    {"disable", KIND_DISABLE},
    {"enable", KIND_ENABLE},
    {"test", KIND_TEST},
    {"self", KIND_SELF},
    {NULL, 0},
};
static const struct sa_name notice_state_names[] = {
    {"pending", NOTICE_PENDING},
    {"dispatched", NOTICE_DISPATCHED},
    {"delivered", NOTICE_DELIVERED},
    {"failed", NOTICE_FAILED},
    {"cancelled", NOTICE_CANCELLED},
    {"suppressed", NOTICE_SUPPRESSED},
    {NULL, 0},
};
static const struct sa_name notice_action_names[] = {
    {"idle", ACTION_IDLE},
    {"cancel", ACTION_CANCEL},
    {"resend", ACTION_RESEND},
    {NULL, 0},
};
static const struct sa_name suppression_names[] = {
    {"none", SUPPRESSION_NONE},
    {"disabled", SUPPRESSION_DISABLED},
    {"maintenance", SUPPRESSION_MAINTENANCE},
    {"silence", SUPPRESSION_SILENCE},
    {"inhibition", SUPPRESSION_INHIBITION},
    {"acknowledged", SUPPRESSION_ACKNOWLEDGED},
    {"flapping", SUPPRESSION_FLAPPING},
    {NULL, 0},
};
static const struct sa_name recipient_state_names[] = {
    {"pending", NOTICE_PENDING},
    {"delivered", NOTICE_DELIVERED},
    {"failed", NOTICE_FAILED},
    {NULL, 0},
};
static const struct sa_name confirmation_names[] = {
    {"none", CONFIRM_NONE},
    {"handedOff", CONFIRM_HANDED_OFF},
    {"acknowledged", CONFIRM_ACKNOWLEDGED},
    {NULL, 0},
};

/* ---- saSystem ---------------------------------------------------------------------------- */

/* The scalars' only row: the instance sub-identifier 0 is its key. */
static const struct sa_index system_index[] = {NUMBER_PART("saSystem", NULL, 0, 0)};
static const struct sa_column system_columns[] = {
    {TEXT(SYSTEM_VERSION, "saSystemVersion", SA_READ_ONLY, SA_DURABLE, 64),
     .help = "Version of the running daemon."},
    {DATE(SYSTEM_STARTED, "saSystemStarted", SA_DURABLE), .help = "When the daemon started."},
    {TEXT(SYSTEM_CONFIG_FILE, "saSystemConfigFile", SA_READ_ONLY, SA_DURABLE, 1024),
     .help = "Path of the configuration file."},
    {DATE(SYSTEM_CONFIG_LOADED, "saSystemConfigLoaded", SA_DURABLE),
     .help = "When the configuration in force was loaded."},
    {ENUM(SYSTEM_CONFIG_STATUS, "saSystemConfigStatus", SA_READ_ONLY, SA_DURABLE, 1, 2,
          config_status_names),
     .def = 1,
     .help = "Whether the last attempt to load the configuration file succeeded; after refused the "
             "configuration from before is still in force."},
    {TEXT(SYSTEM_CONFIG_ERROR, "saSystemConfigError", SA_READ_ONLY, SA_DURABLE, 512),
     .help = "Why the configuration file was refused, with file and line; empty when it was not."},
    {COUNTER(SYSTEM_EVALUATIONS, "saSystemEvaluations", SA_VOLATILE),
     .help = "Conditions that were evaluated."},
    {COUNTER(SYSTEM_EVALUATIONS_SAVED, "saSystemEvaluationsSaved", SA_VOLATILE),
     .help = "Evaluations that were due but left out, since nothing that the condition reads had "
             "changed."},
    {COUNTER(SYSTEM_FAULTS, "saSystemFaults", SA_VOLATILE),
     .help = "Evaluations that ended in an error: an exception, or a limit of time or memory."},
    {COUNTER(SYSTEM_KILLS, "saSystemKills", SA_VOLATILE),
     .help = "Evaluator processes that had to be killed, since they passed the hard deadline."},
    {COUNTER(SYSTEM_TRANSITIONS, "saSystemTransitions", SA_VOLATILE),
     .help = "Changes of an alert's level."},
    {GAUGE(SYSTEM_NOTICES_PENDING, "saSystemNoticesPending", SA_VOLATILE),
     .help = "Notices that are pending or dispatched now."},
    {COUNTER(SYSTEM_NOTICES_DELIVERED, "saSystemNoticesDelivered", SA_VOLATILE),
     .help = "Notices that were delivered."},
    {COUNTER(SYSTEM_NOTICES_FAILED, "saSystemNoticesFailed", SA_VOLATILE),
     .help = "Notices that were given up."},
    {GAUGE(SYSTEM_STORE_USED, "saSystemStoreUsed", SA_COMPUTED),
     .help = "Space that the durable store uses."},
    {GAUGE(SYSTEM_STORE_SIZE, "saSystemStoreSize", SA_COMPUTED),
     .help = "Space that the durable store may use: the lesser of its reservation and what the "
             "file system has."},
    {TEST_AND_INCR(SYSTEM_RELOAD, "saConfigReload", SA_READ_WRITE),
     .help =
         "Setting this object to the value that it has asks the daemon to read its configuration "
         "file again, as SIGHUP does."},
    {UNSIGNED(SYSTEM_HISTORY_MAX_AGE, "saSystemHistoryMaxAge", SA_READ_WRITE, SA_DURABLE, 0,
              KEEP_SECONDS_MAX),
     .def = KEEP_SECONDS, .help = "How long rows of saHistoryTable are kept; 0 is no limit."},
    {UNSIGNED(SYSTEM_HISTORY_MAX_ROWS, "saSystemHistoryMaxRows", SA_READ_WRITE, SA_DURABLE, 0,
              U32_MAX),
     .def = KEEP_ROWS,
     .help = "How many rows of saHistoryTable are kept, of all owners together; 0 is no limit."},
    {COUNTER(SYSTEM_HISTORY_PURGED, "saSystemHistoryPurged", SA_DURABLE),
     .help = "Rows of saHistoryTable that were purged, being too old or too many."},
    {DATE(SYSTEM_HISTORY_OLDEST, "saSystemHistoryOldest", SA_COMPUTED),
     .help = "When the oldest transition in saHistoryTable happened; eight zero octets when there "
             "is none."},
    {UNSIGNED(SYSTEM_NOTICE_MAX_AGE, "saSystemNoticeMaxAge", SA_READ_WRITE, SA_DURABLE, 0,
              KEEP_SECONDS_MAX),
     .def = KEEP_SECONDS,
     .help = "How long notices are kept after they were finished; 0 is no limit."},
    {UNSIGNED(SYSTEM_NOTICE_MAX_ROWS, "saSystemNoticeMaxRows", SA_READ_WRITE, SA_DURABLE, 0,
              U32_MAX),
     .def = KEEP_ROWS,
     .help = "How many finished notices are kept, of all owners together; 0 is no limit."},
    {COUNTER(SYSTEM_NOTICES_PURGED, "saSystemNoticesPurged", SA_DURABLE),
     .help = "Notices that were purged, being finished and too old or too many."},
    {DATE(SYSTEM_NOTICE_OLDEST, "saSystemNoticeOldest", SA_COMPUTED),
     .help = "When the oldest of the finished notices was finished; eight zero octets when there "
             "is none."},
    {COUNTER(SYSTEM_NOTICES_SUPPRESSED, "saSystemNoticesSuppressed", SA_DURABLE),
     .help = "Notices that were made but held back, for the reason in their saNoticeSuppression."},
    {COUNTER(SYSTEM_NOTICES_CANCELLED, "saSystemNoticesCancelled", SA_DURABLE),
     .help = "Notices that were cancelled, by a manager or since there was nobody left to tell."},
    {UNSIGNED(SYSTEM_REPEAT_TOLERANCE, "saSystemRepeatTolerance", SA_READ_WRITE, SA_DURABLE, 1, 1000),
     .def = 1,
     .help = "What stands for saDefinitionRepeatTolerance where that is 0."},
    {UNSIGNED(SYSTEM_CLEARED_TTL, "saSystemClearedTtl", SA_READ_WRITE, SA_DURABLE, 0,
              KEEP_SECONDS_MAX),
     .def = KEEP_CLEARED,
     .help = "How long raised alerts are kept after they were cleared; 0 is no limit."},
    {HIDDEN(SYSTEM_ALIVE_MONO, "saSystemAliveMono", SA_VOLATILE),
     .help = "When the core was last alive, by the monotonic clock."},
    {NUMBER(SYSTEM_ENGINE_ID, "saSystemEngineId", SA_OCTETS, SA_HIDDEN, SA_DURABLE, 0, 32),
     .help = "The SNMP engine that the daemon's traps of version 3 come from."},
    {HIDDEN(SYSTEM_ENGINE_BOOTS, "saSystemEngineBoots", SA_DURABLE),
     .help = "How often that engine was started."},
};
static const struct sa_table system_table = {
    .id = SA_SYSTEM,
    .name = "saSystem",
    .scalars = true,
    .keep = SA_DURABLE,
    INDEX(system_index),
    COLUMNS(system_columns),
    .help = "The daemon as a whole.",
};

/* ---- saProcessTable ---------------------------------------------------------------------- */

static const struct sa_index process_index[] = {NUMBER_PART("saProcessIndex", "process", 1, 255)};
static const struct sa_column process_columns[] = {
    {OWN_NUMBER(PROCESS_INDEX, "saProcessIndex", 1, 255),
     .help = "Number of the process, the same for as long as the daemon runs."},
    {TEXT(PROCESS_NAME, "saProcessName", SA_READ_ONLY, SA_VOLATILE, 32),
     .help = "What the process does: core, poller, evaluator, compiler, dispatcher, runner or "
             "agent."},
    {INTEGER(PROCESS_PID, "saProcessPid", SA_READ_ONLY, SA_VOLATILE, 0, 2147483647),
     .help = "Process id, 0 when the process is not running."},
    {ENUM(PROCESS_STATE, "saProcessState", SA_READ_ONLY, SA_VOLATILE, 1, 4, process_state_names),
     .def = 1,
     .help = "State of the process; one that failed is started again after a pause that grows."},
    {COUNTER(PROCESS_STARTS, "saProcessStarts", SA_VOLATILE),
     .help = "How often the process was started."},
    {TEXT(PROCESS_LAST_EXIT, "saProcessLastExit", SA_READ_ONLY, SA_VOLATILE, 64),
     .help = "How the process ended last, such as 'exit 0' or 'signal 9'; empty when it never "
             "did."},
    {COUNTER(PROCESS_CPU, "saProcessCpu", SA_VOLATILE),
     .help = "Processor time that the running process has used."},
    {GAUGE(PROCESS_MEMORY, "saProcessMemory", SA_VOLATILE),
     .help = "Resident memory of the running process."},
};
static const struct sa_table process_table = {
    .id = SA_PROCESS,
    .name = "saProcessTable",
    .keep = SA_VOLATILE,
    INDEX(process_index),
    COLUMNS(process_columns),
    .help = "The processes that the daemon consists of.",
};

/* ---- saOwnerTable ------------------------------------------------------------------------ */

static const struct sa_index owner_index[] = {NAME_PART("saOwner", "owner")};
static const struct sa_column owner_columns[] = {
    {OWN_NAME(OWNER_NAME, "saOwner", SA_NOTIFY),
     .help = "Name of an owner; the first index of every table that holds what is somebody's."},
    {GAUGE(OWNER_DEFINITIONS, "saOwnerDefinitions", SA_COMPUTED),
     .help = "Number of alert definitions that the owner has."},
    {UNSIGNED(OWNER_MAX_DEFINITIONS, "saOwnerMaxDefinitions", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "Number of alert definitions that the owner may have, 0 for no limit."},
    {TEXT(OWNER_LAST_ERROR, "saOwnerLastError", SA_READ_ONLY, SA_VOLATILE, 512),
     .help = "Why the last SET of this owner's rows that failed was refused, in words."},
    {DATE(OWNER_LAST_ERROR_TIME, "saOwnerLastErrorTime", SA_VOLATILE),
     .help = "When saOwnerLastError was written."},
};
static const struct sa_table owner_table = {
    .id = SA_OWNER,
    .name = "saOwnerTable",
    .keep = SA_DURABLE,
    INDEX(owner_index),
    COLUMNS(owner_columns),
    .help = "The owners, from the configuration file; what belongs to the owner admin is "
            "everyone's.",
};

/* ---- saHandlerTable ---------------------------------------------------------------------- */

static const struct sa_index handler_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saHandlerName", "name"),
};
static const struct sa_column handler_columns[] = {
    {OWN_NAME(HANDLER_NAME, "saHandlerName", SA_NOTIFY), .help = "Name of the handler."},
    {NAME_OR_EMPTY(HANDLER_KIND, "saHandlerKind", SA_READ_ONLY, SA_DURABLE),
     .help = "Kind of the handler, which is its element's name in the configuration file: smtp, "
             "snmp, agentx."},
    {ENUM(HANDLER_STATUS, "saHandlerStatus", SA_READ_ONLY, SA_DURABLE, STATUS_UNKNOWN,
          STATUS_FAILING, handler_status_names),
     .def = STATUS_UNKNOWN,
     .help = "Whether the handler works, by the outcome of its last attempt to deliver."},
    {TEXT(HANDLER_LAST_MESSAGE, "saHandlerLastMessage", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the last attempt to deliver ended with, in words."},
    {COUNTER(HANDLER_DELIVERED, "saHandlerDelivered", SA_DURABLE),
     .help = "Notices that the handler delivered."},
    {COUNTER(HANDLER_FAILED, "saHandlerFailed", SA_DURABLE),
     .help = "Notices of this handler that were given up."},
    {GAUGE(HANDLER_QUEUE, "saHandlerQueue", SA_VOLATILE),
     .help = "Notices that the handler is delivering now."},
    {TRUTH(HANDLER_ENABLED, "saHandlerEnabled", SA_READ_WRITE, SA_DURABLE), .def = TRUTH_TRUE,
     .help = "Whether the handler delivers; while it does not, its notices wait."},
    {TEST_AND_INCR(HANDLER_VALIDATE, "saHandlerValidate", SA_READ_WRITE),
     .help = "Setting this object to the value that it has finds out whether the handler could "
             "deliver, and sends nothing."},
    {TEST_AND_INCR(HANDLER_TEST, "saHandlerTest", SA_READ_WRITE),
     .help = "Setting this object to the value that it has sends one test by the handler."},
    {TRIGGER(HANDLER_REVERT, "saHandlerRevert", SA_READ_WRITE),
     .help = "Setting run enables the handler and takes all its properties back to what the "
             "configuration file says."},
    {ENUM(HANDLER_CHECK, "saHandlerCheck", SA_READ_ONLY, SA_COMPUTED, CHECK_NONE, CHECK_FAILED,
          check_names),
     .def = CHECK_NONE,
     .help = "What the last use of saHandlerValidate or saHandlerTest came to."},
    {TEXT(HANDLER_CHECK_MESSAGE, "saHandlerCheckMessage", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What was found, or is wrong, in words with host and port."},
    {DATE(HANDLER_CHECK_TIME, "saHandlerCheckTime", SA_DURABLE),
     .help = "When the last validation or test ended."},
    {COUNTER(HANDLER_IN_DOUBT, "saHandlerInDoubt", SA_DURABLE),
     .help = "Notices that the receiver may have taken without saying so: they may arrive twice."},
    {HIDDEN(HANDLER_CHECKED, "saHandlerChecked", SA_DURABLE),
     .help = "What the last validation or test that ended came to."},
    {HIDDEN(HANDLER_VALIDATED, "saHandlerValidated", SA_DURABLE),
     .help = "The value of saHandlerValidate that has been answered."},
    {HIDDEN(HANDLER_TESTED, "saHandlerTested", SA_DURABLE),
     .help = "The value of saHandlerTest that has been answered."},
};
static const struct sa_table handler_table = {
    .id = SA_HANDLER,
    .name = "saHandlerTable",
    .keep = SA_DURABLE,
    INDEX(handler_index),
    COLUMNS(handler_columns),
    .help = "The handlers, from the configuration file: services such as a mail server or a trap "
            "receiver, by which targets are reached.",
};

static const struct sa_index handler_property_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saHandlerName", "handler"),
    NAME_PART("saHandlerPropertyName", "name"),
};
static const struct sa_column handler_property_columns[] = {
    {OWN_NAME(HANDLER_PROPERTY_NAME, "saHandlerPropertyName", SA_NOT_ACCESSIBLE),
     .help = "Name of the property, which is its attribute's name in the configuration file."},
    {ENUM(HANDLER_PROPERTY_TYPE, "saHandlerPropertyType", SA_READ_ONLY, SA_DURABLE, 1, 9,
          property_type_names),
     .def = 1, .help = "Type of the property's value."},
    {TEXT(HANDLER_PROPERTY_VALUE, "saHandlerPropertyValue", SA_READ_WRITE, SA_DURABLE, 1024),
     .help = "Value in force, as text; a secret reads as empty."},
    {TEXT(HANDLER_PROPERTY_HELP, "saHandlerPropertyHelp", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the property means."},
    {TRUTH(HANDLER_PROPERTY_OVERRIDDEN, "saHandlerPropertyOverridden", SA_READ_ONLY, SA_COMPUTED),
     .def = TRUTH_FALSE,
     .help = "Whether the value in force was set by a manager, other than the configuration file "
             "says."},
    {TRIGGER(HANDLER_PROPERTY_REVERT, "saHandlerPropertyRevert", SA_READ_WRITE),
     .help = revert_help},
    FILE_CELLS(HANDLER_PROPERTY_FILE, "saHandlerPropertyFile"),
};
static const struct sa_table handler_property_table = {
    .id = SA_HANDLER_PROPERTY,
    .name = "saHandlerPropertyTable",
    .keep = SA_DURABLE,
    .revert = HANDLER_PROPERTY_REVERT,
    .file = HANDLER_PROPERTY_FILE,
    INDEX(handler_property_index),
    COLUMNS(handler_property_columns),
    .help = "The properties of each handler, those left to their defaults included.",
};

/* ---- saSourceTable ----------------------------------------------------------------------- */

static const struct sa_index source_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saSourceName", "name"),
};
static const struct sa_column source_columns[] = {
    {OWN_NAME(SOURCE_NAME, "saSourceName", SA_NOT_ACCESSIBLE), .help = "Name of the source."},
    {NAME_OR_EMPTY(SOURCE_KIND, "saSourceKind", SA_READ_ONLY, SA_DURABLE),
     .help = "Kind of the source, which is its element's name in the configuration file: snmp, "
             "http."},
    {UNSIGNED(SOURCE_INTERVAL, "saSourceIntervalMillis", SA_READ_ONLY, SA_DURABLE, 100, 86400000),
     .def = 10000, .help = "Time from the beginning of one poll to the beginning of the next."},
    {ENUM(SOURCE_STATUS, "saSourceStatus", SA_READ_ONLY, SA_VOLATILE, STATUS_UNKNOWN,
          STATUS_DISABLED, source_status_names),
     .def = STATUS_UNKNOWN,
     .help = "Outcome of the last poll: up when it brought samples, failing when no answer came, "
             "malformed when the answer could not be read; disabled while the source is not "
             "polled."},
    {DATE(SOURCE_LAST_POLL, "saSourceLastPoll", SA_VOLATILE), .help = "When the last poll began."},
    {GAUGE(SOURCE_LATENCY, "saSourceLatencyMillis", SA_VOLATILE),
     .help = "How long the last poll took."},
    {COUNTER(SOURCE_SAMPLES, "saSourceSamples", SA_VOLATILE),
     .help = "Samples that the source brought, one for each topic and poll."},
    {COUNTER(SOURCE_FAILURES, "saSourceFailures", SA_VOLATILE),
     .help = "Polls that brought nothing, since no answer came or it could not be read."},
    {TEXT(SOURCE_LAST_ERROR, "saSourceLastError", SA_READ_ONLY, SA_VOLATILE, 255),
     .help = "Why the last poll failed, in words; empty when it did not."},
    {TRUTH(SOURCE_ENABLED, "saSourceEnabled", SA_READ_WRITE, SA_DURABLE), .def = TRUTH_TRUE,
     .help = "Whether the source is polled."},
    {TRIGGER(SOURCE_POLL_NOW, "saSourcePollNow", SA_READ_WRITE),
     .help = "Setting run polls the source at once."},
};
static const struct sa_table source_table = {
    .id = SA_SOURCE,
    .name = "saSourceTable",
    .keep = SA_DURABLE,
    INDEX(source_index),
    COLUMNS(source_columns),
    .help = "The sources, from the configuration file: what is polled for metrics.",
};

/* ---- saTopicTable, saMetricTable --------------------------------------------------------- */

static const struct sa_index topic_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saTopicId", "topic"),
};
static const struct sa_column topic_columns[] = {
    {OWN_NUMBER(TOPIC_ID, "saTopicId", 1, U32_MAX),
     .help = "Number of the topic, the same for as long as the topic is known."},
    {NUMBER(TOPIC_NAME, "saTopicName", SA_TEXT, SA_READ_ONLY, SA_VOLATILE, 1, 255),
     .help = "Name of the topic, by which conditions read it."},
    {NAME_OR_EMPTY(TOPIC_SOURCE, "saTopicSource", SA_READ_ONLY, SA_VOLATILE),
     .help = "Name of the source that publishes the topic."},
    {MILLIS(TOPIC_UPDATED, "saTopicUpdated", SA_READ_ONLY, SA_VOLATILE),
     .help = "When the topic's last sample was taken."},
    {GAUGE(TOPIC_AGE, "saTopicAgeMillis", SA_COMPUTED),
     .help = "Time since the topic's last sample was taken."},
    {GAUGE(TOPIC_SIZE, "saTopicSize", SA_VOLATILE), .help = "Size of the topic's JSON document."},
    {TEXT(TOPIC_HEAD, "saTopicHead", SA_READ_ONLY, SA_VOLATILE, 1024),
     .help = "The beginning of the topic's JSON document."},
};
static const struct sa_table topic_table = {
    .id = SA_TOPIC,
    .name = "saTopicTable",
    .keep = SA_VOLATILE,
    INDEX(topic_index),
    COLUMNS(topic_columns),
    .help = "The topics that conditions can read, under each owner that may read them.",
};

static const struct sa_index metric_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saTopicId", "topic"),
    ID_PART("saMetricId", "metric"),
};
static const struct sa_column metric_columns[] = {
    {OWN_NUMBER(METRIC_ID, "saMetricId", 1, U32_MAX),
     .help = "Number of the metric, the same for as long as the topic has a value at this path."},
    {TEXT(METRIC_PATH, "saMetricPath", SA_READ_ONLY, SA_VOLATILE, 255),
     .help = "Where in the topic's JSON document the value is, such as 'apps[3].state'; empty "
             "when the document is that value."},
    {ENUM(METRIC_TYPE, "saMetricType", SA_READ_ONLY, SA_VOLATILE, 1, 4, metric_type_names),
     .def = 1, .help = "JSON type of the value."},
    {TEXT(METRIC_TEXT, "saMetricText", SA_READ_ONLY, SA_VOLATILE, 255),
     .help = "The value as text, cut to 255 octets."},
    {INTEGER(METRIC_INTEGER, "saMetricInteger", SA_READ_ONLY, SA_VOLATILE, -2147483648LL,
             2147483647),
     .help = "The value rounded to the nearest integer and held within the range of this type; 0 "
             "when it is not a number."},
    {GAUGE64(METRIC_GAUGE, "saMetricGauge", SA_READ_ONLY, SA_VOLATILE),
     .help = "The value rounded to the nearest integer; 0 when it is negative or not a number."},
};
static const struct sa_table metric_table = {
    .id = SA_METRIC,
    .name = "saMetricTable",
    .keep = SA_VOLATILE,
    INDEX(metric_index),
    COLUMNS(metric_columns),
    .help = "The single values of each topic, so that a manager can graph what conditions read.",
};

/* ---- saDefinitionTable ------------------------------------------------------------------- */

static const struct sa_index definition_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saDefinitionName", "name"),
};
static const struct sa_column definition_columns[] = {
    {OWN_NAME(DEFINITION_NAME, "saDefinitionName", SA_NOTIFY),
     .help = "Name of the alert definition."},
    {TEXT(DEFINITION_CONDITION, "saDefinitionCondition", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "condition",
     .help = "The condition: JavaScript whose last expression says whether there is an alert."},
    {NAME_OR_EMPTY(DEFINITION_SCRIPT, "saDefinitionScript", SA_READ_CREATE, SA_DURABLE),
     .xml = "script",
     .help = "Name of a script of saScriptTable that is the condition, instead of "
             "saDefinitionCondition."},
    {ENUM(DEFINITION_SEVERITY, "saDefinitionSeverity", SA_READ_CREATE, SA_DURABLE, LEVEL_INFO,
          LEVEL_CRITICAL, severity_names),
     .xml = "severity", .def = LEVEL_CRITICAL,
     .help = "Level of the alert when the condition is true."},
    {NAME_OR_EMPTY(DEFINITION_SERVICE, "saDefinitionService", SA_READ_CREATE, SA_DURABLE),
     .xml = "service",
     .help = "Service that the definition belongs to, and so its default group; empty stands for "
             "default."},
    {UNSIGNED(DEFINITION_INTERVAL, "saDefinitionIntervalMillis", SA_READ_CREATE, SA_DURABLE, 1000,
              86400000),
     .xml = "intervalMillis", .def = 60000,
     .help = "The condition is evaluated at least this often, even if nothing that it reads has "
             "changed."},
    {UNSIGNED(DEFINITION_TIME_THRESHOLD, "saDefinitionTimeThresholdMillis", SA_READ_CREATE,
              SA_DURABLE, 0, 604800000),
     .xml = "timeThresholdMillis", .def = 0,
     .help = "How long the condition must hold before the alert is active."},
    {ENUM(DEFINITION_NO_DATA, "saDefinitionNoData", SA_READ_CREATE, SA_DURABLE, POLICY_KEEP_LAST,
          POLICY_UNKNOWN, policy_names),
     .xml = "noData", .def = POLICY_KEEP_LAST,
     .help = "What stands for the condition's value when it is undefined, null or not a number."},
    {ENUM(DEFINITION_ON_ERROR, "saDefinitionOnError", SA_READ_CREATE, SA_DURABLE, POLICY_KEEP_LAST,
          POLICY_UNKNOWN, policy_names),
     .xml = "onError", .def = POLICY_UNKNOWN,
     .help = "What stands for the condition's value when its evaluation ends in an error."},
    {UNSIGNED(DEFINITION_STALE_MULTIPLIER, "saDefinitionStaleMultiplier", SA_READ_CREATE,
              SA_DURABLE, 1, 1000),
     .xml = "staleMultiplier", .def = 2,
     .help = "After this many intervals without data the level is unknown."},
    {TRUTH(DEFINITION_NOTIFY_RECOVERY, "saDefinitionNotifyRecovery", SA_READ_CREATE, SA_DURABLE),
     .xml = "notifyRecovery", .def = TRUTH_TRUE,
     .help = "Whether targets are told that the alert is over."},
    {TEXT(DEFINITION_DESCRIPTION, "saDefinitionDescription", SA_READ_CREATE, SA_DURABLE, 255),
     .xml = "description", .help = "What the alert means, for the people who receive it."},
    {TRUTH(DEFINITION_DISABLED, "saDefinitionDisable", SA_READ_CREATE, SA_DURABLE),
     .xml = "disabled", .def = TRUTH_FALSE,
     .help = "Whether the definition rests; disabling it closes its active alerts and sends one "
             "notice, enabling it sends one."},
    STORAGE(DEFINITION_STORAGE, "saDefinitionStorage"),
    STATUS(DEFINITION_STATUS, "saDefinitionStatus"),
    {TEXT(DEFINITION_ERROR, "saDefinitionError", SA_READ_ONLY, SA_VOLATILE, 255),
     .help = "Why the last evaluation ended in an error, in words; empty when it did not."},
    {COUNTER(DEFINITION_EVALUATIONS, "saDefinitionEvaluations", SA_VOLATILE),
     .help = "How often the condition was evaluated."},
    {TEXT(DEFINITION_LAST_VALUE, "saDefinitionLastValue", SA_READ_ONLY, SA_VOLATILE, 255),
     .help = "Value of the last evaluation, as text."},
    {MILLIS(DEFINITION_NEXT, "saDefinitionNextEvaluation", SA_READ_ONLY, SA_VOLATILE),
     .help = "When the condition is evaluated next, if nothing that it reads changes before."},
    {ENUM(DEFINITION_LEVEL, "saDefinitionLevel", SA_READ_ONLY, SA_COMPUTED, LEVEL_OK, LEVEL_UNKNOWN,
          level_names),
     .def = LEVEL_OK,
     .help = "The highest level of the definition's alerts, where critical is above warning, "
             "unknown, info and ok in this order."},
    REVERT(DEFINITION_REVERT, "saDefinitionRevert"),
    {TEXT(DEFINITION_URL, "saDefinitionUrl", SA_READ_CREATE, SA_DURABLE, 255), .xml = "url",
     .help = "Where people find more about the alert, such as what to do; mails have it."},
    {COUNTER(DEFINITION_CPU, "saDefinitionCpuMillis", SA_VOLATILE),
     .help = "Processor time that evaluating the condition has taken."},
    {UNSIGNED(DEFINITION_ERROR_LINE, "saDefinitionErrorLine", SA_READ_ONLY, SA_COMPUTED, 0,
              U32_MAX),
     .help = "Line of the condition where the last evaluation ended in an error; 0 when it did "
             "not, or not at a line."},
    {GAUGE(DEFINITION_ALERTS_OK, "saDefinitionAlertsOk", SA_COMPUTED),
     .help = "Number of the definition's alerts whose level is ok."},
    {GAUGE(DEFINITION_ALERTS_INFO, "saDefinitionAlertsInfo", SA_COMPUTED),
     .help = "Number of the definition's alerts whose level is info."},
    {GAUGE(DEFINITION_ALERTS_WARNING, "saDefinitionAlertsWarning", SA_COMPUTED),
     .help = "Number of the definition's alerts whose level is warning."},
    {GAUGE(DEFINITION_ALERTS_CRITICAL, "saDefinitionAlertsCritical", SA_COMPUTED),
     .help = "Number of the definition's alerts whose level is critical."},
    {GAUGE(DEFINITION_ALERTS_UNKNOWN, "saDefinitionAlertsUnknown", SA_COMPUTED),
     .help = "Number of the definition's alerts whose level is unknown."},
    {TEXT(DEFINITION_RECIPIENTS, "saDefinitionRecipients", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "recipients",
     .help = "Addresses that are told of the definition's alerts without a group or a target, "
             "divided by commas or blanks."},
    {NAME_OR_EMPTY(DEFINITION_HANDLER, "saDefinitionHandler", SA_READ_CREATE, SA_DURABLE),
     .xml = "handler",
     .help = "Name of the handler that delivers to saDefinitionRecipients: one of the owner's own, "
             "else one of admin's; empty stands for mail."},
    {UNSIGNED(DEFINITION_CLEAR_DELAY, "saDefinitionClearDelayMillis", SA_READ_CREATE, SA_DURABLE, 0,
              604800000),
     .xml = "clearDelayMillis", .def = 0,
     .help = "How long the condition must be clear before an active alert is over."},
    {UNSIGNED(DEFINITION_REPEAT_TOLERANCE, "saDefinitionRepeatTolerance", SA_READ_CREATE, SA_DURABLE,
              0, 1000),
     .xml = "repeatTolerance", .def = 1,
     .help = "So many results in a row that are not ok make an alert hard, which is when it is told; "
             "0 stands for saSystemRepeatTolerance."},
    {UNSIGNED(DEFINITION_FLAP_HISTORY, "saDefinitionFlapHistory", SA_READ_CREATE, SA_DURABLE, 0, 100),
     .xml = "flapHistory", .def = 0,
     .help = "Over how many results it is judged whether an alert is flapping; less than 3: it is not."},
    {UNSIGNED(DEFINITION_FLAP_LOW, "saDefinitionFlapLowPercent", SA_READ_CREATE, SA_DURABLE, 0, 100),
     .xml = "flapLowPercent", .def = 25,
     .help = "An alert that is flapping is no longer when its changes are less than this."},
    {UNSIGNED(DEFINITION_FLAP_HIGH, "saDefinitionFlapHighPercent", SA_READ_CREATE, SA_DURABLE, 0, 100),
     .xml = "flapHighPercent", .def = 50,
     .help = "An alert is flapping when its changes are more than this."},
    {TEXT(DEFINITION_CRIT, "saDefinitionCritCondition", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "critCondition",
     .help = "Is the level critical? JavaScript whose last expression is true or false."},
    {TEXT(DEFINITION_CRIT_RESET, "saDefinitionCritReset", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "critReset",
     .help = "May the alert fall from the level critical? JavaScript whose last expression is true or false."},
    {TEXT(DEFINITION_WARN, "saDefinitionWarnCondition", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "warnCondition",
     .help = "Is the level warning? JavaScript whose last expression is true or false."},
    {TEXT(DEFINITION_WARN_RESET, "saDefinitionWarnReset", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "warnReset",
     .help = "May the alert fall from the level warning? JavaScript whose last expression is true or false."},
    {TEXT(DEFINITION_INFO, "saDefinitionInfoCondition", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "infoCondition",
     .help = "Is the level info? JavaScript whose last expression is true or false."},
    {TEXT(DEFINITION_INFO_RESET, "saDefinitionInfoReset", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "infoReset",
     .help = "May the alert fall from the level info? JavaScript whose last expression is true or false."},
    FILE_CELLS(DEFINITION_FILE, "saDefinitionFile"),
};
static const struct sa_table definition_table = {
    .id = SA_DEFINITION,
    .name = "saDefinitionTable",
    .xml = "definition",
    .keep = SA_DURABLE,
    .row_status = DEFINITION_STATUS,
    .storage_type = DEFINITION_STORAGE,
    .revert = DEFINITION_REVERT,
    .file = DEFINITION_FILE,
    INDEX(definition_index),
    COLUMNS(definition_columns),
    .help = "The alert definitions: a condition over topics, and what becomes of its value.",
};

/* ---- saScriptTable, saScriptTextTable ---------------------------------------------------- */

static const struct sa_index script_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saScriptName", "name"),
};
static const struct sa_column script_columns[] = {
    {OWN_NAME(SCRIPT_NAME, "saScriptName", SA_NOT_ACCESSIBLE), .help = "Name of the script."},
    {TEXT(SCRIPT_DESCRIPTION, "saScriptDescription", SA_READ_CREATE, SA_DURABLE, 255),
     .xml = "description", .help = "What the script does."},
    {GAUGE(SCRIPT_SIZE, "saScriptSize", SA_COMPUTED),
     .help = "Size of the script, all its segments together."},
    STORAGE(SCRIPT_STORAGE, "saScriptStorage"),
    STATUS(SCRIPT_STATUS, "saScriptStatus"),
    {TEXT(SCRIPT_ERROR, "saScriptError", SA_READ_ONLY, SA_COMPUTED, 255),
     .help = "Why the script does not compile as it stands, with the line; empty when it does."},
    REVERT(SCRIPT_REVERT, "saScriptRevert"),
    FILE_CELLS(SCRIPT_FILE, "saScriptFile"),
};
static const struct sa_table script_table = {
    .id = SA_SCRIPT,
    .name = "saScriptTable",
    .xml = "script",
    .keep = SA_DURABLE,
    .row_status = SCRIPT_STATUS,
    .storage_type = SCRIPT_STORAGE,
    .revert = SCRIPT_REVERT,
    .file = SCRIPT_FILE,
    INDEX(script_index),
    COLUMNS(script_columns),
    .help = "Scripts that serve as conditions which are too long for one cell, or which several "
            "definitions share.",
};

static const struct sa_index script_text_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saScriptName", "script"),
    NUMBER_PART("saScriptTextSegment", "segment", 1, 16),
};
static const struct sa_column script_text_columns[] = {
    {OWN_NUMBER(SCRIPT_TEXT_SEGMENT, "saScriptTextSegment", 1, 16),
     .help = "Number of the segment; the script is its segments, joined in this order."},
    {TEXT(SCRIPT_TEXT_TEXT, "saScriptTextText", SA_READ_CREATE, SA_DURABLE, 1024), .xml = "text",
     .help = "JavaScript of the segment."},
    STORAGE(SCRIPT_TEXT_STORAGE, "saScriptTextStorage"),
    STATUS(SCRIPT_TEXT_STATUS, "saScriptTextStatus"),
    REVERT(SCRIPT_TEXT_REVERT, "saScriptTextRevert"),
    FILE_CELLS(SCRIPT_TEXT_FILE, "saScriptTextFile"),
};
static const struct sa_table script_text_table = {
    .id = SA_SCRIPT_TEXT,
    .name = "saScriptTextTable",
    .xml = "scriptText",
    .keep = SA_DURABLE,
    .row_status = SCRIPT_TEXT_STATUS,
    .storage_type = SCRIPT_TEXT_STORAGE,
    .revert = SCRIPT_TEXT_REVERT,
    .file = SCRIPT_TEXT_FILE,
    INDEX(script_text_index),
    COLUMNS(script_text_columns),
    .help = "The text of scripts, in segments that fit an SNMP message.",
};

/* ---- saGroupTable and memberships -------------------------------------------------------- */

static const struct sa_index group_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saGroupName", "name"),
};
static const struct sa_column group_columns[] = {
    {OWN_NAME(GROUP_NAME, "saGroupName", SA_NOT_ACCESSIBLE), .help = "Name of the group."},
    {TRUTH(GROUP_DEFAULT, "saGroupDefault", SA_READ_ONLY, SA_DURABLE), .def = TRUTH_FALSE,
     .help = "Whether this is the default group of the service of its name, which comes and goes "
             "with the service's definitions."},
    {TEXT(GROUP_DESCRIPTION, "saGroupDescription", SA_READ_CREATE, SA_DURABLE, 255),
     .xml = "description", .help = "What the group is for."},
    STORAGE(GROUP_STORAGE, "saGroupStorage"),
    STATUS(GROUP_STATUS, "saGroupStatus"),
    {NAME_OR_EMPTY(GROUP_SERVICE, "saGroupService", SA_READ_ONLY, SA_COMPUTED),
     .help = "Service whose definitions are the group's members; empty for a group that is no "
             "default group."},
    REVERT(GROUP_REVERT, "saGroupRevert"),
    FILE_CELLS(GROUP_FILE, "saGroupFile"),
};
static const struct sa_table group_table = {
    .id = SA_GROUP,
    .name = "saGroupTable",
    .xml = "group",
    .keep = SA_DURABLE,
    .row_status = GROUP_STATUS,
    .storage_type = GROUP_STORAGE,
    .revert = GROUP_REVERT,
    .file = GROUP_FILE,
    INDEX(group_index),
    COLUMNS(group_columns),
    .help = "The groups, which lead from definitions to targets.",
};

static const struct sa_index group_definition_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saGroupName", "group"),
    NAME_PART("saDefinitionName", "definition"),
};
static const struct sa_column group_definition_columns[] = {
    STORAGE(GROUP_DEFINITION_STORAGE, "saGroupDefinitionStorage"),
    STATUS(GROUP_DEFINITION_STATUS, "saGroupDefinitionStatus"),
};
static const struct sa_table group_definition_table = {
    .id = SA_GROUP_DEFINITION,
    .name = "saGroupDefinitionTable",
    .xml = "groupDefinition",
    .keep = SA_DURABLE,
    .row_status = GROUP_DEFINITION_STATUS,
    .storage_type = GROUP_DEFINITION_STORAGE,
    INDEX(group_definition_index),
    COLUMNS(group_definition_columns),
    .help = "Which definitions are in which groups.",
};

static const struct sa_index group_target_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saGroupName", "group"),
    NAME_PART("saTargetName", "target"),
};
static const struct sa_column group_target_columns[] = {
    STORAGE(GROUP_TARGET_STORAGE, "saGroupTargetStorage"),
    STATUS(GROUP_TARGET_STATUS, "saGroupTargetStatus"),
};
static const struct sa_table group_target_table = {
    .id = SA_GROUP_TARGET,
    .name = "saGroupTargetTable",
    .xml = "groupTarget",
    .keep = SA_DURABLE,
    .row_status = GROUP_TARGET_STATUS,
    .storage_type = GROUP_TARGET_STORAGE,
    INDEX(group_target_index),
    COLUMNS(group_target_columns),
    .help = "Which targets are told of the alerts of which groups.",
};

/* ---- saTargetTable ----------------------------------------------------------------------- */

static const struct sa_index target_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saTargetName", "name"),
};
static const struct sa_column target_columns[] = {
    {OWN_NAME(TARGET_NAME, "saTargetName", SA_NOT_ACCESSIBLE), .help = "Name of the target."},
    {NAME(TARGET_HANDLER, "saTargetHandler", SA_READ_CREATE, SA_DURABLE), .xml = "handler",
     .required = true, .frozen = true,
     .help = "Name of the handler that delivers to this target: one of the owner's own, else one "
             "of admin's."},
    {TEXT(TARGET_RECIPIENTS, "saTargetRecipients", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "recipients", .help = "Addresses to deliver to, divided by commas or blanks."},
    {TRUTH(TARGET_GLOBAL, "saTargetGlobal", SA_READ_CREATE, SA_DURABLE), .xml = "global",
     .def = TRUTH_FALSE,
     .help = "Whether the target is told of every alert of its owner (every alert at all, if that "
             "is admin) without being in a group."},
    {TRUTH(TARGET_ENABLED, "saTargetEnabled", SA_READ_CREATE, SA_DURABLE), .xml = "enabled",
     .def = TRUTH_TRUE, .help = "Whether the target is told anything."},
    {BITS(TARGET_STATES, "saTargetStates", SA_READ_CREATE, SA_DURABLE, level_bits), .xml = "states",
     .help = "Levels that the target wants to hear of; none set stands for all."},
    {INTEGER(TARGET_DIGEST, "saTargetDigestMillis", SA_READ_CREATE, SA_DURABLE, -1, 3600000),
     .xml = "digestMillis", .def = -1,
     .help = "How long notices are gathered into one message; 0 sends each at once, -1 takes what "
             "is usual for the kind of handler."},
    {TEXT(TARGET_DESCRIPTION, "saTargetDescription", SA_READ_CREATE, SA_DURABLE, 255),
     .xml = "description", .help = "Who or what the target is."},
    {TRIGGER(TARGET_TEST, "saTargetTest", SA_READ_CREATE),
     .help = "Setting run sends the target one test notice."},
    STORAGE(TARGET_STORAGE, "saTargetStorage"),
    STATUS(TARGET_STATUS, "saTargetStatus"),
    {GAUGE(TARGET_PENDING, "saTargetPending", SA_DURABLE),
     .help = "Notices that wait for their delivery to the target."},
    {COUNTER(TARGET_DELIVERED, "saTargetDelivered", SA_DURABLE),
     .help = "Notices delivered to the target."},
    {COUNTER(TARGET_FAILED, "saTargetFailed", SA_DURABLE),
     .help = "Notices to the target that were given up."},
    {TEXT(TARGET_LAST_ERROR, "saTargetLastError", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Why the last delivery to the target failed, in words; empty when it did not."},
    REVERT(TARGET_REVERT, "saTargetRevert"),
    {GAUGE(TARGET_TOLD, "saTargetTold", SA_COMPUTED),
     .help = "Alerts that the target was told a problem of, and not yet the end."},
    {ENUM(TARGET_MIN_LEVEL, "saTargetMinLevel", SA_READ_CREATE, SA_DURABLE, LEVEL_OK,
          LEVEL_UNKNOWN, level_names),
     .xml = "minLevel", .def = LEVEL_OK,
     .help = "The lowest level of problems that the target wants to hear of; ok stands for all."},
    {TEXT(TARGET_MATCH, "saTargetMatch", SA_READ_CREATE, SA_DURABLE, 1024), .xml = "match",
     .help = "JavaScript whose last expression says whether a notice of a problem goes to the "
             "target; empty stands for all."},
    {TEST_AND_INCR(TARGET_VALIDATE, "saTargetValidate", SA_READ_CREATE),
     .help = "Setting this object to the value that it has finds out whether the target could be "
             "reached, and sends nothing."},
    {ENUM(TARGET_CHECK, "saTargetCheck", SA_READ_ONLY, SA_COMPUTED, CHECK_NONE, CHECK_FAILED,
          check_names),
     .def = CHECK_NONE,
     .help = "What the last use of saTargetValidate or saTargetTest came to."},
    {TEXT(TARGET_CHECK_MESSAGE, "saTargetCheckMessage", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What was found, or is wrong, in words with host and port."},
    {DATE(TARGET_CHECK_TIME, "saTargetCheckTime", SA_DURABLE),
     .help = "When the last validation or test of the target ended."},
    {TEXT(TARGET_MATCH_ERROR, "saTargetMatchError", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Why saTargetMatch gave no answer when it was last asked, in words; empty when it "
             "did."},
    {UNSIGNED(TARGET_SEQUENCE, "saTargetSequence", SA_HIDDEN, SA_DURABLE, 0, U32_MAX),
     .help = "The last target sequence given."},
    {GAUGE64(TARGET_INCARNATION, "saTargetIncarnation", SA_HIDDEN, SA_DURABLE),
     .help = "Id of this row's life; a target that is made again has another."},
    {HIDDEN(TARGET_CHECKED, "saTargetChecked", SA_DURABLE),
     .help = "What the last validation that ended came to."},
    {HIDDEN(TARGET_VALIDATED, "saTargetValidated", SA_DURABLE),
     .help = "The value of saTargetValidate that has been answered."},
    {UNSIGNED(TARGET_TEST_NOTICE, "saTargetTestNotice", SA_HIDDEN, SA_DURABLE, 0, U32_MAX),
     .help = "Number of the last test notice, until it is finished; 0: there is none."},
    FILE_CELLS(TARGET_FILE, "saTargetFile"),
};
static const struct sa_table target_table = {
    .id = SA_TARGET,
    .name = "saTargetTable",
    .xml = "target",
    .keep = SA_DURABLE,
    .row_status = TARGET_STATUS,
    .storage_type = TARGET_STORAGE,
    .revert = TARGET_REVERT,
    .file = TARGET_FILE,
    INDEX(target_index),
    COLUMNS(target_columns),
    .help = "The targets, where notices go: a handler and recipients.",
};

static const struct sa_index target_property_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saTargetName", "target"),
    NAME_PART("saTargetPropertyName", "name"),
};
static const struct sa_column target_property_columns[] = {
    {OWN_NAME(TARGET_PROPERTY_NAME, "saTargetPropertyName", SA_NOT_ACCESSIBLE),
     .help = "Name of a property of the target's handler, as in saHandlerPropertyTable."},
    {TEXT(TARGET_PROPERTY_VALUE, "saTargetPropertyValue", SA_READ_CREATE, SA_DURABLE, 1024),
     .xml = "value",
     .help = "Value that stands in for the handler's own; a secret reads as empty."},
    STORAGE(TARGET_PROPERTY_STORAGE, "saTargetPropertyStorage"),
    STATUS(TARGET_PROPERTY_STATUS, "saTargetPropertyStatus"),
    REVERT(TARGET_PROPERTY_REVERT, "saTargetPropertyRevert"),
    FILE_CELLS(TARGET_PROPERTY_FILE, "saTargetPropertyFile"),
};
static const struct sa_table target_property_table = {
    .id = SA_TARGET_PROPERTY,
    .name = "saTargetPropertyTable",
    .xml = "targetProperty",
    .keep = SA_DURABLE,
    .row_status = TARGET_PROPERTY_STATUS,
    .storage_type = TARGET_PROPERTY_STORAGE,
    .revert = TARGET_PROPERTY_REVERT,
    .file = TARGET_PROPERTY_FILE,
    INDEX(target_property_index),
    COLUMNS(target_property_columns),
    .help = "Properties of handlers that are different for a target.",
};

/* ---- saAlertTable ------------------------------------------------------------------------ */

static const struct sa_index alert_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saAlertId", "alert"),
};
static const struct sa_column alert_columns[] = {
    {OWN_NUMBER(ALERT_ID, "saAlertId", 1, U32_MAX),
     .help = "Number of the alert, never given to another one."},
    {NAME(ALERT_DEFINITION, "saAlertDefinition", SA_READ_ONLY, SA_DURABLE),
     .help = "Name of the definition that the alert comes from."},
    {TEXT(ALERT_INSTANCE, "saAlertInstance", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the alert is about, when its definition watches several things; empty when it "
             "is the definition's only one."},
    {ENUM(ALERT_LEVEL, "saAlertLevel", SA_READ_ONLY, SA_DURABLE, LEVEL_OK, LEVEL_UNKNOWN,
          level_names),
     .def = LEVEL_OK, .help = "Level of the alert."},
    {ENUM(ALERT_PREVIOUS_LEVEL, "saAlertPreviousLevel", SA_READ_ONLY, SA_DURABLE, LEVEL_OK,
          LEVEL_UNKNOWN, level_names),
     .def = LEVEL_OK, .help = "Level that the alert had before."},
    {ENUM(ALERT_PHASE, "saAlertPhase", SA_READ_ONLY, SA_DURABLE, PHASE_INACTIVE, PHASE_CLEARING,
          phase_names),
     .def = PHASE_INACTIVE, .help = "Where the alert is in its life."},
    {BITS(ALERT_FLAGS, "saAlertFlags", SA_READ_ONLY, SA_DURABLE, flag_bits),
     .help = "What else holds for the alert now."},
    {DATE(ALERT_SINCE, "saAlertSince", SA_DURABLE),
     .help = "Since when the alert has had its level."},
    {MILLIS(ALERT_CHANGED, "saAlertChangedAt", SA_READ_ONLY, SA_DURABLE),
     .help = "When anything of the alert changed last."},
    {TEXT(ALERT_VALUE, "saAlertValue", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Value that the condition gave when the alert took its level, as text."},
    {TEXT(ALERT_MESSAGE, "saAlertMessage", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What there is to say about the alert, from the condition or made by the daemon."},
    {UNSIGNED(ALERT_HISTORY, "saAlertHistory", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "The saHistoryId of the alert's last transition, 0 when it had none."},
    {ENUM(ALERT_ACKNOWLEDGE, "saAlertAcknowledge", SA_READ_WRITE, SA_DURABLE, ACK_NONE, ACK_UNTIL,
          acknowledge_names),
     .def = ACK_NONE,
     .help = "Whether somebody has taken the alert on, and for how long: while it is acknowledged, "
             "no new notice of its problem goes out."},
    {TEXT(ALERT_ACK_AUTHOR, "saAlertAckAuthor", SA_READ_WRITE, SA_DURABLE, 32),
     .with = ALERT_ACKNOWLEDGE, .help = "Who acknowledged the alert, as they called themselves."},
    {TEXT(ALERT_ACK_TEXT, "saAlertAckText", SA_READ_WRITE, SA_DURABLE, 255),
     .with = ALERT_ACKNOWLEDGE, .help = "What they had to say."},
    {NUMBER(ALERT_ACK_UNTIL, "saAlertAckUntil", SA_DATE, SA_READ_WRITE, SA_DURABLE, 0, DATE_MAX),
     .with = ALERT_ACKNOWLEDGE,
     .help = "When an acknowledgement of the kind until ends; eight zero octets for the others."},
    {DATE(ALERT_ACK_AT, "saAlertAckAt", SA_DURABLE),
     .help = "When the daemon took the acknowledgement in; eight zero octets when there is none."},
    {ENUM(ALERT_FIRMNESS, "saAlertFirmness", SA_READ_ONLY, SA_DURABLE, FIRMNESS_SOFT, FIRMNESS_HARD,
          firmness_names),
     .def = FIRMNESS_HARD,
     .help = "Whether the alert has been seen often enough to be told."},
    {NAME_OR_EMPTY(ALERT_RESOURCE_TYPE, "saAlertResourceType", SA_READ_ONLY, SA_DURABLE),
     .help = "What kind of thing a raised alert is about; empty when a condition made the alert."},
    {NAME_OR_EMPTY(ALERT_TYPE, "saAlertType", SA_READ_ONLY, SA_DURABLE),
     .help = "What kind of alert it is, as whoever raised it says; empty when a condition made the "
             "alert."},
    {TEXT(ALERT_RESOURCE_ID, "saAlertResourceId", SA_READ_ONLY, SA_DURABLE, RESOURCE_ID_MAX),
     .help = "Which of these things a raised alert is about."},
    {COUNTER(ALERT_COUNT, "saAlertCount", SA_DURABLE),
     .help = "How often the alert was raised; 0 when a condition made it."},
    {DATE(ALERT_FIRST_SEEN, "saAlertFirstSeen", SA_DURABLE),
     .help = "When the alert was raised for the first time; eight zero octets when a condition made "
             "it."},
    {DATE(ALERT_LAST_SEEN, "saAlertLastSeen", SA_DURABLE),
     .help = "When the alert was raised last; eight zero octets when a condition made it."},
    {TRUTH(ALERT_CLEARED, "saAlertIsCleared", SA_READ_ONLY, SA_DURABLE),
     .def = TRUTH_FALSE, .help = "Whether a raised alert is over and waits to be purged."},
    {DATE(ALERT_CLEARED_AT, "saAlertClearedAt", SA_DURABLE),
     .help = "When a raised alert was cleared; eight zero octets while it is not."},
    {UNSIGNED(ALERT_TTL, "saAlertTtl", SA_READ_ONLY, SA_DURABLE, 0, KEEP_SECONDS_MAX),
     .help = "How long after its last raise a raised alert clears itself; 0 is never."},
    {HIDDEN(ALERT_PENDING_LEVEL, "saAlertPendingLevel", SA_DURABLE),
     .help = "Level whose hold time runs, 0 when none does."},
    {HIDDEN(ALERT_HELD, "saAlertHeld", SA_DURABLE),
     .help = "Milliseconds held before the daemon's present run."},
    {HIDDEN(ALERT_PENDING_SINCE, "saAlertPendingSince", SA_DURABLE),
     .help = "When the present hold began to count, by the monotonic clock."},
    {HIDDEN(ALERT_DATA_SINCE, "saAlertDataSince", SA_DURABLE),
     .help = "When the first evaluation without data was, by the monotonic clock; 0 with data."},
    {HIDDEN(ALERT_ACTIVE_SINCE, "saAlertActiveSince", SA_DURABLE),
     .help = "When the alert left ok, 0 while it is ok."},
    {HIDDEN(ALERT_ACK_TAKEN, "saAlertAckTaken", SA_DURABLE),
     .help = "A hash of the acknowledgement that was taken in, 0 when there is none."},
    {MILLIS(ALERT_ACK_DUE, "saAlertAckDue", SA_HIDDEN, SA_DURABLE),
     .help = "When it ends, as its timer has it; 0 when there is none."},
    {HIDDEN(ALERT_RESULTS, "saAlertResults", SA_DURABLE),
     .help = "Results in a row that were not ok, while the alert is pending or soft; else 0."},
    {NUMBER(ALERT_RING, "saAlertRing", SA_OCTETS, SA_HIDDEN, SA_DURABLE, 0, 100),
     .help = "Levels of the last results, an octet each, the oldest that is not ok first."},
    {MILLIS(ALERT_RAISE_TIMER, "saAlertRaiseTimer", SA_HIDDEN, SA_DURABLE),
     .help = "When a raised alert expires or was cleared, as its timer has it; 0 without one."},
};
static const struct sa_table alert_table = {
    .id = SA_ALERT,
    .name = "saAlertTable",
    .keep = SA_DURABLE,
    INDEX(alert_index),
    COLUMNS(alert_columns),
    .help = "The alerts: the state of each thing that a definition watches.",
};

/* ---- saRaiseTable ------------------------------------------------------------------------ */

static const struct sa_index raise_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saRaiseId", "raise"),
};
static const struct sa_column raise_columns[] = {
    {OWN_NUMBER(RAISE_ID, "saRaiseId", 1, U32_MAX),
     .help = "Number of the command, which the manager chooses."},
    {ENUM(RAISE_VERB, "saRaiseVerb", SA_READ_CREATE, SA_DURABLE, VERB_RAISE, VERB_DELETE,
          raise_verb_names),
     .def = VERB_RAISE, .frozen = true, .help = "What is to be done with the alert."},
    {NAME(RAISE_RESOURCE_TYPE, "saRaiseResourceType", SA_READ_CREATE, SA_DURABLE),
     .required = true, .frozen = true, .help = "What kind of thing the alert is about."},
    {NAME(RAISE_ALERT_TYPE, "saRaiseAlertType", SA_READ_CREATE, SA_DURABLE),
     .required = true, .frozen = true, .help = "What kind of alert it is."},
    {TEXT(RAISE_RESOURCE_ID, "saRaiseResourceId", SA_READ_CREATE, SA_DURABLE, RESOURCE_ID_MAX),
     .frozen = true, .help = "Which of these things the alert is about."},
    {ENUM(RAISE_SEVERITY, "saRaiseSeverity", SA_READ_CREATE, SA_DURABLE, LEVEL_INFO, LEVEL_CRITICAL,
          severity_names),
     .def = LEVEL_CRITICAL, .frozen = true, .help = "Level of the alert that is raised."},
    {TEXT(RAISE_MESSAGE, "saRaiseMessage", SA_READ_CREATE, SA_DURABLE, 255),
     .frozen = true, .help = "What there is to say about the alert."},
    {UNSIGNED(RAISE_TTL, "saRaiseTtl", SA_READ_CREATE, SA_DURABLE, 0, KEEP_SECONDS_MAX),
     .frozen = true,
     .help = "How long after this raise the alert clears itself, unless it is raised again; 0 is "
             "never."},
    {ENUM(RAISE_RESULT, "saRaiseResult", SA_READ_ONLY, SA_DURABLE, RAISE_QUEUED, RAISE_REFUSED,
          raise_result_names),
     .def = RAISE_QUEUED, .help = "What became of the command."},
    {TEXT(RAISE_ERROR, "saRaiseError", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Why the command was refused, in words; empty when it was not."},
    {UNSIGNED(RAISE_ALERT, "saRaiseAlert", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "The saAlertId of the alert, 0 while the command is queued or when it was refused."},
    {DATE(RAISE_DONE_AT, "saRaiseDoneAt", SA_DURABLE),
     .help = "When the command was done or refused; eight zero octets while it is queued."},
    STATUS(RAISE_STATUS, "saRaiseStatus"),
    {MILLIS(RAISE_TIMER, "saRaiseTimer", SA_HIDDEN, SA_DURABLE),
     .help = "When the command was done, as its timer has it; 0 without one."},
};
static const struct sa_table raise_table = {
    .id = SA_RAISE,
    .name = "saRaiseTable",
    .keep = SA_DURABLE,
    .row_status = RAISE_STATUS,
    INDEX(raise_index),
    COLUMNS(raise_columns),
    .help = "Commands by which outside systems raise, clear and delete alerts.",
};

/* ---- saHistoryTable ---------------------------------------------------------------------- */

static const struct sa_index history_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saHistoryId", "history"),
};
static const struct sa_column history_columns[] = {
    {OWN_NUMBER(HISTORY_ID, "saHistoryId", 1, U32_MAX),
     .help = "Number of the transition, never given to another one."},
    {UNSIGNED(HISTORY_ALERT, "saHistoryAlert", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "The saAlertId of the alert."},
    {NAME(HISTORY_DEFINITION, "saHistoryDefinition", SA_READ_ONLY, SA_DURABLE),
     .help = "Name of the definition that the alert comes from."},
    {TEXT(HISTORY_INSTANCE, "saHistoryInstance", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the alert is about, as in saAlertInstance."},
    {ENUM(HISTORY_FROM, "saHistoryFrom", SA_READ_ONLY, SA_DURABLE, LEVEL_OK, LEVEL_UNKNOWN,
          level_names),
     .def = LEVEL_OK, .help = "Level before the transition."},
    {ENUM(HISTORY_TO, "saHistoryTo", SA_READ_ONLY, SA_DURABLE, LEVEL_OK, LEVEL_UNKNOWN,
          level_names),
     .def = LEVEL_OK, .help = "Level after the transition."},
    {DATE(HISTORY_AT, "saHistoryAt", SA_DURABLE), .help = "When the transition was."},
    {MILLIS(HISTORY_IN_TIME, "saHistoryInTime", SA_READ_ONLY, SA_DURABLE),
     .help = "When the alert left ok."},
    {MILLIS(HISTORY_OUT_TIME, "saHistoryOutTime", SA_READ_ONLY, SA_DURABLE),
     .help = "When the alert came back to ok, 0 while it has not."},
    {ENUM(HISTORY_REASON, "saHistoryReason", SA_READ_ONLY, SA_DURABLE, REASON_CONDITION,
          REASON_EXPIRED, reason_names),
     .def = REASON_CONDITION, .help = "What the transition came from."},
    {TEXT(HISTORY_VALUE, "saHistoryValue", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Value that the condition gave, as text."},
    {TEXT(HISTORY_MESSAGE, "saHistoryMessage", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What there was to say about the alert."},
    {ENUM(HISTORY_FIRMNESS, "saHistoryFirmness", SA_READ_ONLY, SA_DURABLE, FIRMNESS_SOFT,
          FIRMNESS_HARD, firmness_names),
     .def = FIRMNESS_HARD,
     .help = "Firmness that the alert had after the transition."},
};
static const struct sa_table history_table = {
    .id = SA_HISTORY,
    .name = "saHistoryTable",
    .keep = SA_DURABLE,
    INDEX(history_index),
    COLUMNS(history_columns),
    .help = "The transitions of alerts from one level to another; the oldest go first.",
};

/* ---- saNoticeTable ----------------------------------------------------------------------- */

static const struct sa_index notice_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saNoticeId", "notice"),
};
static const struct sa_column notice_columns[] = {
    {OWN_NUMBER(NOTICE_ID, "saNoticeId", 1, U32_MAX),
     .help = "Number of the notice, never given to another one."},
    {NUMBER(NOTICE_UUID, "saNoticeUuid", SA_TEXT, SA_READ_ONLY, SA_DURABLE, 36, 36),
     .help = "Universally unique identifier of the notice, the same in every copy that is sent."},
    {NAME_OR_EMPTY(NOTICE_TARGET, "saNoticeTarget", SA_READ_ONLY, SA_DURABLE),
     .help = "Name of the target that the notice goes to."},
    {UNSIGNED(NOTICE_TARGET_SEQUENCE, "saNoticeTargetSequence", SA_READ_ONLY, SA_DURABLE, 0,
              U32_MAX),
     .help = "Number of the notice among those of its target, without gaps, so that a receiver "
             "sees what it lost; 0 until it is first sent."},
    {NAME_OR_EMPTY(NOTICE_HANDLER, "saNoticeHandler", SA_READ_ONLY, SA_DURABLE),
     .help = "Name of the handler that delivers the notice."},
    {UNSIGNED(NOTICE_ALERT, "saNoticeAlert", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "The saAlertId of the alert that the notice is about, 0 when it is about none."},
    {UNSIGNED(NOTICE_HISTORY, "saNoticeHistory", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "The saHistoryId of the transition that the notice tells, 0 when it tells none."},
    {ENUM(NOTICE_KIND, "saNoticeKind", SA_READ_ONLY, SA_DURABLE, KIND_RAISE, KIND_SELF,
          notice_kind_names),
     .def = KIND_RAISE, .help = "What the notice tells."},
    {ENUM(NOTICE_STATE, "saNoticeState", SA_READ_ONLY, SA_DURABLE, NOTICE_PENDING,
          NOTICE_SUPPRESSED, notice_state_names),
     .def = NOTICE_PENDING, .help = "How far its delivery is."},
    {GAUGE(NOTICE_ATTEMPTS, "saNoticeAttempts", SA_DURABLE),
     .help = "How often the notice was sent or tried to be sent."},
    {DATE(NOTICE_CREATED, "saNoticeCreated", SA_DURABLE), .help = "When the notice was made."},
    {DATE(NOTICE_NEXT_ATTEMPT, "saNoticeNextAttempt", SA_DURABLE),
     .help = "When the notice is tried next; all zero when no attempt is planned."},
    {DATE(NOTICE_FINISHED, "saNoticeFinished", SA_DURABLE),
     .help = "When the notice was delivered, given up or cancelled; all zero before."},
    {ENUM(NOTICE_CONFIRMATION, "saNoticeConfirmation", SA_READ_ONLY, SA_DURABLE, CONFIRM_NONE,
          CONFIRM_ACKNOWLEDGED, confirmation_names),
     .def = CONFIRM_NONE, .help = "What is known of its arrival."},
    {TEXT(NOTICE_LAST_ERROR, "saNoticeLastError", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Why the last attempt failed, in words; empty when it did not."},
    {TEXT(NOTICE_DIGEST, "saNoticeDigest", SA_READ_ONLY, SA_DURABLE, 36),
     .help = "Universally unique identifier of the digest that carried the notice; empty when it "
             "went on its own."},
    {NAME_OR_EMPTY(NOTICE_DEFINITION, "saNoticeDefinition", SA_READ_ONLY, SA_DURABLE),
     .help = "Name of the definition that the notice is about."},
    {TEXT(NOTICE_INSTANCE, "saNoticeInstance", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the alert is about, as in saAlertInstance."},
    {ENUM(NOTICE_LEVEL, "saNoticeLevel", SA_READ_ONLY, SA_DURABLE, LEVEL_OK, LEVEL_UNKNOWN,
          level_names),
     .def = LEVEL_OK, .help = "Level that the notice tells."},
    {ENUM(NOTICE_PREVIOUS_LEVEL, "saNoticePreviousLevel", SA_READ_ONLY, SA_DURABLE, LEVEL_OK,
          LEVEL_UNKNOWN, level_names),
     .def = LEVEL_OK, .help = "Level that the alert had before."},
    {TEXT(NOTICE_VALUE, "saNoticeValue", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Value that the condition gave, as text."},
    {TEXT(NOTICE_MESSAGE, "saNoticeMessage", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What there is to say."},
    {ENUM(NOTICE_ACTION, "saNoticeAction", SA_READ_WRITE, SA_DURABLE, ACTION_IDLE, ACTION_RESEND,
          notice_action_names),
     .def = ACTION_IDLE,
     .help = "Setting cancel gives the notice up, setting resend sends it again."},
    {ENUM(NOTICE_SUPPRESSION, "saNoticeSuppression", SA_READ_ONLY, SA_DURABLE, SUPPRESSION_NONE,
          SUPPRESSION_FLAPPING, suppression_names),
     .def = SUPPRESSION_NONE, .help = "Why a suppressed notice was held back."},
    {TEXT(NOTICE_RESPONSE, "saNoticeResponse", SA_READ_ONLY, SA_DURABLE, 1024),
     .help = "What the receiver or the program said last, its first 1024 octets."},
    {MILLIS(NOTICE_SINCE, "saNoticeSince", SA_HIDDEN, SA_DURABLE),
     .help = "When the transition was."},
    {NAME_OR_EMPTY(NOTICE_TARGET_OWNER, "saNoticeTargetOwner", SA_HIDDEN, SA_DURABLE),
     .help = "Owner of the target; a global target of admin's serves other owners' alerts."},
    {GAUGE64(NOTICE_INCARNATION, "saNoticeIncarnation", SA_HIDDEN, SA_DURABLE),
     .help = "Which life of the target's row the notice is for."},
    {NAME_OR_EMPTY(NOTICE_SERVICE, "saNoticeService", SA_HIDDEN, SA_DURABLE),
     .help = "Service of the definition."},
    {MILLIS(NOTICE_ACTIVE_SINCE, "saNoticeActiveSince", SA_HIDDEN, SA_DURABLE),
     .help = "When the alert left ok."},
    {UNSIGNED(NOTICE_NOTIFICATION, "saNoticeNotification", SA_HIDDEN, SA_DURABLE, 0, 255),
     .help = "Which notification tells it."},
    {MILLIS(NOTICE_READY, "saNoticeReady", SA_HIDDEN, SA_DURABLE),
     .help = "Until when it waits for others of its digest."},
    {MILLIS(NOTICE_RESENT, "saNoticeResent", SA_HIDDEN, SA_DURABLE),
     .help = "When it was last to be sent again, 0: never."},
    {UNSIGNED(NOTICE_BYGONE, "saNoticeBygone", SA_HIDDEN, SA_DURABLE, 0, 1),
     .help = "1 when what it tells was over by the time that it was to be sent again."},
    {UNSIGNED(NOTICE_MATCHING, "saNoticeMatching", SA_HIDDEN, SA_DURABLE, 0, U32_MAX),
     .help = "Milliseconds by which it was put off until saTargetMatch answers; 0: it is not."},
};
static const struct sa_table notice_table = {
    .id = SA_NOTICE,
    .name = "saNoticeTable",
    .keep = SA_DURABLE,
    INDEX(notice_index),
    COLUMNS(notice_columns),
    .help = "The notices: what was or is to be told to which target, and what became of it; the "
            "oldest finished ones go first.",
};

static const struct sa_index notice_recipient_index[] = {
    NAME_PART("saOwner", "owner"),
    ID_PART("saNoticeId", "notice"),
    NUMBER_PART("saNoticeRecipientNumber", "recipient", 1, 1024),
};
static const struct sa_column notice_recipient_columns[] = {
    {OWN_NUMBER(NOTICE_RECIPIENT_NUMBER, "saNoticeRecipientNumber", 1, 1024),
     .help = "Number of the recipient within its notice."},
    {TEXT(NOTICE_RECIPIENT_ADDRESS, "saNoticeRecipientAddress", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Address of the recipient."},
    {ENUM(NOTICE_RECIPIENT_STATE, "saNoticeRecipientState", SA_READ_ONLY, SA_DURABLE,
          NOTICE_PENDING, NOTICE_FAILED, recipient_state_names),
     .def = NOTICE_PENDING, .help = "Whether this recipient was reached."},
    {TEXT(NOTICE_RECIPIENT_REPLY, "saNoticeRecipientReply", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the server answered for this recipient."},
};
static const struct sa_table notice_recipient_table = {
    .id = SA_NOTICE_RECIPIENT,
    .name = "saNoticeRecipientTable",
    .keep = SA_DURABLE,
    INDEX(notice_recipient_index),
    COLUMNS(notice_recipient_columns),
    .help = "The recipients of each notice and what became of it for each of them.",
};

/* ---- saTrialTable ------------------------------------------------------------------------ */

static const struct sa_index trial_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saTrialName", "name"),
};
static const struct sa_column trial_columns[] = {
    {OWN_NAME(TRIAL_NAME, "saTrialName", SA_NOT_ACCESSIBLE), .help = "Name of the trial."},
    {TEXT(TRIAL_CONDITION, "saTrialCondition", SA_READ_CREATE, SA_DURABLE, 1024),
     .help = "The condition that is tried: JavaScript, as saDefinitionCondition."},
    {NAME_OR_EMPTY(TRIAL_SCRIPT, "saTrialScript", SA_READ_CREATE, SA_DURABLE),
     .help = "Name of a script of saScriptTable that is tried, instead of saTrialCondition."},
    {NAME_OR_EMPTY(TRIAL_DEFINITION, "saTrialDefinition", SA_READ_CREATE, SA_DURABLE),
     .help = "Name of a definition of the owner's whose settings count, and whose condition is "
             "tried where saTrialCondition and saTrialScript are empty."},
    {TEST_AND_INCR(TRIAL_RUN, "saTrialRun", SA_READ_CREATE),
     .help = "Setting this object to the value that it has evaluates the condition once, over the "
             "topics as they are."},
    {ENUM(TRIAL_STATE, "saTrialState", SA_READ_ONLY, SA_COMPUTED, TRIAL_IDLE, TRIAL_FAILED,
          trial_state_names),
     .def = TRIAL_IDLE,
     .help = "Whether the last use of saTrialRun has ended, and whether anything was evaluated."},
    {ENUM(TRIAL_OUTCOME, "saTrialOutcome", SA_READ_ONLY, SA_DURABLE, ANSWER_FALSE, ANSWER_ERROR,
          trial_outcome_names),
     .def = ANSWER_FALSE, .help = "What the condition answered."},
    {ENUM(TRIAL_LEVEL, "saTrialLevel", SA_READ_ONLY, SA_DURABLE, LEVEL_OK, LEVEL_UNKNOWN,
          level_names),
     .def = LEVEL_OK,
     .help = "The level that the answer gives to an alert that was ok, when it holds for long "
             "enough."},
    {TEXT(TRIAL_VALUE, "saTrialValue", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "The value that the condition found, as text."},
    {TEXT(TRIAL_MESSAGE, "saTrialMessage", SA_READ_ONLY, SA_DURABLE, 1024),
     .help = "The message that the condition gave."},
    {TEXT(TRIAL_ERROR, "saTrialError", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "Why the evaluation ended in an error, or could not be made, in words; empty when "
             "neither."},
    {UNSIGNED(TRIAL_ERROR_LINE, "saTrialErrorLine", SA_READ_ONLY, SA_COMPUTED, 0, U32_MAX),
     .help = "Line of the condition where the evaluation ended in an error; 0 when it did not, or "
             "not at a line."},
    {TEXT(TRIAL_TOPICS, "saTrialTopics", SA_READ_ONLY, SA_DURABLE, 1024),
     .help = "Names of the topics whose content the condition read, a line each."},
    {TRUTH(TRIAL_MISSED, "saTrialMissed", SA_READ_ONLY, SA_DURABLE), .def = TRUTH_FALSE,
     .help = "Whether the condition looked for a topic that was not there."},
    {UNSIGNED(TRIAL_COST, "saTrialCost", SA_READ_ONLY, SA_DURABLE, 0, U32_MAX),
     .help = "Processor time that the evaluation took."},
    {DATE(TRIAL_TIME, "saTrialTime", SA_DURABLE), .help = "When the last trial ended."},
    STORAGE(TRIAL_STORAGE, "saTrialStorage"),
    STATUS(TRIAL_STATUS, "saTrialStatus"),
    {HIDDEN(TRIAL_ANSWERED, "saTrialAnswered", SA_DURABLE),
     .help = "The value of saTrialRun that has been answered."},
    {HIDDEN(TRIAL_ENDED, "saTrialEnded", SA_DURABLE), .help = "How the last trial ended."},
};
static const struct sa_table trial_table = {
    .id = SA_TRIAL,
    .name = "saTrialTable",
    .keep = SA_DURABLE,
    .row_status = TRIAL_STATUS,
    .storage_type = TRIAL_STORAGE,
    INDEX(trial_index),
    COLUMNS(trial_columns),
    .help = "Trials of conditions, before they are used.",
};

/* ---- saTestTable ------------------------------------------------------------------------- */

static const struct sa_index test_option_index[] = {
    NAME_PART("saOwner", "owner"),
    NAME_PART("saHandlerName", "handler"),
    NAME_PART("saTestOption", "option"),
};
static const struct sa_column test_option_columns[] = {
    {OWN_NAME(TEST_OPTION, "saTestOption", SA_NOT_ACCESSIBLE),
     .help = "Name of the option: message, level, recipients, or a property of the handler."},
    {TEXT(TEST_OPTION_VALUE, "saTestValue", SA_READ_WRITE, SA_DURABLE, 1024),
     .help = "Value with which the next test is made, as text."},
    {TEXT(TEST_OPTION_HELP, "saTestHelp", SA_READ_ONLY, SA_DURABLE, 255),
     .help = "What the option means."},
    {TRIGGER(TEST_OPTION_REVERT, "saTestRevert", SA_READ_WRITE),
     .help = "Setting run has the option follow the live configuration again."},
    FILE_CELLS(TEST_OPTION_FILE, "saTestFile"),
};
static const struct sa_table test_option_table = {
    .id = SA_TEST_OPTION,
    .name = "saTestTable",
    .keep = SA_DURABLE,
    .revert = TEST_OPTION_REVERT,
    .file = TEST_OPTION_FILE,
    INDEX(test_option_index),
    COLUMNS(test_option_columns),
    .help = "Options of a handler's test, which saHandlerTest sends.",
};

/* ---- all of them ------------------------------------------------------------------------- */

const struct sa_table *const sa_tables[] = {
    &system_table,
    &process_table,
    &owner_table,
    &handler_table,
    &handler_property_table,
    &source_table,
    &topic_table,
    &metric_table,
    &definition_table,
    &script_table,
    &script_text_table,
    &group_table,
    &group_definition_table,
    &group_target_table,
    &target_table,
    &target_property_table,
    &alert_table,
    &raise_table,
    &history_table,
    &notice_table,
    &notice_recipient_table,
    &trial_table,
    &test_option_table,
};
const size_t sa_ntables = COUNT(sa_tables);

const uint32_t sa_root[] = {SA_ROOT_OID};
const size_t sa_root_len = COUNT(sa_root);

/* ---- notifications ----------------------------------------------------------------------- */

static const struct sa_object alert_objects[] = {
    {SA_OWNER, OWNER_NAME, ROW_OF_OWNER},
    {SA_DEFINITION, DEFINITION_NAME, ROW_OF_DEFINITION},
    {SA_ALERT, ALERT_INSTANCE, ROW_OF_ALERT},
    {SA_ALERT, ALERT_LEVEL, ROW_OF_ALERT},
    {SA_ALERT, ALERT_PREVIOUS_LEVEL, ROW_OF_ALERT},
    {SA_ALERT, ALERT_MESSAGE, ROW_OF_ALERT},
    {SA_ALERT, ALERT_VALUE, ROW_OF_ALERT},
    {SA_ALERT, ALERT_SINCE, ROW_OF_ALERT},
    {SA_DEFINITION, DEFINITION_SERVICE, ROW_OF_DEFINITION},
    {SA_NOTICE, NOTICE_UUID, ROW_OF_NOTICE},
    {SA_NOTICE, NOTICE_TARGET_SEQUENCE, ROW_OF_NOTICE},
};
static const struct sa_object definition_objects[] = {
    {SA_OWNER, OWNER_NAME, ROW_OF_OWNER},
    {SA_DEFINITION, DEFINITION_NAME, ROW_OF_DEFINITION},
    {SA_DEFINITION, DEFINITION_DESCRIPTION, ROW_OF_DEFINITION},
    {SA_NOTICE, NOTICE_UUID, ROW_OF_NOTICE},
    {SA_NOTICE, NOTICE_TARGET_SEQUENCE, ROW_OF_NOTICE},
};
static const struct sa_object test_objects[] = {
    {SA_OWNER, OWNER_NAME, ROW_OF_OWNER},
    {SA_HANDLER, HANDLER_NAME, ROW_OF_HANDLER},
    {SA_NOTICE, NOTICE_MESSAGE, ROW_OF_NOTICE},
    {SA_NOTICE, NOTICE_UUID, ROW_OF_NOTICE},
    {SA_NOTICE, NOTICE_TARGET_SEQUENCE, ROW_OF_NOTICE},
};

#define OBJECTS(a) .objects = (a), .nobjects = COUNT(a)

const struct sa_notification_type sa_notifications[] = {
    {.number = SA_ALERT_RAISED,
     .name = "saAlertRaised",
     OBJECTS(alert_objects),
     .help = "An alert became active."},
    {.number = SA_ALERT_CLEARED,
     .name = "saAlertCleared",
     OBJECTS(alert_objects),
     .help = "An alert is over."},
    {.number = SA_ALERT_CHANGED,
     .name = "saAlertChanged",
     OBJECTS(alert_objects),
     .help = "An active alert took another level, higher or lower, and is still active."},
    {.number = SA_ALERT_ACKNOWLEDGED,
     .name = "saAlertAcknowledged",
     OBJECTS(alert_objects),
     .help = "Somebody acknowledged an alert."},
    {.number = SA_ALERT_FLAPPING,
     .name = "saAlertFlapping",
     OBJECTS(alert_objects),
     .help = "An alert began to flap between levels, or ceased to."},
    {.number = SA_DEFINITION_DISABLED,
     .name = "saDefinitionDisabled",
     OBJECTS(definition_objects),
     .help = "A definition was disabled; its active alerts were closed."},
    {.number = SA_DEFINITION_ENABLED,
     .name = "saDefinitionEnabled",
     OBJECTS(definition_objects),
     .help = "A definition was enabled."},
    {.number = SA_TEST,
     .name = "saTest",
     OBJECTS(test_objects),
     .help = "Somebody tried whether notices reach this receiver."},
};
const size_t sa_nnotifications = COUNT(sa_notifications);
