#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As many as the kernel follows (path_resolution(7)). */
enum { MAX_LINKS = 40, PATH_BYTES = 4096, NEW_MODE = 0644 };
static const char TEMPORARY[] = ".hypeman-trust.part";

/*
 * /proc, /sys and /dev are other mounts, so RESOLVE_NO_XDEV keeps the image's links off all that is no file of its
 * own; the kernel checks each step, so nobody can swap a directory for a link meanwhile.
 */
static int open_directory(int from, const char *path, uint64_t flags)
{
	const struct open_how how = {
		.flags = flags | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, from, path, &how, sizeof how);
}

/* Opens the directory that the last name of `path` is in, and keeps that name. `path` is cut. */
static bool enter(struct place *place, char *path)
{
	char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t length = strlen(name);
	if (length == 0 || length >= sizeof place->name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		errno = EISDIR;
		return false;
	}
	memcpy(place->name, name, length + 1);
	if (slash != NULL)
		slash[slash == path ? 1 : 0] = 0;
	int directory = open_directory(place->directory, slash == NULL ? "." : path, O_PATH);
	int error = errno;
	place_leave(place);
	errno = error;
	place->directory = directory;
	return directory >= 0;
}

static bool follow(struct place *place, char *path)
{
	ssize_t length = readlinkat(place->directory, place->name, path, PATH_BYTES - 1);
	if (length < 0)
		return false;
	path[length] = 0;
	return enter(place, path);
}

static enum found give_up(struct place *place)
{
	int error = errno;
	place_leave(place);
	errno = error;
	return error == ENOENT || error == ENOTDIR || error == ELOOP ? NOWHERE : TROUBLE;
}

enum found place_find(const char *path, struct place *place)
{
	char way[PATH_BYTES];
	uid_t linker = 0;
	place->directory = -1;
	errno = ENAMETOOLONG;
	if (snprintf(way, sizeof way, "%s", path) >= (int)sizeof way || !enter(place, way))
		return give_up(place);
	for (int links = 0; links < MAX_LINKS; links++) {
		if (fstatat(place->directory, place->name, &place->facts, AT_SYMLINK_NOFOLLOW) < 0)
			return give_up(place);
		/* A user's link onto what is not the user's would have us write there in the user's stead. */
		errno = EPERM;
		if (S_ISREG(place->facts.st_mode))
			return linker == 0 || linker == place->facts.st_uid ? FOUND : give_up(place);
		linker = place->facts.st_uid == 0 ? linker : place->facts.st_uid;
		errno = S_ISDIR(place->facts.st_mode) ? EISDIR : EINVAL;
		if (!S_ISLNK(place->facts.st_mode) || !follow(place, way))
			return give_up(place);
	}
	errno = ELOOP;
	return give_up(place);
}

static bool make_parents(const char *path)
{
	struct place parent = { .directory = -1 };
	char part[PATH_BYTES];
	for (size_t at = 1; path[at] != 0 && at < sizeof part; at++) {
		if (path[at] != '/')
			continue;
		memcpy(part, path, at);
		part[at] = 0;
		parent.directory = -1;
		bool made = enter(&parent, part) && (mkdirat(parent.directory, parent.name, 0755) == 0 || errno == EEXIST);
		int error = errno;
		place_leave(&parent);
		errno = error;
		if (!made)
			return false;
	}
	return true;
}

bool place_make(const char *path, struct place *place)
{
	char way[PATH_BYTES];
	memset(place, 0, sizeof *place);
	place->directory = -1;
	errno = ENAMETOOLONG;
	return snprintf(way, sizeof way, "%s", path) < (int)sizeof way && make_parents(path) && enter(place, way);
}

void place_leave(struct place *place)
{
	if (place->directory >= 0)
		(void)close(place->directory);
	place->directory = -1;
}

int place_directory(const char *path)
{
	return open_directory(AT_FDCWD, path, O_RDONLY);
}

bool place_read(const struct place *place, struct buffer *out)
{
	struct stat facts;
	out->length = 0;
	/* Not blocking: a running guest may have put a pipe there since. */
	int fd = openat(place->directory, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	errno = EINVAL;
	bool whole = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
	while (whole) {
		ssize_t got = read(fd, out->bytes + out->length, out->room - out->length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 && out->length < out->room)
			break;
		if (got == 0)
			errno = EFBIG;
		whole = got > 0;
		out->length += got > 0 ? (size_t)got : 0;
	}
	int error = errno;
	(void)close(fd);
	errno = error;
	return whole;
}

static bool write_all(int fd, struct span bytes)
{
	for (size_t at = 0; at < bytes.length;) {
		ssize_t written = write(fd, bytes.bytes + at, bytes.length - at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		at += (size_t)written;
	}
	return true;
}

bool place_write(const struct place *place, struct span bytes)
{
	bool was_there = S_ISREG(place->facts.st_mode);
	mode_t mode = was_there ? place->facts.st_mode & 0777 : NEW_MODE;
	(void)unlinkat(place->directory, TEMPORARY, 0);
	int fd = openat(place->directory, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool written = write_all(fd, bytes) && (!was_there || fchown(fd, place->facts.st_uid, place->facts.st_gid) == 0) &&
		       fchmod(fd, mode) == 0;
	written = close(fd) == 0 && written;
	if (written && renameat(place->directory, TEMPORARY, place->directory, place->name) == 0)
		return true;
	int error = errno;
	(void)unlinkat(place->directory, TEMPORARY, 0);
	errno = error;
	return false;
}

bool link_is(int directory, const char *name, const char *target)
{
	char there[PATH_BYTES];
	ssize_t length = readlinkat(directory, name, there, sizeof there);
	return length == (ssize_t)strlen(target) && memcmp(there, target, (size_t)length) == 0;
}

bool link_write(int directory, const char *name, const char *target)
{
	if (link_is(directory, name, target))
		return true;
	(void)unlinkat(directory, TEMPORARY, 0);
	if (symlinkat(target, directory, TEMPORARY) < 0)
		return false;
	if (renameat(directory, TEMPORARY, directory, name) == 0)
		return true;
	int error = errno;
	(void)unlinkat(directory, TEMPORARY, 0);
	errno = error;
	return false;
}
