/*
 * heap: to be preloaded (LD_PRELOAD) into a program whose heap tests/bench/run wants to know.
 *
 * The file that HEAP_FILE names, 8 bytes, has what malloc() and the like have given and not got back, as they
 * round it and with their header, at any time. glibc only; nothing of natter's.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static _Atomic int64_t early, *bytes = &early;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("HEAP_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (shared != MAP_FAILED) {
		*(_Atomic int64_t *)shared = early;
		bytes = shared;
	}
	if (fd >= 0)
		close(fd);
}

static int64_t size_of(void *p) { return p ? (int64_t)(malloc_usable_size(p) + sizeof(size_t)) : 0; }

static void *given(void *p)
{
	*bytes += size_of(p);
	return p;
}

void *malloc(size_t size) { return given(__libc_malloc(size)); }

void *calloc(size_t n, size_t size) { return given(__libc_calloc(n, size)); }

void *memalign(size_t alignment, size_t size) { return given(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return given(__libc_memalign(alignment, size)); }

int posix_memalign(void **p, size_t alignment, size_t size)
{
	*p = given(__libc_memalign(alignment, size));
	return *p ? 0 : ENOMEM;
}

void *realloc(void *old, size_t size)
{
	int64_t before = size_of(old);
	void *p = __libc_realloc(old, size);

	if (p || size == 0)
		*bytes += size_of(p) - before;
	return p;
}

void free(void *p)
{
	*bytes -= size_of(p);
	__libc_free(p);
}
