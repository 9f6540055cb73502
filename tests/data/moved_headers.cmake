# Compiles the xtensor adapter against the folders that xtensor 0.26 has: headers of the installed version, where 0.26 moved them to.
file(REMOVE_RECURSE "${WORK_DIR}")
foreach(header containers/xarray containers/xadapt containers/xtensor)
  cmake_path(GET header FILENAME name)
  file(WRITE "${WORK_DIR}/xtensor/${header}.hpp" "#pragma once\n#define RAMER_TEST_MOVED_${name}\n#include \"${XTENSOR}/xtensor/${name}.hpp\"\n")
endforeach()
file(WRITE "${WORK_DIR}/main.cpp" [[
#include "ramer/data/xtensor_adapter.hpp"
#if !defined(RAMER_TEST_MOVED_xadapt) || !defined(RAMER_TEST_MOVED_xtensor)
#error "the adapter includes the headers from where they were before 0.26"
#endif
ramer::data::Dataset build(const xt::xtensor<float, 4>& x) { return ramer::data::XtensorDataset("moved").modality("text", x).build(); }
]])
execute_process(COMMAND "${COMPILER}" -std=c++20 -fsyntax-only "-I${WORK_DIR}" ${FLAGS} "${WORK_DIR}/main.cpp" COMMAND_ERROR_IS_FATAL ANY)
