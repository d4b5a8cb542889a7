#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* Where each is mounted, held open: under the new root there is no other way to it. -1 for no layer. */
static int mounted[MAX_VOLUMES], layers[MAX_VOLUMES];
static size_t attached;

static _Noreturn void fail(const struct volume *volume)
{
	char which[PATH_BYTES + 128];
	(void)snprintf(which, sizeof which, "%s at %s", volume->name, volume->path);
	/* ext4 has no other word for a disk without its magic number. */
	if (errno == EINVAL)
		die("there is no ext4 that can be mounted on the volume", which);
	die("cannot mount the volume", which);
}

static int hold(const struct volume *volume, const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(volume);
	return fd;
}

/* `noload`: the disk cannot be written to, and so its journal cannot be replayed. */
static void mount_disk(const struct volume *volume, const char *serial, const char *at, bool readonly)
{
	char disk[300];
	wait_for_disk(serial, disk, sizeof disk);
	make_directory(at);
	if (mount(disk, at, "ext4", MS_NOATIME | (readonly ? MS_RDONLY : 0), readonly ? "noload" : NULL) < 0)
		fail(volume);
}

/* The root of what is joined looks like that of the volume. */
static void make_upper(const struct volume *volume, const char *upper, const char *base)
{
	struct stat facts;
	if (stat(base, &facts) < 0)
		fail(volume);
	if (mkdir(upper, 0755) < 0) {
		if (errno != EEXIST)
			fail(volume);
		return;
	}
	if (chown(upper, facts.st_uid, facts.st_gid) < 0 || chmod(upper, facts.st_mode & 07777) < 0)
		fail(volume);
}

static void join(const struct volume *volume, size_t at, const char *base, char *joined, size_t size)
{
	char layer[64], upper[80], work[80], options[300];
	(void)snprintf(layer, sizeof layer, "/volumes/%zu-layer", at);
	(void)snprintf(upper, sizeof upper, "%s/upper", layer);
	(void)snprintf(work, sizeof work, "%s/work", layer);
	(void)snprintf(joined, size, "/volumes/%zu-joined", at);
	(void)snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", base, upper, work);
	mount_disk(volume, volume->layer, layer, false);
	layers[at] = hold(volume, layer);
	make_upper(volume, upper, base);
	make_directory(work);
	make_directory(joined);
	if (mount("overlay", joined, "overlay", MS_NOATIME, options) < 0)
		fail(volume);
}

/* In the initramfs, where nothing of the image can be in the way. */
void attach_volumes(const struct boot *boot)
{
	char base[64], joined[64];
	if (boot->volume_count > 0)
		make_directory("/volumes");
	for (size_t at = 0; at < boot->volume_count; at++) {
		const struct volume *volume = &boot->volumes[at];
		(void)snprintf(base, sizeof base, "/volumes/%zu", at);
		mount_disk(volume, volume->serial, base, volume->readonly);
		layers[at] = -1;
		if (volume->layer != NULL)
			join(volume, at, base, joined, sizeof joined);
		mounted[at] = hold(volume, volume->layer == NULL ? base : joined);
		attached++;
	}
}

static int open_place(const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

/* A link of the image may lead anywhere on its disks, but not onto what init itself has mounted. */
static bool is_on_disk(int place)
{
	struct statfs facts;
	if (fstatfs(place, &facts) < 0)
		return false;
	errno = EPERM;
	return facts.f_type == OVERLAYFS_SUPER_MAGIC || facts.f_type == EXT4_SUPER_MAGIC;
}

/* Opens the directory, and makes what is missing of it. */
static int make_place(const char *path)
{
	char part[PATH_BYTES];
	size_t length = strlen(path);
	errno = ENAMETOOLONG;
	if (length >= sizeof part)
		return -1;
	for (size_t at = 1; at <= length; at++) {
		if (path[at] != '/' && path[at] != 0)
			continue;
		memcpy(part, path, at);
		part[at] = 0;
		int place = open_place(part);
		if (place < 0 && (errno != ENOENT || mkdir(part, 0755) < 0 || (place = open_place(part)) < 0))
			return -1;
		if (at == length)
			return place;
		(void)close(place);
	}
	return -1;
}

/* Under the new root: a path before the paths in it, as the host has ordered them. */
void place_volumes(const struct boot *boot)
{
	char from[64], to[64];
	for (size_t at = 0; at < boot->volume_count; at++) {
		const struct volume *volume = &boot->volumes[at];
		int place = make_place(volume->path);
		if (place < 0 || !is_on_disk(place))
			fail(volume);
		(void)snprintf(from, sizeof from, "/proc/self/fd/%d", mounted[at]);
		(void)snprintf(to, sizeof to, "/proc/self/fd/%d", place);
		if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
			fail(volume);
		(void)close(place);
	}
}

static void make_readonly(int fd)
{
	if (fd >= 0 && fchdir(fd) == 0 && mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		warn_errno("cannot close", "a volume");
}

void quiesce_volumes(void)
{
	for (size_t at = 0; at < attached; at++) {
		make_readonly(mounted[at]);
		make_readonly(layers[at]);
	}
}
