/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux's iommufd answers, said as plainly as can be: an I/O address
 * space is an array of cells, one for each 512 bytes of two windows of IOVA,
 * and every rule is a loop over cells. It is slow, it knows nothing of trees,
 * and it is what the fuzzer believes.
 *
 * The windows are the lowest IOVAs, and the lowest that the mock IOMMU can
 * reach. A user's memory is likewise counted in cells: readable and writable
 * ones, read-only ones, and ones that are not there.
 *
 * Calls return what the ioctl must return: 0, a negative errno, or
 * MODEL_UNSURE for what the cells cannot say; then the model is unchanged and
 * the ioctl must not be made.
 */
#ifndef FUZZ_IOMMUFD_MODEL_H
#define FUZZ_IOMMUFD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_UNSURE	1

#define MODEL_CELL	512ull
#define MODEL_PAGE	4096ull
#define MODEL_IO_PAGE	2048ull
#define MODEL_WINDOW	256ull /* cells */
#define MODEL_CELLS	(2 * MODEL_WINDOW)
#define MODEL_HIGH	(1ull << 24) /* where the mock IOMMU begins, and the second window */
#define MODEL_HIGH_LAST ((1ull << 31) - 1)

/* A user's memory, in cells. */
#define MODEL_MEM_RW   256u
#define MODEL_MEM_RO   64u
#define MODEL_MEM_HOLE 64u
#define MODEL_MEM      (MODEL_MEM_RW + MODEL_MEM_RO + MODEL_MEM_HOLE)

#define MODEL_OBJECTS  40u
#define MODEL_SPACES   8u
#define MODEL_RANGES   24u

#define MODEL_FIXED    (1u << 0)
#define MODEL_WRITE    (1u << 1)
#define MODEL_READ     (1u << 2)

struct model_cell {
	uint32_t area; /* 0: nothing is mapped */
	uint32_t pages; /* the pages object */
	uint16_t mem; /* the user's cell */
	uint8_t prot;
	bool writable; /* the pages object is */
};

struct model_range {
	uint64_t first;
	uint64_t last;
	uint32_t who; /* reserved: the page table it is for; 0: for good */
};

struct model_space {
	struct model_cell cells[MODEL_CELLS];
	struct model_range allowed[MODEL_RANGES];
	unsigned nr_allowed;
	struct model_range reserved[MODEL_RANGES];
	unsigned nr_reserved;
	bool small_pages;
};

enum model_kind {
	MODEL_NONE,
	MODEL_IOAS,
	MODEL_HWPT,
	MODEL_MOCK, /* what the self-tests call a device */
	MODEL_DEVICE, /* its bound object */
	MODEL_ACCESS,
};

struct model_object {
	enum model_kind kind;
	unsigned space; /* IOAS: its own; HWPT and access: the one of its IOAS */
	uint32_t ioas; /* HWPT, access */
	bool by_itself; /* HWPT: made by attaching to an IOAS */
	bool dirty; /* HWPT: tracks dirty pages */
	uint32_t other; /* mock: its bound object; and back */
	uint32_t hwpt; /* bound object: what it is attached to */
	bool no_dirty; /* bound object: its IOMMU cannot */
};

struct model {
	struct model_object objects[MODEL_OBJECTS]; /* by id; 0 is none */
	struct model_space spaces[MODEL_SPACES];
	uint64_t memory; /* the address of the user's first cell; a multiple of 2 MiB */
	uint32_t next_area;
	uint32_t next_pages;
};

void model_init(struct model *m, uint64_t memory);

/* The IOVA of a cell. */
uint64_t model_iova(unsigned cell);
/* The cell of an IOVA, or MODEL_CELLS. */
unsigned model_cell(uint64_t iova);

int model_ioas_alloc(struct model *m, uint32_t *id);
int model_destroy(struct model *m, uint32_t id);
int model_map(struct model *m, uint32_t ioas, uint32_t flags, unsigned mem, uint64_t length,
	      uint64_t *iova);
int model_copy(struct model *m, uint32_t flags, uint32_t dst, uint32_t src, uint64_t src_iova,
	       uint64_t length, uint64_t *dst_iova);
int model_unmap(struct model *m, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *unmapped);
/* Fills @out with all there are; how many in *@nr. */
int model_iova_ranges(const struct model *m, uint32_t ioas, struct model_range *out, unsigned *nr,
		      uint64_t *alignment);
int model_allow(struct model *m, uint32_t ioas, const struct model_range *ranges, unsigned nr);
int model_reserve(struct model *m, uint32_t ioas, uint64_t first, uint64_t length);
int model_huge_pages(struct model *m, uint32_t ioas, uint64_t value);

int model_mock(struct model *m, uint32_t pt, bool no_dirty, uint32_t *mock, uint32_t *device,
	       uint32_t *hwpt);
int model_replace(struct model *m, uint32_t mock, uint32_t pt, uint32_t *hwpt);
int model_hwpt_alloc(struct model *m, uint32_t device, uint32_t pt, bool dirty, uint32_t *hwpt);

int model_access(struct model *m, uint32_t ioas, uint32_t *id);
void model_access_gone(struct model *m, uint32_t id);
int model_access_replace(struct model *m, uint32_t id, uint32_t ioas);
int model_access_rw(const struct model *m, uint32_t id, uint64_t iova, uint64_t length, bool write);

/* Whether every cell of [iova, +length) leads to the user's memory from cell @mem on. */
int model_check_map(const struct model *m, uint32_t hwpt, uint64_t iova, uint64_t length,
		    unsigned mem);
/* How many pages objects hold the page of the user's cell @mem pinned. */
unsigned model_pins(const struct model *m, unsigned mem);

#endif
