// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Output of root belongs to the user who called sudo, if that user may write to its directory, as
 * files/access.py has it. User names are not looked up: a static program cannot do it everywhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect.h"

/* For chown(2), the largest value means "leave unchanged". */
#define MAX_ID 0xfffffffeUL

static bool id_of(const char *name, unsigned long *id)
{
	const char *text = getenv(name);

	if (!text || !*text || strlen(text) > 10 || strspn(text, "0123456789") != strlen(text))
		return false;
	*id = strtoul(text, NULL, 10);
	return *id <= MAX_ID;
}

static bool may_write(const struct owner *owner, int directory)
{
	struct stat status;
	unsigned int bits;

	if (fstat(directory, &status) < 0)
		return false;
	bits = status.st_mode;
	if (status.st_uid == owner->uid)
		bits >>= 6;
	else if (status.st_gid == owner->gid)
		bits >>= 3;
	return (bits & 3) == 3;
}

struct owner owner_in(int directory, const char *target)
{
	unsigned long uid, gid;
	struct owner owner;

	if (geteuid() != 0 || !id_of("SUDO_UID", &uid) || !id_of("SUDO_GID", &gid) || !uid)
		return (struct owner){ .is_given = false };
	owner = (struct owner){ .is_given = true, .uid = uid, .gid = gid };
	if (!may_write(&owner, directory)) {
		warn(target, " belongs to root: the user who called sudo may not write there", "");
		owner.is_given = false;
	}
	return owner;
}

/* Some file systems have no owners: then it stays with root. */
void owner_give(struct owner *owner, int fd)
{
	if (!owner->is_given || fchown(fd, owner->uid, owner->gid) == 0)
		return;
	warn("the owner of the capture cannot be changed: ", strerror(errno), "");
	owner->is_given = false;
}
