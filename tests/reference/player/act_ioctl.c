/* SPDX-License-Identifier: BSD-3-Clause */
/*
 *	[VAR =] ioctl FD NAME|NUMBER [FIELD=VALUE]... [FIELD>VAR]... [WORD]...
 *
 * The structure is all zeroes but for its size, with what is behind it, and the
 * fields given. It ends
 * where accessible memory ends, so that the kernel meets EFAULT, not luck, if
 * it reads on. What the kernel wrote is printed: fields that exist for that
 * purpose whenever the call succeeds, others when they changed, and what
 * changed behind the structure as bytes.
 *
 *	arg=VALUE	this, not the address of a structure
 *	str=NAME	this text; a device's name stands for its address
 *	room=N		N bytes are accessible, more or fewer than the structure has
 *	fill=N		bytes of the room that nothing else sets
 *	u8[..] u16[..] u32[..] u64[..]	values behind the structure
 *	readonly	in memory that cannot be written
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "player.h"

#define ROOM_MOST 0x4000u

/* A page's worth and more of memory, with nothing behind. */
struct room {
	uint8_t *base;
	uint8_t *at; /* the structure */
	size_t size;
	uint8_t before[ROOM_MOST];
};

static const struct ioctl_desc *const tables[] = { vfio_ioctls, iommufd_ioctls, test_ioctls };

static const struct ioctl_desc *ioctl_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		for (const struct ioctl_desc *desc = tables[i]; desc->name; desc++) {
			if (!strcmp(desc->name, name))
				return desc;
		}
	}
	return NULL;
}

static const struct field *field_find(const struct ioctl_desc *desc, const char *name,
				      size_t length)
{
	for (unsigned i = 0; i < desc->nfields; i++) {
		if (strlen(desc->fields[i].name) == length &&
		    !strncmp(desc->fields[i].name, name, length))
			return &desc->fields[i];
	}
	return NULL;
}

static void room_open(struct call *call, struct room *room, size_t size)
{
	if (size > ROOM_MOST)
		script_error(call, "no room for that");
	room->base = mmap(NULL, ROOM_MOST + 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room->base == MAP_FAILED || mprotect(room->base + ROOM_MOST, 4096, PROT_NONE))
		script_error(call, "no memory");
	room->size = size;
	room->at = room->base + ROOM_MOST - size;
}

static void room_close(struct room *room)
{
	munmap(room->base, ROOM_MOST + 4096);
}

/* Puts what fits; what reaches out of the room is as if it had not been given. */
static void room_put(struct room *room, size_t offset, const void *bytes, size_t length)
{
	if (offset >= room->size)
		return;
	if (length > room->size - offset)
		length = room->size - offset;
	memcpy(room->at + offset, bytes, length);
}

static uint64_t room_get(const uint8_t *at, const struct room *room, const struct field *field)
{
	uint64_t value = 0;

	if (field->offset + field->width <= room->size)
		memcpy(&value, at + field->offset, field->width);
	return value;
}

/* u32[1,2,3]: how many bytes they are, put behind the structure. */
static size_t put_list(struct call *call, struct room *room, size_t offset, const char *token)
{
	char type[4] = "", *copy, *item, *save;
	size_t used = 0;
	unsigned width;

	memcpy(type, token, strcspn(token, "[") < 3 ? 2 : 3);
	width = call_width(call, type);
	copy = strdup(strchr(token, '[') + 1);
	copy[strcspn(copy, "]")] = '\0';
	for (item = strtok_r(copy, ", ", &save); item; item = strtok_r(NULL, ", ", &save)) {
		uint64_t value = expr_eval(call, item);

		if (room)
			room_put(room, offset + used, &value, width);
		used += width;
	}
	free(copy);
	return used;
}

static bool is_list(const char *token)
{
	return *token == 'u' && strchr(token, '[') && strchr(token, '[') - token <= 3;
}

/* All lists of the line; without room only their length. */
static size_t put_lists(struct call *call, struct room *room, size_t offset)
{
	size_t used = 0;

	for (unsigned i = 3; i < call->ntokens; i++) {
		if (is_list(call->tokens[i]))
			used += put_list(call, room, offset + used, call_word(call, i));
	}
	return used;
}

