/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu: sequences of ioctls, each judged.
 *
 * The first byte chooses. Even: what follows is read as operations that the
 * model (iommufd_model.h) knows, and every result, errno, output and mapping
 * must be what it says. Odd: what follows is read as ioctls with arbitrary
 * structures, of which nothing is known but that they must not crash, hang or
 * leak; at the end everything must be unpinned all the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "iommufd/abi.h"
#include "iommufd/iommufd.h"
#include "iommufd/selftest.h"
#include "iommufd/table.h"
#include "iommufd_model.h"
#include "memory/fault.h"
#include "memory/owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCESSES  3
#define HUGE_PAGE (2ul << 20)
#define NR_RANGES (2 * MODEL_RANGES + 1)

struct input {
	const uint8_t *at;
	const uint8_t *end;
};

struct access {
	int fd;
	uint32_t id;
};

struct fuzz {
	struct table table;
	struct input in;
	struct model model;
	struct access accesses[ACCESSES];
	int fd;
	char step[200]; /* what is being done, for the report */
};

static uint8_t *memory; /* the user's cells, and no page behind them */

static uint8_t take(struct fuzz *f)
{
	return f->in.at < f->in.end ? *f->in.at++ : 0;
}

__attribute__((format(printf, 2, 3))) static void say(struct fuzz *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->step, sizeof(f->step), format, args);
	va_end(args);
	if (getenv("FUZZ_TRACE"))
		fprintf(stderr, "%s\n", f->step);
}

static void wrong(struct fuzz *f, const char *what, int64_t is, int64_t should)
{
	fprintf(stderr, "%s: %s is %lld (0x%llx), should be %lld (0x%llx)\n", f->step, what,
		(long long)is, (unsigned long long)is, (long long)should,
		(unsigned long long)should);
	abort();
}

#define same(f, what, is, should)                                         \
	do {                                                              \
		if ((int64_t)(is) != (int64_t)(should))                   \
			wrong(f, what, (int64_t)(is), (int64_t)(should)); \
	} while (0)

static int open_iommu(struct fuzz *f)
{
	static const struct iommufd_options options = { .selftest = true };
	struct file *file;
	int fd;

	same(f, "open", iommufd_open(&options, &file), 0);
	fd = table_install(&f->table.caller, file, 0);
	if (fd < 0)
		abort();
	return fd;
}

static int call(struct fuzz *f, unsigned long cmd, void *arg)
{
	return table_ioctl(&f->table, f->fd, cmd, arg);
}

/* Arguments. */

/* Mostly an object that is there. */
static uint32_t take_id(struct fuzz *f, enum model_kind kind)
{
	uint8_t byte = take(f);
	unsigned nth = byte % 8;

	if (byte >= 0xf0)
		return byte == 0xff ? UINT32_MAX : byte % 16;
	for (unsigned round = 0; round < 2; round++)
		for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
			if (f->model.objects[id].kind == kind && !nth--)
				return id;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		if (f->model.objects[id].kind == kind)
			return id;
	return byte % 16;
}

static uint64_t take_iova(struct fuzz *f)
{
	static const uint64_t far[] = {
		UINT64_MAX,
		UINT64_MAX - 1,
		UINT64_MAX - 511,
		1ull << 63,
		MODEL_HIGH_LAST - 511,
		MODEL_HIGH_LAST + 1,
		MODEL_HIGH - 4096,
		1,
	};
	uint8_t high = take(f), low = take(f);

	if (high >= 0xf8)
		return far[high - 0xf8];
	/* whole pages are the common case */
	if (high & 0x80)
		low &= 0xf8;
	return model_iova((high & 0x40 ? MODEL_WINDOW : 0) + low);
}

static uint64_t take_length(struct fuzz *f)
{
	static const uint64_t odd[] = { 0, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 4096,
					1ull << 63 };
	uint8_t byte = take(f);

	if (byte >= 0xf8)
		return odd[(byte - 0xf8) % 5];
	if (byte & 0x80)
		return (byte & 0x1f) * MODEL_PAGE;
	return (byte & 0x3f) * MODEL_CELL;
}

