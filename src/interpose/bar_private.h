/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What bar.c, which changes the set of views, shares with bar_access.c, which
 * reads it.
 */
#ifndef RF_INTERPOSE_BAR_PRIVATE_H
#define RF_INTERPOSE_BAR_PRIVATE_H

#include <stdatomic.h>

#include "base/gate.h"
#include "interpose/bar_views.h"

/* The set as it is now; what was read stays valid inside the gate, or with the lock of bar.c held. */
extern _Atomic(struct bar_views *) bar_views_now;
extern struct gate bar_views_gate;

#endif