static void put_fields(struct call *call, struct room *room, const struct ioctl_desc *desc)
{
	uint64_t size = desc->size + put_lists(call, NULL, 0);
	uint64_t op = (uint64_t)(desc - test_ioctls);

	for (unsigned i = 0; i < desc->nfields; i++) {
		if (desc->fields[i].kind == FIELD_SIZE)
			room_put(room, desc->fields[i].offset, &size, 4);
		else if (desc->fields[i].kind == FIELD_OP)
			room_put(room, desc->fields[i].offset, &op, 4);
	}
	for (unsigned i = 3; i < call->ntokens; i++) {
		const char *token = call->tokens[i], *equals = strchr(token, '=');
		const struct field *field;
		uint64_t value;

		if (!equals || is_list(token))
			continue;
		field = field_find(desc, token, (size_t)(equals - token));
		if (!field) {
			if (!strncmp(token, "room=", 5) || !strncmp(token, "fill=", 5))
				continue;
			script_error(call, "no field %s", token);
		}
		call_word(call, i);
		value = expr_eval(call, equals + 1);
		room_put(room, field->offset, &value, field->width);
	}
}

static void say_fields(struct call *call, const struct room *room, const struct ioctl_desc *desc,
		       int ret)
{
	for (unsigned i = 0; i < desc->nfields; i++) {
		const struct field *field = &desc->fields[i];
		uint64_t was = room_get(room->before, room, field);
		uint64_t is = room_get(room->at, room, field);

		if (was == is && (ret < 0 || (field->kind != FIELD_OUT && field->kind != FIELD_FD)))
			continue;
		if (field->kind == FIELD_FD)
			call_say(call, " %s=%s", field->name, (int)is >= 0 ? "fd" : "none");
		else
			call_say(call, " %s=%#llx", field->name, (unsigned long long)is);
	}
}

/* What changed behind the structure: from the first changed byte to the last. */
static void say_rest(struct call *call, const struct room *room, size_t size)
{
	size_t first = size, end = room->size;

	while (first < end && room->at[first] == room->before[first])
		first++;
	while (end > first && room->at[end - 1] == room->before[end - 1])
		end--;
	if (first < end) {
		call_say(call, " +%zu", first);
		call_bytes(call, room->at + first, end - first);
	}
}

/* Of a call that failed there is no descriptor: not 0, which is somebody's. */
static void take_fields(struct call *call, const struct room *room, const struct ioctl_desc *desc,
			int ret)
{
	for (unsigned i = 3; i < call->ntokens; i++) {
		const char *token = call->tokens[i], *to = strchr(token, '>');
		const struct field *field;

		if (!to || strchr(token, '='))
			continue;
		field = field_find(desc, token, (size_t)(to - token));
		if (!field)
			script_error(call, "no field %s", token);
		call_word(call, i);
		var_set(call, to + 1,
			field->kind == FIELD_FD && ret < 0 ? (uint64_t)-1 :
							     room_get(room->at, room, field));
	}
}

static bool returns_fd(const struct ioctl_desc *desc)
{
	return !strcmp(desc->name, "VFIO_GROUP_GET_DEVICE_FD");
}

static void say_return(struct call *call, const struct ioctl_desc *desc, int ret)
{
	if (returns_fd(desc))
		call_return_fd(call, ret);
	else
		call_return(call, ret);
}

static void play_simple(struct call *call, const struct ioctl_desc *desc, uint64_t arg)
{
	say_return(call, desc, ioctl((int)call_number(call, 1), desc->number, arg));
}

static void play_string(struct call *call, const struct ioctl_desc *desc, const char *text)
{
	const char *address = names_address(text);

	play_simple(call, desc, (uintptr_t)(address ? address : text));
}

static void play_struct(struct call *call, const struct ioctl_desc *desc)
{
	size_t size = desc->size;
	size_t lists = put_lists(call, NULL, size);
	struct room room;
	int ret, err;

	room_open(call, &room, call_option_number(call, "room", size + lists));
	memset(room.at, (int)call_option_number(call, "fill", 0), room.size);
	put_fields(call, &room, desc);
	put_lists(call, &room, size);
	memcpy(room.before, room.at, room.size);
	if (call_flag(call, "readonly"))
		mprotect(room.base, ROOM_MOST, PROT_READ);
	errno = 0;
	ret = ioctl((int)call_number(call, 1), desc->number, room.at);
	err = errno;
	errno = err;
	say_return(call, desc, ret);
	say_fields(call, &room, desc, ret);
	say_rest(call, &room, size);
	take_fields(call, &room, desc, ret);
	room_close(&room);
}

static void act_ioctl(struct call *call)
{
	const struct ioctl_desc *desc = ioctl_find(call_word(call, 2));
	const char *arg = call_option(call, "arg"), *str = call_option(call, "str");
	struct ioctl_desc raw = { .name = "" };

	if (!desc) {
		raw.number = call_number(call, 2);
		desc = &raw;
	}
	if (arg)
		play_simple(call, desc, expr_eval(call, arg));
	else if (str)
		play_string(call, desc, str);
	else if (desc->size || call_option(call, "room"))
		play_struct(call, desc);
	else
		play_simple(call, desc, 0);
}

const struct action_desc ioctl_actions[] = {
	{ "ioctl", act_ioctl, 3 },
	{ 0 },
};
