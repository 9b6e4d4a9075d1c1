/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVMe controller model, inside. Every function runs in one of the
 * model's callbacks, so under the device's lock: nothing here locks.
 *
 * The registers and the doorbells live in the BAR's own pages, where the
 * driver reads them without a trap; struct nvme holds only what the driver
 * cannot see.
 */
#ifndef RF_MODELS_NVME_H
#define RF_MODELS_NVME_H

#include <ringfence/device.h>

#include "models/nvme_spec.h"

#define NVME_VENDOR	      0x1b36
#define NVME_DEVICE	      0x0010
#define NVME_SUBSYSTEM_VENDOR 0x1af4
#define NVME_SUBSYSTEM_DEVICE 0x1100

#define NVME_MQES	      0x7ffu /* largest I/O queue, zero's based */
#define NVME_MPS_MAX	      4u /* 64 KiB pages */
#define NVME_QUEUES	      64u /* I/O queue pairs at most */
#define NVME_VECTORS	      (NVME_QUEUES + 1)
#define NVME_MDTS_MAX	      9u /* 2 MiB */
#define NVME_NAMESPACES	      64u
#define NVME_AERS	      4u
#define NVME_ABORTS	      4u
#define NVME_ERRORS	      4u /* entries of the error log */
#define NVME_BATCH	      16u /* commands fetched, executed and completed in one go */
#define NVME_POLL_BUDGET      64u /* commands of one queue in one poll */
#define NVME_TEMPERATURE      323u /* kelvin; it never changes */
#define NVME_TEMPERATURE_WARN 343u

/* One more than pages of the largest transfer: it may start inside a page. */
#define NVME_SEGMENTS ((1u << NVME_MDTS_MAX) + 1)

/* The registers, as they lie in the BAR's first page. */
struct nvme_regs {
	uint64_t cap;
	uint32_t vs;
	uint32_t intms;
	uint32_t intmc;
	uint32_t cc;
	uint32_t rsvd18;
	uint32_t csts;
	uint32_t nssr;
	uint32_t aqa;
	uint64_t asq;
	uint64_t acq;
};
_Static_assert(offsetof(struct nvme_regs, csts) == NVME_REG_CSTS, "registers");
_Static_assert(offsetof(struct nvme_regs, acq) == NVME_REG_ACQ, "registers");

/**
 * struct nvme_media - where the blocks are; nvme_media.c
 * @base: all of it, mapped
 * @size: bytes
 * @file: it is a file's, and can fail
 */
struct nvme_media {
	uint8_t *base;
	uint64_t size;
	bool file;
};

struct nvme_sq {
	bool live;
	uint16_t id;
	uint16_t cqid;
	uint32_t size; /* entries */
	uint32_t head;
	uint32_t tail;
	uint64_t iova;
};

struct nvme_cq {
	bool live;
	bool irq_enabled;
	bool phase; /* of the next entry */
	bool irq_owed; /* entries posted since the last interrupt */
	uint16_t id;
	uint16_t vector;
	uint16_t sqs; /* submission queues that complete here */
	uint32_t size;
	uint32_t head;
	uint32_t tail;
	uint64_t iova;
};

/* A run of I/O virtual addresses of one data transfer. */
struct nvme_segment {
	uint64_t iova;
	uint32_t len;
};

/* The command being executed. */
struct nvme_request {
	const struct nvme_sqe *sqe;
	const struct nvme_sq *sq;
	uint32_t result;
};

/* What one event type has to say; see nvme_log.c. */
struct nvme_event {
	bool pending;
	bool masked; /* told, and its log not read since */
	uint8_t info;
};

/* Features that a driver can set; back to their defaults at each reset. */
struct nvme_features {
	uint32_t arbitration;
	uint32_t over_threshold;
	uint32_t under_threshold;
	uint32_t write_cache;
	uint32_t irq_coalescing;
	uint32_t irq_vector[NVME_VECTORS];
	uint32_t atomicity;
	uint32_t async_events;
	uint32_t error_recovery[NVME_NAMESPACES];
};

struct nvme {
	struct rf_device *dev;
	volatile struct nvme_regs *regs;
	/* doorbell pairs: tail in the low half, head in the high half */
	volatile uint64_t *doorbells;
	uint64_t seen[NVME_QUEUES + 1]; /* the pairs as last handled */
	unsigned scan; /* pairs to look at: the highest live queue + 1 */
	uint64_t runnable[2]; /* by queue: has commands, and room for completions */

	struct nvme_media media;
	unsigned block_shift;
	unsigned namespaces;
	uint64_t blocks; /* of each namespace */
	unsigned queues;
	unsigned mdts;
	unsigned wzsl;
	char serial[21];
	char model[41];
	uint8_t uuid[16];

	unsigned page_shift;
	unsigned command_set; /* CC.CSS */
	bool intx;
	struct nvme_sq sq[NVME_QUEUES + 1];
	struct nvme_cq cq[NVME_QUEUES + 1];
	struct nvme_features features;

