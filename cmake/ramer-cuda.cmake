# ramer::cuda: what a source that includes ramer/backend/cuda.cuh needs. For projects whose languages include CUDA.
if(NOT TARGET ramer::cuda)
  find_package(CUDAToolkit 12.8 REQUIRED GLOBAL)
  add_library(ramer::cuda INTERFACE IMPORTED GLOBAL)
  target_link_libraries(ramer::cuda INTERFACE ramer::ramer CUDA::cudart CUDA::cublasLt)
  # The standard as an option: Debian 12's CMake does not know that nvcc has C++20. Host functions that are constexpr run in kernels too.
  target_compile_options(ramer::cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20> $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
endif()
