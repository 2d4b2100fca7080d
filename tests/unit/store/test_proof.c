#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/proof.h"

static const struct proof run = { .disk = false, .run = "r1", .boot = "b1", .inode = 7, .size = 100, .changed = 5 };

static void test_there_and_back(void **state)
{
	char path[] = "/tmp/natter-proof-XXXXXX";
	struct proof p = run, got;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(proof_read(path, &got), 0); /* empty */
	for (int i = 0; i < 4; i++) {
		p.clean = i & 1;
		p.disk = i & 2;
		assert_int_equal(proof_write(path, &p), 0);
		assert_int_equal(proof_read(path, &got), 1);
		assert_memory_equal(&p, &got, sizeof(p));
	}
	p.boot[0] = '\0';
	assert_int_equal(proof_write(path, &p), 0);
	assert_int_equal(proof_read(path, &got), 1);
	assert_string_equal(got.boot, "");
	assert_int_equal(proof_of_file(path, &got), 1);
	assert_true(got.size > 0 && got.inode && got.changed);
	unlink(path);
	assert_int_equal(proof_read(path, &got), 0);
	assert_int_equal(proof_of_file(path, &got), 0);
	assert_int_equal(proof_write("/nowhere/at/all", &p), -1);
}

static void test_what_proves(void **state)
{
	struct proof mark = run, now = run;

	(void)state;
	assert_null(proof_lacks(&mark, &now)); /* the process ended, the system went on */
	strcpy(now.boot, "b2");
	assert_non_null(proof_lacks(&mark, &now));
	mark.disk = true;
	assert_null(proof_lacks(&mark, &now));
	now.size = 200; /* of course */
	assert_null(proof_lacks(&mark, &now));
	mark.disk = false;
	mark.clean = true;
	assert_non_null(proof_lacks(&mark, &now));
	now.size = run.size;
	assert_null(proof_lacks(&mark, &now));
	now.changed++;
	assert_non_null(proof_lacks(&mark, &now));
	now = run;
	now.inode++;
	assert_non_null(proof_lacks(&mark, &now));
	now = run;
	strcpy(now.run, "r0");
	assert_non_null(proof_lacks(&mark, &now));
	mark = run;
	now = run;
	mark.boot[0] = now.boot[0] = '\0'; /* not known is not the same */
	assert_non_null(proof_lacks(&mark, &now));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_what_proves) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
