/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numbers of an ABI as tables: one of our header's, one of the system's. Each is
 * made by a file of its own, as two headers of one ABI cannot be included at once.
 */
#ifndef TEST_ABI_H
#define TEST_ABI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct abi_entry {
	const char *name; /* NULL ends the table */
	unsigned long long value;
};

extern const struct abi_entry abi_ours[];
extern const struct abi_entry abi_system[];

#define VALUE(name)                               \
	{                                         \
#name, (unsigned long long)(name) \
	}
#define SIZE(type)                                   \
	{                                            \
		"sizeof " #type, sizeof(struct type) \
	}
#define AT(type, member)                                         \
	{                                                        \
#type "." #member, offsetof(struct type, member) \
	}

static inline const struct abi_entry *abi_find(const char *name)
{
	for (const struct abi_entry *e = abi_ours; e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

/* Fails where they differ, or we lack a name of the system's. How many there were. */
static inline unsigned abi_compare(void)
{
	unsigned compared = 0;

	for (const struct abi_entry *theirs = abi_system; theirs->name; theirs++, compared++) {
		const struct abi_entry *ours = abi_find(theirs->name);

		if (!ours)
			fail_msg("we lack %s", theirs->name);
		if (ours->value != theirs->value)
			fail_msg("%s is %#llx, not %#llx", ours->name, ours->value, theirs->value);
	}
	return compared;
}

#endif
