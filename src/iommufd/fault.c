/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault queues: how a program answers a guest's page faults.
 *
 * A queue is an object, for page tables to name, and a file, to be read and
 * written. A device's fault goes to the queue of the page table it is attached
 * to. Reading takes faults off the queue, whole, and gives each a cookie; writing
 * a cookie with a verdict answers it. A fault that nobody can answer any more, as
 * the device is attached to something else or the queue is gone, is answered
 * with "invalid".
 *
 * Reading never waits: nothing there is 0 bytes. It is poll that waits.
 *
 * Cookies are the smallest free numbers from 1 on. On Linux 0 is taken by nobody, and
 * given back by who answers it while others are taken; from then on it is a number
 * like the others.
 *
 * Locks: a queue's own covers all of it; the count of waiting faults is read
 * without, so that poll never waits either.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

/**
 * struct fault - one that has no answer yet
 * @next: on the queue; unused once it has a cookie
 * @igroup: of the device that faulted
 * @handle: the attachment that it faulted in
 */
struct fault {
	struct fault *next;
	const struct igroup *igroup;
	uint64_t handle;
	struct iommu_hwpt_pgfault msg;
};

/**
 * struct fault_queue - see above
 * @head: not read yet, oldest first
 * @waiting: how many
 * @read: those that are read, by cookie
 * @zero: the one whose cookie is 0
 * @from_zero: 0 is a cookie
 * @file: its descriptor's; NULL once that is closed
 */
struct fault_queue {
	struct object obj;
	struct iommufd_ctx *ctx;
	pthread_mutex_t lock;
	struct fault *head;
	struct fault **tail;
	atomic_uint waiting;
	struct idtable read;
	struct fault *zero;
	bool from_zero;
	struct file *file;
};

struct fault_file {
	struct file file;
	struct fault_queue *queue;
};

static struct fault_queue *queue_of(struct file *file)
{
	return ((struct fault_file *)file)->queue;
}

/* The device goes on; a mock one does not care how. */
static void fault_answer(struct fault *fault)
{
	alloc_free(fault);
}

static struct fault *queue_pop(struct fault_queue *q)
{
	struct fault *fault = q->head;

	q->head = fault->next;
	if (!q->head)
		q->tail = &q->head;
	atomic_fetch_sub(&q->waiting, 1);
	return fault;
}

static void queue_push(struct fault_queue *q, struct fault *fault)
{
	fault->next = NULL;
	*q->tail = fault;
	q->tail = &fault->next;
	atomic_fetch_add(&q->waiting, 1);
	if (q->file && q->file->wake)
		q->file->wake(q->file->wake_arg);
}

/* A cookie for a fault that is read: 0, or -ENOMEM. */
static int cookie_give(struct fault_queue *q, struct fault *fault)
{
	fault->msg.cookie = 0;
	if (q->from_zero && !q->zero) {
		q->zero = fault;
		return 0;
	}
	fault->msg.cookie = idtable_add(&q->read, fault);
	return fault->msg.cookie ? 0 : -ENOMEM;
}

/* The fault whose cookie it is, which is nobody's any more; or NULL. */
static struct fault *cookie_take(struct fault_queue *q, uint32_t cookie)
{
	struct fault *fault = q->zero;

	if (cookie)
		return idtable_remove(&q->read, cookie);
	if (q->read.used)
		q->from_zero = true;
	q->zero = NULL;
	return fault;
}

static void fault_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct fault_queue *q = (struct fault_queue *)obj;

	while (q->head)
		fault_answer(queue_pop(q));
	for (uint32_t cookie = 0; cookie <= q->read.size; cookie++) {
		struct fault *fault = cookie_take(q, cookie);

		if (fault)
			fault_answer(fault);
	}
	idtable_free(&q->read);
	pthread_mutex_destroy(&q->lock);
}

static const struct object_ops fault_object_ops = {
	.type = OBJECT_FAULT,
	.destroy = fault_destroy,
};

struct fault_queue *fault_hold(struct iommufd_ctx *ctx, uint32_t id)
{
	struct fault_queue *q = object_get(ctx, id, OBJECT_FAULT);

	if (q) {
		object_hold(&q->obj);
		object_put(ctx, &q->obj);
	}
	return q;
}

void fault_release(struct fault_queue *q)
{
	object_release(&q->obj);
}

void fault_report(struct iommufd_device *idev, const struct iommu_hwpt_pgfault *msg)
{
	struct igroup *igroup = idev->igroup;
	struct fault_queue *q;
	struct fault *fault;

	pthread_mutex_lock(&igroup->lock);
	q = igroup->hwpt ? igroup->hwpt->fault : NULL;
	fault = q ? alloc_zeroed(sizeof(*fault)) : NULL;
	if (fault) {
		fault->igroup = igroup;
		fault->handle = igroup->handle;
		fault->msg = *msg;
		fault->msg.dev_id = idev->obj.id;
		pthread_mutex_lock(&q->lock);
		queue_push(q, fault);
		pthread_mutex_unlock(&q->lock);
	}
	pthread_mutex_unlock(&igroup->lock);
}

static bool fault_is_of(const struct fault *fault, const struct igroup *igroup, uint64_t handle)
{
	return fault->igroup == igroup && fault->handle == handle;
}

