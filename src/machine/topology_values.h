/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The values of a function in a machine file. Each reads one key of the object at
 * @spot: 0, or -EINVAL with the line set.
 */
#ifndef RF_MACHINE_TOPOLOGY_VALUES_H
#define RF_MACHINE_TOPOLOGY_VALUES_H

#include "bus/topology.h"
#include "machine/parse.h"

/**
 * struct function_type - a "type"
 * @vendor: @device: by default: the ids of what QEMU models
 */
struct function_type {
	const char *name;
	uint8_t pcie;
	uint8_t header;
	uint16_t vendor;
	uint16_t device;
	uint32_t class;
};

#define FUNCTION_TYPES 12u
extern const struct function_type function_types[FUNCTION_TYPES];

int value_ids(const struct reader *r, struct spot spot, const char *key, const json_t *value,
	      uint16_t *first, uint16_t *second);
int value_class(const struct reader *r, struct spot spot, const json_t *value,
		struct pci_function *fn);
/* *type: an index into function_types */
int value_type(const struct reader *r, struct spot spot, const json_t *value, size_t *type);
int value_acs(const struct reader *r, struct spot spot, json_t *value, struct pci_function *fn);
/* A driver's name, at @spot itself; "none" is NULL. *driver is to be freed, and was before. */
int value_driver(const struct reader *r, struct spot spot, const char *key, const json_t *value,
		 char **driver);
/* *driver: of the VFs, likewise. */
int value_sriov(const struct reader *r, struct spot spot, json_t *value, struct pci_function *fn,
		char **driver);
int value_aliases(const struct reader *r, struct spot spot, const json_t *value,
		  struct pci_function *fn);
int value_buses(const struct reader *r, struct spot spot, const json_t *value,
		struct pci_function *fn);
/* "bar-sizes": of six BARs and the ROM, 0 for those that are not there. */
int value_bar_sizes(const struct reader *r, struct spot spot, const json_t *value,
		    struct pci_function *fn);
/* The function is in its topology: its registers say everything from now on. */
int value_config(const struct reader *r, struct spot spot, const json_t *value,
		 const json_t *size_value, struct pci_function *fn);

#endif
