# ramer_bench_engines, with the GEMMs that are installed (Debian: libopenblas-dev, libdnnl-dev, libxsmm-dev). Elsewhere: CMAKE_PREFIX_PATH.
add_executable(ramer_bench_engines engines.cpp)
target_include_directories(ramer_bench_engines PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(ramer_bench_engines PRIVATE ramer_program CLI11::CLI11)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12's own AVX-512 intrinsics, inlined into Eigen's product, start from an undefined register on purpose.
  target_compile_options(ramer_bench_engines PRIVATE -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
set(found "Eigen (1 thread)")
set(missing "")

find_package(OpenMP QUIET COMPONENTS CXX)
if(OpenMP_CXX_FOUND)
  target_link_libraries(ramer_bench_engines PRIVATE OpenMP::OpenMP_CXX)
  set(found "Eigen (OpenMP)")
endif()

# ramer_bench_engine(NAME LABEL HEADER LIBRARIES...): in if its header and all libraries are found.
function(ramer_bench_engine name label header)
  set(libraries "")
  set(directories openblas openblas-pthread openblas-openmp openblas-serial)  # where no alternative is chosen
  find_path(RAMER_${name}_INCLUDE ${header} PATH_SUFFIXES ${directories})
  mark_as_advanced(RAMER_${name}_INCLUDE)
  foreach(library ${ARGN})
    find_library(RAMER_${name}_${library} ${library} PATH_SUFFIXES ${directories})
    mark_as_advanced(RAMER_${name}_${library})
    list(APPEND libraries ${RAMER_${name}_${library}})
  endforeach()
  if(RAMER_${name}_INCLUDE AND NOT "${libraries}" MATCHES NOTFOUND)
    target_compile_definitions(ramer_bench_engines PRIVATE RAMER_BENCH_${name})
    target_include_directories(ramer_bench_engines SYSTEM PRIVATE ${RAMER_${name}_INCLUDE})
    target_link_libraries(ramer_bench_engines PRIVATE ${libraries} ${CMAKE_DL_LIBS})
    set(found "${found}, ${label}" PARENT_SCOPE)
  else()
    set(missing "${missing} ${label}" PARENT_SCOPE)
  endif()
endfunction()

if(OpenMP_CXX_FOUND)  # their threads are counted with it
  ramer_bench_engine(ONEDNN oneDNN oneapi/dnnl/dnnl.h dnnl)
  ramer_bench_engine(LIBXSMM libxsmm libxsmm.h xsmmext xsmm xsmmnoblas)  # before OpenBLAS: it shall not call another's product
else()
  set(missing " oneDNN libxsmm (no OpenMP)")
endif()
ramer_bench_engine(OPENBLAS OpenBLAS openblas_config.h openblas)
message(STATUS "ramer: ramer_bench_engines compares with ${found}; not found:${missing}")
