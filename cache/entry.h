// What is stored for a compiled kernel. The cache knows nothing of CUDA or kernel families: to it an image is bytes, a
// config is JSON text, and a compiler is a name with two numbers.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cache/key.h"

namespace attnjit::cache {

/// The compiler that made an entry, with its version. Several compilers may each have a row for one key.
struct CompilerId {
  std::string name;  // "nvrtc"
  int major = 0;
  int minor = 0;
  auto operator<=>(const CompilerId&) const = default;
};

/// The readable fields that a key is computed from. Stored next to the key, shown by `attnjit cache ls`, and compared
/// on reads: a row whose fields differ from the requested ones is bad.
struct KeyFields {
  std::string family;         // "sm80_mha_varlen"
  std::string config;         // JSON object with every field of the KernelConfig
  std::string target;         // "sm_90a"
  std::string options;        // compiler options that change code, joined by spaces
  std::string source_digest;  // hex digest of the template text the family includes
  int schema = 0;             // version of the key format
  bool operator==(const KeyFields&) const = default;
  /// The digest of these fields.
  Key key() const;
};

/// One compiled kernel.
struct Entry {
  KeyFields fields;
  CompilerId compiler;
  std::string entry_point;                        // the symbol to launch
  std::vector<unsigned char> image;               // the cubin
  std::map<std::string, std::int64_t> resources;  // "registers", "spill_bytes", "shared_bytes", ...
  std::string log;                                // compiler output
  double compile_seconds = 0;
  std::int64_t created_unix = 0;    // seconds since the epoch; set by the store if 0
  std::int64_t last_used_unix = 0;  // as of when the entry was read; not covered by the row's checksum
  bool local = false;               // built from overridden templates: never shared
};

}  // namespace attnjit::cache
