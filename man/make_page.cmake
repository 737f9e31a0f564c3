# Puts what `calld config mdoc` prints into the frame of calld.toml(5).
execute_process(COMMAND ${CALLD} config mdoc OUTPUT_VARIABLE KEYS COMMAND_ERROR_IS_FATAL ANY)
string(STRIP "${KEYS}" KEYS)
configure_file(${FRAME} ${PAGE} @ONLY)
