# The tests. `make check` runs all; `make check TESTS=tests/unit/wire/test_utf8` one.
#
# A unit test is tests/unit/FOLDER/test_FILE.c and two lines here: its name in
# unit_tests, and the LDADD with which its folder's tests link.
# make check-long runs all of it several times, once without io_uring, the unit tests under
# valgrind, the whole torture run (alone: make torture), and all of the conformance suite (alone: make conform).

# ---- unit: cmocka; a floor's library whole, and only the floors below it ----

UNIT_BASE   = $(WHOLE_ARCHIVE) $(BASE)   $(NO_WHOLE_ARCHIVE) $(BASE_LIBS)   $(CMOCKA_LIBS)
UNIT_WIRE   = $(WHOLE_ARCHIVE) $(WIRE)   $(NO_WHOLE_ARCHIVE) $(WIRE_LIBS)   $(CMOCKA_LIBS)
UNIT_CHAT   = $(WHOLE_ARCHIVE) $(CHAT)   $(NO_WHOLE_ARCHIVE) $(CHAT_LIBS)   $(CMOCKA_LIBS)
UNIT_STORE  = $(WHOLE_ARCHIVE) $(STORE)  $(NO_WHOLE_ARCHIVE) $(STORE_LIBS)  $(CMOCKA_LIBS)
UNIT_NET    = $(WHOLE_ARCHIVE) $(NET)    $(NO_WHOLE_ARCHIVE) $(NET_LIBS)    $(CMOCKA_LIBS)
UNIT_BENCH  = $(WHOLE_ARCHIVE) $(BENCH)  $(NO_WHOLE_ARCHIVE) $(BENCH_LIBS)  $(CMOCKA_LIBS)
UNIT_DAEMON = $(WHOLE_ARCHIVE) $(DAEMON) $(NO_WHOLE_ARCHIVE) $(DAEMON_LIBS) $(CMOCKA_LIBS)

# Where there is no liburing there is no ring to test.
if HAVE_LIBURING
ring_test = tests/unit/net/test_ring
else
ring_test =
endif

unit_tests = \
	tests/unit/base/test_book \
	tests/unit/base/test_bucket \
	tests/unit/base/test_clock \
	tests/unit/base/test_close \
	tests/unit/base/test_list \
	tests/unit/base/test_log \
	tests/unit/base/test_mailbox \
	tests/unit/base/test_payload \
	tests/unit/base/test_table \
	tests/unit/base/test_shared \
	tests/unit/base/test_stats \
	tests/unit/base/test_strmap \
	tests/unit/bench/test_frame_reader \
	tests/unit/bench/test_histogram \
	tests/unit/bench/test_ledger \
	tests/unit/bench/test_stamp \
	tests/unit/bench/test_target \
	tests/unit/chat/test_command \
	tests/unit/chat/test_commander \
	tests/unit/chat/test_expiry \
	tests/unit/chat/test_grant \
	tests/unit/chat/test_identity \
	tests/unit/chat/test_journal_memory \
	tests/unit/chat/test_jwt_identity \
	tests/unit/chat/test_jwt_key \
	tests/unit/chat/test_keeper \
	tests/unit/chat/test_members \
	tests/unit/chat/test_message \
	tests/unit/chat/test_name \
	tests/unit/chat/test_name_cache \
	tests/unit/chat/test_person \
	tests/unit/chat/test_reply \
	tests/unit/chat/test_sanctions \
	tests/unit/chat/test_secret \
	tests/unit/chat/test_session \
	tests/unit/chat/test_v1 \
	tests/unit/daemon/test_config \
	tests/unit/daemon/test_endpoint \
	tests/unit/daemon/test_key_file \
	tests/unit/daemon/test_origins \
	tests/unit/daemon/test_readable \
	tests/unit/daemon/test_sandbox \
	tests/unit/daemon/test_token_table \
	tests/unit/net/test_addr_limit \
	tests/unit/net/test_conn \
	tests/unit/net/test_fanout \
	tests/unit/net/test_framer \
	$(ring_test) \
	tests/unit/net/test_sender \
	tests/unit/net/test_tls \
	tests/unit/net/test_tls_tickets \
	tests/unit/store/test_journal \
	tests/unit/wire/test_forwarded \
	tests/unit/wire/test_http_head \
	tests/unit/wire/test_netmask \
	tests/unit/wire/test_origin \
	tests/unit/wire/test_proxy_hdr \
	tests/unit/wire/test_token \
	tests/unit/wire/test_utf8 \
	tests/unit/wire/test_ws_deflate \
	tests/unit/wire/test_ws_extension \
	tests/unit/wire/test_ws_frame \
	tests/unit/wire/test_ws_stream \
	tests/unit/wire/test_ws_upgrade
