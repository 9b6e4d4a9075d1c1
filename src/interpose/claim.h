/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process of the session has for itself; see claim.c.
 */
#ifndef RF_INTERPOSE_CLAIM_H
#define RF_INTERPOSE_CLAIM_H

#include "base/file.h"
#include "vfio/vfio.h"

/* The open group: taken, and given back when its file is gone. -EBUSY; -ENOMEM and the like. */
int claim_group(unsigned id, void **claim);
void claim_group_drop(void *claim);

/* This process has changed drivers: groups that it has open and that lost their last device end. */
void claim_recheck(void);

/* Devices that are bound by themselves. */
extern const struct vfio_claim_ops claim_ops;

/* In a child of fork: the claims are the parent's. */
void claim_abandon(void);

#endif
