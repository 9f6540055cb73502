# Tells an embedder once what compiling for the oldest processor costs. Figures: docs/embedding.md.
if(NOT "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELEASE} ${CMAKE_CXX_FLAGS_RELWITHDEBINFO}" MATCHES "-m(arch|cpu|avx)")
  message(STATUS "ramer: ramer::ramer sets no instruction set, and without one, at -O2, the library has a third of the speed that it has "
                 "at -O3 -march=native. Link ramer::native to compile for this machine, or name your machines' set, such as -march=x86-64-v3.")
endif()