if HAVE_SQLITE
unit_tests += tests/unit/store/test_proof
endif

tests_unit_base_test_book_LDADD = $(UNIT_BASE)
tests_unit_base_test_bucket_LDADD = $(UNIT_BASE)
tests_unit_base_test_clock_LDADD = $(UNIT_BASE)
tests_unit_base_test_close_LDADD = $(UNIT_BASE)
tests_unit_base_test_list_LDADD = $(UNIT_BASE)
tests_unit_base_test_log_LDADD = $(UNIT_BASE)
tests_unit_base_test_mailbox_LDADD = $(UNIT_BASE)
tests_unit_base_test_payload_LDADD = $(UNIT_BASE)
tests_unit_base_test_table_LDADD = $(UNIT_BASE)
tests_unit_base_test_shared_LDADD = $(UNIT_BASE)
tests_unit_base_test_stats_LDADD = $(UNIT_BASE)
tests_unit_base_test_strmap_LDADD = $(UNIT_BASE)
tests_unit_bench_test_frame_reader_LDADD = $(UNIT_BENCH)
tests_unit_bench_test_histogram_LDADD = $(UNIT_BENCH)
tests_unit_bench_test_ledger_LDADD = $(UNIT_BENCH)
tests_unit_bench_test_stamp_LDADD = $(UNIT_BENCH)
tests_unit_bench_test_target_LDADD = $(UNIT_BENCH)
tests_unit_chat_test_command_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_commander_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_expiry_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_grant_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_identity_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_journal_memory_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_jwt_identity_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_jwt_key_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_keeper_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_members_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_message_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_name_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_name_cache_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_person_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_reply_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_sanctions_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_secret_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_session_LDADD = $(UNIT_CHAT)
tests_unit_chat_test_v1_LDADD = $(UNIT_CHAT)
tests_unit_daemon_test_config_LDADD = $(UNIT_DAEMON)
tests_unit_daemon_test_endpoint_LDADD = $(UNIT_DAEMON)
tests_unit_daemon_test_key_file_LDADD = $(UNIT_DAEMON)
tests_unit_daemon_test_origins_LDADD = $(UNIT_DAEMON)
tests_unit_daemon_test_readable_LDADD = $(UNIT_DAEMON)
tests_unit_daemon_test_sandbox_LDADD = $(UNIT_DAEMON)
tests_unit_daemon_test_token_table_LDADD = $(UNIT_DAEMON)
tests_unit_net_test_addr_limit_LDADD = $(UNIT_NET)
tests_unit_net_test_conn_LDADD = $(UNIT_NET)
tests_unit_net_test_fanout_LDADD = $(UNIT_NET)
tests_unit_net_test_framer_LDADD = $(UNIT_NET)
tests_unit_net_test_ring_LDADD = $(UNIT_NET)
tests_unit_net_test_sender_LDADD = $(UNIT_NET)
tests_unit_net_test_tls_LDADD = $(UNIT_NET)
tests_unit_net_test_tls_tickets_LDADD = $(UNIT_NET)
# The one set of tests for all journals: chat's own one as well.
tests_unit_store_test_journal_LDADD = $(UNIT_STORE) $(CHAT) $(BASE_ALL)
tests_unit_store_test_proof_LDADD = $(UNIT_STORE)
tests_unit_wire_test_forwarded_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_http_head_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_netmask_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_origin_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_proxy_hdr_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_token_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_utf8_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_ws_deflate_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_ws_extension_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_ws_frame_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_ws_stream_LDADD = $(UNIT_WIRE)
tests_unit_wire_test_ws_upgrade_LDADD = $(UNIT_WIRE)

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += tests/unit/skipped
endif

# ---- the tree, the daemon, the browser ----

TESTS += \
	tests/lint/layers \
	tests/lint/docs \
	tests/lint/web \
	tests/conform/run \
	tests/daemon/run \
	tests/browser/run \
	tests/browser/run_node

