#include "jit/cubin_elf.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

namespace attnjit::jit {
namespace {

/// Bit in st_other that distinguishes a kernel from a device function for the driver.
constexpr unsigned char kEntryBit = 0x10;

using Bytes = std::span<const unsigned char>;

/// The `size` bytes at `offset`; nothing if they are out of range.
std::optional<Bytes> part(Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, size);
}

/// Copies the struct at `offset`, since it may be unaligned.
template <class T>
std::optional<T> read(Bytes bytes, std::uint64_t offset) {
  const auto source = part(bytes, offset, sizeof(T));
  if (!source) return std::nullopt;
  T value;
  std::memcpy(&value, source->data(), sizeof(T));
  return value;
}

/// The string at `offset` of a string table; nothing if it is not terminated inside the table.
std::optional<std::string> read_string(Bytes table, std::uint64_t offset) {
  if (offset >= table.size()) return std::nullopt;
  const auto begin = table.begin() + static_cast<std::ptrdiff_t>(offset);
  const auto end = std::find(begin, table.end(), 0);
  if (end == table.end()) return std::nullopt;
  return std::string(begin, end);
}

bool is_cubin_header(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_machine == EM_CUDA &&
         header.e_shentsize == sizeof(Elf64_Shdr);
}

/// The position of the SM in e_flags depends on the ABI version: 7 up to CUDA 12, 8 since CUDA 13 (LLVM's EF_CUDA_SM).
std::optional<int> sm_of(const Elf64_Ehdr& header) {
  switch (header.e_ident[EI_ABIVERSION]) {
    case 7: return header.e_flags & 0xff;
    case 8: return header.e_flags >> 8 & 0xff;
    default: return std::nullopt;
  }
}

/// Appends the kernels of one symbol table; false if the table is not entirely inside the image.
bool append_kernels(Bytes image, const Elf64_Shdr& symbols, const Elf64_Shdr& strings,
                    std::vector<std::string>& names) {
  const auto symbol_bytes = part(image, symbols.sh_offset, symbols.sh_size);
  const auto string_bytes = part(image, strings.sh_offset, strings.sh_size);
  if (!symbol_bytes || !string_bytes || symbols.sh_entsize != sizeof(Elf64_Sym)) return false;
  for (std::uint64_t offset = 0; offset + sizeof(Elf64_Sym) <= symbol_bytes->size(); offset += sizeof(Elf64_Sym)) {
    const auto symbol = *read<Elf64_Sym>(*symbol_bytes, offset);
    const bool kernel = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL &&
                        (symbol.st_other & kEntryBit) != 0;
    if (!kernel) continue;
    auto name = read_string(*string_bytes, symbol.st_name);
    if (!name) return false;
    names.push_back(std::move(*name));
  }
  return true;
}

}  // namespace

CubinEntries read_cubin_entries(Bytes image) {
  const auto header = read<Elf64_Ehdr>(image, 0);
  if (!header || !is_cubin_header(*header)) return {.names = {}, .problem = "no ELF header of a cubin", .sm = {}};
  const auto section = [&](std::uint64_t index) -> std::optional<Elf64_Shdr> {
    if (index >= header->e_shnum || header->e_shoff > image.size()) return std::nullopt;
    return read<Elf64_Shdr>(image, header->e_shoff + index * sizeof(Elf64_Shdr));
  };

  CubinEntries entries;
  entries.sm = sm_of(*header);
  bool has_symbols = false;
  for (unsigned index = 0; index < header->e_shnum; ++index) {
    const auto symbols = section(index);
    if (!symbols) return {.names = {}, .problem = "its section table ends outside of it", .sm = {}};
    if (symbols->sh_type != SHT_SYMTAB) continue;
    const auto strings = section(symbols->sh_link);
    if (!strings || !append_kernels(image, *symbols, *strings, entries.names)) {
      return {.names = {}, .problem = "its symbol table ends outside of it", .sm = {}};
    }
    has_symbols = true;
  }
  if (!has_symbols) entries.problem = "it has no symbol table";
  return entries;
}

std::string why_not_kernel(Bytes image, const std::string& entry, const Target& target) {
  const CubinEntries entries = read_cubin_entries(image);
  if (!entries.problem.empty()) return "it is no cubin: " + entries.problem;
  if (entries.sm && *entries.sm != target.number()) {
    return fmt::format("its cubin is of SM {}, not for {}", *entries.sm, target.name());
  }
  if (std::ranges::find(entries.names, entry) == entries.names.end()) {
    return fmt::format("its cubin has no kernel {}", entry);
  }
  return {};
}

}  // namespace attnjit::jit
