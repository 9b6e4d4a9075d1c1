/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The oracle program, run in-process: see oracle_rig.c.
 */
#ifndef TEST_VFIO_ORACLE_RIG_H
#define TEST_VFIO_ORACLE_RIG_H

struct rig;

/* Ask about the device at @bdf of @rig; the answers go to standard output. Its exit status. */
int oracle_run(struct rig *rig, const char *bdf);

#endif