static uint32_t take_flags(struct fuzz *f)
{
	uint8_t byte = take(f);

	if (byte >= 0xf8)
		return 1u << (byte & 7);
	return (byte & 1 ? MODEL_FIXED : 0) | (byte & 0x0e ? MODEL_READ : 0) |
	       (byte & 0x70 ? MODEL_WRITE : 0);
}

/* Operations. */

static void do_ioas_alloc(struct fuzz *f)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	uint32_t id = 0;

	say(f, "IOAS_ALLOC");
	if (model_ioas_alloc(&f->model, &id) == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_IOAS_ALLOC, &cmd), 0);
	same(f, "id", cmd.out_ioas_id, id);
}

static void do_destroy(struct fuzz *f)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = take_id(f, take(f) % 7) };

	say(f, "DESTROY %u", cmd.id);
	same(f, "result", call(f, IOMMU_DESTROY, &cmd), model_destroy(&f->model, cmd.id));
}

static void do_map(struct fuzz *f)
{
	struct iommu_ioas_map cmd = { .size = sizeof(cmd), .flags = take_flags(f) };
	unsigned mem = take(f);
	int should;
	uint64_t iova;

	/* most memory is the good one */
	mem = mem >= 0xe0 ? MODEL_MEM_RW - 16 + (mem & 0x1f) * 5 : mem % MODEL_MEM_RW;
	cmd.ioas_id = take_id(f, MODEL_IOAS);
	cmd.length = take_length(f);
	cmd.iova = iova = take_iova(f);
	cmd.user_va = (uintptr_t)memory + mem * MODEL_CELL;
	say(f, "MAP ioas %u flags %x iova %llx length %llx memory cell %u", cmd.ioas_id, cmd.flags,
	    (unsigned long long)cmd.iova, (unsigned long long)cmd.length, mem);
	should = model_map(&f->model, cmd.ioas_id, cmd.flags, mem, cmd.length, &iova);
	if (should == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_IOAS_MAP, &cmd), should);
	if (!should)
		same(f, "iova", cmd.iova, iova);
}

static void do_copy(struct fuzz *f)
{
	struct iommu_ioas_copy cmd = { .size = sizeof(cmd), .flags = take_flags(f) };
	uint64_t iova;
	int should;

	cmd.dst_ioas_id = take_id(f, MODEL_IOAS);
	cmd.src_ioas_id = take_id(f, MODEL_IOAS);
	cmd.length = take_length(f);
	cmd.src_iova = take_iova(f);
	cmd.dst_iova = iova = take_iova(f);
	say(f, "COPY flags %x to %u:%llx from %u:%llx length %llx", cmd.flags, cmd.dst_ioas_id,
	    (unsigned long long)cmd.dst_iova, cmd.src_ioas_id, (unsigned long long)cmd.src_iova,
	    (unsigned long long)cmd.length);
	should = model_copy(&f->model, cmd.flags, cmd.dst_ioas_id, cmd.src_ioas_id, cmd.src_iova,
			    cmd.length, &iova);
	if (should == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_IOAS_COPY, &cmd), should);
	if (!should)
		same(f, "iova", cmd.dst_iova, iova);
}

static void do_unmap(struct fuzz *f)
{
	struct iommu_ioas_unmap cmd = { .size = sizeof(cmd), .ioas_id = take_id(f, MODEL_IOAS) };
	uint64_t unmapped = 0;
	int should;

	cmd.length = take_length(f);
	cmd.iova = cmd.length == UINT64_MAX && take(f) & 1 ? 0 : take_iova(f);
	say(f, "UNMAP ioas %u iova %llx length %llx", cmd.ioas_id, (unsigned long long)cmd.iova,
	    (unsigned long long)cmd.length);
	should = model_unmap(&f->model, cmd.ioas_id, cmd.iova, cmd.length, &unmapped);
	same(f, "result", call(f, IOMMU_IOAS_UNMAP, &cmd), should);
	if (!should)
		same(f, "length", cmd.length, unmapped);
}

