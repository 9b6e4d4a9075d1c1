/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The next definition of a name that we interpose: libc's, or that of another
 * preloaded library behind us.
 */
#include "interpose/real.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/log.h"

void *real_find(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn) {
		log_line(LOG_ERROR, "libc has no %s; this program cannot run here", name);
		abort();
	}
	return fn;
}
