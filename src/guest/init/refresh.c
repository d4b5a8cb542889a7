#include "identify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

bool set_clock(uint64_t ms)
{
	const struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	return clock_settime(CLOCK_REALTIME, &time) == 0;
}

/* Both are needed: the first adds entropy, the second makes the generator use it now (random(4)). */
bool reseed(const uint8_t *seed, size_t length)
{
	struct {
		int bits, size;
		uint8_t bytes[SEED_BYTES];
	} pool = { .bits = (int)length * 8, .size = (int)length };
	memcpy(pool.bytes, seed, length);
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool seeded = ioctl(fd, RNDADDENTROPY, &pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
	int error = errno;
	(void)close(fd);
	explicit_bzero(&pool, sizeof pool);
	errno = error;
	return seeded;
}
