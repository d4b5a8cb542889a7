#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t held = 0;
	while (held < size - 1) {
		ssize_t some = read(fd, text + held, size - 1 - held);
		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			break;
		held += (size_t)some;
	}
	(void)close(fd);
	text[held] = 0;
	return (ssize_t)held;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	size_t length = strlen(text);
	bool written = write(fd, text, length) == (ssize_t)length;
	return close(fd) == 0 && written;
}

static void mount_or_die(const char *type, const char *target, unsigned long flags, const char *options)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		die("cannot make the directory", target);
	if (mount(type, target, type, flags, options) < 0 && errno != EBUSY)
		die("cannot mount", target);
}

/* In the initramfs: what loading modules and finding disks needs. */
void mount_first(void)
{
	mount_or_die("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_or_die("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_or_die("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
}

/* In the image: what programs expect to find. */
void mount_rest(void)
{
	mount_or_die("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666,gid=5");
	mount_or_die("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	if (symlink("/proc/self/fd", "/dev/fd") < 0 && errno != EEXIST)
		warn_errno("cannot link", "/dev/fd");
	if (symlink("/proc/self/fd/0", "/dev/stdin") < 0 && errno != EEXIST)
		warn_errno("cannot link", "/dev/stdin");
	if (symlink("/proc/self/fd/1", "/dev/stdout") < 0 && errno != EEXIST)
		warn_errno("cannot link", "/dev/stdout");
	if (symlink("/proc/self/fd/2", "/dev/stderr") < 0 && errno != EEXIST)
		warn_errno("cannot link", "/dev/stderr");
}

/* Groups tell a program's memory events from ours. A full system mounts and divides its own. */
void mount_control_groups(void)
{
	if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 && errno != EBUSY) {
		warn_errno("cannot mount", "/sys/fs/cgroup");
		return;
	}
	(void)write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids +cpu");
	if (mkdir("/sys/fs/cgroup/program", 0755) < 0 && errno != EEXIST)
		warn_errno("cannot make the group", "program");
	if (mkdir("/sys/fs/cgroup/exec", 0755) < 0 && errno != EEXIST)
		warn_errno("cannot make the group", "exec");
}
