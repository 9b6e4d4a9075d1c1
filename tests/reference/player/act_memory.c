/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Actions on memory. A signal that an access raises is its result.
 *
 *	VAR = mmap LENGTH [none|r|w] [private] [huge] [align=N] [at=ADDRESS] [fd=FD] [off=N]
 *		shared and readable and writable unless said; at a multiple of
 *		2 MiB, as the kernel's choice of an IOVA may depend on it
 *	munmap ADDRESS LENGTH
 *	mprotect ADDRESS LENGTH none|r|w|rw
 *	VAR = mremap ADDRESS OLD NEW [at=ADDRESS]
 *	madvise ADDRESS LENGTH dontneed|remove|free|dontfork|hugepage|nohugepage
 *	mlock ADDRESS LENGTH, munlock ADDRESS LENGTH
 *	fill ADDRESS LENGTH SEED	bytes that differ by place and seed
 *	hash ADDRESS LENGTH
 *	peek ADDRESS TYPE [COUNT]	one load of that width each: MMIO, too
 *	poke ADDRESS TYPE VALUE...	one store each
 *	VAR = load ADDRESS TYPE		a value that scripts go on with
 *	compare ADDRESS ADDRESS LENGTH	prints "same", or where they differ first
 *	bits ADDRESS BYTES		how many bits are set
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "player.h"

#ifndef MAP_HUGETLB
#define MAP_HUGETLB 0x40000
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static int protection(struct call *call, const char *word)
{
	if (!strcmp(word, "none"))
		return PROT_NONE;
	if (!strcmp(word, "r"))
		return PROT_READ;
	if (!strcmp(word, "w"))
		return PROT_WRITE;
	if (!strcmp(word, "rw"))
		return PROT_READ | PROT_WRITE;
	script_error(call, "%s is no protection", word);
}

static void mapped(struct call *call, void *p)
{
	if (p == MAP_FAILED)
		call_say(call, " -1 %s", errno_name(errno));
	call_set(call, (uintptr_t)p);
}

/*
 * Room that begins at a multiple of align, to map over; NULL: there is none. It lies where no
 * system puts anything by itself, so that what a script unmaps stays free until the script maps
 * it again. What follows it stays as memory that cannot be reached: a range that ends behind the
 * room ends in it.
 */
static void *aligned_room(size_t length, size_t align)
{
	static _Atomic uintptr_t free_from = (uintptr_t)16 << 40;
	uintptr_t first, from;
	void *room;

	length = (length + 4095) & -4096ul;
	if (length + 2 * align > (size_t)16 << 40)
		return NULL;
	from = atomic_fetch_add(&free_from, length + 2 * align);
	first = (from + align - 1) & -align;
	room = mmap((void *)first, length + align, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return room == (void *)first ? room : NULL;
}

static void act_mmap(struct call *call)
{
	size_t length = call_number(call, 1);
	size_t align = call_option_number(call, "align", 2u << 20);
	const char *at = call_option(call, "at");
	int fd = (int)call_option_number(call, "fd", (uint64_t)-1);
	int flags = call_flag(call, "private") ? MAP_PRIVATE : MAP_SHARED;
	int prot = PROT_READ | PROT_WRITE;
	void *where = NULL;

	if (call_flag(call, "none"))
		prot = PROT_NONE;
	else if (call_flag(call, "r"))
		prot = PROT_READ;
	else if (call_flag(call, "w"))
		prot = PROT_WRITE;
	if (fd < 0)
		flags |= MAP_ANONYMOUS;
	if (call_flag(call, "huge"))
		flags |= MAP_HUGETLB;
	if (call_flag(call, "sync"))
		flags = (flags & ~MAP_SHARED) | MAP_SHARED_VALIDATE | MAP_SYNC;
	if (at)
		where = (void *)expr_eval(call, at);
	else
		where = aligned_room(length, align);
	if (at || where)
		flags |= MAP_FIXED;
	mapped(call,
	       mmap(where, length, prot, flags, fd, (off_t)call_option_number(call, "off", 0)));
}

static void act_munmap(struct call *call)
{
	call_return(call, munmap((void *)call_number(call, 1), call_number(call, 2)));
}

static void act_mprotect(struct call *call)
{
	call_return(call, mprotect((void *)call_number(call, 1), call_number(call, 2),
				   protection(call, call_word(call, 3))));
}

static void act_mremap(struct call *call)
{
	const char *at = call_option(call, "at");
	int flags = MREMAP_MAYMOVE | (at ? MREMAP_FIXED : 0);

	mapped(call, mremap((void *)call_number(call, 1), call_number(call, 2),
			    call_number(call, 3), flags, at ? (void *)expr_eval(call, at) : NULL));
}

static void act_madvise(struct call *call)
{
	static const struct {
		const char *name;
		int advice;
	} advices[] = {
		{ "dontneed", MADV_DONTNEED }, { "remove", MADV_REMOVE },
		{ "free", MADV_FREE },	       { "dontfork", MADV_DONTFORK },
		{ "hugepage", MADV_HUGEPAGE }, { "nohugepage", MADV_NOHUGEPAGE },
	};

	const char *word = call_word(call, 3);

	for (unsigned i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		if (strcmp(advices[i].name, word))
			continue;
		call_return(call, madvise((void *)call_number(call, 1), call_number(call, 2),
					  advices[i].advice));
		return;
	}
	script_error(call, "no such advice");
}

static void act_mlock(struct call *call)
{
	call_return(call, mlock((void *)call_number(call, 1), call_number(call, 2)));
}

static void act_munlock(struct call *call)
{
	call_return(call, munlock((void *)call_number(call, 1), call_number(call, 2)));
}

static void fill(uint8_t *p, size_t length, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < length; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(x >> 56);
	}
}

