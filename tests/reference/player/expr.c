/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers: C's operators and precedence over 64 bits, without white space:
 *
 *	64K  0x1000  -1  m+4K  (7<<40)+4  flags|VFIO_DMA_MAP_FLAG_READ  ~0
 *
 * A name is a variable, else a constant of the kernel's headers.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"

struct cursor {
	struct call *call;
	const char *text;
	const char *at;
};

static uint64_t parse_or(struct cursor *c);

static size_t name_length(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '_' || text[n] == '.')
		n++;
	return n;
}

bool expr_is_name(const char *text, size_t length)
{
	return length && !isdigit((unsigned char)*text) && name_length(text) >= length;
}

static struct var *var_find(struct vars *vars, const char *name, size_t length)
{
	for (unsigned i = 0; i < vars->count; i++) {
		if (strlen(vars->var[i].name) == length &&
		    !strncmp(vars->var[i].name, name, length))
			return &vars->var[i];
	}
	return NULL;
}

void var_set(struct call *call, const char *name, uint64_t value)
{
	struct vars *vars = call->stage->vars;
	struct var *var = var_find(vars, name, strlen(name));

	if (!var) {
		if (vars->count == MAX_VARS || strlen(name) >= NAME_SIZE)
			script_error(call, "too many variables");
		var = &vars->var[vars->count++];
		strcpy(var->name, name);
	}
	var->value = value;
}

static uint64_t named(struct cursor *c, const char *name, size_t length)
{
	struct var *var = var_find(c->call->stage->vars, name, length);
	const struct constant *k;

	if (var)
		return var->value;
	for (k = constants; k->name; k++) {
		if (strlen(k->name) == length && !strncmp(k->name, name, length))
			return k->value;
	}
	script_error(c->call, "%.*s is not known", (int)length, name);
}

static uint64_t parse_number(struct cursor *c)
{
	char *end;
	uint64_t n = strtoull(c->at, &end, 0);

	if (end == c->at)
		script_error(c->call, "no number: %s", c->text);
	switch (*end) {
	case 'K':
		n <<= 10, end++;
		break;
	case 'M':
		n <<= 20, end++;
		break;
	case 'G':
		n <<= 30, end++;
		break;
	case 'T':
		n <<= 40, end++;
		break;
	}
	c->at = end;
	return n;
}

static uint64_t parse_unary(struct cursor *c)
{
	uint64_t n;
	size_t length;

	if (*c->at == '-')
		return c->at++, -parse_unary(c);
	if (*c->at == '~')
		return c->at++, ~parse_unary(c);
	if (*c->at == '(') {
		c->at++;
		n = parse_or(c);
		if (*c->at++ != ')')
			script_error(c->call, "no ) in %s", c->text);
		return n;
	}
	length = name_length(c->at);
	if (expr_is_name(c->at, length)) {
		c->at += length;
		return named(c, c->at - length, length);
	}
	return parse_number(c);
}

static uint64_t parse_product(struct cursor *c)
{
	uint64_t n = parse_unary(c), by;

	while (*c->at == '*' || *c->at == '/' || *c->at == '%') {
		char op = *c->at++;

		by = parse_unary(c);
		if (op != '*' && !by)
			script_error(c->call, "division by 0");
		n = op == '*' ? n * by : op == '/' ? n / by : n % by;
	}
	return n;
}

static uint64_t parse_sum(struct cursor *c)
{
	uint64_t n = parse_product(c);

	while (*c->at == '+' || *c->at == '-')
		n = *c->at++ == '+' ? n + parse_product(c) : n - parse_product(c);
	return n;
}

static uint64_t parse_shift(struct cursor *c)
{
	uint64_t n = parse_sum(c);

	while (!strncmp(c->at, "<<", 2) || !strncmp(c->at, ">>", 2)) {
		bool left = *c->at == '<';

		c->at += 2;
		n = left ? n << (parse_sum(c) & 63) : n >> (parse_sum(c) & 63);
	}
	return n;
}

static uint64_t parse_or(struct cursor *c)
{
	uint64_t n = parse_shift(c);

	while (*c->at == '|' || *c->at == '&' || *c->at == '^') {
		char op = *c->at++;
		uint64_t by = parse_shift(c);

		n = op == '|' ? n | by : op == '&' ? n & by : n ^ by;
	}
	return n;
}

uint64_t expr_eval(struct call *call, const char *text)
{
	struct cursor c = { .call = call, .text = text, .at = text };
	uint64_t n = parse_or(&c);

	if (*c.at)
		script_error(call, "cannot read %s at %s", text, c.at);
	return n;
}
