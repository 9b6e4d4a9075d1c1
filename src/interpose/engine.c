/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of this process: the session it belongs to, and the machine once
 * something of it is opened.
 *
 * Lock: machine_lock while the machine is built; building opens files and maps
 * memory through the interposed names, which must not ask for the machine.
 */
#include "interpose/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "interpose/claim.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/internal.h"
#include "interpose/signals.h"
#include "machine/machine.h"
#include "machine/session.h"

static pthread_once_t session_once = PTHREAD_ONCE_INIT;
static char *session_dir;

static pthread_mutex_t machine_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct rf_machine *) machine;
static bool damaged;

static struct file *caller_lookup(struct file_caller *caller, int fd, int *err)
{
	struct open_file *d = fd_get(fd, err);
	struct file *file = NULL;

	if (d) {
		file = file_get(d->file);
		fd_put(d);
	} else if (fd_is_there(fd)) {
		*err = -EBADFD;
	} else {
		*err = -EBADF;
	}
	return file;
}

static int caller_install(struct file_caller *caller, struct file *file, int oflags)
{
	return fd_install(file, oflags);
}

static const struct file_caller_ops caller_ops = {
	.install = caller_install,
	.lookup = caller_lookup,
};

static struct file_caller self = { .ops = &caller_ops };

static void session_find(void)
{
	const char *env = getenv(SESSION_ENV);
	size_t len = env ? strlen(env) : 0;

	while (len > 1 && env[len - 1] == '/')
		len--;
	if (len > 1 && env[0] == '/')
		session_dir = strndup(env, len);
}

const char *engine_session(void)
{
	pthread_once(&session_once, session_find);
	return session_dir;
}

bool engine_active(void)
{
	return engine_session() != NULL;
}

/* With machine_lock held. */
static struct rf_machine *machine_make(void)
{
	struct rf_machine *made;
	struct stats *shared;
	char *error = NULL;
	int ret;

	ret = fork_watch();
	if (!ret)
		ret = session_machine(session_dir, &made, &error);
	if (ret) {
		log_line(LOG_ERROR, "%s", error ? error : strerror(-ret));
		free(error);
		damaged = true;
		return NULL;
	}
	if (!session_stats(session_dir, &shared))
		stats_use(shared);
	signals_install();
	signals_relay_begin();
	made->vfio.claims = &claim_ops;
	self.owner = made->self;
	atomic_store_explicit(&machine, made, memory_order_release);
	return made;
}

struct rf_machine *engine_machine_made(void)
{
	if (!engine_active())
		return NULL;
	fork_settle();
	return atomic_load_explicit(&machine, memory_order_acquire);
}

struct rf_machine *engine_machine(void)
{
	struct rf_machine *m;

	if (!engine_active())
		return NULL;
	fork_settle();
	m = atomic_load_explicit(&machine, memory_order_acquire);
	if (m)
		return m;
	pthread_mutex_lock(&machine_lock);
	m = machine;
	if (!m && !damaged)
		m = machine_make();
	pthread_mutex_unlock(&machine_lock);
	return m;
}

struct file_caller *engine_caller(void)
{
	return &self;
}

struct rf_owner *engine_owner(void)
{
	return self.owner;
}

void engine_abandon(void)
{
	pthread_mutex_init(&machine_lock, NULL);
	atomic_store(&machine, NULL);
	self.owner = NULL;
}