AM_TESTS_ENVIRONMENT = \
	NATTERD='$(abs_builddir)/natterd'; export NATTERD; \
	NATTERBENCH='$(abs_builddir)/natterbench'; export NATTERBENCH; \
	NATTER_PORTABLE='$(enable_portable)'; export NATTER_PORTABLE; \
	NATTER_SANITIZER='$(enable_sanitizer)'; export NATTER_SANITIZER; \
	NATTER_SECCOMP='$(have_seccomp)'; export NATTER_SECCOMP;

EXTRA_DIST += \
	tests/coverage \
	tests/browser/.npmrc \
	tests/browser/chat_page.test.mjs \
	tests/browser/deflate.test.mjs \
	tests/browser/natter_js.test.mjs \
	tests/browser/natter_js_chromium.test.mjs \
	tests/browser/natter_js_faults.test.mjs \
	tests/browser/natter_js_package.test.mjs \
	tests/browser/natter_js_types.ts \
	tests/browser/natterd.mjs \
	tests/browser/origins.test.mjs \
	tests/browser/page_modules.test.mjs \
	tests/browser/people.mjs \
	tests/browser/package-lock.json \
	tests/browser/package.json \
	tests/browser/proxy.mjs \
	tests/browser/run \
	tests/browser/run_node \
	tests/browser/screenshot.mjs \
	tests/browser/tls.test.mjs \
	tests/browser/tutorials/commands.html \
	tests/browser/tutorials/json.html \
	tests/browser/tutorials/tutorials.test.mjs \
	tests/browser/tutorials/usermsg.html \
	tests/browser/widget.test.mjs \
	tests/conform/cases_close.py \
	tests/conform/cases_deflate.py \
	tests/conform/cases_deflated.py \
	tests/conform/cases_fragments.py \
	tests/conform/cases_frames.py \
	tests/conform/cases_limits.py \
	tests/conform/cases_offers.py \
	tests/conform/cases_random.py \
	tests/conform/cases_strict.py \
	tests/conform/cases_utf8.py \
	tests/conform/client.py \
	tests/conform/conform.py \
	tests/conform/deflate.py \
	tests/conform/handshake.py \
	tests/conform/handshake_cases.py \
	tests/conform/registry.py \
	tests/conform/run \
	tests/daemon/certs.py \
	tests/daemon/conftest.py \
	tests/bench/agree \
	tests/bench/agree.txt \
	tests/bench/flood \
	tests/bench/flood.txt \
	tests/bench/growth.txt \
	tests/bench/heap.c \
	tests/bench/journal.txt \
	tests/bench/natterd.conf \
	tests/bench/plot \
	tests/bench/results.json \
	tests/bench/results.txt \
	tests/bench/rivals/.npmrc \
	tests/bench/rivals/nchan.conf.in \
	tests/bench/rivals/package-lock.json \
	tests/bench/rivals/package.json \
	tests/bench/rivals/uws.mjs \
	tests/bench/rivals/ws.mjs \
	tests/bench/run \
	tests/daemon/natterd.py \
	tests/daemon/proxies.py \
	tests/daemon/unit_filter.py \
	tests/daemon/run \
	tests/daemon/test_bench.py \
	tests/daemon/test_bench_run.py \
	tests/daemon/test_chat.py \
	tests/daemon/test_daemon.py \
	tests/daemon/test_deflate.py \
	tests/daemon/test_fanout.py \
	tests/daemon/test_http.py \
	tests/daemon/jwt.py \
	tests/daemon/test_jwt.py \
	tests/daemon/test_journal.py \
	tests/daemon/test_limits.py \
	tests/daemon/test_origins.py \
	tests/daemon/test_privileges.py \
	tests/daemon/test_protocol_doc.py \
	tests/daemon/test_proxies.py \
	tests/daemon/test_proxy.py \
	tests/daemon/test_reload.py \
	tests/daemon/test_scale.py \
	tests/daemon/test_tls.py \
	tests/daemon/test_tls_chat.py \
	tests/daemon/test_torture.py \
	tests/daemon/test_tutorials.py \
	tests/daemon/test_v1_bounds.py \
	tests/daemon/test_v1_cid.py \
	tests/daemon/test_v1_direct.py \
	tests/daemon/test_v1_errors.py \
	tests/daemon/test_v1_history.py \
	tests/daemon/test_v1_login.py \
	tests/daemon/test_v1_moderation.py \
	tests/daemon/test_v1_names.py \
	tests/daemon/test_v1_order.py \
	tests/daemon/test_v1_presence.py \
	tests/daemon/test_v1_recovery.py \
	tests/daemon/test_v1_resume.py \
	tests/daemon/test_v1_rooms.py \
	tests/daemon/test_v1_storage.py \
	tests/daemon/test_workers.py \
	tests/daemon/test_ws.py \
	tests/daemon/v1.py \
	tests/lint/docs \
	tests/lint/layers \
	tests/lint/web \
	tests/torture/check.py \
	tests/torture/client.py \
	tests/torture/log.py \
	tests/torture/run \
	tests/unit/skipped \
	tests/unit/chat/jwt_keys.h \
	tests/unit/chat/world.h \
	tests/unit/wire/feed.h

