/*
 * faults: what is wrong with a configuration, one sentence a line.
 *
 * Syntax ends at its first error; what is checked afterwards goes on, so that
 * a sysadmin reads all of it at once. The lines lie in a buffer of the
 * caller's; those that do not fit are only counted, in the last line.
 */
#ifndef NATTER_DAEMON_FAULTS_H
#define NATTER_DAEMON_FAULTS_H

#include <stddef.h>

/* Room for some dozens of them. */
#define FAULTS_SIZE 8192

struct faults {
	char *text; /* lines with a newline between them */
	size_t size, len;
	unsigned left_out;
};

/* No faults yet: len is 0. BUF has SIZE bytes and remains as it is until there is one. */
void faults_init(struct faults *f, char *buf, size_t size);

/* One more, without a newline. */
void faults_add(struct faults *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All lines of TEXT, which is cut up for it. */
void faults_add_all(struct faults *f, char *text);

/* Calls FN with each line of TEXT, which is cut up for it. */
void faults_each(char *text, void (*fn)(const char *line));

#endif
