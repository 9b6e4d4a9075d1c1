/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts: text cut into lines, lines into tokens, and blocks that end with
 * `end`. A script that cannot be read is an error of the script, never a
 * result.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"

static bool opens_block(const struct line *line)
{
	const char *word = line->tokens[0];

	return !strcmp(word, "for") || !strcmp(word, "fork") || !strcmp(word, "spawn") ||
	       !strcmp(word, "thread") || !strcmp(word, "exec");
}

/* Cuts at white space, but not inside brackets. */
static void tokenize(struct line *line)
{
	char *p = line->store;

	while (*p) {
		int depth = 0;

		while (isspace((unsigned char)*p))
			p++;
		if (!*p || *p == '#')
			break;
		if (line->ntokens == MAX_TOKENS) {
			fprintf(stderr, "line %u: too many words\n", line->number);
			exit(2);
		}
		line->tokens[line->ntokens++] = p;
		for (; *p && (depth || !isspace((unsigned char)*p)); p++)
			depth += (*p == '[') - (*p == ']');
		if (*p)
			*p++ = '\0';
	}
}

static void join_text(struct line *line)
{
	size_t size = 1;
	unsigned i;

	for (i = 0; i < line->ntokens; i++)
		size += strlen(line->tokens[i]) + 1;
	line->text = calloc(1, size);
	for (i = 0; i < line->ntokens; i++) {
		if (i)
			strcat(line->text, " ");
		strcat(line->text, line->tokens[i]);
	}
}

static void find_ends(struct script *script)
{
	unsigned open[16], depth = 0, i;

	for (i = 0; i < script->nlines; i++) {
		struct line *line = &script->lines[i];

		if (opens_block(line) && depth < 16) {
			open[depth++] = i;
		} else if (!strcmp(line->tokens[0], "end")) {
			if (!depth || line->ntokens != 1)
				break;
			script->lines[open[--depth]].end = i;
		}
	}
	if (depth || i < script->nlines) {
		fprintf(stderr, "%s: blocks and ends do not match\n", script->name);
		printf("SCRIPT ERROR: blocks and ends do not match\n");
		exit(2);
	}
}

void script_parse(struct script *script, char *text)
{
	unsigned number = 0, room = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");
		struct line line = { .number = ++number, .store = strndup(text, length) };

		text += length + (text[length] == '\n');
		tokenize(&line);
		if (!line.ntokens) {
			free(line.store);
			continue;
		}
		join_text(&line);
		if (script->nlines == room) {
			room = room ? room * 2 : 64;
			script->lines = realloc(script->lines, room * sizeof(line));
			if (!script->lines)
				exit(2);
		}
		script->lines[script->nlines++] = line;
	}
	find_ends(script);
}

void script_free(struct script *script)
{
	for (unsigned i = 0; i < script->nlines; i++) {
		free(script->lines[i].text);
		free(script->lines[i].store);
	}
	free(script->lines);
}

static void play_rounds(struct call *call, const struct script *script, unsigned at)
{
	const struct line *line = call->line;
	struct stage *stage = call->stage;
	uint64_t last = expr_eval(call, line->tokens[3]);
	uint64_t step = expr_eval(call, line->tokens[4]);
	char label[sizeof(stage->label)];

	memcpy(label, stage->label, sizeof(label));
	for (uint64_t i = expr_eval(call, line->tokens[2]); i <= last; i += step) {
		var_set(call, line->tokens[1], i);
		snprintf(stage->label, sizeof(stage->label), "%.30s%s=%#llx ", label,
			 line->tokens[1], (unsigned long long)i);
		script_play(stage, script, at + 1, line->end);
		if (i + step < i)
			break;
	}
	memcpy(stage->label, label, sizeof(label));
}

static void tally_print(struct tally *tally, FILE *out)
{
	for (unsigned i = 0; i < tally->count; i++) {
		fprintf(out, "%s (%llu times)\n", tally->results[i].text,
			(unsigned long long)tally->results[i].times);
		free(tally->results[i].text);
	}
	fflush(out);
}

/* for VAR FIRST LAST STEP [tally] */
static void play_for(struct stage *stage, const struct script *script, unsigned at)
{
	const struct line *line = &script->lines[at];
	struct call call = { .stage = stage, .line = line, .tokens = line->tokens };
	struct tally tally = { .count = 0 }, *outer = stage->tally;
	bool counts = line->ntokens == 6 && !strcmp(line->tokens[5], "tally");

	if (line->ntokens != 5 && !counts)
		script_error(&call, "for VAR FIRST LAST STEP [tally]");
	if (counts && !outer)
		stage->tally = &tally;
	play_rounds(&call, script, at);
	stage->tally = outer;
	tally_print(&tally, stage->out);
}

void script_play(struct stage *stage, const struct script *script, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		const struct line *line = &script->lines[i];

		if (!line->end) {
			call_play(stage, line);
			continue;
		}
		if (!strcmp(line->tokens[0], "for"))
			play_for(stage, script, i);
		else
			block_play(stage, script, i);
		i = line->end;
	}
}
