/* The CA as a file of its own, beside the bundles: see anchors.c. */
#ifndef HYPEMAN_ANCHORS_H
#define HYPEMAN_ANCHORS_H

#include "init.h"

/* Both may be repeated; NULL, or where it failed with errno. */
const char *anchors_install(const struct authority *authority);
const char *anchors_remove(void);

#endif