static void do_iova_ranges(struct fuzz *f)
{
	struct iommu_iova_range ranges[NR_RANGES];
	struct model_range should[NR_RANGES];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.allowed_iovas = (uintptr_t)ranges,
		.ioas_id = take_id(f, MODEL_IOAS),
		.num_iovas = take(f) % NR_RANGES,
	};
	unsigned nr = 0, room = cmd.num_iovas;
	uint64_t alignment;
	int ret;

	memset(ranges, 0x5a, sizeof(ranges));
	say(f, "IOVA_RANGES ioas %u room %u", cmd.ioas_id, room);
	ret = model_iova_ranges(&f->model, cmd.ioas_id, should, &nr, &alignment);
	if (!ret && nr > room)
		ret = -EMSGSIZE;
	same(f, "result", call(f, IOMMU_IOAS_IOVA_RANGES, &cmd), ret);
	if (ret == -ENOENT)
		return;
	same(f, "num_iovas", cmd.num_iovas, nr);
	same(f, "out_iova_alignment", cmd.out_iova_alignment, alignment);
	for (unsigned i = 0; i < nr && i < room; i++) {
		same(f, "start", ranges[i].start, should[i].first);
		same(f, "last", ranges[i].last, should[i].last);
	}
	if (room < NR_RANGES)
		same(f, "untouched", ranges[nr < room ? nr : room].start, 0x5a5a5a5a5a5a5a5aull);
}

static void do_allow(struct fuzz *f)
{
	struct iommu_iova_range ranges[4];
	struct model_range same_ranges[4];
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.allowed_iovas = (uintptr_t)ranges,
		.ioas_id = take_id(f, MODEL_IOAS),
		.num_iovas = take(f) % 5,
	};

	for (unsigned i = 0; i < cmd.num_iovas; i++) {
		ranges[i].start = take_iova(f);
		ranges[i].last = ranges[i].start + take_length(f) - 1;
		same_ranges[i] = (struct model_range){
			.first = ranges[i].start,
			.last = ranges[i].last,
		};
	}
	say(f, "ALLOW_IOVAS ioas %u, %u ranges, first [%llx, %llx]", cmd.ioas_id, cmd.num_iovas,
	    (unsigned long long)ranges[0].start, (unsigned long long)ranges[0].last);
	same(f, "result", call(f, IOMMU_IOAS_ALLOW_IOVAS, &cmd),
	     model_allow(&f->model, cmd.ioas_id, same_ranges, cmd.num_iovas));
}

static void do_huge_pages(struct fuzz *f)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = take_id(f, MODEL_IOAS),
		.val64 = take(f) % 3,
	};
	int should;

	say(f, "OPTION huge pages ioas %u value %llu", cmd.object_id,
	    (unsigned long long)cmd.val64);
	should = model_huge_pages(&f->model, cmd.object_id, cmd.val64);
	same(f, "result", call(f, IOMMU_OPTION, &cmd), should);
	if (should)
		return;
	should = (int)cmd.val64;
	cmd.op = IOMMU_OPTION_OP_GET;
	cmd.val64 = 9;
	same(f, "result", call(f, IOMMU_OPTION, &cmd), 0);
	same(f, "val64", cmd.val64, should);
}

static void do_reserve(struct fuzz *f)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ADD_RESERVED,
		.id = take_id(f, MODEL_IOAS),
	};
	int should;

	cmd.add_reserved.start = take_iova(f);
	cmd.add_reserved.length = take_length(f);
	say(f, "reserve ioas %u [%llx, +%llx)", cmd.id, (unsigned long long)cmd.add_reserved.start,
	    (unsigned long long)cmd.add_reserved.length);
	should = model_reserve(&f->model, cmd.id, cmd.add_reserved.start, cmd.add_reserved.length);
	if (should != MODEL_UNSURE)
		same(f, "result", call(f, IOMMU_TEST_CMD, &cmd), should);
}

