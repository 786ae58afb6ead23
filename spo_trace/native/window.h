/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SPO_WINDOW_H
#define SPO_WINDOW_H

#include <stdbool.h>

#include "scan.h"

/* Read the block's next whole records into its text. False if there are none. */
bool next_window(struct spo_block *block);

#endif
