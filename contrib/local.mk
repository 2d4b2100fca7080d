# What hosts of natterd need besides it: systemd's files are installed, the rest is to be read.

EXTRA_DIST += \
	contrib/apache/natter.conf \
	contrib/apache/natter-wstunnel.conf \
	contrib/apparmor/usr.sbin.natterd \
	contrib/caddy/Caddyfile \
	contrib/haproxy/natter.cfg \
	contrib/haproxy/natter-proxy.cfg \
	contrib/nginx/natter.conf \
	contrib/nginx/natter-stream.conf \
	contrib/node/natter-token.mjs \
	contrib/php/natter-token.php \
	contrib/systemd/natterd.service.in \
	contrib/sysusers.d/natterd.conf \
	contrib/tmpfiles.d/natterd.conf

if HAVE_SYSTEMDSYSTEMUNITDIR
systemdsystemunit_DATA = contrib/systemd/natterd.service
endif
if HAVE_SYSUSERSDIR
sysusers_DATA = contrib/sysusers.d/natterd.conf
endif
if HAVE_TMPFILESDIR
tmpfiles_DATA = contrib/tmpfiles.d/natterd.conf
endif

CLEANFILES += contrib/systemd/natterd.service
contrib/systemd/natterd.service: contrib/systemd/natterd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
	sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/contrib/systemd/natterd.service.in >$@.tmp && mv -f $@.tmp $@