static void do_mock(struct fuzz *f)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd), .op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS };
	uint32_t mock, device, hwpt = 0;
	uint8_t kind = take(f);
	int should;

	if (kind & 1)
		cmd.mock_domain_flags.dev_flags |= MOCK_FLAGS_DEVICE_NO_DIRTY;
	if (kind & 2)
		cmd.mock_domain_flags.dev_flags |= MOCK_FLAGS_DEVICE_HUGE_IOVA;
	cmd.id = take_id(f, kind & 4 ? MODEL_HWPT : MODEL_IOAS);
	say(f, "mock device on %u", cmd.id);
	should = model_mock(&f->model, cmd.id, kind & 1, &mock, &device, &hwpt);
	if (should == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_TEST_CMD, &cmd), should);
	if (should)
		return;
	same(f, "stdev", cmd.mock_domain_flags.out_stdev_id, mock);
	same(f, "device", cmd.mock_domain_flags.out_idev_id, device);
	same(f, "hwpt", cmd.mock_domain_flags.out_hwpt_id, hwpt);
}

static void do_replace(struct fuzz *f)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = take_id(f, MODEL_MOCK),
	};
	uint32_t hwpt = 0, pt = take_id(f, take(f) & 1 ? MODEL_HWPT : MODEL_IOAS);
	int should;

	cmd.mock_domain_replace.pt_id = pt;
	say(f, "replace of mock device %u by %u", cmd.id, pt);
	should = model_replace(&f->model, cmd.id, pt, &hwpt);
	if (should == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_TEST_CMD, &cmd), should);
	if (!should)
		same(f, "hwpt", cmd.mock_domain_replace.pt_id, hwpt);
}

static void do_hwpt_alloc(struct fuzz *f)
{
	struct iommu_hwpt_alloc cmd = { .size = sizeof(cmd), .dev_id = take_id(f, MODEL_DEVICE) };
	uint8_t kind = take(f);
	uint32_t hwpt = 0;
	int should;

	cmd.pt_id = take_id(f, kind >= 0xe0 ? kind % 7 : MODEL_IOAS);
	if (kind & 1)
		cmd.flags |= IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	say(f, "HWPT_ALLOC device %u on %u flags %x", cmd.dev_id, cmd.pt_id, cmd.flags);
	should = model_hwpt_alloc(&f->model, cmd.dev_id, cmd.pt_id, kind & 1, &hwpt);
	if (should == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_HWPT_ALLOC, &cmd), should);
	if (!should)
		same(f, "hwpt", cmd.out_hwpt_id, hwpt);
}

/* Accesses. */

static void do_access(struct fuzz *f)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = take_id(f, MODEL_IOAS),
	};
	struct access *a = &f->accesses[take(f) % ACCESSES];
	int should;

	if (a->fd) {
		say(f, "close of access %u", a->id);
		table_close(&f->table, a->fd);
		model_access_gone(&f->model, a->id);
		a->fd = 0;
		return;
	}
	say(f, "access to ioas %u", cmd.id);
	should = model_access(&f->model, cmd.id, &a->id);
	if (should == MODEL_UNSURE)
		return;
	same(f, "result", call(f, IOMMU_TEST_CMD, &cmd), should);
	if (!should)
		a->fd = (int)cmd.create_access.out_access_fd;
}

static void do_access_replace(struct fuzz *f)
{
	const struct access *a = &f->accesses[take(f) % ACCESSES];
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
		.id = (uint32_t)a->fd,
	};

	if (!a->fd)
		return;
	cmd.access_replace_ioas.ioas_id = take_id(f, MODEL_IOAS);
	say(f, "access %u moved to ioas %u", a->id, cmd.access_replace_ioas.ioas_id);
	same(f, "result", call(f, IOMMU_TEST_CMD, &cmd),
	     model_access_replace(&f->model, a->id, cmd.access_replace_ioas.ioas_id));
}

/* The user's cell behind an IOVA, which model_access_rw() has found to be there. */
static uint8_t *behind(struct fuzz *f, uint32_t id, uint64_t iova)
{
	const struct model_object *ioas = &f->model.objects[f->model.objects[id].ioas];
	const struct model_cell *cell = &f->model.spaces[ioas->space].cells[model_cell(iova)];

	return memory + cell->mem * MODEL_CELL + iova % MODEL_CELL;
}

