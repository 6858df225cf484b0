# sandbridge_embed(PROGRAM SYMBOL LIBRARY): puts the executable of target PROGRAM into LIBRARY, between the symbols
# SYMBOL_begin and SYMBOL_end, followed by a zero byte.
function(sandbridge_embed PROGRAM SYMBOL LIBRARY)
  set(image ${CMAKE_BINARY_DIR}/generated/${PROGRAM}-image.c)
  file(CONFIGURE OUTPUT ${image} CONTENT [[
__asm__(
    ".section .rodata\n"
    ".global @SYMBOL@_begin, @SYMBOL@_end\n"
    ".balign 16\n"
    "@SYMBOL@_begin:\n"
    ".incbin \"@CMAKE_BINARY_DIR@/@PROGRAM@\"\n"
    "@SYMBOL@_end:\n"
    ".byte 0\n"
    ".text\n");
]] @ONLY)
  set_source_files_properties(${image} PROPERTIES OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/${PROGRAM})
  target_sources(${LIBRARY} PRIVATE ${image})
  add_dependencies(${LIBRARY} ${PROGRAM})
endfunction()
