# Runs A and B, which must print the same, and something.
foreach(program A B)
  execute_process(COMMAND "${${program}}" OUTPUT_VARIABLE ${program}_output COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(A_output STREQUAL "" OR NOT A_output STREQUAL B_output)
  message(FATAL_ERROR "${A} prints\n${A_output}and ${B}\n${B_output}")
endif()
