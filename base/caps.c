#include "base/caps.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

enum { WORDS = _LINUX_CAPABILITY_U32S_3 };

static struct __user_cap_header_struct header(void)
{
    return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

uint64_t caps_permitted(void)
{
    struct __user_cap_header_struct h = header();
    struct __user_cap_data_struct d[WORDS];

    if (syscall(SYS_capget, &h, d))
        return 0;
    return (uint64_t)d[1].permitted << 32 | d[0].permitted;
}

int caps_keep(uint64_t keep)
{
    struct __user_cap_header_struct h = header();
    struct __user_cap_data_struct d[WORDS] = {{0}};

    keep &= caps_permitted();
    for (int i = 0; i < WORDS; i++)
        d[i].permitted = d[i].effective = (uint32_t)(keep >> 32 * i);
    /* Kernels before 4.3 have no ambient set to clear. */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &h, d) ? ERR_IO : 0;
}

void caps_seal(void)
{
    for (unsigned long cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
        ; /* up to the last that the kernel knows */
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                 SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED);
}
