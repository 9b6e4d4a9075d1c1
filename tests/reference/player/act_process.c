/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes and threads, and what belongs to no kernel.
 *
 *	fork ... end		a child plays the block, and is waited for
 *	spawn NAME ... end	a child plays it meanwhile; `join NAME` waits and prints
 *	thread NAME ... end	a thread does, likewise
 *	exec ... end		the player anew plays it, with our descriptors and variables; what
 *				follows is played only if that fails
 *	exit STATUS		of this process, at once
 *	kill NAME		a spawned child, by SIGKILL; `kill self`: this process
 *	sleep MILLISECONDS
 *	let VAR VALUE		sets it, prints nothing of it
 *	show VALUE		prints it
 *	rlimit memlock BYTES, rlimit nofile N
 *	drop memlock		the right to lock more than that
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "player.h"

static void say_end(struct call *call, int status)
{
	if (WIFSIGNALED(status))
		call_say(call, " killed by %s", fault_name(WTERMSIG(status)));
	else
		call_say(call, " exited with %d", WEXITSTATUS(status));
}

static void play_child(struct stage *stage, const struct script *script, unsigned at)
{
	script_play(stage, script, at + 1, script->lines[at].end);
	fflush(stage->out);
	_exit(0);
}

static void block_fork(struct call *call, const struct script *script, unsigned at)
{
	pid_t child;
	int status;

	fflush(call->stage->out);
	child = fork();
	if (!child)
		play_child(call->stage, script, at);
	if (child < 0 || waitpid(child, &status, 0) != child)
		call_return(call, -1);
	else
		say_end(call, status);
	call_finish(call);
}

static struct part *part_find(struct call *call, const char *name, bool make)
{
	struct vars *vars = call->stage->vars;
	struct part *part;

	for (part = vars->parts; part < vars->parts + 8; part++) {
		if (make ? !part->used : part->used && !strcmp(part->name, name)) {
			if (!make)
				return part;
			memset(part, 0, sizeof(*part));
			part->used = true;
			snprintf(part->name, sizeof(part->name), "%s", name);
			return part;
		}
	}
	script_error(call, "no such child or thread, or too many");
}

/*
 * A file of ours at a number that no descriptor of a script had: scripts go on using the numbers of
 * what they have closed.
 */
static int memory_file(const char *name, unsigned flags)
{
	int fd = memfd_create(name, flags);
	int far = fcntl(fd, flags & MFD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 900);

	if (far < 0)
		return fd;
	close(fd);
	return far;
}

static void block_spawn(struct call *call, const struct script *script, unsigned at)
{
	struct part *part = part_find(call, call_word(call, 1), true);
	struct stage stage = *call->stage;

	part->output = memory_file("output", MFD_CLOEXEC);
	fflush(call->stage->out);
	part->pid = fork();
	if (!part->pid) {
		stage.out = fdopen(part->output, "w");
		play_child(&stage, script, at);
	}
	if (part->pid < 0)
		call_return(call, -1);
	call_finish(call);
}

struct thread_start {
	struct stage stage;
	struct part *part;
};

static void *thread_main(void *arg)
{
	struct thread_start *start = arg;
	struct part *part = start->part;

	start->stage.out = open_memstream(&part->text, &part->length);
	script_play(&start->stage, part->script, part->first, part->end);
	fclose(start->stage.out);
	free(start);
	return NULL;
}

static void block_thread(struct call *call, const struct script *script, unsigned at)
{
	struct part *part = part_find(call, call_word(call, 1), true);
	struct thread_start *start = malloc(sizeof(*start));

	start->stage = *call->stage;
	start->part = part;
	part->script = script;
	part->first = at + 1;
	part->end = script->lines[at].end;
	errno = pthread_create(&part->thread, NULL, thread_main, start);
	if (errno)
		call_return(call, -1);
	call_finish(call);
}

/*
 * The block becomes a script in a memory file, which the program that is begun anew is told of, with
 * the variables: their values are nowhere printed, as they are descriptors and addresses.
 */