void fault_flush(struct fault_queue *q, const struct igroup *igroup, uint64_t handle)
{
	struct fault **link;

	pthread_mutex_lock(&q->lock);
	for (link = &q->head; *link;) {
		struct fault *fault = *link;

		if (!fault_is_of(fault, igroup, handle)) {
			link = &fault->next;
			continue;
		}
		*link = fault->next;
		atomic_fetch_sub(&q->waiting, 1);
		fault_answer(fault);
	}
	q->tail = link;
	for (uint32_t cookie = 0; cookie <= q->read.size; cookie++) {
		struct fault *fault = cookie ? idtable_find(&q->read, cookie) : q->zero;

		if (fault && fault_is_of(fault, igroup, handle))
			fault_answer(cookie_take(q, cookie));
	}
	pthread_mutex_unlock(&q->lock);
}

/* The oldest fault to the caller at @to: 0, or why it stays on the queue. */
static int queue_deliver(struct fault_queue *q, struct file_caller *caller, uintptr_t to)
{
	struct fault *fault = q->head;
	int ret = cookie_give(q, fault);

	if (ret)
		return ret;
	if (owner_write(caller->owner, to, &fault->msg, sizeof(fault->msg))) {
		cookie_take(q, fault->msg.cookie);
		return -EFAULT;
	}
	queue_pop(q);
	return 0;
}

static ssize_t fault_read(struct file *file, struct file_caller *caller, void *buf, size_t len,
			  uint64_t off)
{
	struct fault_queue *q = queue_of(file);
	size_t done = 0;
	int ret = 0;

	if (off || len % sizeof(struct iommu_hwpt_pgfault))
		return -ESPIPE;
	pthread_mutex_lock(&q->lock);
	while (q->head && !ret) {
		if (done == len) {
			ret = -EINVAL; /* no room even for the first */
			break;
		}
		ret = queue_deliver(q, caller, (uintptr_t)buf + done);
		if (!ret)
			done += sizeof(struct iommu_hwpt_pgfault);
	}
	pthread_mutex_unlock(&q->lock);
	return done ? (ssize_t)done : ret;
}

static int queue_respond(struct fault_queue *q, const struct iommu_hwpt_page_response *response)
{
	struct fault *fault;

	if (response->code != IOMMUFD_PAGE_RESP_SUCCESS &&
	    response->code != IOMMUFD_PAGE_RESP_INVALID)
		return -EINVAL;
	fault = cookie_take(q, response->cookie);
	if (!fault)
		return -EINVAL;
	fault_answer(fault);
	return 0;
}

static ssize_t fault_write(struct file *file, struct file_caller *caller, const void *buf,
			   size_t len, uint64_t off)
{
	struct iommu_hwpt_page_response response;
	struct fault_queue *q = queue_of(file);
	size_t done = 0;
	int ret = 0;

	if (off || len % sizeof(response))
		return -ESPIPE;
	pthread_mutex_lock(&q->lock);
	while (done < len && !ret) {
		ret = owner_read(caller->owner, &response, (uintptr_t)buf + done, sizeof(response));
		if (!ret)
			ret = queue_respond(q, &response);
		if (!ret)
			done += sizeof(response);
	}
	pthread_mutex_unlock(&q->lock);
	return done ? (ssize_t)done : ret;
}

static short fault_poll(struct file *file)
{
	short events = POLLOUT;

	if (atomic_load(&queue_of(file)->waiting))
		events |= POLLIN | POLLRDNORM;
	return events;
}

static void fault_file_release(struct file *file)
{
	struct fault_queue *q = queue_of(file);
	struct iommufd_ctx *ctx = q->ctx;

	pthread_mutex_lock(&q->lock);
	q->file = NULL;
	pthread_mutex_unlock(&q->lock);
	object_release(&q->obj);
	alloc_free(file);
	file_put(&ctx->file);
}

static const struct file_ops fault_file_ops = {
	.pread = fault_read,
	.pwrite = fault_write,
	.poll = fault_poll,
	.release = fault_file_release,
	.stream = true,
};

static struct fault_queue *queue_new(struct iommufd_ctx *ctx)
{
	struct fault_queue *q;
	struct fault_file *ff;

	q = object_new(ctx, sizeof(*q), &fault_object_ops);
	if (!q)
		return NULL;
	ff = alloc_zeroed(sizeof(*ff));
	if (!ff) {
		object_abandon(ctx, &q->obj);
		return NULL;
	}
	q->ctx = ctx;
	q->tail = &q->head;
	pthread_mutex_init(&q->lock, NULL);
	file_init(&ff->file, &fault_file_ops, "anon_inode:[iommufd-pgfault]");
	ff->queue = q;
	q->file = &ff->file;
	object_hold(&q->obj); /* the file's */
	file_get(&ctx->file);
	return q;
}

int fault_alloc_cmd(struct ucmd *u)
{
	struct iommu_fault_alloc *cmd = &u->cmd.fault_alloc;
	uint32_t former_id = cmd->out_fault_id;
	struct fault_queue *q;
	int fd, ret;

	if (cmd->flags)
		return -EOPNOTSUPP;
	q = queue_new(u->ctx);
	if (!q)
		return -ENOMEM;
	/* what can be told before there is a descriptor, as that cannot be undone */
	cmd->out_fault_id = q->obj.id;
	ret = ucmd_respond(u, sizeof(*cmd));
	if (ret)
		goto discard;
	fd = u->caller->ops->install(u->caller, q->file, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		cmd->out_fault_id = former_id; /* it has not been told */
		ucmd_respond(u, sizeof(*cmd));
		ret = fd;
		goto discard;
	}
	cmd->out_fault_fd = (uint32_t)fd;
	object_publish(u->ctx, &q->obj);
	return ucmd_respond(u, sizeof(*cmd));
discard:
	file_put(q->file);
	object_discard(u->ctx, &q->obj);
	return ret;
}
