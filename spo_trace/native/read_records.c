// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Read a debugfs file that returns one record for each read(2), without running Python between
 * records.
 */
#include <errno.h>
#include <unistd.h>

#include "read_records.h"

/*
 * Return an enum spo_stop, or -errno. batch->count includes the records before an error, but not
 * the record at which SPO_PAST stopped.
 */
int spo_read_records(int fd, struct spo_batch *batch)
{
	int64_t used = 0;

	for (batch->count = 0; batch->count < batch->most && batch->room - used >= batch->longest;
	     batch->count++) {
		ssize_t got = read(fd, batch->text + used, (size_t)batch->longest);

		/* Return after a signal, so that Python can handle it and call again. */
		if (got < 0)
			return errno == EINTR ? SPO_FULL : -errno;
		if (got == 0)
			return SPO_END;
		if (batch->end >= 0) {
			batch->position = lseek(fd, 0, SEEK_CUR);
			if (batch->position < 0)
				return -errno;
			/* After a record, the position is its PFN + 1. */
			if (batch->position > batch->end)
				return SPO_PAST;
		}
		used += got;
		batch->ends[batch->count] = used;
	}
	return SPO_FULL;
}