static void block_exec(struct call *call, const struct script *script, unsigned at)
{
	const struct vars *vars = call->stage->vars;
	const char *args[2 * MAX_VARS + 2 * MAX_DEVICES + 8];
	char text[32], *var;
	unsigned n = 0;
	FILE *file = fdopen(memory_file("block", 0), "w");

	if (!file)
		script_error(call, "no memory");
	for (unsigned i = at + 1; i < script->lines[at].end; i++)
		fprintf(file, "%s\n", script->lines[i].text);
	fflush(file);
	fflush(call->stage->out);
	dup2(fileno(call->stage->out), STDOUT_FILENO);
	args[n++] = "player";
	for (unsigned i = 0; i < vars->count; i++) {
		args[n++] = "-v";
		if (asprintf(&var, "%s=%#llx", vars->var[i].name,
			     (unsigned long long)vars->var[i].value) < 0)
			script_error(call, "no memory");
		args[n++] = var;
	}
	n += names_args(args + n);
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fileno(file));
	args[n++] = "-x";
	args[n++] = text;
	args[n] = NULL;
	execv("/proc/self/exe", (char *const *)args);
	call_return(call, -1);
	call_finish(call);
	fclose(file);
}

void block_play(struct stage *stage, const struct script *script, unsigned at)
{
	const struct line *line = &script->lines[at];
	struct call call = {
		.stage = stage, .line = line, .tokens = line->tokens, .ntokens = line->ntokens
	};

	if (!strcmp(line->tokens[0], "spawn") || !strcmp(line->tokens[0], "thread"))
		call_word(&call, 1);
	call_check(&call);
	if (!strcmp(line->tokens[0], "fork"))
		block_fork(&call, script, at);
	else if (!strcmp(line->tokens[0], "exec"))
		block_exec(&call, script, at);
	else if (!strcmp(line->tokens[0], "spawn"))
		block_spawn(&call, script, at);
	else
		block_thread(&call, script, at);
}

static void copy_output(struct call *call, int fd)
{
	char bytes[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		fwrite(bytes, 1, (size_t)n, call->stage->out);
		at += n;
	}
	close(fd);
}

static void act_join(struct call *call)
{
	struct part *part = part_find(call, call_word(call, 1), false);
	int status;

	if (part->pid) {
		if (waitpid(part->pid, &status, 0) != part->pid)
			call_return(call, -1);
		else
			say_end(call, status);
		copy_output(call, part->output);
	} else {
		pthread_join(part->thread, NULL);
		fwrite(part->text, 1, part->length, call->stage->out);
		free(part->text);
	}
	part->used = false;
}

static void act_kill(struct call *call)
{
	const char *name = call_word(call, 1);
	bool self = !strcmp(name, "self");

	call_check(call);
	call_return(call, kill(self ? getpid() : part_find(call, name, false)->pid, SIGKILL));
}

static void act_exit(struct call *call)
{
	int status = (int)call_number(call, 1);

	call_check(call);
	call_finish(call);
	_exit(status);
}

static void act_sleep(struct call *call)
{
	uint64_t ms = call_number(call, 1);
	struct timespec t = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static void act_let(struct call *call)
{
	var_set(call, call_word(call, 1), call_number(call, 2));
}

static void act_show(struct call *call)
{
	call_say(call, " %#llx", (unsigned long long)call_number(call, 1));
}

static void act_rlimit(struct call *call)
{
	const char *what = call_word(call, 1);
	bool files = !strcmp(what, "nofile");
	struct rlimit limit = { .rlim_cur = call_number(call, 2),
				.rlim_max = call_number(call, 2) };
	struct rlimit now;

	if (!files && strcmp(what, "memlock"))
		script_error(call, "rlimit memlock BYTES, rlimit nofile N");
	/* that of descriptors may rise again */
	if (files && !getrlimit(RLIMIT_NOFILE, &now))
		limit.rlim_max = now.rlim_max;
	call_return(call, setrlimit(files ? RLIMIT_NOFILE : RLIMIT_MEMLOCK, &limit));
}

/* Capabilities of this thread, without CAP_IPC_LOCK; glibc has no wrapper. */
static void act_drop(struct call *call)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (strcmp(call_word(call, 1), "memlock"))
		script_error(call, "drop memlock");
	if (syscall(SYS_capget, &header, data)) {
		call_return(call, -1);
		return;
	}
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	call_return(call, syscall(SYS_capset, &header, data));
}

const struct action_desc process_actions[] = {
	{ "join", act_join, 2 },   { "kill", act_kill, 2 },	{ "exit", act_exit, 2 },
	{ "sleep", act_sleep, 2 }, { "let", act_let, 3 },	{ "show", act_show, 2 },
	{ "drop", act_drop, 2 },   { "rlimit", act_rlimit, 3 }, { 0 },
};
