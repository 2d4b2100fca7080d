#include <config.h>

#include "chat/commander.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ANSWER_MAX 128

struct moment {
	uint64_t uptime;
	struct tm now;
};

static void say_hello(char *out, const struct moment *m) { (void)m; strcpy(out, "Hello!"); }
static void say_hi(char *out, const struct moment *m) { (void)m; strcpy(out, "Hi!"); }
static void say_name(char *out, const struct moment *m) { (void)m; strcpy(out, "I am natterd."); }
static void say_thanks(char *out, const struct moment *m) { (void)m; strcpy(out, "You're welcome."); }
static void say_bye(char *out, const struct moment *m) { (void)m; strcpy(out, "Bye!"); }
static void say_date(char *out, const struct moment *m) { strftime(out, ANSWER_MAX, "%Y-%m-%d", &m->now); }
static void say_time(char *out, const struct moment *m) { strftime(out, ANSWER_MAX, "%H:%M:%S", &m->now); }

/* "1 day, 2 hours, 3 minutes, 4 seconds", without the parts that are 0. */
static void say_age(char *out, const struct moment *m)
{
	static const struct { uint64_t seconds; const char *name; } units[] = {
		{ 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" },
	};
	uint64_t left = m->uptime;
	size_t n = 0;

	for (size_t i = 0; i < 4; i++) {
		uint64_t k = left / units[i].seconds;

		left %= units[i].seconds;
		if (k || (i == 3 && n == 0))
			n += (size_t)snprintf(out + n, ANSWER_MAX - n, "%s%" PRIu64 " %s%s", n ? ", " : "", k,
					      units[i].name, k == 1 ? "" : "s");
	}
}

static const struct {
	const char *word;
	void (*say)(char *out, const struct moment *m);
	bool bye;
} rows[] = {
	{ "hello", say_hello, false }, { "hi", say_hi, false },     { "name", say_name, false },
	{ "age", say_age, false },     { "date", say_date, false }, { "time", say_time, false },
	{ "thanks", say_thanks, false }, { "bye", say_bye, true },
};

/* White space around the word does not count, nor does case. */
static int find(const char *text, size_t len)
{
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	while (len && strchr(" \t\r\n", *text))
		text++, len--;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strlen(rows[i].word) == len && strncasecmp(rows[i].word, text, len) == 0)
			return (int)i;
	return -1;
}

static struct payload *entered(const char *text, size_t len)
{
	static const char words[] = "You have entered: ";
	struct payload *p = payload_new(NULL, sizeof(words) - 1 + len);

	if (p) {
		memcpy(p->data, words, sizeof(words) - 1);
		memcpy(p->data + sizeof(words) - 1, text, len);
	}
	return p;
}

struct payload *commander_answer(const char *text, size_t len, uint64_t uptime, int64_t now, bool *bye)
{
	int row = find(text, len);
	time_t seconds = (time_t)(now / 1000);
	struct moment m = { .uptime = uptime };
	char out[ANSWER_MAX] = "";

	*bye = row >= 0 && rows[row].bye;
	if (row < 0)
		return entered(text, len);
	localtime_r(&seconds, &m.now);
	rows[row].say(out, &m);
	return payload_new(out, strlen(out));
}
