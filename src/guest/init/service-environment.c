#include "init.h"
#include "place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* systemd gives its services none of its own environment but this (systemd-system.conf(5), DefaultEnvironment=). */
static const char PATH[] = "/etc/systemd/system.conf.d/50-hypeman-egress.conf";
enum { TEXT_BYTES = 16384 };

static void put_text(struct buffer *out, const char *text)
{
	put_bytes(out, text, strlen(text));
}

static void remove_drop_in(void)
{
	struct place place;
	if (place_find(PATH, &place) != FOUND)
		return;
	if (unlinkat(place.directory, place.name, 0) < 0)
		warn_errno("cannot remove", PATH);
	place_leave(&place);
}

static void write_drop_in(const struct boot *boot)
{
	static uint8_t bytes[TEXT_BYTES];
	struct buffer text = { .bytes = bytes, .room = sizeof bytes };
	struct place place;
	put_text(&text, "[Manager]\n");
	for (size_t at = 0; at < boot->service_count; at++) {
		put_text(&text, "DefaultEnvironment=\"");
		put_text(&text, boot->service_env[at]);
		put_text(&text, "\"\n");
	}
	errno = EFBIG;
	/* Without the variables the system's bundles still hold the CA: worth a line, not an end. */
	if (text.full || !place_make(PATH, &place)) {
		warn_errno("cannot make", PATH);
		return;
	}
	if (!place_write(&place, span_of(&text)))
		warn_errno("cannot make", PATH);
	place_leave(&place);
}

void write_service_environment(const struct boot *boot)
{
	if (boot->service_count == 0)
		remove_drop_in();
	else
		write_drop_in(boot);
}
