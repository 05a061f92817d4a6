// What is kept of a compiled kernel. The cache knows nothing of CUDA or of kernel families: to it an image
// is bytes, a config is a JSON text, a compiler a name with two numbers.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cache/key.h"

namespace attnjit::cache {

/// Version of the compiler that made an entry. Several compilers may each have a row for one key.
struct CompilerId {
  std::string name;  // "nvrtc"
  int major = 0;
  int minor = 0;
  auto operator<=>(const CompilerId&) const = default;
};

/// The readable fields that a key was made from. They are stored beside the key, shown by `attnjit cache ls`,
/// and compared on a read: a row whose fields are not those asked for is bad.
struct KeyFields {
  std::string family;         // "sm80_mha_varlen"
  std::string config;         // JSON object, every field of the KernelConfig
  std::string target;         // "sm_90a"
  std::string options;        // compiler options that change code, joined by a space
  std::string source_digest;  // hex digest of the template text that the family includes
  int schema = 0;             // version of the key grammar
  bool operator==(const KeyFields&) const = default;
  /// The key: the digest over these fields.
  Key key() const;
};

/// One compiled kernel.
struct Entry {
  KeyFields fields;
  CompilerId compiler;
  std::string entry_point;                        // the symbol to launch
  std::vector<unsigned char> image;               // the cubin
  std::map<std::string, std::int64_t> resources;  // "registers", "spill_bytes", "shared_bytes", ...
  std::string log;                                // what the compiler said
  double compile_seconds = 0;
  std::int64_t created_unix = 0;    // seconds since the epoch; set by the store when 0
  std::int64_t last_used_unix = 0;  // as the store knew it when the entry was read; no part of the row's checksum
  bool local = false;               // made from overridden templates: never shared
};

}  // namespace attnjit::cache
