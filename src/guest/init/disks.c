#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { DISK_PATIENCE_MS = 5000 };

/* The directory of the writable disk, kept so that it can still be reached under the new root. */
static int writable = -1;

static bool find_disk(const char *serial, char *path, size_t size)
{
	char attribute[300], text[64];
	bool found = false;
	DIR *blocks = opendir("/sys/block");
	if (blocks == NULL)
		return false;
	for (struct dirent *entry = readdir(blocks); entry != NULL && !found; entry = readdir(blocks)) {
		(void)snprintf(attribute, sizeof attribute, "/sys/block/%s/serial", entry->d_name);
		if (read_file(attribute, text, sizeof text) < 0)
			continue;
		text[strcspn(text, "\n")] = 0;
		found = strcmp(text, serial) == 0 && snprintf(path, size, "/dev/%s", entry->d_name) < (int)size;
	}
	(void)closedir(blocks);
	return found;
}

/* Drivers find their devices on their own time. */
void wait_for_disk(const char *serial, char *path, size_t size)
{
	const struct timespec moment = { 0, 5 * 1000 * 1000 };
	uint64_t end = now_ms() + DISK_PATIENCE_MS;
	while (!find_disk(serial, path, size)) {
		if (now_ms() > end) {
			errno = ENODEV;
			die("cannot find the disk", serial);
		}
		(void)nanosleep(&moment, NULL);
	}
}

void make_directory(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die("cannot make the directory", path);
}

/* The image below, what the instance wrote above it. */
void assemble_root(void)
{
	char disk[300];
	wait_for_disk("root", disk, sizeof disk);
	if (mount(disk, "/lower", "erofs", MS_RDONLY, NULL) < 0)
		die("cannot mount the root disk", disk);
	wait_for_disk("overlay", disk, sizeof disk);
	if (mount(disk, "/rw", "ext4", MS_NOATIME, NULL) < 0)
		die("cannot mount the overlay disk", disk);
	make_directory("/rw/upper");
	make_directory("/rw/work");
	if (mount("overlay", "/newroot", "overlay", 0, "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work") < 0)
		die("cannot join the disks at", "/newroot");
	writable = open("/rw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writable < 0)
		die("cannot open", "/rw");
}

static void carry_mount(const char *from, const char *to)
{
	make_directory(to);
	if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
		die("cannot move a mount to", to);
}

/* pivot_root(2) does not work on an initramfs: move over it, then chroot, as its manual says. */
void enter_root(void)
{
	carry_mount("/proc", "/newroot/proc");
	carry_mount("/sys", "/newroot/sys");
	carry_mount("/dev", "/newroot/dev");
	/* The boot config holds the environment: nobody reads it twice. */
	(void)unlink("/boot.conf");
	(void)unlink("/init");
	if (chdir("/newroot") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		die("cannot enter", "/newroot");
}

void quiesce_disks(void)
{
	sync();
	quiesce_volumes();
	(void)mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	if (writable >= 0 && fchdir(writable) == 0 && mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		warn_errno("cannot close", "the overlay disk");
	sync();
}
