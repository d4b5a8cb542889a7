/* Files of the image, which may be anything: links are followed inside the root's own file system and no further. */
#ifndef HYPEMAN_PLACE_H
#define HYPEMAN_PLACE_H

#include "bytes.h"

#include <sys/stat.h>

/* Where a path leads: a name in a directory that is held open. */
struct place {
	int directory;
	char name[256];
	struct stat facts;
};

enum found { NOWHERE, FOUND, TROUBLE };

/*
 * Follows links to a plain file. NOWHERE: no program could read it either. TROUBLE: there is something, but nothing
 * that may be written to, errno says why. Only FOUND has to be left.
 */
enum found place_find(const char *path, struct place *place);
/* The name itself in its directory, which is made if it has to be; false with errno. */
bool place_make(const char *path, struct place *place);
void place_leave(struct place *place);
/* An open directory to be read, or -1 with errno. */
int place_directory(const char *path);

/* The whole file, or false with errno; EFBIG when it does not fit. */
bool place_read(const struct place *place, struct buffer *out);
/* The name shows the old file or the whole new one, with the mode and the owner of the old. */
bool place_write(const struct place *place, struct span bytes);
/* Makes `name` in the directory a link to `target`, whatever was there but a directory. */
bool link_write(int directory, const char *name, const char *target);
/* True when `name` is a link to `target`. */
bool link_is(int directory, const char *name, const char *target);

#endif
