/*
 * proof: whether a file is, at a start, what the last run left.
 *
 * Beside the file lies a mark. While a journal runs it says so, and what a
 * stop without a farewell would leave of the past; a clean stop makes it a
 * clean one. At the next start the mark either proves that the file holds all
 * that was ever told, or it does not, and the rooms need a new epoch: the
 * machine went down with durability below disk, or the file was restored,
 * repaired or exchanged.
 */
#ifndef NATTER_STORE_PROOF_H
#define NATTER_STORE_PROOF_H

#include <stdbool.h>
#include <stdint.h>

struct proof {
	bool clean;     /* else a run was, or is, in progress */
	bool disk;      /* its commits were on the disk, not only with the system */
	char run[40];   /* the run's own number, which the file holds as well */
	char boot[40];  /* the system's; "": not known */
	uint64_t inode; /* of the file */
	uint64_t size;  /* and, when it is clean, its size and last change (ns) */
	int64_t changed;
};

/* 1; 0: there is no mark that makes sense. */
int proof_read(const char *mark, struct proof *p);

/* Replaces the mark, and has it on the disk. 0, or -1 with errno. */
int proof_write(const char *mark, const struct proof *p);

/* Fills in inode, size and changed. 1; 0: there is no such file. */
int proof_of_file(const char *path, struct proof *p);

/* Fills in boot. */
void proof_of_boot(struct proof *p);

/* NULL: NOW, a file with its run as found, is what MARK was left with; else why not, in words. */
const char *proof_lacks(const struct proof *mark, const struct proof *now);

#endif
