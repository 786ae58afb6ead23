// SPDX-License-Identifier: LGPL-2.1-or-later
/* Records out of a copied file, which is cut at the lines that begin one. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../text.h"
#include "../scan.h"
#include "records.h"

/* "\nPage allocated via " is shorter. */
#define SEPARATOR_BYTES 32

/* Pass on the records in the room that are complete; return where the rest begins. */
static size_t pack_records(struct reader *reader, size_t size, bool at_end, bool *in_middle)
{
	struct job *job = reader->job;
	uint8_t *p = reader->room, *end = p + size;

	while (p < end) {
		uint8_t *next = (uint8_t *)next_start(p, end);
		size_t length = next - p;

		if (next == end && !at_end) {
			if (p > reader->room || size < PIECE_BYTES)
				break;
			/* It is too long. Its last bytes may be the beginning of another. */
			pack(reader, p, size - SEPARATOR_BYTES);
			*in_middle = true;
			return size - SEPARATOR_BYTES;
		}
		if (!*in_middle && starts_record(p) && job->handles == HANDLES_OF_COLLECTOR)
			length = stacks_replace(job->kind, p, length);
		*in_middle = false;
		pack(reader, p, length);
		p = next;
	}
	return p - reader->room;
}

enum stop read_copy(struct reader *reader)
{
	bool at_end = false, in_middle = false;
	size_t size = 0;

	while (!at_end) {
		ssize_t got = read(reader->fd, reader->room + size, PIECE_BYTES - size);
		size_t done;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return STOP_ERROR;
		if (!size && !reader->packing && prints_handle(reader->room, got))
			reader->job->handles = HANDLES_OF_KERNEL;
		at_end = got == 0;
		size += got;
		memset(reader->room + size, 0, SPO_PADDING);
		done = pack_records(reader, size, at_end, &in_middle);
		size -= done;
		memmove(reader->room, reader->room + done, size);
	}
	return STOP_END;
}
