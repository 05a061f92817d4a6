// What cmake/EmbedTemplates.cmake generates: the device text as bytes of this library.
#pragma once

#include <cstddef>

namespace attnjit::jit {

struct EmbeddedFile {
  const char* name;           // "core/softmax.cuh"
  const unsigned char* text;  // `size` bytes; not a char array, because a byte over 127 does not fit one
  std::size_t size;
};

extern const EmbeddedFile kEmbeddedFiles[];
extern const std::size_t kEmbeddedFileCount;

}  // namespace attnjit::jit
