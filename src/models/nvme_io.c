/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVM command set: Read, Write, Flush, Compare, Write Zeroes, Dataset
 * Management.
 *
 * A command is executed whole, in the order it was fetched, before its
 * completion is posted; so writes are atomic and nothing is ever in flight
 * when the driver looks. Data go between media and the driver's memory in one
 * copy.
 */
#include <string.h>

#include "models/nvme.h"

#define PREFETCH_BYTES 1024u

/* The blocks a command names, as bytes of the media. */
struct io_range {
	uint64_t off;
	uint64_t len;
};

static uint16_t io_namespace(const struct nvme *n, const struct nvme_sqe *sqe)
{
	if (!sqe->nsid || sqe->nsid > n->namespaces)
		return NVME_SC_INVALID_NAMESPACE | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

static uint16_t io_blocks(const struct nvme *n, uint32_t nsid, uint64_t slba, uint64_t count,
			  struct io_range *range)
{
	if (slba > n->blocks || count > n->blocks - slba)
		return NVME_SC_LBA_RANGE | NVME_SC_DNR;
	range->off = ((nsid - 1) * n->blocks + slba) << n->block_shift;
	range->len = count << n->block_shift;
	return NVME_SC_SUCCESS;
}

/* The range of Read, Write, Compare and Write Zeroes; @limit: most bytes, as a power of two, or 0. */
static uint16_t io_range(const struct nvme *n, const struct nvme_sqe *sqe, unsigned limit,
			 struct io_range *range)
{
	uint64_t slba = (uint64_t)sqe->cdw11 << 32 | sqe->cdw10;
	uint64_t count = (sqe->cdw12 & 0xffff) + 1;
	uint16_t status = io_namespace(n, sqe);

	if (status)
		return status;
	if (limit && count << n->block_shift > 1ull << limit)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	return io_blocks(n, sqe->nsid, slba, count, range);
}

/*
 * A copy failed. Usually the driver's side is to blame, and the engine has
 * said so; but file media can be gone or full too.
 */
static uint16_t io_blame(struct nvme *n, const struct io_range *range, bool write)
{
	int ret = nvme_media_check(&n->media, range->off, range->len, write);

	if (!ret)
		return NVME_SC_DATA_TRANSFER;
	n->media_errors++;
	rf_device_warn(n->dev, "media file: %s at byte %llu: %s", write ? "write" : "read",
		       (unsigned long long)range->off, strerror(-ret));
	return write ? NVME_SC_WRITE_FAULT : NVME_SC_READ_ERROR;
}

static uint16_t io_media_status(struct nvme *n, int ret)
{
	if (!ret)
		return NVME_SC_SUCCESS;
	n->media_errors++;
	rf_device_warn(n->dev, "media file: %s", strerror(-ret));
	return NVME_SC_WRITE_FAULT;
}

static uint16_t io_flush_media(struct nvme *n)
{
	return io_media_status(n, nvme_media_sync(&n->media));
}

/* After a change of the media: what is not cached, or must not be, is made durable now. */
static uint16_t io_settle(struct nvme *n, const struct nvme_sqe *sqe)
{
	if ((sqe->cdw12 & NVME_RW_FUA) || !n->features.write_cache)
		return io_flush_media(n);
	return NVME_SC_SUCCESS;
}

/* What a command transfers: where on the media, and in segments of the driver's memory. */
static uint16_t io_transfer(struct nvme *n, const struct nvme_sqe *sqe, struct io_range *range)
{
	uint16_t status = io_range(n, sqe, 12 + n->mdts, range);

	return status ? status : nvme_prp_map(n, sqe, range->len);
}

static uint16_t io_read(struct nvme *n, const struct nvme_sqe *sqe)
{
	struct io_range range;
	const uint8_t *from;
	uint16_t status = io_transfer(n, sqe, &range);
	unsigned i;

	if (status)
		return status;
	from = n->media.base + range.off;
	for (i = 0; i < n->nr_segments; i++) {
		if (rf_dma_write(n->dev, n->segments[i].iova, from, n->segments[i].len))
			return io_blame(n, &range, false);
		from += n->segments[i].len;
	}
	n->reads++;
	n->bytes_read += range.len;
	return NVME_SC_SUCCESS;
}

static uint16_t io_write(struct nvme *n, const struct nvme_sqe *sqe)
{
	struct io_range range;
	uint8_t *to;
	uint16_t status = io_transfer(n, sqe, &range);
	unsigned i;

	if (status)
		return status;
	to = n->media.base + range.off;
	for (i = 0; i < n->nr_segments; i++) {
		if (rf_dma_read(n->dev, n->segments[i].iova, to, n->segments[i].len))
			return io_blame(n, &range, true);
		to += n->segments[i].len;
	}
	n->writes++;
	n->bytes_written += range.len;
	return io_settle(n, sqe);
}

/* Compare @len bytes at @off of the media with the driver's at @iova. */
static uint16_t io_compare_segment(struct nvme *n, uint64_t off, uint64_t iova, uint32_t len)
{
	while (len) {
		uint32_t piece = len < sizeof(n->page) ? len : sizeof(n->page);

		if (rf_dma_read(n->dev, iova, n->page, piece))
			return NVME_SC_DATA_TRANSFER;
		if (nvme_media_read(&n->media, off, n->other, piece)) {
			n->media_errors++;
			return NVME_SC_READ_ERROR;
		}
		if (memcmp(n->page, n->other, piece))
			return NVME_SC_COMPARE | NVME_SC_DNR;
		off += piece;
		iova += piece;
		len -= piece;
	}
	return NVME_SC_SUCCESS;
}

static uint16_t io_compare(struct nvme *n, const struct nvme_sqe *sqe)
{
	struct io_range range;
	uint16_t status = io_transfer(n, sqe, &range);
	unsigned i;

	for (i = 0; !status && i < n->nr_segments; i++) {
		status = io_compare_segment(n, range.off, n->segments[i].iova, n->segments[i].len);
		range.off += n->segments[i].len;
	}
	if (!status) {
		n->reads++;
		n->bytes_read += range.len;
	}
	return status;
}

static uint16_t io_write_zeroes(struct nvme *n, const struct nvme_sqe *sqe)
{
	struct io_range range;
	uint16_t status = io_range(n, sqe, n->wzsl ? 12 + n->wzsl : 0, &range);

	if (!status)
		status = io_media_status(n, nvme_media_zero(&n->media, range.off, range.len));
	return status ? status : io_settle(n, sqe);
}

static uint16_t io_dsm(struct nvme *n, const struct nvme_sqe *sqe)
{
	struct nvme_dsm_range *ranges = (void *)n->page;
	unsigned i, count = (sqe->cdw10 & 0xff) + 1;
	struct io_range range;
	uint16_t status = io_namespace(n, sqe);

	if (!status)
		status = nvme_prp_get(n, sqe, ranges, count * sizeof(*ranges));
	for (i = 0; !status && i < count; i++)
		status = io_blocks(n, sqe->nsid, ranges[i].slba, ranges[i].blocks, &range);
	/* the other attributes are hints about access, and nothing depends on them */
	if (status || !(sqe->cdw11 & NVME_DSM_DEALLOC))
		return status;
	for (i = 0; !status && i < count; i++) {
		io_blocks(n, sqe->nsid, ranges[i].slba, ranges[i].blocks, &range);
		status = io_media_status(n, nvme_media_zero(&n->media, range.off, range.len));
	}
	return status;
}

static uint16_t io_flush(struct nvme *n, const struct nvme_sqe *sqe)
{
	uint16_t status = sqe->nsid == NVME_NSID_ALL ? NVME_SC_SUCCESS : io_namespace(n, sqe);

	return status ? status : io_flush_media(n);
}

/*
 * Ask for the first cache lines of what the next command will copy, while this
 * one copies; the processor's own prefetcher finds the rest. Worth an eighth of
 * the time of random 4 KiB reads.
 */
void nvme_io_prefetch(const struct nvme *n, const struct nvme_sqe *sqe)
{
	struct io_range range;
	uint64_t i;

	if ((sqe->opcode != NVME_IO_READ && sqe->opcode != NVME_IO_WRITE) ||
	    io_range(n, sqe, 0, &range))
		return;
	for (i = 0; i < range.len && i < PREFETCH_BYTES; i += 64)
		__builtin_prefetch(n->media.base + range.off + i);
}

/**
 * nvme_io_execute() - execute a command of an I/O queue
 * @n: the controller
 * @req: the command
 *
 * Return: its status.
 */
uint16_t nvme_io_execute(struct nvme *n, struct nvme_request *req)
{
	const struct nvme_sqe *sqe = req->sqe;

	if (n->command_set == NVME_CSS_ADMIN)
		return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
	/* neither fused operations nor scatter-gather lists */
	if (sqe->flags & (NVME_FLAGS_FUSE | NVME_FLAGS_PSDT))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	switch (sqe->opcode) {
	case NVME_IO_READ:
		return io_read(n, sqe);
	case NVME_IO_WRITE:
		return io_write(n, sqe);
	case NVME_IO_FLUSH:
		return io_flush(n, sqe);
	case NVME_IO_COMPARE:
		return io_compare(n, sqe);
	case NVME_IO_WRITE_ZEROES:
		return io_write_zeroes(n, sqe);
	case NVME_IO_DSM:
		return io_dsm(n, sqe);
	default:
		return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
	}
}
