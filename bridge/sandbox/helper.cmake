# The program that the bridge puts into each sandbox, embedded in the bridge. Static, small and without anything of the
# image it runs in: musl, no C++ library. Never sanitized.
string(REPLACE "-gnu" "-musl" SANDBRIDGE_MUSL "${CMAKE_CXX_LIBRARY_ARCHITECTURE}")
find_path(SANDBRIDGE_MUSL_INCLUDE stdlib.h PATHS /usr/include/${SANDBRIDGE_MUSL} NO_DEFAULT_PATH REQUIRED)
foreach(name crt1.o crti.o libc.a crtn.o)
  find_file(SANDBRIDGE_MUSL_${name} ${name} PATHS /usr/lib/${SANDBRIDGE_MUSL} NO_DEFAULT_PATH REQUIRED)
endforeach()
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-resource-dir OUTPUT_VARIABLE SANDBRIDGE_CLANG_DIR
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
find_library(SANDBRIDGE_BUILTINS clang_rt.builtins-${CMAKE_SYSTEM_PROCESSOR} PATHS ${SANDBRIDGE_CLANG_DIR}/lib/linux
  NO_DEFAULT_PATH REQUIRED)

file(GLOB helper_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bridge/sandbox/helper/*.c++)
add_executable(sandbridge-helper ${helper_sources})
target_include_directories(sandbridge-helper PRIVATE ${CMAKE_SOURCE_DIR}/bridge)
target_compile_definitions(sandbridge-helper PRIVATE _GNU_SOURCE)
target_compile_options(sandbridge-helper PRIVATE -Wall -Wextra -Werror -Wno-unused-parameter -Os -fno-exceptions
  -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables -fno-stack-protector -fno-pie -ffunction-sections
  -fdata-sections -nostdinc -nostdinc++ "SHELL:-isystem ${SANDBRIDGE_MUSL_INCLUDE}"
  "SHELL:-isystem ${SANDBRIDGE_CLANG_DIR}/include")
target_link_options(sandbridge-helper PRIVATE -nostdlib -static -s -Wl,--gc-sections -Wl,--build-id=none
  ${SANDBRIDGE_MUSL_crt1.o} ${SANDBRIDGE_MUSL_crti.o})
target_link_libraries(sandbridge-helper PRIVATE ${SANDBRIDGE_MUSL_libc.a} ${SANDBRIDGE_BUILTINS} ${SANDBRIDGE_MUSL_crtn.o})

sandbridge_embed(sandbridge-helper sandbridge_helper_image sandbridge-sandbox)
