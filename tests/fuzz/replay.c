/*
 * fuzz_TARGET [FILE|DIRECTORY]...: runs a fuzz target over each file, and over
 * each in a directory, once; over the target's corpus when none is named. It is
 * make check's stand-in for libFuzzer, which not every compiler has. Fails
 * where there was nothing to run.
 */
#include <config.h>

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static unsigned long replayed;

static _Noreturn void give_up(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	exit(1);
}

static void replay_file(const char *path, size_t len)
{
	uint8_t *data = malloc(len ? len : 1);
	FILE *f = fopen(path, "rb");

	if (!data || !f || fread(data, 1, len, f) != len)
		give_up(path);
	fclose(f);
	puts(path); /* the last one is the one that failed */
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	replayed++;
}

static void replay(const char *path);

static void replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!dir)
		give_up(path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		replay(name);
	}
	closedir(dir);
}

static void replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		give_up(path);
	if (S_ISDIR(st.st_mode))
		replay_directory(path);
	else
		replay_file(path, (size_t)st.st_size);
}

/* For tests/fuzz/fuzz_TARGET, and whatever libtool or ./ make of it. */
static void replay_corpus(const char *program)
{
	const char *top = getenv("srcdir"), *target = strstr(program, "fuzz_");
	char folder[4096];

	while (target && strstr(target + 1, "fuzz_"))
		target = strstr(target + 1, "fuzz_");
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", top ? top : ".", target ? target + 5 : "");
	replay(folder);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc < 2)
		replay_corpus(argv[0]);
	printf("%lu inputs\n", replayed);
	if (!replayed)
		fprintf(stderr, "replay: there was nothing to run\n");
	return replayed ? 0 : 1;
}
