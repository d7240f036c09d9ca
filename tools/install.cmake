# The program, and what is made from its table of commands.
install(TARGETS capas RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(generated ${CMAKE_BINARY_DIR}/generated)
add_custom_command(TARGET capas POST_BUILD
	COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
	COMMAND $<TARGET_FILE:capas> generate man > ${generated}/capas.1
	COMMAND $<TARGET_FILE:capas> generate bash > ${generated}/capas.bash
	COMMAND $<TARGET_FILE:capas> generate zsh > ${generated}/_capas
	COMMAND $<TARGET_FILE:capas> generate fish > ${generated}/capas.fish
	VERBATIM)
install(FILES ${generated}/capas.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/capas.bash RENAME capas
	DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${generated}/_capas
	DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${generated}/capas.fish
	DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# mount(8) looks for its helpers in /sbin.
install(CODE "
	set(helper \"\$ENV{DESTDIR}/sbin/mount.fuse.capas\")
	file(MAKE_DIRECTORY \"\$ENV{DESTDIR}/sbin\")
	file(CREATE_LINK \"${CMAKE_INSTALL_FULL_BINDIR}/capas\" \"\${helper}\" SYMBOLIC)
	message(STATUS \"Installing: \${helper}\")")
