/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Physical region pages: where a command's data lie in the driver's memory.
 *
 * The first pointer may start anywhere in a page (at a dword); every further
 * one is a whole page. What doesn't fit in two pointers is in a list, whose
 * last entry in a page leads to the next page of the list when more is to
 * come. The whole list is read and checked before a byte of data moves, so a
 * command that fails for its pointers has transferred nothing.
 *
 * Neighbouring pages become one segment: a driver's large buffers are mostly
 * contiguous in IOVA, and one long copy is faster than many short ones.
 */
#include "models/nvme.h"

/* Entries of a list that are read at once. */
#define PRP_CHUNK (sizeof(((struct nvme *)0)->prps) / sizeof(uint64_t))

static void prp_add(struct nvme *n, uint64_t iova, uint32_t len)
{
	struct nvme_segment *last = n->segments + n->nr_segments - 1;

	if (n->nr_segments && last->iova + last->len == iova) {
		last->len += len;
		return;
	}
	n->segments[n->nr_segments++] = (struct nvme_segment){ iova, len };
}

static uint64_t prp_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Walk the list at @list until @len bytes are described. Only the first page
 * of a list may be entered in its middle, so a list that leads back to itself
 * still makes progress at each step, and ends.
 */
static uint16_t prp_map_list(struct nvme *n, uint64_t list, uint64_t len)
{
	uint64_t page = 1ull << n->page_shift;

	if (list & 7)
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	while (len) {
		uint64_t here = (page - (list & (page - 1))) / sizeof(uint64_t);
		uint64_t wanted = (len + page - 1) >> n->page_shift;
		bool chained = wanted > here;
		uint64_t i, count = prp_min(chained ? here : wanted, PRP_CHUNK);
		uint64_t data = chained && count == here ? count - 1 : count;

		if (rf_dma_read(n->dev, list, n->prps, count * sizeof(uint64_t)))
			return NVME_SC_DATA_TRANSFER;
		for (i = 0; i < count; i++)
			if (n->prps[i] & (page - 1))
				return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
		for (i = 0; i < data; i++) {
			uint64_t piece = prp_min(len, page);

			prp_add(n, n->prps[i], piece);
			len -= piece;
		}
		list = data < count ? n->prps[data] : list + count * sizeof(uint64_t);
	}
	return NVME_SC_SUCCESS;
}

/**
 * nvme_prp_map() - find the segments of a command's data
 * @n: the controller; n->segments is filled
 * @sqe: the command
 * @len: bytes, at most the largest transfer
 *
 * Return: a status.
 */
uint16_t nvme_prp_map(struct nvme *n, const struct nvme_sqe *sqe, uint64_t len)
{
	uint64_t page = 1ull << n->page_shift;
	uint64_t first = prp_min(len, page - (sqe->prp1 & (page - 1)));

	n->nr_segments = 0;
	if (sqe->prp1 & 3)
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	prp_add(n, sqe->prp1, first);
	len -= first;
	if (!len)
		return NVME_SC_SUCCESS;
	if (len > page)
		return prp_map_list(n, sqe->prp2, len);
	if (sqe->prp2 & (page - 1))
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	prp_add(n, sqe->prp2, len);
	return NVME_SC_SUCCESS;
}

/* Copy @len bytes of ours to the command's buffer. */
uint16_t nvme_prp_put(struct nvme *n, const struct nvme_sqe *sqe, const void *buf, uint64_t len)
{
	const uint8_t *from = buf;
	uint16_t status = nvme_prp_map(n, sqe, len);
	unsigned i;

	if (status)
		return status;
	for (i = 0; i < n->nr_segments; i++) {
		if (rf_dma_write(n->dev, n->segments[i].iova, from, n->segments[i].len))
			return NVME_SC_DATA_TRANSFER;
		from += n->segments[i].len;
	}
	return NVME_SC_SUCCESS;
}

/* Copy @len bytes of the command's buffer to ours. */
uint16_t nvme_prp_get(struct nvme *n, const struct nvme_sqe *sqe, void *buf, uint64_t len)
{
	uint8_t *to = buf;
	uint16_t status = nvme_prp_map(n, sqe, len);
	unsigned i;

	if (status)
		return status;
	for (i = 0; i < n->nr_segments; i++) {
		if (rf_dma_read(n->dev, n->segments[i].iova, to, n->segments[i].len))
			return NVME_SC_DATA_TRANSFER;
		to += n->segments[i].len;
	}
	return NVME_SC_SUCCESS;
}
