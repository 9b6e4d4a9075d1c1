/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One device, several address spaces: what a VMM, or a driver with shared virtual
 * addressing, does with PASIDs.
 *
 * Two tenants use one copy engine (copier.c). Each has a set of PASIDs with a quota, an
 * address space that begins at the same IOVA, and asks for copies in it. A request
 * names a PASID, and a tenant may name any number: whether it is theirs is asked first.
 * Then a tenant goes, while the device may still have its PASID.
 *
 *	pasid ./copier.so
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ringfence/group.h>
#include <ringfence/ioas.h>
#include <ringfence/machine.h>
#include <ringfence/pasid.h>

#define PAGE	     4096u
#define IOVA	     0x10000u
#define QUOTA	     4u
#define COMMAND	     0x04u
#define MASTER	     0x0006u /* and memory */
#define EXT_CAPS     0x100u
#define CAP_PASID    0x1bu
#define PASID_CTRL   6u
#define PASID_ENABLE 1u

/* What the private pointers of our PASIDs lead to. */
struct tenant {
	const char *name;
	unsigned refs;
	struct rf_pasid_set *set;
	struct rf_ioas *ioas;
	char *memory; /* a page to copy from, and one to copy to */
	uint32_t pasid;
};

static const struct rf_pasid_type tenant_type = { "tenant" };
static struct rf_machine *machine;
static struct rf_device *dev;

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-ret));
	exit(1);
}

static void expect(int got, int want, const char *what)
{
	printf("%-58s %s\n", what, got ? strerror(-got) : "done");
	if (got != want)
		must(-EPROTO, "not what was expected");
}

/* One thread does everything here; otherwise this would be atomic. */
static bool tenant_tryget(void *data)
{
	struct tenant *tenant = data;

	return tenant->refs && ++tenant->refs;
}

static void enable_pasids(void)
{
	unsigned cap = EXT_CAPS;

	while (cap && (rf_device_config_read(dev, cap, 2) != CAP_PASID))
		cap = rf_device_config_read(dev, cap + 2, 2) >> 4;
	must(cap ? 0 : -ENODEV, "no PASID capability");
	rf_device_config_write(dev, cap + PASID_CTRL, PASID_ENABLE, 2);
	rf_device_config_write(dev, COMMAND, MASTER, 2);
}

static void tenant_start(struct tenant *tenant, const char *name)
{
	uint64_t iova = IOVA;

	tenant->name = name;
	tenant->refs = 1;
	tenant->memory =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(tenant->memory == MAP_FAILED ? -ENOMEM : 0, "memory");
	snprintf(tenant->memory, PAGE, "this is %s's", name);
	must(rf_ioas_new(machine, 0, &tenant->ioas), "address space");
	must(rf_ioas_map(tenant->ioas, rf_owner_self(machine), tenant->memory, 2 * PAGE,
			 RF_READ | RF_WRITE, RF_MAP_FIXED, &iova),
	     "map");
	must(rf_pasid_set_new(machine, &tenant_type, tenant, QUOTA, &tenant->set), "set");
	must(rf_pasid_alloc(tenant->set, 1, RF_PASID_MAX, tenant, &tenant->pasid), "PASID");
	must(rf_pasid_attach(dev, tenant->set, tenant->pasid, tenant->ioas), "attach");
}

static void tenant_stop(struct tenant *tenant)
{
	rf_pasid_set_free(tenant->set);
	rf_ioas_free(tenant->ioas);
	munmap(tenant->memory, 2 * PAGE);
}

static int submit(uint32_t pasid)
{
	rf_device_mmio_write(dev, 0, 0x00, IOVA, 8);
	rf_device_mmio_write(dev, 0, 0x08, IOVA + PAGE, 8);
	rf_device_mmio_write(dev, 0, 0x10, 64, 8);
	rf_device_mmio_write(dev, 0, 0x18, pasid, 8);
	return -(int)rf_device_mmio_read(dev, 0, 0x20, 8);
}

/* A request of a tenant, who may be hostile. */
static int request_copy(const struct tenant *tenant, uint32_t pasid)
{
	int ret = rf_pasid_check_owner(machine, pasid, tenant);

	return ret ? ret : submit(pasid);
}

/* What who only has a number from the device does, such as a page request. */
static struct tenant *whose(uint32_t pasid)
{
	return rf_pasid_find_typed(machine, &tenant_type, pasid, tenant_tryget);
}

static void tenants_leave(struct tenant *anna, struct tenant *boris)
{
	struct tenant *found = whose(boris->pasid);
	uint32_t again;

	must(found == boris ? 0 : -ENOENT, "Boris");
	found->refs--;
	must(rf_pasid_free(boris->set, boris->pasid), "free");
	boris->refs = 0;
	must(rf_pasid_sync(), "sync"); /* nobody looks at him any more */
	expect(whose(boris->pasid) ? 0 : -ENOENT, -ENOENT, "Boris' PASID is freed: whose is it?");
	expect(rf_pasid_alloc(anna->set, boris->pasid, boris->pasid, anna, &again), -ENOSPC,
	       "the device still has it: may Anna get the number?");
	must(rf_pasid_detach(dev, boris->set, boris->pasid), "detach");
	expect(submit(boris->pasid), -ENODEV, "detached: a copy by a device that did not notice");
	expect(rf_pasid_alloc(anna->set, boris->pasid, boris->pasid, anna, &again), 0,
	       "may Anna get the number now?");
	must(rf_pasid_detach(dev, anna->set, anna->pasid), "detach");
}

int main(int argc, char **argv)
{
	static struct tenant anna, boris;
	char *error = NULL;

	if (argc != 2) {
		fprintf(stderr, "usage: pasid ./copier.so\n");
		return 2;
	}
	must(rf_machine_new(NULL, "default", &machine, NULL), "machine");
	if (rf_machine_add_device(machine, argv[1], &dev, &error)) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	enable_pasids();
	tenant_start(&anna, "Anna");
	tenant_start(&boris, "Boris");

	expect(request_copy(&anna, anna.pasid), 0, "Anna copies in her space");
	expect(request_copy(&boris, boris.pasid), 0, "Boris copies in his, at the same IOVA");
	expect(request_copy(&boris, anna.pasid), -EACCES, "Boris names Anna's PASID");
	expect(request_copy(&boris, 12345), -ENOENT, "Boris names any other");
	must(strcmp(anna.memory + PAGE, "this is Anna's") ||
			     strcmp(boris.memory + PAGE, "this is Boris's") ?
		     -EPROTO :
		     0,
	     "the copies");
	tenants_leave(&anna, &boris);
	tenant_stop(&anna);
	tenant_stop(&boris);
	rf_machine_free(machine);
	return 0;
}
