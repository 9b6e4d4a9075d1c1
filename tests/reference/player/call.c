/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line played: who plays it, its words and options, and its result, printed
 * as `NUMBER: TEXT = RESULT`. Addresses and descriptors differ from system to
 * system and are never printed.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "player.h"

static const struct action_desc *const action_tables[] = {
	file_actions, memory_actions, ioctl_actions, process_actions, device_actions,
};

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "E?";
}

uint64_t hash_bytes(const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	uint64_t hash = 0xcbf29ce484222325u;

	for (; length; length--)
		hash = (hash ^ *p++) * 0x100000001b3u;
	return hash;
}

void call_say(struct call *call, const char *fmt, ...)
{
	size_t room = sizeof(call->result) - call->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(call->result + call->used, room, fmt, ap);
	va_end(ap);
	call->used += n > 0 && (size_t)n < room ? (size_t)n : room - 1;
}

/* A result once more; what comes of the same line is one result however often. */
static void call_tally(struct call *call)
{
	struct tally *tally = call->stage->tally;
	char *text = NULL;
	unsigned i = 0;

	if (asprintf(&text, "%u: %s =%s", call->line->number, call->line->text,
		     call->used ? call->result : " ok") < 0)
		exit(2);
	while (i < tally->count && strcmp(tally->results[i].text, text) != 0)
		i++;
	if (i == MAX_TALLY)
		script_error(call, "too many different results");
	if (i < tally->count)
		free(text);
	else
		tally->results[tally->count++].text = text;
	tally->results[i].times++;
}

void call_finish(struct call *call)
{
	struct stage *stage = call->stage;

	if (stage->tally) {
		call_tally(call);
		return;
	}
	fprintf(stage->out, "%u: %s%s =%s\n", call->line->number, stage->label, call->line->text,
		call->used ? call->result : " ok");
	fflush(stage->out);
}

/* A program of the test, not the kernel, is wrong: whoever compares must not miss it. */
void script_error(struct call *call, const char *fmt, ...)
{
	va_list ap;

	fprintf(call->stage->out, "%u: %s\nSCRIPT ERROR: ", call->line->number, call->line->text);
	va_start(ap, fmt);
	vfprintf(call->stage->out, fmt, ap);
	va_end(ap);
	fputc('\n', call->stage->out);
	fflush(call->stage->out);
	_exit(2);
}

/* That all has been read: before anything that does not come back, else when the line is over. */
void call_check(struct call *call)
{
	for (unsigned i = 1; i < call->ntokens; i++) {
		if (!(call->read >> i & 1))
			script_error(call, "nothing reads the word %s", call->tokens[i]);
	}
}

/* Sets the variable that the line has before its `=`, if any. */
void call_set(struct call *call, uint64_t value)
{
	if (call->target)
		var_set(call, call->target, value);
	call->target = NULL;
}

void call_return(struct call *call, long ret)
{
	if (ret < 0)
		call_say(call, " -1 %s", errno_name(errno));
	else
		call_say(call, " %ld", ret);
	call_set(call, (uint64_t)ret);
}

void call_return_fd(struct call *call, int fd)
{
	if (fd < 0)
		call_say(call, " -1 %s", errno_name(errno));
	else
		call_say(call, " fd");
	call_set(call, (uint64_t)(int64_t)fd);
}

/* Few bytes as they are, many by their hash. */
void call_bytes(struct call *call, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	call_say(call, " ");
	if (length > 64) {
		call_say(call, "hash=%016llx", (unsigned long long)hash_bytes(bytes, length));
		return;
	}
	for (size_t i = 0; i < length; i++)
		call_say(call, "%02x", p[i]);
}

const char *call_word(struct call *call, unsigned token)
{
	if (token >= call->ntokens)
		script_error(call, "a word is missing");
	call->read |= UINT64_C(1) << token;
	return call->tokens[token];
}

uint64_t call_number(struct call *call, unsigned token)
{
	return expr_eval(call, call_word(call, token));
}

/* The value of the first NAME=VALUE, or NULL. */
const char *call_option(struct call *call, const char *name)
{
	size_t length = strlen(name);

	for (unsigned i = 1; i < call->ntokens; i++) {
		if (!strncmp(call->tokens[i], name, length) && call->tokens[i][length] == '=')
			return call_word(call, i) + length + 1;
	}
	return NULL;
}

uint64_t call_option_number(struct call *call, const char *name, uint64_t otherwise)
{
	const char *value = call_option(call, name);

	return value ? expr_eval(call, value) : otherwise;
}

bool call_flag(struct call *call, const char *name)
{
	for (unsigned i = 1; i < call->ntokens; i++) {
		if (!strcmp(call->tokens[i], name)) {
			call_word(call, i);
			return true;
		}
	}
	return false;
}

unsigned call_width(struct call *call, const char *type)
{
	static const char *const types[] = { "u8", "u16", "u32", "u64" };

	for (unsigned i = 0; i < 4; i++) {
		if (!strcmp(type, types[i]))
			return 1u << i;
	}
	script_error(call, "%s is not u8, u16, u32 or u64", type);
}

static const struct action_desc *action_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(action_tables) / sizeof(*action_tables); i++) {
		for (const struct action_desc *a = action_tables[i]; a->name; a++) {
			if (!strcmp(a->name, name))
				return a;
		}
	}
	return NULL;
}

void call_play(struct stage *stage, const struct line *line)
{
	struct call call = {
		.stage = stage, .line = line, .tokens = line->tokens, .ntokens = line->ntokens
	};
	const struct action_desc *action;

	if (line->ntokens > 2 && !strcmp(line->tokens[1], "=")) {
		call.target = line->tokens[0];
		call.tokens += 2;
		call.ntokens -= 2;
	}
	action = action_find(call.tokens[0]);
	if (!action)
		script_error(&call, "no such action: %s", call.tokens[0]);
	if (call.ntokens < action->min_tokens)
		script_error(&call, "words are missing");
	errno = 0;
	action->play(&call);
	call_check(&call);
	if (call.target)
		script_error(&call, "%s gives %s no value", action->name, call.target);
	call_finish(&call);
}
