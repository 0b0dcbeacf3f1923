/* The built-in functions that look at an object's own properties, or ask whether it is an array,
 * see nothing in userdata. These stand in for them: they know nodes and the roots, and hand
 * anything else to the original. */
#ifndef EVAL_BUILTINS_H
#define EVAL_BUILTINS_H

#include <mujs.h>

/* Once, before the image is taken. */
void builtins_install(js_State *J);

#endif
