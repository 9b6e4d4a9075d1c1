/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared object that is no model. */
int plain(void);

int plain(void)
{
	return 0;
}
