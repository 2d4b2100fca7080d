# The manual. Its tables are filled from the .def rows by awk, which every build has.

MANUAL = doc/natterbench.1 doc/natterd.8 doc/natterd.conf.5 doc/natter-protocol.7 doc/natter-security.7
MANUAL_ROWS = src/daemon/config.def src/base/stats.def src/base/close.def src/chat/reply.def src/chat/command.def

man_MANS = $(MANUAL)
EXTRA_DIST += $(MANUAL:=.in) doc/tables.awk doc/bench.svg \
	doc/chat-dark.png doc/chat-light.png doc/chat-phone.png doc/chat-widget.png
CLEANFILES += $(MANUAL)

$(MANUAL): $(MANUAL_ROWS) doc/tables.awk
	$(AM_V_GEN)$(MKDIR_P) doc && \
	$(AWK) -f $(srcdir)/doc/tables.awk -v src=$(srcdir) -v sysconfdir='$(sysconfdir)' $(srcdir)/$@.in >$@.tmp && \
	mv -f $@.tmp $@

doc/natterbench.1: doc/natterbench.1.in
doc/natterd.8: doc/natterd.8.in
doc/natterd.conf.5: doc/natterd.conf.5.in
doc/natter-protocol.7: doc/natter-protocol.7.in
doc/natter-security.7: doc/natter-security.7.in
