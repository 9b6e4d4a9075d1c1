/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The default domain's type, as programs and tests choose it through sysfs. It
 * is remembered and shown; no driver of the host runs here whose DMA would go
 * through such a domain.
 *
 * Source: iommu_group_store_type() in drivers/iommu/iommu.c of Linux 6.12, for
 * the words, the order of checks and the errnos.
 */
#include "machine/driver_group.h"

#include <errno.h>
#include <string.h>

#include "group/group.h"
#include "machine/driver_hotplug.h"

#define TYPE_MAX 32u

/* As sysfs compares: a line feed at the end is nothing. */
static bool same_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(text, word, len) && (!text[len] || !strcmp(text + len, "\n"));
}

static const char *type_of(const char *text)
{
	static const struct {
		const char *word, *type;
	} types[] = {
		{ "identity", "identity\n" },
		{ "DMA", "DMA\n" },
		{ "DMA-FQ", "DMA-FQ\n" },
		{ "auto", "DMA-FQ\n" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (same_word(text, types[i].word))
			return types[i].type;
	return NULL;
}

struct look {
	const char *group;
	bool any; /* it has a device */
};

/* One of the group's links: 1 when a driver that does DMA by itself has the device. */
static int link_driver(const struct session_files *files, const char *name, void *arg)
{
	char path[PATH_MAX], address[NAME_SIZE], driver[NAME_SIZE];
	struct look *look = arg;

	if (!path_print(path, "sys/kernel/iommu_groups/%s/devices/%s", look->group, name))
		return -ENAMETOOLONG;
	if (!link_name(files, path, address))
		return 0;
	look->any = true;
	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	return link_name(files, path, driver) && !driver_manages_dma(driver);
}

int group_store_type(const struct session_files *files, const char *group, const char *text)
{
	struct look look = { .group = group };
	const char *type = type_of(text);
	char path[PATH_MAX], now[TYPE_MAX];
	int ret;

	if (!type)
		return -EINVAL;
	if (!path_print(path, "sys/kernel/iommu_groups/%s/devices", group))
		return -ENAMETOOLONG;
	ret = files_each(files, path, link_driver, &look);
	if (ret < 0)
		return ret;
	path_print(path, "sys/kernel/iommu_groups/%s/type", group);
	file_read(files, path, now, sizeof(now));
	/* a flush queue can be brought up under whoever has the group */
	if (same_word(text, "DMA-FQ") && !strcmp(now, "DMA\n"))
		return file_replace(files, path, type);
	if (ret || !look.any || group_in_use(files, group))
		return -EPERM;
	return file_replace(files, path, type);
}
