/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_IOMMUFD_ABI_TABLES_H
#define TEST_IOMMUFD_ABI_TABLES_H

struct abi_entry {
	const char *name; /* NULL ends the table */
	unsigned long long value;
};

extern const struct abi_entry abi_ours[];
extern const struct abi_entry abi_system[];

#endif
