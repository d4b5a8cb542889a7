/* A guest becomes another one: what it is told, and the parts of doing it. */
#ifndef HYPEMAN_IDENTIFY_H
#define HYPEMAN_IDENTIFY_H

#include "bytes.h"
#include "init.h"

enum { SEED_BYTES = 512, MACHINE_ID = 32, HOSTNAME_BYTES = 64, ADDRESS_BYTES = 18 };

/* A place on the network; all NULL without one. */
struct address {
	const char *ip, *gateway, *mac;
};

struct identity {
	const char *id, *hostname;
	struct address address;
	const char *machine_id; /* NULL: not to be changed */
	uint64_t clock_ms;
	uint8_t seed[SEED_BYTES];
	size_t seed_length;
	struct authority authority; /* all NULL without mediation */
};

/* become.c: with errno, for `state` */
void identity_refused(const char *what, const char *which);

/* identify.c: points into `bytes`. False when something is missing or of no sense. */
bool identity_parse(struct identity *identity, const char *bytes, size_t length);

/* refresh.c: false with errno */
bool set_clock(uint64_t ms);
/* 1 to SEED_BYTES bytes, counted as that much entropy and in use when it returns. */
bool reseed(const uint8_t *seed, size_t length);

/* network.c: NULL, or what failed, with errno; nothing goes in or out then */
const char *network_down(void);
const char *network_become(const struct address *address);

/* old-sockets.c */
/* Ends all TCP and UDP sockets of this address with an error for their programs; false with errno. */
bool end_sockets_of(const char *ip);

/* words.c */
struct renaming {
	const char *from, *to;
};
/* Writes `old` with every whole word of `from` as its `to`; false when there was none or no room. */
bool words_replaced(struct span old, const struct renaming *renamings, size_t count, struct buffer *out);

/* names.c: the files of the image that carry the old names; NULL, or the first that could not be changed, with errno */
const char *rename_in_files(const struct renaming *renamings, size_t count);
const char *write_machine_id(const char *machine_id);

#endif
