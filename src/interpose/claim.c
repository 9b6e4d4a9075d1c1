/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claims: what is open in one process of the session at a time.
 *
 * Each is a lock on a file in SESSION/lock, by flock(). The kernel drops the
 * locks of a process that dies, however that happens. A child of fork shares
 * them with its parent, so who has a lock unlocks explicitly, and a child closes
 * its copy without a word.
 *
 *	group-N		exclusively: the group is open; shared: a device of it is
 *			bound by itself
 *	device-ADDRESS	the device is bound by itself
 *	dma-N		shared: its DMA is given away; no host driver may have a device
 *	open-ADDRESS	shared: the device or its own file is open, and keeps its driver
 *	owner-N		some device of the group is: one for the process, as the
 *			iommufds of one tell each other apart by themselves
 *
 * Lock: owners_lock around the list of owner-N; nothing is taken inside but
 * the descriptor table's.
 */
#include "interpose/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/sys.h"
#include "group/group.h"
#include "interpose/engine.h"
#include "interpose/fd.h"
#include "interpose/lock.h"
#include "interpose/request.h"
#include "machine/driver.h"
#include "machine/machine.h"

struct owner_claim {
	int fd;
	unsigned group;
	unsigned refs;
	struct owner_claim *next;
};

struct device_claim {
	int group_fd;
	int device_fd;
	struct owner_claim *owner;
};

struct group_claim {
	int fd;
};

struct open_claim {
	int fd;
};

static struct owner_claim *owners;
static struct engine_lock owners_lock = ENGINE_LOCK_INIT;

/* Lock a file; *fd is out of the program's sight until lock_drop(). -EWOULDBLOCK: somebody has it. */
__attribute__((format(printf, 3, 4))) static int lock_take(int *fd, int how, const char *fmt, ...)
{
	char name[64], path[PATH_MAX];
	int ret, saved = errno;
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (snprintf(path, sizeof(path), "%s/lock/%s", engine_session(), name) >= PATH_MAX)
		return -ENAMETOOLONG;
	*fd = sys_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return *fd;
	do
		ret = flock(*fd, how) ? -errno : 0;
	while (ret == -EINTR);
	errno = saved;
	if (ret)
		sys_close(*fd);
	else
		fd_hide(fd);
	return ret;
}

static void lock_drop(int *fd)
{
	flock(*fd, LOCK_UN);
	fd_hidden_close(fd);
}

int claim_group(unsigned id, void **claim)
{
	struct group_claim *c = malloc(sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	ret = lock_take(&c->fd, LOCK_EX | LOCK_NB, "group-%u", id);
	if (ret) {
		free(c);
		return ret == -EWOULDBLOCK ? -EBUSY : ret;
	}
	*claim = c;
	return 0;
}

void claim_group_drop(void *claim)
{
	struct group_claim *c = claim;

	lock_drop(&c->fd);
	free(c);
}

static int owner_get_locked(unsigned group, struct owner_claim **out)
{
	struct owner_claim *c = owners;
	int ret;

	while (c && c->group != group)
		c = c->next;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		ret = lock_take(&c->fd, LOCK_EX | LOCK_NB, "owner-%u", group);
		if (ret) {
			free(c);
			return ret == -EWOULDBLOCK ? -EPERM : ret;
		}
		c->group = group;
		c->next = owners;
		owners = c;
	}
	c->refs++;
	*out = c;
	return 0;
}

static void owner_put_locked(struct owner_claim *c)
{
	struct owner_claim **link = &owners;

	if (--c->refs)
		return;
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	lock_drop(&c->fd);
	free(c);
}

static int owner_get(unsigned group, struct owner_claim **out)
{
	int ret;

	engine_lock(&owners_lock);
	ret = owner_get_locked(group, out);
	engine_unlock(&owners_lock);
	return ret;
}

static void owner_put(struct owner_claim *c)
{
	engine_lock(&owners_lock);
	owner_put_locked(c);
	engine_unlock(&owners_lock);
}

