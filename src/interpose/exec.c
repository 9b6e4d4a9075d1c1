/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session follows the program into what it executes, also when it hands
 * over an environment of its own making (env -i, execve with three
 * variables): the name of the session and our place in LD_PRELOAD are put back
 * if they are missing. RINGFENCE_NO_FOLLOW in the new environment lets go.
 *
 * All of it may run between vfork and exec, on the parent's memory: nothing is
 * allocated but the stack, and nothing is written that the parent would miss.
 *
 * system() and popen() take libc's own environ inside libc; before them the
 * process's environment is completed instead.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interpose/engine.h"
#include "interpose/paths.h"
#include "interpose/real.h"
#include "interpose/service.h"
#include "interpose/signals.h"
#include "machine/session.h"

#define PRELOAD	  "LD_PRELOAD"
#define NO_FOLLOW "RINGFENCE_NO_FOLLOW"

extern char **environ;

/* Where we were loaded from and what was preloaded with us, remembered while it is there to see. */
static struct {
	char library[PATH_MAX];
	char preload[2 * PATH_MAX];
} self;

/* The value of a variable in an environment; NULL: not there. */
static const char *env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* Whether a list like LD_PRELOAD's, with spaces or colons between, has us. */
static bool preload_has_us(const char *list)
{
	size_t len = strlen(self.library);

	while (*list) {
		size_t part = strcspn(list, " :");

		if (part == len && !memcmp(list, self.library, len))
			return true;
		list += part;
		list += strspn(list, " :");
	}
	return false;
}

static __attribute__((constructor)) void exec_start(void)
{
	const char *preload = env_get(environ, PRELOAD);
	Dl_info info;

	/* Linked into a program, as in our tests, we are no library to preload. */
	if (!preload || !dladdr(&self, &info) || !info.dli_fname || !strchr(info.dli_fname, '/'))
		return;
	if (strlen(info.dli_fname) >= sizeof(self.library) ||
	    strlen(preload) >= sizeof(self.preload))
		return;
	strcpy(self.library, info.dli_fname);
	if (preload_has_us(preload))
		strcpy(self.preload, preload);
	else
		strcpy(self.preload, self.library);
}

static bool env_follows(char *const *env)
{
	return self.library[0] && engine_active() && !env_get(env, NO_FOLLOW);
}

/* What an environment lacks of ours: how many variables, how many bytes of text. */
struct env_lack {
	size_t variables;
	size_t text;
	bool session;
	const char *preload; /* the value to go in front of ours, or "" */
	bool preload_lacks;
};

static bool env_lacks(char *const *env, struct env_lack *lack)
{
	const char *session, *preload;

	if (!env_follows(env))
		return false;
	session = env_get(env, SESSION_ENV);
	preload = env_get(env, PRELOAD);
	lack->session = !session || strcmp(session, engine_session());
	lack->preload_lacks = !preload || !preload_has_us(preload);
	if (!lack->session && !lack->preload_lacks)
		return false;
	lack->preload = preload && *preload ? preload : NULL;
	lack->variables = 0;
	while (env && env[lack->variables])
		lack->variables++;
	lack->text = sizeof(SESSION_ENV "=") + strlen(engine_session()) + sizeof(PRELOAD "=:") +
		     strlen(self.preload) + (preload ? strlen(preload) : 0);
	return true;
}

/* @out has room for two variables more, @text for lack->text bytes. */
static void env_complete(char *const *env, const struct env_lack *lack, char **out, char *text)
{
	for (; env && *env; env++) {
		if (lack->session && !strncmp(*env, SESSION_ENV "=", sizeof(SESSION_ENV)))
			continue;
		if (lack->preload_lacks && !strncmp(*env, PRELOAD "=", sizeof(PRELOAD)))
			continue;
		*out++ = *env;
	}
	if (lack->session) {
		*out++ = text;
		text = stpcpy(stpcpy(text, SESSION_ENV "="), engine_session()) + 1;
	}
	if (lack->preload_lacks) {
		*out++ = text;
		text = stpcpy(text, PRELOAD "=");
		if (lack->preload)
			strcpy(stpcpy(stpcpy(text, lack->preload), ":"), self.library);
		else
			strcpy(text, self.preload);
	}
	*out = NULL;
}

/* @env itself, or a complete copy of it in the caller's frame. */
#define ENV_COMPLETED(env)                                                            \
	({                                                                            \
		char *const *env_ = (env);                                            \
		struct env_lack lack_;                                                \
                                                                                      \
		if (env_lacks(env_, &lack_)) {                                        \
			char **out_ = alloca((lack_.variables + 3) * sizeof(char *)); \
                                                                                      \
			env_complete(env_, &lack_, out_, alloca(lack_.text));         \
			env_ = out_;                                                  \
		}                                                                     \
		env_;                                                                 \
	})

