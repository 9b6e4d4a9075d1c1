/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbell pages: trapped or polled; see doorbell.c.
 */
#ifndef RF_INTERPOSE_DOORBELL_H
#define RF_INTERPOSE_DOORBELL_H

#include <stdbool.h>

struct rf_device;

/* Whether the device's doorbell pages are plain memory just now. */
bool doorbell_is_open(const struct rf_device *dev);

/* A mapping of the device is about to be made: get ready what a trap should not have to. */
void doorbell_prepare(struct rf_device *dev);

/* A store to a doorbell trapped and was served. In the signal handler. */
void doorbell_rung(struct rf_device *dev);

/* The device has no mappings left: stop polling it; returns when that is so. */
void doorbell_quiesce(struct rf_device *dev);

/* In a child of fork: the threads are not here. */
void doorbell_abandon(void);

#endif
