/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What keeps this process's memory when the process is gone; see keeper.c.
 */
#ifndef RF_INTERPOSE_KEEPER_H
#define RF_INTERPOSE_KEEPER_H

/*
 * Start one. Until the last copy of the descriptor that is returned is closed,
 * wherever it went, the memory stays as it is. Or a negative errno.
 */
int keeper_start(void);

#endif
