/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine that knows its session and nothing else, for tests of what stands
 * beside it: it has no devices, no descriptors and no BARs.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "interpose/attr.h"
#include "interpose/engine.h"
#include "interpose/fork.h"
#include "interpose/renew.h"
#include "interpose/service.h"
#include "machine/session.h"

uint8_t fd_marks[65536];

bool engine_active(void)
{
	return engine_session();
}

const char *engine_session(void)
{
	return getenv(SESSION_ENV);
}

int device_open(const char *path, int oflags)
{
	return -ENOENT;
}

void service_start_for_exec(void)
{
}

int attr_open(int fd, int oflags)
{
	return fd;
}

const char *fd_path(int fd)
{
	return NULL;
}

int bar_fault(ucontext_t *uc, uintptr_t addr)
{
	return SIGSEGV;
}

void fork_settle(void)
{
}

bool fork_here(void)
{
	return true;
}

void renew_forget(int fd)
{
}
