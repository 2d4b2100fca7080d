dnl The macros of natter's configure.ac.

dnl NATTER_SAVE_FLAGS ... NATTER_RESTORE_FLAGS: the flags may be changed in between.
AC_DEFUN([NATTER_SAVE_FLAGS],
	[natter_cflags=$CFLAGS natter_cppflags=$CPPFLAGS natter_ldflags=$LDFLAGS natter_libs=$LIBS])
AC_DEFUN([NATTER_RESTORE_FLAGS],
	[CFLAGS=$natter_cflags CPPFLAGS=$natter_cppflags LDFLAGS=$natter_ldflags LIBS=$natter_libs])

dnl NATTER_CFLAGS(VAR, FLAGS, [LDVAR], [LDFLAG])
dnl Appends to VAR each of FLAGS that the compiler takes without a word; with
dnl LDVAR, it must also link with LDFLAG, which is appended to LDVAR.
AC_DEFUN([NATTER_CFLAGS],
	[for natter_flag in $2; do
		AC_MSG_CHECKING([whether $CC takes $natter_flag])
		NATTER_SAVE_FLAGS
		CFLAGS="$CFLAGS -Werror $natter_flag" LDFLAGS="$LDFLAGS $4"
		AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
			[AC_MSG_RESULT([yes])
			 $1="${$1:+$$1 }$natter_flag"
			 m4_ifnblank([$3], [$3="${$3:+$$3 }$4"])],
			[AC_MSG_RESULT([no])])
		NATTER_RESTORE_FLAGS
	done])

dnl NATTER_LDFLAGS(VAR, FLAGS): appends to VAR each of FLAGS with which the compiler links.
AC_DEFUN([NATTER_LDFLAGS],
	[for natter_flag in $2; do
		AC_MSG_CHECKING([whether $CC links with $natter_flag])
		NATTER_SAVE_FLAGS
		LDFLAGS="$LDFLAGS $natter_flag"
		AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
			[AC_MSG_RESULT([yes])
			 $1="${$1:+$$1 }$natter_flag"],
			[AC_MSG_RESULT([no])])
		NATTER_RESTORE_FLAGS
	done])

dnl NATTER_MISSING(WHAT, DEBIAN-PACKAGE): one more thing that is missing.
AC_DEFUN([NATTER_MISSING],
	[natter_missing="$natter_missing
    $1  (Debian: apt install $2)"])

dnl NATTER_NEED(VAR, MODULE-SPEC, DEBIAN-PACKAGE): a library by pkg-config; sets VAR_CFLAGS and VAR_LIBS.
AC_DEFUN([NATTER_NEED],
	[PKG_CHECK_MODULES([$1], [$2], [], [NATTER_MISSING([$2], [$3])])])

dnl NATTER_SYSTEMD_DIR(NAME, PKG-CONFIG-VARIABLE, PATH-BELOW-LIB, WHAT)
dnl --with-NAME=DIR. Where the prefix is /usr it is what systemd says, else
dnl PREFIX/lib/PATH, so that nothing is ever installed outside of the prefix unasked.
dnl Not on systems without systemd, and not with --enable-portable, for such a
dnl natterd does not tell systemd that it is ready.
AC_DEFUN([NATTER_SYSTEMD_DIR],
	[AC_ARG_WITH([$1],
		[AS_HELP_STRING([--with-$1=DIR], [where to install $4 (no: nowhere)])],
		[], [with_$1=auto])
	AS_CASE([$with_$1],
		[auto|yes], [AS_CASE([$with_$1,$enable_portable,$host_os],
			[auto,yes,*], [with_$1=no],
			[*,*,linux*|yes,*], [with_$1=
				AS_IF([test "x$prefix" = x/usr && test -n "$PKG_CONFIG"],
					[with_$1=`$PKG_CONFIG --variable=$2 systemd 2>/dev/null`])
				AS_IF([test -z "$with_$1"], [with_$1='${prefix}/lib/$3'])],
			[with_$1=no])])
	$1=$with_$1
	AC_SUBST([$1])
	AM_CONDITIONAL(m4_translit([HAVE_$1], [a-z], [A-Z]), [test "x$with_$1" != xno])])
