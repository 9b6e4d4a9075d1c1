/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Being asked, by other processes, to let go of a device; see request.c.
 */
#ifndef RF_INTERPOSE_REQUEST_H
#define RF_INTERPOSE_REQUEST_H

#include "bus/device.h"

struct listener;

/*
 * Relay requests for @dev, which is open, until request_forget(). NULL, with a line in
 * the log, when that cannot be: then nobody hears of them. No locks held.
 */
struct listener *request_listen(struct rf_device *dev);
void request_forget(struct listener *listener);

/* The service's part: what to wait for, -1: nothing; and what to do when it is readable. */
int request_fd(void);
void request_serve(void);

/* In a child of fork: the devices are the parent's. */
void request_abandon(void);

#endif
