#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Images leave links here into directories that only their own services fill. */
static void replace_file(const char *path, const char *text)
{
	struct stat facts;
	if (lstat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
		(void)unlink(path);
	if (!write_file(path, text))
		warn_errno("cannot write", path);
}

void write_identity(const struct boot *boot)
{
	char text[1024];
	if (sethostname(boot->hostname, strlen(boot->hostname)) < 0)
		warn_errno("cannot set the name", boot->hostname);
	if (mkdir("/etc", 0755) < 0 && errno != EEXIST)
		warn_errno("cannot make", "/etc");
	(void)snprintf(text, sizeof text, "%s\n", boot->hostname);
	replace_file("/etc/hostname", text);
	(void)snprintf(text, sizeof text, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s\n",
		       boot->ip == NULL ? "127.0.1.1" : boot->ip, boot->hostname);
	replace_file("/etc/hosts", text);
	if (boot->ip == NULL)
		return;
	(void)snprintf(text, sizeof text, "nameserver %s\n", boot->gateway);
	replace_file("/etc/resolv.conf", text);
}