	uint16_t aers[NVME_AERS]; /* command ids */
	unsigned nr_aers;
	struct nvme_event events[NVME_EVENT_TYPES];

	/* what outlives a reset */
	struct nvme_error_entry errors[NVME_ERRORS];
	uint64_t error_count;
	uint64_t bytes_read, bytes_written;
	uint64_t reads, writes;
	uint64_t media_errors;
	uint64_t unsafe_shutdowns;

	/* work areas of the command being executed */
	struct nvme_segment segments[NVME_SEGMENTS];
	unsigned nr_segments;
	uint64_t prps[512];
	struct nvme_sqe sqes[NVME_BATCH];
	struct nvme_cqe cqes[NVME_BATCH];
	uint8_t page[4096];
	uint8_t other[4096];
};

/* No completion now: it comes with an event. Not a status. */
#define NVME_NO_COMPLETION 0xffffu

/* nvme_ctrl.c: registers, enable, disable, shutdown */
void nvme_ctrl_power_on(struct nvme *n);
void nvme_ctrl_write(struct nvme *n, uint64_t off, uint64_t val, unsigned size);
bool nvme_ctrl_running(const struct nvme *n);
/* The controller cannot go on: CSTS.CFS, and silence until it is reset. */
void nvme_ctrl_fatal(struct nvme *n, const char *why);

/* nvme_queue.c: rings, doorbells, completions, interrupts */
void nvme_queues_reset(struct nvme *n);
void nvme_sq_open(struct nvme *n, unsigned id, unsigned cqid, uint64_t iova, uint32_t size);
void nvme_cq_open(struct nvme *n, unsigned id, uint64_t iova, uint32_t size, bool irq,
		  unsigned vector);
void nvme_sq_close(struct nvme *n, struct nvme_sq *sq);
void nvme_cq_close(struct nvme *n, struct nvme_cq *cq);
uint32_t nvme_cq_room(const struct nvme_cq *cq);
/* Post @count entries, all but the phase filled; there is room. */
void nvme_cq_post(struct nvme *n, struct nvme_cq *cq, struct nvme_cqe *cqes, unsigned count);
void nvme_irq_update(struct nvme *n);
void nvme_doorbell_write(struct nvme *n, uint64_t off, unsigned size);
unsigned nvme_doorbell_poll(struct nvme *n);

/* nvme_prp.c: data transfers. These return a status. */
uint16_t nvme_prp_map(struct nvme *n, const struct nvme_sqe *sqe, uint64_t len);
uint16_t nvme_prp_put(struct nvme *n, const struct nvme_sqe *sqe, const void *buf, uint64_t len);
uint16_t nvme_prp_get(struct nvme *n, const struct nvme_sqe *sqe, void *buf, uint64_t len);

/* nvme_admin.c, nvme_identify.c, nvme_feature.c, nvme_log.c: commands. These return a status. */
uint16_t nvme_admin_execute(struct nvme *n, struct nvme_request *req);
uint16_t nvme_identify(struct nvme *n, struct nvme_request *req);
uint16_t nvme_get_features(struct nvme *n, struct nvme_request *req);
uint16_t nvme_set_features(struct nvme *n, struct nvme_request *req);
void nvme_features_reset(struct nvme *n);
uint16_t nvme_get_log(struct nvme *n, struct nvme_request *req);
uint16_t nvme_async_event(struct nvme *n, struct nvme_request *req);
bool nvme_abort_async_event(struct nvme *n, uint16_t cid);
void nvme_events_reset(struct nvme *n);
void nvme_event_raise(struct nvme *n, enum nvme_event_type type, uint8_t info);
/* Complete waiting requests with what has happened, as far as the queue has room. */
void nvme_events_deliver(struct nvme *n);
void nvme_error_log(struct nvme *n, const struct nvme_request *req, uint16_t status);
uint8_t nvme_smart_warning(const struct nvme *n);

/* nvme_io.c: commands. Returns a status. */
void nvme_io_prefetch(const struct nvme *n, const struct nvme_sqe *sqe);
uint16_t nvme_io_execute(struct nvme *n, struct nvme_request *req);

/* nvme_media.c */
int nvme_media_open(struct nvme_media *media, struct rf_device *dev, uint64_t unit);
void nvme_media_close(struct nvme_media *media);
/* Whether the blocks can be reached: 0, or the errno that explains a copy that failed. */
int nvme_media_check(const struct nvme_media *media, uint64_t off, uint64_t len, bool write);
int nvme_media_read(const struct nvme_media *media, uint64_t off, void *buf, size_t len);
/* Make a range read as zeroes, giving its space back where that is cheap. 0 or a negative errno. */
int nvme_media_zero(const struct nvme_media *media, uint64_t off, uint64_t len);
/* Make what was written durable. 0 or a negative errno. */
int nvme_media_sync(const struct nvme_media *media);

#endif
