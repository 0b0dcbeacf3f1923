/* Log lines about anybody's octets: one line of valid UTF-8 without controls, whose quotes end
 * where they should. The input: the object, a 0 octet, the message. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 8192, LINE_MAX_OCTETS = 4096 };

/* What log_debug(), which is not limited, writes to standard error. */
static size_t written(const char *object, const char *message, char line[TEXT_MAX])
{
    static int file = -1, terminal;
    ssize_t n;

    if (file < 0) {
        file = memfd_create("log", MFD_CLOEXEC);
        terminal = dup(STDERR_FILENO);
        log_open("fuzz", LOG_LEVEL_DEBUG);
    }
    REQUIRE(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    dup2(file, STDERR_FILENO);
    log_debug(object, "%s", message);
    dup2(terminal, STDERR_FILENO);
    n = pread(file, line, TEXT_MAX, 0);
    REQUIRE(n > 0 && n < TEXT_MAX);
    line[n] = '\0';
    return (size_t)n;
}

/* Words are key=value; a value in quotes ends at the first quote that is not escaped, and then a
 * blank or the end follows. */
static void check(const char *line, size_t n)
{
    bool quoted = false;

    REQUIRE(n <= LINE_MAX_OCTETS && line[n - 1] == '\n' && utf8_valid(line, n - 1));
    for (size_t i = 0; i + 1 < n; i++) {
        REQUIRE((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
        if (quoted && line[i] == '\\') {
            i++;
        } else if (line[i] == '"') {
            REQUIRE(quoted || (i > 0 && line[i - 1] == '='));
            quoted = !quoted;
            REQUIRE(quoted || i + 2 == n || line[i + 1] == ' ');
        }
    }
    REQUIRE(!quoted && strncmp(line, "time=", 5) == 0 && strstr(line, " stage=fuzz "));
}

FUZZ_TARGET(log)
{
    char text[TEXT_MAX], line[TEXT_MAX];
    const char *message;
    size_t n;

    if (size >= sizeof text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    message = strlen(text) < size ? text + strlen(text) + 1 : "";
    n = written(text, message, line);
    check(line, n);
    n = written(NULL, text, line);
    check(line, n);
    return 0;
}
