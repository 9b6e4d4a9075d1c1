/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Serving the holders of our files in other processes; see service.c.
 */
#ifndef RF_INTERPOSE_SERVICE_H
#define RF_INTERPOSE_SERVICE_H

/* A descriptor may have left, or is about to leave, the process. Cheap when nothing is open. */
void service_start(void);
/* The same, for those who only inherit what is not close-on-exec. */
void service_start_for_exec(void);

/* There may be requests now (request.h): wait for them too, if the thread is there. */
void service_requests(void);

/* In a child of fork: the thread and the connections are the parent's. */
void service_abandon(void);

#endif
