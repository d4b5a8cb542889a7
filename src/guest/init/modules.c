#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load_module(const char *name)
{
	char path[256];
	if (snprintf(path, sizeof path, "/modules/%s.ko", name) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		die("cannot load the kernel module", name);
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open the kernel module", name);
	/* ENODEV: the driver has no device here, which is fine for those of other hypervisors. */
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV)
		die("cannot load the kernel module", name);
	(void)close(fd);
	(void)unlink(path);
}

/* In the order that the host wrote down: each after what it needs. */
void load_modules(void)
{
	static char order[8192];
	if (read_file("/modules/order", order, sizeof order) < 0)
		die("cannot read", "/modules/order");
	char *rest = order;
	for (char *name = strsep(&rest, "\n"); name != NULL; name = strsep(&rest, "\n"))
		if (name[0] != 0)
			load_module(name);
}
