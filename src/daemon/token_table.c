#include <config.h>

#include "daemon/token_table.h"
#include "daemon/faults.h"

#include "wire/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(TOKEN_MAX == IDENTITY_TOKEN_MAX, "what a request may present can be somebody's");

static const enum role roles[] = {
	[CONFIG_ROLE_USER] = ROLE_USER,
	[CONFIG_ROLE_MODERATOR] = ROLE_MODERATOR,
	[CONFIG_ROLE_ADMIN] = ROLE_ADMIN,
};

/* Room for the longest token, its newline, and one byte more that says it is too long. */
struct content {
	char bytes[TOKEN_MAX + 3];
	size_t len;
};

/* What is wrong with the file, or NULL: c has its beginning. */
static const char *read_file(const char *path, struct content *c)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would keep us waiting */
	const char *why = NULL;
	struct stat st;
	ssize_t n = 1;

	c->len = 0;
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st) < 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "it is no file";
	else if (st.st_mode & (S_IROTH | S_IWOTH))
		why = "everybody on this machine can read or write it: chmod o-rw it";
	while (why == NULL && n != 0 && c->len < sizeof(c->bytes)) {
		n = read(fd, c->bytes + c->len, sizeof(c->bytes) - c->len);
		if (n < 0 && errno != EINTR)
			why = strerror(errno);
		c->len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return why;
}

/* Its first line is the token. What is wrong with it, or NULL: c->len is the token's length. */
static const char *cut_line(struct content *c)
{
	const char *end = memchr(c->bytes, '\n', c->len);

	if (end)
		c->len = (size_t)(end - c->bytes);
	if (c->len && c->bytes[c->len - 1] == '\r')
		c->len--;
	if (c->len == 0)
		return "its first line, which should be the token, is empty";
	if (c->len > TOKEN_MAX)
		return "its first line is longer than 4096 bytes";
	for (size_t i = 0; i < c->len; i++)
		if ((unsigned char)c->bytes[i] < ' ' || c->bytes[i] == 0x7f)
			return "its first line, which should be the token, has a control character in it";
	return NULL;
}

/* As memset, but not to be left out because nobody reads it. */
static void wipe(struct content *c)
{
	volatile char *p = c->bytes;

	for (size_t i = 0; i < sizeof(c->bytes); i++)
		p[i] = 0;
}

static const char *hash_file(const char *path, unsigned char hash[TOKEN_HASH_LEN])
{
	struct content c;
	const char *why = read_file(path, &c);

	if (why == NULL)
		why = cut_line(&c);
	if (why == NULL && !tokens_hash(c.bytes, c.len, hash))
		why = "OpenSSL has no SHA-256, or no memory";
	wipe(&c);
	return why;
}

/* What is wrong with it, or NULL. */
static const char *add(struct tokens *t, const struct config_token *c)
{
	unsigned char hash[TOKEN_HASH_LEN];
	const char *why;

	memcpy(hash, c->sha256, sizeof(hash));
	why = c->hashed ? NULL : hash_file(c->title, hash);
	if (why)
		return why;
	return tokens_add(t, hash, c->user, c->name, roles[c->role], &why) == 0 ? NULL : why;
}

struct tokens *token_table_new(const struct config *cfg, char *err, size_t errlen)
{
	struct tokens *t = tokens_new();
	struct faults faults;

	snprintf(err, errlen, "no memory");
	faults_init(&faults, err, errlen);
	for (size_t i = 0; t && i < cfg->n_tokens; i++) {
		const struct config_token *c = &cfg->tokens[i];
		const char *why = add(t, c);

		if (why)
			faults_add(&faults, "%s: token \"%s\": %s", c->where, c->title, why);
	}
	if (faults.len == 0)
		return t;
	tokens_free(t);
	return NULL;
}
