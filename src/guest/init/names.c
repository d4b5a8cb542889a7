#include "identify.h"
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Files of lines that people write: larger ones are no such. */
enum { FILE_BYTES = 64 * 1024 };
static uint8_t room[2][FILE_BYTES];

static const char *const NAMED[] = { "/etc/hostname", "/etc/hosts", "/etc/resolv.conf" };
/* The second is a link to the first in most images. */
static const char *const MACHINE_IDS[] = { "/etc/machine-id", "/var/lib/dbus/machine-id" };
/* What the next start of systemd would feed the random generator with: the same in every fork. */
static const char RANDOM_SEED[] = "/var/lib/systemd/random-seed";

static bool rename_in(const struct place *place, const struct renaming *renamings, size_t count)
{
	struct buffer old = { .bytes = room[0], .room = FILE_BYTES }, fresh = { .bytes = room[1], .room = FILE_BYTES };
	if (!place_read(place, &old))
		return false;
	if (words_replaced(span_of(&old), renamings, count, &fresh))
		return place_write(place, span_of(&fresh));
	errno = EFBIG;
	return !fresh.full;
}

const char *rename_in_files(const struct renaming *renamings, size_t count)
{
	const char *failed = NULL;
	int error = 0;
	for (size_t at = 0; at < sizeof NAMED / sizeof NAMED[0]; at++) {
		struct place place;
		enum found found = place_find(NAMED[at], &place);
		if (found == NOWHERE)
			continue;
		bool renamed = found == FOUND && rename_in(&place, renamings, count);
		if (!renamed && failed == NULL) {
			failed = NAMED[at];
			error = errno;
		}
		if (found == FOUND)
			place_leave(&place);
	}
	errno = error;
	return failed;
}

/* An empty one is systemd's word for "not yet"; there is nothing in it that another guest has. */
static bool replace_machine_id(const struct place *place, const char *machine_id)
{
	uint8_t bytes[MACHINE_ID + 1];
	if (place->facts.st_size == 0)
		return true;
	memcpy(bytes, machine_id, MACHINE_ID);
	bytes[MACHINE_ID] = '\n';
	return place_write(place, (struct span){ bytes, sizeof bytes });
}

static void forget_random_seed(void)
{
	struct place place;
	if (place_find(RANDOM_SEED, &place) != FOUND)
		return;
	(void)unlinkat(place.directory, place.name, 0);
	place_leave(&place);
}

const char *write_machine_id(const char *machine_id)
{
	const char *failed = NULL;
	int error = 0;
	for (size_t at = 0; at < sizeof MACHINE_IDS / sizeof MACHINE_IDS[0]; at++) {
		struct place place;
		enum found found = place_find(MACHINE_IDS[at], &place);
		if (found == NOWHERE)
			continue;
		bool written = found == FOUND && replace_machine_id(&place, machine_id);
		if (!written && failed == NULL) {
			failed = MACHINE_IDS[at];
			error = errno;
		}
		if (found == FOUND)
			place_leave(&place);
	}
	forget_random_seed();
	errno = error;
	return failed;
}
