#include "init.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ID = 0x7fffffff };

static bool matches(const char *text, const char *name, uint64_t id)
{
	uint64_t number = 0;
	return strcmp(text, name) == 0 || (parse_number(text, MAX_ID, &number) && number == id);
}

/* The name under which the image knows the user; empty when it does not. */
static const char *find_account(const char *text, struct user *user, char *name, size_t size)
{
	uint64_t number = 0;
	bool numeric = parse_number(text, MAX_ID, &number);
	name[0] = 0;
	FILE *file = fopen("/etc/passwd", "re");
	if (file != NULL) {
		for (struct passwd *entry = fgetpwent(file); entry != NULL; entry = fgetpwent(file)) {
			if (!matches(text, entry->pw_name, entry->pw_uid))
				continue;
			user->uid = entry->pw_uid;
			user->gid = entry->pw_gid;
			(void)snprintf(user->home, sizeof user->home, "%s", entry->pw_dir);
			(void)snprintf(name, size, "%s", entry->pw_name);
			break;
		}
		(void)fclose(file);
	}
	if (name[0] == 0 && !numeric)
		return "the image has no such user:";
	if (name[0] == 0)
		user->uid = (uid_t)number;
	return NULL;
}

static void join_groups(const struct group *entry, const char *name, struct user *user)
{
	for (char **member = entry->gr_mem; *member != NULL; member++)
		if (strcmp(*member, name) == 0 && user->group_count < MAX_GROUPS)
			user->groups[user->group_count++] = entry->gr_gid;
}

/* A group that was asked for stands alone; else those that list the user come too, as runc has it. */
static const char *find_groups(const char *text, const char *name, struct user *user)
{
	uint64_t number = 0;
	bool found = text == NULL;
	FILE *file = fopen("/etc/group", "re");
	if (file != NULL) {
		for (struct group *entry = fgetgrent(file); entry != NULL; entry = fgetgrent(file)) {
			if (text == NULL) {
				join_groups(entry, name, user);
			} else if (!found && matches(text, entry->gr_name, entry->gr_gid)) {
				user->gid = entry->gr_gid;
				found = true;
			}
		}
		(void)fclose(file);
	}
	if (found)
		return NULL;
	if (!parse_number(text, MAX_ID, &number))
		return "the image has no such group:";
	user->gid = (gid_t)number;
	return NULL;
}

const char *resolve_user(const char *text, struct user *user)
{
	char account[256], name[256];
	memset(user, 0, sizeof *user);
	(void)snprintf(user->home, sizeof user->home, "/");
	if (snprintf(account, sizeof account, "%s", text) >= (int)sizeof account)
		return "the name is too long:";
	char *group = strchr(account, ':');
	if (group != NULL)
		*group++ = 0;
	const char *problem = find_account(account[0] == 0 ? "0" : account, user, name, sizeof name);
	if (problem != NULL)
		return problem;
	if (group != NULL && group[0] == 0)
		group = NULL;
	return find_groups(group, name, user);
}
