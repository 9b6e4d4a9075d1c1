/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one engine of a process: its machine, its open files, its BAR mappings.
 * All global state of the interposer hangs here and is reached through
 * engine().
 *
 * Made at first need (a program's constructors may run before ours). A child
 * of fork gets a fresh one: what the parent had open is not the child's.
 */
#ifndef RF_INTERPOSE_ENGINE_H
#define RF_INTERPOSE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

struct rf_machine;

/* Whether RINGFENCE_SESSION names a session; without one everything passes through. */
bool engine_active(void);
/* The session directory (absolute, no slash at its end), or NULL. */
const char *engine_session(void);
/* The machine, built at first call; NULL (logged once) when the session is damaged. */
struct rf_machine *engine_machine(void);
/* The same if it has been built; it is not built for this. */
struct rf_machine *engine_machine_made(void);
/* Whether this process is the one that made the engine, at the cost of one load: see fork.c. */
bool engine_owned(void);

/*
 * Opening what only we have: path is the program's own ("/dev/vfio/vfio",
 * "/dev/vfio/3"). A descriptor, or a negative errno. -ENOENT: no such group.
 */
int device_open(const char *path, int oflags);

/*
 * What a descriptor of ours is called in /proc/self/fd, or NULL when it is
 * not ours. One bounded table look-up.
 */
const char *fd_path(int fd);
static inline bool fd_is_ours(int fd)
{
	extern uint8_t fd_marks[];

	return (unsigned)fd < 65536 && __atomic_load_n(&fd_marks[fd], __ATOMIC_RELAXED);
}

/*
 * SIGSEGV: an access to a BAR mapping is executed: 0. Otherwise the signal that
 * the program is to get: SIGBUS while the device's memory is disabled; SIGSEGV for
 * any other access. See bar_access.c.
 */
int bar_fault(ucontext_t *uc, uintptr_t addr);

/*
 * Signals: our handler stays under the program's. Called once the first BAR
 * is mapped or the first user pointer copied.
 */
void signals_install(void);

/*
 * Paths: where the view shows a path of the program. Returns @path itself when
 * the session does not cover it; otherwise @buf (PATH_MAX bytes) filled; or
 * NULL with errno when the session hides it (ENOENT). @dirfd as in openat.
 */
const char *view_path(int dirfd, const char *path, char *buf);
/* The inverse, for readlink, realpath, getcwd: strips the session's prefix in place. */
void view_unmap(char *path);
/* Whether @path (a program's own) is a device of ours. */
bool view_is_device(const char *path);
/* Whether it is one that device_open() answers. */
bool view_is_answered(const char *path);

#endif
