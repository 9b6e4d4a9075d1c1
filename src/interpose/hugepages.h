/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Huge pages on a host that has none to give: see hugepages.c.
 */
#ifndef RF_INTERPOSE_HUGEPAGES_H
#define RF_INTERPOSE_HUGEPAGES_H

#include <stddef.h>

/*
 * mmap() of anonymous memory with MAP_HUGETLB, which the kernel refused with
 * -ENOMEM: ordinary memory in its place when the machine says so. As sys_mmap();
 * -ENOMEM when it does not.
 */
void *hugepages_mmap(void *addr, size_t len, int prot, int flags);

#endif
