#include <config.h>

#include "daemon/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for the last line: "and 4294967295 more". */
#define MORE 24

void faults_init(struct faults *f, char *buf, size_t size) { *f = (struct faults){ .text = buf, .size = size }; }

void faults_add(struct faults *f, const char *fmt, ...)
{
	size_t begin = f->len ? f->len + 1 : 0, room = f->size > begin + MORE ? f->size - begin - MORE : 0;
	va_list ap;
	int n = -1;

	if (begin == 0)
		room = f->size; /* one line is cut, if need be */
	va_start(ap, fmt);
	if (room && f->left_out == 0)
		n = vsnprintf(f->text + begin, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && begin)
		f->text[begin - 1] = (size_t)n < room ? '\n' : '\0';
	if (n >= 0 && (begin == 0 || (size_t)n < room))
		f->len = begin + ((size_t)n < room ? (size_t)n : room - 1);
	else
		snprintf(f->text + f->len, f->size - f->len, "\nand %u more", ++f->left_out);
}

void faults_add_all(struct faults *f, char *text)
{
	for (char *line; (line = strsep(&text, "\n")) != NULL;)
		faults_add(f, "%s", line);
}

void faults_each(char *text, void (*fn)(const char *line))
{
	for (char *line; (line = strsep(&text, "\n")) != NULL;)
		fn(line);
}