include tests/fuzz/local.mk

# ---- more than make check: the unit tests under valgrind, the daemon's tests over and over ----

check-valgrind: $(unit_tests)
	@for t in $(unit_tests); do \
		echo "valgrind $$t"; \
		srcdir=$(srcdir) NATTER_SEEDS=20 valgrind -q --error-exitcode=99 --leak-check=full ./$$t >valgrind.log 2>&1 || \
			{ cat valgrind.log; exit 1; }; \
	done; rm -f valgrind.log

conform: natterd$(EXEEXT)
	@$(AM_TESTS_ENVIRONMENT) srcdir=$(srcdir) $(srcdir)/tests/conform/run --full

# Clients are cut and the daemon is killed, and nothing may be lost; a seed repeats its run's decisions.
TORTURE_SEEDS = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20

torture: natterd$(EXEEXT)
	@for seed in $(TORTURE_SEEDS); do \
		for journal in memory sqlite; do \
			$(AM_TESTS_ENVIRONMENT) $(srcdir)/tests/torture/run --journal $$journal --seed $$seed || exit 1; \
		done; \
	done

check-long: check check-valgrind conform torture
	@for uring in auto auto off; do \
		$(AM_TESTS_ENVIRONMENT) NATTER_IO_URING=$$uring srcdir=$(srcdir) $(srcdir)/tests/daemon/run || exit 1; \
	done

# ---- how much of src/ the tests run; COVER=tests/conform/run for those tests only ----

coverage:
	@srcdir='$(srcdir)' $(srcdir)/tests/coverage $(COVER)

print-unit-tests:
	@echo $(unit_tests)

# ---- how fast; RUN='--rounds 1 --only natterd' for a quick look ----

EXTRA_PROGRAMS += tests/bench/codec tests/bench/flooder tests/bench/journal tests/bench/workers
CLEANFILES += tests/bench/codec$(EXEEXT) tests/bench/flooder$(EXEEXT) tests/bench/journal$(EXEEXT) tests/bench/workers$(EXEEXT)
tests_bench_codec_LDADD = $(WIRE_ALL)
tests_bench_journal_LDADD = $(STORE) $(CHAT) $(BASE_ALL) $(SQLITE_LIBS)
tests_bench_workers_LDADD = $(DAEMON_ALL)
CLEANFILES += tests/bench/heap.so
tests/bench/heap.so: tests/bench/heap.c
	$(AM_V_CC)$(MKDIR_P) tests/bench && $(CC) $(CFLAGS) -shared -fPIC -o $@ $(srcdir)/tests/bench/heap.c

bench: tests/bench/codec$(EXEEXT) tests/bench/flooder$(EXEEXT) tests/bench/journal$(EXEEXT) tests/bench/workers$(EXEEXT) tests/bench/heap.so natterd$(EXEEXT) natterbench$(EXEEXT)
	@$$(command -v taskset >/dev/null && echo taskset -c 0) tests/bench/codec$(EXEEXT)
	@tests/bench/journal$(EXEEXT)
	@$(AM_TESTS_ENVIRONMENT) $(srcdir)/tests/bench/run --out tests/bench/results.txt $(RUN)
	@$(AM_TESTS_ENVIRONMENT) $(srcdir)/tests/bench/flood --flooder tests/bench/flooder$(EXEEXT) --out tests/bench/flood.txt
	@$(srcdir)/tests/bench/plot tests/bench/results.json doc/bench.svg

# ---- see it ----

demo: natterd
	@echo 'natter: chat at http://localhost:9600/ (two windows talk to each other; Ctrl-C ends it)'
	@./natterd -c $(srcdir)/conf/demo.conf

# README's pictures.
screenshots: natterd
	NATTERD='$(abs_builddir)/natterd' node $(srcdir)/tests/browser/screenshot.mjs

.PHONY: bench check-long check-valgrind conform coverage demo print-unit-tests screenshots torture