/* exec comes back only when it failed. */
#define EXEC(call)                     \
	({                             \
		int ret_, saved_;      \
                                       \
		signals_before_exec(); \
		ret_ = (call);         \
		saved_ = errno;        \
		signals_after_exec();  \
		errno = saved_;        \
		ret_;                  \
	})

INTERPOSED int execve(const char *path, char *const argv[], char *const envp[])
{
	return EXEC(REAL(execve)(path, argv, ENV_COMPLETED(envp)));
}

INTERPOSED int execv(const char *path, char *const argv[])
{
	return EXEC(REAL(execve)(path, argv, ENV_COMPLETED(environ)));
}

INTERPOSED int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return EXEC(REAL(execvpe)(file, argv, ENV_COMPLETED(envp)));
}

INTERPOSED int execvp(const char *file, char *const argv[])
{
	return EXEC(REAL(execvpe)(file, argv, ENV_COMPLETED(environ)));
}

INTERPOSED int fexecve(int fd, char *const argv[], char *const envp[])
{
	return EXEC(REAL(fexecve)(fd, argv, ENV_COMPLETED(envp)));
}

INTERPOSED int execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
			int flags)
{
	return EXEC(REAL(execveat)(dirfd, path, argv, ENV_COMPLETED(envp), flags));
}

/*
 * The arguments of execl and its like, as an array in the caller's frame.
 * @args ends behind NULL. The headers swear that @arg is never NULL, and the
 * compiler believes it; programs are less reliable.
 */
#define ARGV_OF(args, arg)                                 \
	({                                                 \
		const char *first_ = (arg);                \
		size_t n_ = 0;                             \
		char **argv_;                              \
		va_list count_;                            \
                                                           \
		__asm__("" : "+r"(first_));                \
		va_copy(count_, args);                     \
		for (const char *a_ = first_; a_; n_++)    \
			a_ = va_arg(count_, const char *); \
		va_end(count_);                            \
		argv_ = alloca((n_ + 1) * sizeof(char *)); \
		argv_[0] = (char *)(uintptr_t)first_;      \
		for (size_t i_ = 1; i_ <= n_; i_++)        \
			argv_[i_] = va_arg(args, char *);  \
		argv_;                                     \
	})

INTERPOSED int execl(const char *path, const char *arg, ...)
{
	va_list args;
	char **argv;

	va_start(args, arg);
	argv = ARGV_OF(args, arg);
	va_end(args);
	return execv(path, argv);
}

INTERPOSED int execlp(const char *file, const char *arg, ...)
{
	va_list args;
	char **argv;

	va_start(args, arg);
	argv = ARGV_OF(args, arg);
	va_end(args);
	return execvp(file, argv);
}

INTERPOSED int execle(const char *path, const char *arg, ...)
{
	char *const *envp;
	va_list args;
	char **argv;

	va_start(args, arg);
	argv = ARGV_OF(args, arg);
	envp = va_arg(args, char *const *);
	va_end(args);
	return execve(path, argv, envp);
}

INTERPOSED int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	service_start_for_exec();
	return REAL(posix_spawn)(pid, path, actions, attr, argv, ENV_COMPLETED(envp));
}

INTERPOSED int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			    const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	service_start_for_exec();
	return REAL(posix_spawnp)(pid, file, actions, attr, argv, ENV_COMPLETED(envp));
}

static void env_complete_own(void)
{
	struct env_lack lack;
	char value[4 * PATH_MAX];

	if (!env_lacks(environ, &lack))
		return;
	if (lack.session)
		setenv(SESSION_ENV, engine_session(), 1);
	if (!lack.preload_lacks)
		return;
	if (!lack.preload)
		setenv(PRELOAD, self.preload, 1);
	else if (snprintf(value, sizeof(value), "%s:%s", lack.preload, self.library) <
		 (int)sizeof(value))
		setenv(PRELOAD, value, 1);
}

INTERPOSED int system(const char *command)
{
	env_complete_own();
	service_start_for_exec();
	return REAL(system)(command);
}

INTERPOSED FILE *popen(const char *command, const char *mode)
{
	env_complete_own();
	service_start_for_exec();
	return REAL(popen)(command, mode);
}

/*
 * What the child of posix_spawn opens and where it goes is done inside libc.
 * Files of the session it can open; a device it cannot (the node is a plain
 * file there): a program opens it itself and hands it on.
 */
PATH_WRAPPER(int, errno, posix_spawn_file_actions_addopen,
	     (posix_spawn_file_actions_t * actions, int fd, const char *path, int oflags,
	      mode_t mode),
	     (actions, fd, path, oflags, mode), AT_FDCWD, path,
	     (actions, fd, view.path, oflags, mode))
PATH_WRAPPER(int, errno, posix_spawn_file_actions_addchdir_np,
	     (posix_spawn_file_actions_t * actions, const char *path), (actions, path), AT_FDCWD,
	     path, (actions, view.path))
