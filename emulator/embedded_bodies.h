// emulator/ptx as bytes of this library: what cmake/EmbedTemplates.cmake generates.
#pragma once

#include "jit/embedded_files.h"

namespace attnjit::emulator {

extern const jit::EmbeddedFile kEmbeddedFiles[];
extern const std::size_t kEmbeddedFileCount;

}  // namespace attnjit::emulator
