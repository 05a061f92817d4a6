# What of the tests also judges what `attnjit emulate` ran; so it is built with the command, whether or not tests are.

# Cases as data, the float64 reference and the yardstick as loops of the host, the accuracy bar.
add_library(attnjit_judge STATIC
  tests/gpu/case.cpp tests/gpu/decode_case.cpp tests/gpu/merge_case.cpp
  tests/reference/accuracy.cpp tests/reference/cpu_attention.cpp tests/reference/cpu_decode.cpp
  tests/reference/cpu_kernels.cpp tests/reference/cpu_merge.cpp tests/reference/low_precision.cpp)
target_link_libraries(attnjit_judge PUBLIC attnjit_internal)

# Tensors of the GPU suite, with the host as the device, and a case run on the emulator.
add_library(attnjit_emulated_cases STATIC
  tests/emulator/emulated_case.cpp tests/emulator/host_device.cpp tests/gpu/case_tensors.cpp tests/gpu/case_results.cpp
  tests/gpu/placed_tensors.cpp
  tests/gpu/chunked_prefill.cpp tests/gpu/masked_tensors.cpp tests/gpu/merge_tensors.cpp tests/gpu/merge_yardstick.cpp
  tests/gpu/prompt_parts.cpp
  tests/gpu/decode_results.cpp tests/gpu/decode_tensors.cpp tests/gpu/latent_rows.cpp
  tests/gpu/sharded_decode.cpp)
target_link_libraries(attnjit_emulated_cases PUBLIC attnjit_emulator attnjit_judge)
