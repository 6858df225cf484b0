# The executable inside each box, embedded in the bridge. Static, because it must not depend on anything in the box; never
# sanitized and always optimized, because it is pid 1 of what we measure.
foreach(name kj kj-async kj-http)
  find_library(SANDBRIDGE_STATIC_${name} lib${name}.a REQUIRED)
endforeach()

file(GLOB SANDBRIDGE_DAEMON_SOURCES CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/bridge/localcloud/daemon/*.c++)
set(sandbridge_box_dir ${CMAKE_SOURCE_DIR}/bridge/localcloud)
add_executable(sandbridge-daemon
  ${SANDBRIDGE_DAEMON_SOURCES}
  ${sandbridge_box_dir}/launch-spec.c++
  ${sandbridge_box_dir}/launcher.c++
  ${sandbridge_box_dir}/network-helper.c++
  ${sandbridge_box_dir}/network-spec.c++
  ${sandbridge_box_dir}/packet-filter.c++
  ${sandbridge_box_dir}/slirp.c++
  ${sandbridge_box_dir}/address-ranges.c++
  ${sandbridge_box_dir}/mounts.c++
  ${sandbridge_box_dir}/hardening.c++
  ${sandbridge_box_dir}/sweep.c++
  ${sandbridge_box_dir}/snapshot-helper.c++
  ${sandbridge_box_dir}/snapshot-spec.c++
  ${sandbridge_box_dir}/tree-copy.c++
  ${sandbridge_box_dir}/mapped-files.c++
  ${CMAKE_SOURCE_DIR}/bridge/base/error.c++
  ${CMAKE_SOURCE_DIR}/bridge/base/json.c++
  ${CMAKE_SOURCE_DIR}/bridge/base/log.c++
  ${CMAKE_SOURCE_DIR}/bridge/net/http-server.c++
  ${CMAKE_SOURCE_DIR}/bridge/net/pinging-stream.c++
  ${CMAKE_SOURCE_DIR}/bridge/net/watched-stream.c++)
target_include_directories(sandbridge-daemon PRIVATE ${CMAKE_SOURCE_DIR}/bridge)
target_compile_options(sandbridge-daemon PRIVATE -Wall -Wextra -Werror -Wno-unused-parameter
  -Wno-missing-field-initializers -O2 -ffunction-sections -fdata-sections
  "SHELL:-include ${CMAKE_SOURCE_DIR}/bridge/base/kj-c++20.h")
# kj-async's name look-ups, which the daemon never makes, cause the linker's warning about getaddrinfo.
target_link_options(sandbridge-daemon PRIVATE -static -s -Wl,--gc-sections -Wl,--no-warnings)
target_link_libraries(sandbridge-daemon PRIVATE
  ${SANDBRIDGE_STATIC_kj-http} ${SANDBRIDGE_STATIC_kj-async} ${SANDBRIDGE_STATIC_kj}
  Threads::Threads)

sandbridge_embed(sandbridge-daemon sandbridge_daemon_image sandbridge-localcloud)
