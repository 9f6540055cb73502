# Builds a project of somebody else's that comes by the library in the way HOW names, and runs it.
#   find_package, pkg-config: from what was installed under WORK_DIR; add_subdirectory, FetchContent: from SOURCE_DIR
cmake_minimum_required(VERSION 3.25)

include("${CMAKE_CURRENT_LIST_DIR}/step.cmake")

file(REMOVE_RECURSE "${WORK_DIR}")
set(prefix "${WORK_DIR}/prefix")
if(HOW STREQUAL find_package OR HOW STREQUAL pkg-config)
  step("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
endif()

if(HOW STREQUAL pkg-config)
  # The folder may be moved after it was installed.
  file(RENAME "${prefix}" "${WORK_DIR}/moved")
  set(ENV{PKG_CONFIG_PATH} "${WORK_DIR}/moved/share/pkgconfig")
  step("${PKG_CONFIG}" --modversion ramer)
  string(STRIP "${output}" version)
  if(NOT version STREQUAL VERSION)
    message(FATAL_ERROR "pkg-config says version '${version}'; expected '${VERSION}'")
  endif()
  step("${PKG_CONFIG}" --cflags --libs ramer)
  separate_arguments(flags UNIX_COMMAND "${output}")
  set(folders "${flags}")
  list(FILTER folders INCLUDE REGEX "^-I.*/moved/")
  list(TRANSFORM folders REPLACE "^-I" "")
  cmake_path(SET folder NORMALIZE "${folders}")
  if(NOT folder STREQUAL "${WORK_DIR}/moved/include")
    message(FATAL_ERROR "pkg-config does not point at ${WORK_DIR}/moved/include: ${output}")
  endif()
  step("${COMPILER}" -std=c++20 "${CMAKE_CURRENT_LIST_DIR}/main.cpp" -o "${WORK_DIR}/consumer" ${flags})
  step("${WORK_DIR}/consumer")
  return()
endif()

step("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK_DIR}/build" -G "${GENERATOR}" "-DHOW=${HOW}"
     "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}" "-DRAMER_SOURCE=${SOURCE_DIR}" "-DEXPECTED_VERSION=${VERSION}")
if(NOT output MATCHES "ramer::ramer sets no instruction set")
  message(FATAL_ERROR "nothing tells the embedder what it costs to compile for the oldest processor:\n${output}")
endif()
step("${CMAKE_COMMAND}" --build "${WORK_DIR}/build")
step("${WORK_DIR}/build/consumer")
step("${WORK_DIR}/build/consumer_native")
# Somebody's own installation holds what is theirs.
step("${CMAKE_COMMAND}" --install "${WORK_DIR}/build" --prefix "${WORK_DIR}/theirs")
if(EXISTS "${WORK_DIR}/theirs/include/ramer" OR EXISTS "${WORK_DIR}/theirs/share/cmake/ramer")
  message(FATAL_ERROR "the library installs itself with somebody else's project")
endif()
# Who says for which processor it compiles is told nothing.
step("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK_DIR}/build" "-DCMAKE_CXX_FLAGS=-march=x86-64-v3")
if(output MATCHES "ramer::ramer sets no instruction set")
  message(FATAL_ERROR "a project that names its instruction set is told that it names none:\n${output}")
endif()