static int device_take(struct rf_device *dev, void **claim)
{
	struct device_claim *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	ret = lock_take(&c->group_fd, LOCK_SH | LOCK_NB, "group-%u", dev->group->id);
	if (ret) {
		ret = ret == -EWOULDBLOCK ? -EBUSY : ret;
		goto free_claim;
	}
	ret = lock_take(&c->device_fd, LOCK_EX | LOCK_NB, "device-%s", dev->name);
	if (ret) {
		ret = ret == -EWOULDBLOCK ? -EINVAL : ret;
		goto drop_group;
	}
	ret = owner_get(dev->group->id, &c->owner);
	if (ret)
		goto drop_device;
	*claim = c;
	return 0;
drop_device:
	lock_drop(&c->device_fd);
drop_group:
	lock_drop(&c->group_fd);
free_claim:
	free(c);
	return ret;
}

static void device_drop(void *claim)
{
	struct device_claim *c = claim;

	owner_put(c->owner);
	lock_drop(&c->device_fd);
	lock_drop(&c->group_fd);
	free(c);
}

/*
 * Nobody holds these exclusively but for a look, so they are waited for; the
 * look is of the session's whole drivers (machine/driver.h).
 */
struct use_claim {
	int dma_fd;
	int open_fd;
	struct owner_claim *owner;
	struct rf_device *dev;
	struct listener *listener;
};

static int group_own(struct rf_group *group, void **claim)
{
	struct use_claim *c = malloc(sizeof(*c));
	int ret = c ? lock_take(&c->dma_fd, LOCK_SH, "dma-%u", group->id) : -ENOMEM;

	if (ret)
		free(c);
	else
		*claim = c;
	return ret;
}

static void group_disown(void *claim)
{
	struct use_claim *c = claim;

	lock_drop(&c->dma_fd);
	free(c);
}

/* First the lock, then the look at the driver: who takes it away later finds the lock. */
static int driver_hold(const struct rf_device *dev, int *fd)
{
	char driver[64];
	int ret = lock_take(fd, LOCK_SH, "open-%s", dev->name);

	if (ret)
		return ret;
	ret = driver_of(engine_session(), dev->name, driver, sizeof(driver));
	if (!ret && strcmp(driver, "vfio-pci") != 0)
		ret = -ENODEV;
	if (ret)
		lock_drop(fd);
	return ret;
}

static int device_use(struct rf_device *dev, void **claim)
{
	struct use_claim *c;
	int ret = group_own(dev->group, claim);

	if (ret)
		return ret;
	c = *claim;
	c->dev = dev;
	c->listener = NULL;
	ret = driver_hold(dev, &c->open_fd);
	if (ret)
		goto disown;
	ret = owner_get(dev->group->id, &c->owner);
	if (ret)
		goto release;
	return 0;
release:
	lock_drop(&c->open_fd);
disown:
	group_disown(c);
	return ret;
}

static void device_unuse(void *claim)
{
	struct use_claim *c = claim;

	if (c->listener)
		request_forget(c->listener);
	owner_put(c->owner);
	lock_drop(&c->open_fd);
	group_disown(c);
}

static int device_keep(struct rf_device *dev, void **claim)
{
	struct open_claim *c = malloc(sizeof(*c));
	int ret = c ? driver_hold(dev, &c->fd) : -ENOMEM;

	if (ret)
		free(c);
	else
		*claim = c;
	return ret;
}

static void device_unkeep(void *claim)
{
	struct open_claim *c = claim;

	lock_drop(&c->fd);
	free(c);
}

static void device_listen(void *claim)
{
	struct use_claim *c = claim;

	if (!c->listener)
		c->listener = request_listen(c->dev);
}

static void drivers_refresh(void)
{
	struct rf_machine *machine = engine_machine();

	if (machine)
		driver_refresh(engine_session(), machine);
}

void claim_recheck(void)
{
	struct rf_machine *machine = engine_machine_made();

	if (!machine)
		return;
	driver_refresh(engine_session(), machine);
	for (struct rf_group *group = machine->groups; group; group = group->next)
		vfio_group_recheck(group);
}

const struct vfio_claim_ops claim_ops = {
	.take = device_take,
	.drop = device_drop,
	.own = group_own,
	.disown = group_disown,
	.use = device_use,
	.unuse = device_unuse,
	.keep = device_keep,
	.unkeep = device_unkeep,
	.listen = device_listen,
	.refresh = drivers_refresh,
};

void claim_abandon(void)
{
	owners = NULL;
	engine_lock_renew(&owners_lock);
}
