/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The player: plays scripts of kernel calls and prints what came of each, one
 * line a call, the same on every system that answers the same. The language is
 * in ../README.md.
 *
 * A stage is what a line is played on: its variables and where it prints. Each
 * process has its own by nature; a thread has its own printer and shares the
 * variables, which scripts use one at a time.
 */
#ifndef PLAYER_H
#define PLAYER_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_TOKENS  40
#define MAX_VARS    256
#define NAME_SIZE   48
#define MAX_DEVICES 16

struct line {
	unsigned number;
	unsigned end; /* of a block: the index of its `end` */
	unsigned ntokens;
	char *text; /* as it stands in the script, white space joined */
	char *store; /* the token's characters */
	char *tokens[MAX_TOKENS];
};

struct script {
	const char *name;
	struct line *lines;
	unsigned nlines;
};

struct var {
	char name[NAME_SIZE];
	uint64_t value;
};

/* What a child or a thread that was named left to be joined. */
struct part {
	char name[NAME_SIZE];
	int pid; /* of a child; 0: a thread */
	int output; /* a child's memory file */
	unsigned long thread;
	char *text; /* a thread's output */
	size_t length;
	const struct script *script;
	unsigned first, end;
	bool used;
};

struct vars {
	struct var var[MAX_VARS];
	unsigned count;
	struct part parts[8];
};

/* What came of each line of a loop that only counts: most distinct results. */
#define MAX_TALLY 64

struct tally {
	struct {
		char *text;
		uint64_t times;
	} results[MAX_TALLY];
	unsigned count;
};

struct stage {
	FILE *out;
	struct vars *vars;
	struct tally *tally; /* of the loop that we are in, if it counts */
	char label[64]; /* of the loops that we are in */
};

/*
 * A line while it is played. Results are appended to it, and printed when it is over. Whoever takes
 * a word marks it as read; a word that nobody has read when the line is over is an error of the
 * script, as it says what is not done.
 */
struct call {
	struct stage *stage;
	const struct line *line;
	unsigned ntokens; /* without `VAR =` */
	char *const *tokens;
	uint64_t read; /* bits of tokens */
	const char *target; /* VAR, until it is set */
	char result[2048];
	size_t used;
};

struct field {
	const char *name;
	uint16_t offset;
	uint8_t width;
	uint8_t kind;
};

enum field_kind {
	FIELD_IN,
	FIELD_OUT, /* printed whenever the call succeeds */
	FIELD_FD, /* a descriptor: that there is one is printed, not its number */
	FIELD_SIZE, /* the structure's size, unless given */
	FIELD_OP, /* what IOMMU_TEST_CMD shall do, unless given */
};

struct ioctl_desc {
	const char *name;
	unsigned long number;
	uint16_t size; /* of the structure; 0: none */
	uint16_t nfields;
	const struct field *fields;
};

struct constant {
	const char *name;
	uint64_t value;
};

extern const struct ioctl_desc vfio_ioctls[], iommufd_ioctls[], test_ioctls[];
extern const struct constant constants[];

/* script.c */
void script_parse(struct script *script, char *text);
void script_free(struct script *script);
void script_play(struct stage *stage, const struct script *script, unsigned first, unsigned end);

/* expr.c */
uint64_t expr_eval(struct call *call, const char *text);
bool expr_is_name(const char *text, size_t length);
void var_set(struct call *call, const char *name, uint64_t value);

/* act_process.c */
void block_play(struct stage *stage, const struct script *script, unsigned at);

/* call.c */
typedef void (*action_fn)(struct call *call);
struct action_desc {
	const char *name;
	action_fn play;
	unsigned min_tokens; /* with its own name */
};
extern const struct action_desc file_actions[], memory_actions[], ioctl_actions[],
	process_actions[], device_actions[];

void call_play(struct stage *stage, const struct line *line);
void call_say(struct call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void call_check(struct call *call);
void call_finish(struct call *call);
void call_return(struct call *call, long ret);
void call_return_fd(struct call *call, int fd);
void call_bytes(struct call *call, const void *bytes, size_t length);
_Noreturn void script_error(struct call *call, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *call_word(struct call *call, unsigned token);
uint64_t call_number(struct call *call, unsigned token);
void call_set(struct call *call, uint64_t value);
const char *call_option(struct call *call, const char *name);
uint64_t call_option_number(struct call *call, const char *name, uint64_t otherwise);
bool call_flag(struct call *call, const char *name);
unsigned call_width(struct call *call, const char *type);
const char *errno_name(int err);
uint64_t hash_bytes(const void *bytes, size_t length);

/* fault.c */
extern __thread sigjmp_buf fault_jump;
extern __thread volatile int fault_armed;
void fault_catch(void);
const char *fault_name(int sig);
/* A signal that the statement raised, or 0. */
#define FAULT_TRY(sig, statement)                                \
	do {                                                     \
		(sig) = sigsetjmp(fault_jump, 1);                \
		if (!(sig)) {                                    \
			fault_armed = 1;                         \
			__atomic_signal_fence(__ATOMIC_SEQ_CST); \
			statement;                               \
			__atomic_signal_fence(__ATOMIC_SEQ_CST); \
		}                                                \
		fault_armed = 0;                                 \
	} while (0)

/* names.c: what the command line called the devices */
void names_add(const char *name_is_address);
unsigned names_args(const char **args);
const char *names_address(const char *name);
bool names_path(char *path, size_t size, const char *given);
void names_bind(void);

#endif
