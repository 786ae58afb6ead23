// SPDX-License-Identifier: LGPL-2.1-or-later
/* Kernel memory by virtual address: /proc/kcore, or a BPF program. */
#include <errno.h>
#include <unistd.h>

#include "memory.h"

static struct {
	int fd;
	const struct plan *plan;
} image = { .fd = -1 };

bool image_open(const struct options *options, const struct plan *plan)
{
	char path[PATH_BYTES];

	image.plan = plan;
	if (plan->by_bpf)
		return bpf_open();
	if (!join_path(path, options->root, "proc/kcore"))
		die(options->root, ": the name is too long", "");
	image.fd = open_regular(path);
	if (image.fd < 0)
		output_error("page_owner", errno, path, NULL);
	return image.fd >= 0;
}

/* The first segment that ends after an address. */
static size_t segment_of(uint64_t address)
{
	size_t first = 0, last = image.plan->segment_count;

	while (first < last) {
		size_t middle = (first + last) / 2;

		if (image.plan->segments[middle].end > address)
			last = middle;
		else
			first = middle + 1;
	}
	return first;
}

/* Pages that the kernel may not copy, such as those of a balloon, end a read. */
static size_t read_at(uint8_t *to, size_t size, off_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(image.fd, to + done, size - done, offset + done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += got;
	}
	return done;
}

static size_t kcore_read(uint64_t address, uint8_t *to, size_t size)
{
	const struct plan *plan = image.plan;
	size_t at = 0, lost = 0;

	for (size_t i = segment_of(address); at < size; i++) {
		const struct segment *segment = plan->segments + i;
		size_t gap = size - at, part = 0, done = 0;

		if (i < plan->segment_count) {
			uint64_t here = address + at, left = segment->end - here;

			gap = segment->start > here ? segment->start - here : 0;
			gap = gap < size - at ? gap : size - at;
			left -= gap;
			part = left < size - at - gap ? left : size - at - gap;
		}
		memset(to + at, 0, gap);
		at += gap;
		if (part)
			done = read_at(to + at, part,
				       segment->offset + (address + at - segment->start));
		memset(to + at + done, 0, part - done);
		at += part;
		lost += gap + part - done;
	}
	return lost;
}

/* Read a range, with zeros for what cannot be read; return the number of bytes of the latter. */
size_t image_read(uint64_t address, void *to, size_t size)
{
	if (size > UINT64_MAX - address) {
		memset(to, 0, size);
		return size;
	}
	return image.plan->by_bpf ? bpf_read(address, to, size) : kcore_read(address, to, size);
}
