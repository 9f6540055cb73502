# Builds and runs examples/embed as somebody who copied it would.
cmake_minimum_required(VERSION 3.25)

include("${CMAKE_CURRENT_LIST_DIR}/step.cmake")
file(REMOVE_RECURSE "${WORK_DIR}")
step("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/prefix")
step("${PROGRAM}" synth --samples 60 --out "${WORK_DIR}/data.safetensors")
step("${PROGRAM}" train --data "${WORK_DIR}/data.safetensors" --epochs 1 --threads 2 --set model.encoder.hidden=16 --set model.encoder.heads=2
     --set model.encoder.inner=16 --set model.encoder.layers=1 --set model.contrast.queue=32 --out "${WORK_DIR}/run")
# Nothing is optimized: it is compiled for this one run.
step("${CMAKE_COMMAND}" -S "${SOURCE_DIR}/examples/embed" -B "${WORK_DIR}/build" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
     -DCMAKE_BUILD_TYPE=None "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix")
step("${CMAKE_COMMAND}" --build "${WORK_DIR}/build")

set(model "${WORK_DIR}/run/model.safetensors")
step("${WORK_DIR}/build/embed" "${model}")
set(complete "${output}")
step("${WORK_DIR}/build/embed" "${model}" audio)
string(REGEX MATCHALL "[^\n]+ (0\\.[0-9]+|1)( \\*)?\n" lines "${output}")
list(LENGTH lines count)
if(NOT count EQUAL 6)
  message(FATAL_ERROR "expected a line with a score for each of 6 labels, found:\n${output}")
endif()
if(output STREQUAL complete)
  message(FATAL_ERROR "a missing modality changes nothing:\n${output}")
endif()