static void do_access_rw(struct fuzz *f)
{
	const struct access *a = &f->accesses[take(f) % ACCESSES];
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_RW,
		.id = (uint32_t)a->fd,
	};
	uint8_t kind = take(f), buffer[40 * MODEL_CELL];
	bool write = kind & 1;
	int should;

	if (!a->fd)
		return;
	cmd.access_rw.flags =
		(write ? MOCK_ACCESS_RW_WRITE : 0) | (kind & 2 ? MOCK_ACCESS_RW_SLOW_PATH : 0);
	cmd.access_rw.iova = take_iova(f) + kind / 4;
	cmd.access_rw.length = take_length(f) + take(f);
	if (cmd.access_rw.length > sizeof(buffer))
		cmd.access_rw.length %= sizeof(buffer);
	cmd.access_rw.uptr = (uintptr_t)buffer;
	memset(buffer, take(f), sizeof(buffer));
	say(f, "access %u flags %x iova %llx length %llx", a->id, cmd.access_rw.flags,
	    (unsigned long long)cmd.access_rw.iova, (unsigned long long)cmd.access_rw.length);
	should = model_access_rw(&f->model, a->id, cmd.access_rw.iova, cmd.access_rw.length, write);
	same(f, "result", call(f, IOMMU_TEST_CMD, &cmd), should);
	for (uint64_t i = 0; i < cmd.access_rw.length && !should; i++)
		same(f, "byte", *behind(f, a->id, cmd.access_rw.iova + i), buffer[i]);
}

/* Looking. */

static int check_map(struct fuzz *f, uint32_t hwpt, uint64_t iova, uint64_t length, unsigned mem)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = hwpt,
		.check_map = { .iova = iova,
			       .length = length,
			       .uptr = (uintptr_t)memory + mem * MODEL_CELL },
	};

	say(f, "check of hwpt %u iova %llx length %llx memory cell %u", hwpt,
	    (unsigned long long)iova, (unsigned long long)length, mem);
	return call(f, IOMMU_TEST_CMD, &cmd);
}

static void do_check_map(struct fuzz *f)
{
	uint32_t hwpt = take_id(f, MODEL_HWPT);
	uint64_t iova = take_iova(f), length = take(f) % 8 * MODEL_IO_PAGE;
	unsigned mem = take(f);

	same(f, "result", check_map(f, hwpt, iova, length, mem),
	     model_check_map(&f->model, hwpt, iova, length, mem));
}

static void check_pins(struct fuzz *f, unsigned mem, unsigned should)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.check_refs = { .length = MODEL_PAGE,
				.uptr = (uintptr_t)memory + mem * MODEL_CELL,
				.refs = should },
	};

	say(f, "check that memory cell %u has %u pins", mem, should);
	same(f, "result", call(f, IOMMU_TEST_CMD, &cmd), 0);
}

/* Every page table has exactly what the model has, and every page its pins. */
static void check_everything(struct fuzz *f)
{
	const unsigned step = MODEL_IO_PAGE / MODEL_CELL;

	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		const struct model_space *s;

		if (f->model.objects[id].kind != MODEL_HWPT)
			continue;
		s = &f->model.spaces[f->model.objects[f->model.objects[id].ioas].space];
		for (unsigned c = MODEL_WINDOW; c < MODEL_CELLS; c += step) {
			unsigned mem = s->cells[c].area ? s->cells[c].mem : 0;

			same(f, "result", check_map(f, id, model_iova(c), MODEL_IO_PAGE, mem),
			     s->cells[c].area ? 0 : -EINVAL);
		}
	}
	for (unsigned mem = 0; mem < MODEL_MEM_RW + MODEL_MEM_RO; mem += MODEL_PAGE / MODEL_CELL)
		check_pins(f, mem, model_pins(&f->model, mem));
}