static void raised(struct call *call, int sig)
{
	call_say(call, " %s", fault_name(sig));
}

static void act_fill(struct call *call)
{
	uint8_t *p = (void *)call_number(call, 1);
	size_t length = call_number(call, 2);
	uint64_t seed = call_number(call, 3);
	int sig;

	FAULT_TRY(sig, fill(p, length, seed));
	if (sig)
		raised(call, sig);
}

static void act_hash(struct call *call)
{
	const uint8_t *p = (void *)call_number(call, 1);
	size_t length = call_number(call, 2);
	volatile uint64_t hash = 0;
	int sig;

	FAULT_TRY(sig, hash = hash_bytes(p, length));
	if (sig)
		raised(call, sig);
	else
		call_say(call, " %016llx", (unsigned long long)hash);
}

static uint64_t load(uintptr_t at, unsigned width)
{
	uint64_t value = 0;

	if (width == 1)
		value = *(volatile uint8_t *)at;
	else if (width == 2)
		value = *(volatile uint16_t *)at;
	else if (width == 4)
		value = *(volatile uint32_t *)at;
	else
		value = *(volatile uint64_t *)at;
	return value;
}

static void store(uintptr_t at, unsigned width, uint64_t value)
{
	if (width == 1)
		*(volatile uint8_t *)at = (uint8_t)value;
	else if (width == 2)
		*(volatile uint16_t *)at = (uint16_t)value;
	else if (width == 4)
		*(volatile uint32_t *)at = (uint32_t)value;
	else
		*(volatile uint64_t *)at = value;
}

static void act_peek(struct call *call)
{
	uintptr_t at = call_number(call, 1);
	unsigned width = call_width(call, call_word(call, 2));
	uint64_t n = call->ntokens > 3 ? call_number(call, 3) : 1;
	volatile uint64_t value = 0;
	int sig;

	for (; n; n--, at += width) {
		FAULT_TRY(sig, value = load(at, width));
		if (sig) {
			raised(call, sig);
			return;
		}
		call_say(call, " %#llx", (unsigned long long)value);
	}
}

static void act_poke(struct call *call)
{
	uintptr_t at = call_number(call, 1);
	unsigned width = call_width(call, call_word(call, 2));
	uint64_t values[MAX_TOKENS];
	int sig;

	for (unsigned i = 3; i < call->ntokens; i++)
		values[i] = call_number(call, i);
	for (unsigned i = 3; i < call->ntokens; i++, at += width) {
		FAULT_TRY(sig, store(at, width, values[i]));
		if (sig) {
			raised(call, sig);
			return;
		}
	}
}

static void act_load(struct call *call)
{
	uintptr_t at = call_number(call, 1);
	unsigned width = call_width(call, call_word(call, 2));
	volatile uint64_t value = 0;
	int sig;

	FAULT_TRY(sig, value = load(at, width));
	if (sig)
		raised(call, sig);
	call_set(call, value);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t length)
{
	size_t i = 0;

	while (i < length && a[i] == b[i])
		i++;
	return i;
}

static void act_compare(struct call *call)
{
	const uint8_t *a = (void *)call_number(call, 1), *b = (void *)call_number(call, 2);
	size_t length = call_number(call, 3);
	volatile size_t at = 0;
	int sig;

	FAULT_TRY(sig, at = first_difference(a, b, length));
	if (sig)
		raised(call, sig);
	else if (at == length)
		call_say(call, " same");
	else
		call_say(call, " differ at %#zx", (size_t)at);
}

static unsigned count_bits(const uint8_t *p, size_t length)
{
	unsigned n = 0;

	for (; length; length--)
		n += (unsigned)__builtin_popcount(*p++);
	return n;
}

static void act_bits(struct call *call)
{
	const uint8_t *p = (void *)call_number(call, 1);
	size_t length = call_number(call, 2);
	volatile unsigned n = 0;
	int sig;

	FAULT_TRY(sig, n = count_bits(p, length));
	if (sig)
		raised(call, sig);
	else
		call_say(call, " %u", n);
}

const struct action_desc memory_actions[] = {
	{ "mmap", act_mmap, 2 },
	{ "munmap", act_munmap, 3 },
	{ "mprotect", act_mprotect, 4 },
	{ "mremap", act_mremap, 4 },
	{ "madvise", act_madvise, 4 },
	{ "mlock", act_mlock, 3 },
	{ "munlock", act_munlock, 3 },
	{ "fill", act_fill, 4 },
	{ "hash", act_hash, 3 },
	{ "peek", act_peek, 3 },
	{ "poke", act_poke, 4 },
	{ "load", act_load, 3 },
	{ "compare", act_compare, 4 },
	{ "bits", act_bits, 3 },
	{ 0 },
};
