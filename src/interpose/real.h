/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's own functions, behind ours: REAL(open)(path, flags).
 *
 * Found with dlsym(RTLD_NEXT) at first use, so a call from somebody's
 * constructor works before ours ran. Anything that runs with a lock of ours
 * held uses base/sys.h (bare system calls) instead.
 */
#ifndef RF_INTERPOSE_REAL_H
#define RF_INTERPOSE_REAL_H

#include <stdatomic.h>

/* What our exported wrappers carry. */
#define INTERPOSED __attribute__((visibility("default")))

/* The next definition of a symbol; if there is none, a line to the log and abort(). */
void *real_find(const char *name);

#define REAL(fn)                                                                             \
	({                                                                                   \
		static _Atomic(__typeof__(&fn)) real_;                                       \
		__typeof__(&fn) found_ = atomic_load_explicit(&real_, memory_order_relaxed); \
                                                                                             \
		if (__builtin_expect(!found_, 0)) {                                          \
			found_ = (__typeof__(&fn))real_find(#fn);                            \
			atomic_store_explicit(&real_, found_, memory_order_relaxed);         \
		}                                                                            \
		found_;                                                                      \
	})

#endif