static void (*const operations[])(struct fuzz *f) = {
	do_map,	       do_map,	      do_map,	    do_unmap,	  do_unmap,
	do_copy,       do_copy,	      do_mock,	    do_replace,	  do_destroy,
	do_hwpt_alloc, do_ioas_alloc, do_allow,	    do_reserve,	  do_iova_ranges,
	do_huge_pages, do_access,     do_access_rw, do_access_rw, do_access_replace,
	do_check_map,
};
#define NR_OPERATIONS (sizeof(operations) / sizeof(*operations))

static void judged(struct fuzz *f)
{
	for (unsigned i = 0; i < 60 && f->in.at < f->in.end; i++)
		operations[take(f) % NR_OPERATIONS](f);
	check_everything(f);
}

/* Anything: the structure's bytes as they come, but pointers lead to memory of ours. */
static void anything(struct fuzz *f)
{
	static const uint8_t numbers[] = { 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
					   0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0xa0,
					   0xa0, 0xa0, 103,  100,  101,	 112,  113,  114,  125 };
	uint64_t words[16];
	unsigned nr = 2 + take(f) % 12;
	uint8_t number = take(f);
	unsigned long cmd = _IO(';', number < 0xf9 ? numbers[number % sizeof(numbers)] :
						     0xe0 + number % 3); /* windows */

	memset(words, 0, sizeof(words));
	for (unsigned i = 0; i < nr; i++) {
		uint8_t kind = take(f);

		if (kind < 0x80)
			words[i] = kind;
		else if (kind < 0x90)
			words[i] = (uintptr_t)memory + (kind & 15) * 0x2000;
		else if (kind < 0xa0)
			words[i] = MODEL_HIGH + (kind & 15) * MODEL_PAGE;
		else if (kind < 0xc0)
			words[i] = (uint64_t)take(f) << 32 | take(f);
		else if (kind < 0xe0)
			words[i] = (uint64_t)(kind & 31) * MODEL_IO_PAGE;
		else
			words[i] =
				take(f) == 1 ? UINT64_MAX : (uint64_t)(TABLE_FD + (kind & 3)) << 32;
	}
	/* the size comes first, mostly a good one */
	if (take(f) & 7)
		((uint32_t *)words)[0] = 8 * nr;
	call(f, cmd, words);
}

/* An address space, or a mock device on some object: without them little can happen. */
static void something(struct fuzz *f)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_test_cmd mock = {
		.size = sizeof(mock),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = take(f) % 8,
	};

	if (mock.id)
		call(f, IOMMU_TEST_CMD, &mock);
	else
		call(f, IOMMU_IOAS_ALLOC, &alloc);
}

static void unjudged(struct fuzz *f)
{
	for (unsigned i = 0; i < 100 && f->in.at < f->in.end; i++) {
		if (take(f) % 4)
			anything(f);
		else
			something(f);
	}
}

static void start(void)
{
	size_t good = MODEL_MEM_RW * MODEL_CELL, readable = MODEL_MEM_RO * MODEL_CELL;
	uint8_t *space = mmap(NULL, 2 * HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (space == MAP_FAILED || fault_install())
		abort();
	memory = (uint8_t *)(((uintptr_t)space + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (mmap(memory, good, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED ||
	    mmap(memory + good, readable, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	struct fuzz *f = &fuzz;

	if (!memory)
		start();
	memset(f, 0, sizeof(*f));
	f->in = (struct input){ .at = data, .end = data + size };
	table_init(&f->table, owner_new_self());
	if (!f->table.caller.owner)
		abort();
	model_init(&f->model, (uintptr_t)memory);
	f->fd = open_iommu(f);
	if (take(f) & 1)
		unjudged(f);
	else
		judged(f);
	table_close_all(&f->table);
	/* nothing stays pinned */
	f->fd = open_iommu(f);
	for (unsigned mem = 0; mem < MODEL_MEM_RW; mem += MODEL_PAGE / MODEL_CELL)
		check_pins(f, mem, 0);
	table_close(&f->table, f->fd);
	owner_free(f->table.caller.owner);
	return 0;
}
