# The fuzz targets, built by the target `fuzz` with -DSANDBRIDGE_FUZZ=ON: each test/fuzz/*.c++ but fuzz.c++ is one. What
# they fuzz is compiled once more, with the sanitizers and the fuzzer's instrumentation.
set(fuzz_flags -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined
  -fno-omit-frame-pointer)
set(localcloud ${CMAKE_SOURCE_DIR}/bridge/localcloud)
file(GLOB fuzz_subjects CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/bridge/base/*.c++
  ${CMAKE_SOURCE_DIR}/bridge/tools/*.c++
  ${CMAKE_SOURCE_DIR}/bridge/net/*.c++
  ${CMAKE_SOURCE_DIR}/bridge/tensorlake/*.c++
  ${CMAKE_SOURCE_DIR}/bridge/lsp/framing.c++ ${CMAKE_SOURCE_DIR}/bridge/lsp/messages.c++
  ${CMAKE_SOURCE_DIR}/bridge/sandbox/command-*.c++
  ${localcloud}/record-files.c++ ${localcloud}/*-record.c++ ${localcloud}/*-format.c++ ${localcloud}/*-policy.c++
  ${localcloud}/*-access.c++ ${localcloud}/address-*.c++ ${localcloud}/http-reply.c++ ${localcloud}/query.c++ ${localcloud}/hardening.c++
  ${localcloud}/daemon/output-log.c++ ${localcloud}/daemon/requests.c++ ${localcloud}/daemon/spawn.c++
  ${localcloud}/daemon/units.c++)
# fuzz.c++ has a quiet log of its own.
list(FILTER fuzz_subjects EXCLUDE REGEX "/base/log[^/]*\\.c\\+\\+$")
add_library(sandbridge-fuzz STATIC EXCLUDE_FROM_ALL ${fuzz_subjects} ${CMAKE_SOURCE_DIR}/test/fuzz/fuzz.c++)
target_link_libraries(sandbridge-fuzz PUBLIC sandbridge-options CapnProto::capnp-rpc CapnProto::kj-http
  CapnProto::kj-tls CURL::libcurl OpenSSL::Crypto Threads::Threads)
target_include_directories(sandbridge-fuzz PUBLIC ${CMAKE_SOURCE_DIR}/test/fuzz)
target_compile_options(sandbridge-fuzz PUBLIC ${fuzz_flags} -fsanitize=fuzzer-no-link)

add_custom_target(fuzz)
file(GLOB fuzz_targets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/test/fuzz/*.c++)
list(FILTER fuzz_targets EXCLUDE REGEX "/fuzz\\.c\\+\\+$")
foreach(source ${fuzz_targets})
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz-${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(fuzz-${name} PRIVATE sandbridge-fuzz)
  target_link_options(fuzz-${name} PRIVATE ${fuzz_flags} -fsanitize=fuzzer)
  add_dependencies(fuzz fuzz-${name})
endforeach()
