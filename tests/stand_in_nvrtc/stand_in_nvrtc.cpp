// Stands in for libnvrtc where a kernel has to exist but not to run. Its output passes for a cubin with the program's
// entry and is made at once. The ELF header is followed by the seed given to the compile, which is the kernel's key. A
// copy of it also serves as its own libnvrtc-builtins, from which nothing is called. STAND_IN_MAJOR and STAND_IN_MINOR
// are the version that it reports. Environment variables:
//
//   STAND_IN_NVRTC_WAITS  microseconds that the version query takes, which opening makes
//   STAND_IN_NVRTC_LIES   what an NVRTC should never do: no_error_text, huge_log, huge_cubin, no_cubin or many_archs
#include <elf.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

namespace {

enum Result : int { kSuccess = 0, kInvalidInput = 3 };
constexpr int kArchs[] = {80, 86, 89, 90, 100, 103, 120};

struct Program {
  std::string entry;
  std::string log;
  std::string cubin;
};

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// One symbol, the kernel, in the smallest ELF file that can hold it.
std::string make_cubin(const std::string& entry, const std::string& seed) {
  constexpr unsigned char kKernel = 0x10;  // in st_other: the driver's mark of an entry
  const std::string strings = std::string(1, '\0') + entry + '\0';
  const std::size_t symbols_at = sizeof(Elf64_Ehdr) + seed.size();
  const std::size_t strings_at = symbols_at + 2 * sizeof(Elf64_Sym);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = EM_CUDA;
  header.e_ehsize = sizeof header;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 3;
  header.e_shoff = strings_at + strings.size();
  Elf64_Sym kernel{};
  kernel.st_name = 1;
  kernel.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  kernel.st_other = kKernel;
  Elf64_Shdr symbols{};
  symbols.sh_type = SHT_SYMTAB;
  symbols.sh_offset = symbols_at;
  symbols.sh_size = 2 * sizeof(Elf64_Sym);
  symbols.sh_entsize = sizeof(Elf64_Sym);
  symbols.sh_link = 2;
  Elf64_Shdr text{};
  text.sh_type = SHT_STRTAB;
  text.sh_offset = strings_at;
  text.sh_size = strings.size();

  std::string bytes;
  append(bytes, header);
  bytes += seed;
  append(bytes, Elf64_Sym{});
  append(bytes, kernel);
  bytes += strings;
  append(bytes, Elf64_Shdr{});
  append(bytes, symbols);
  append(bytes, text);
  return bytes;
}

bool lies(std::string_view how) {
  const char* const wanted = std::getenv("STAND_IN_NVRTC_LIES");
  return wanted != nullptr && how == wanted;
}
constexpr std::size_t kHuge = std::size_t{1} << 62;

int size_of(const std::string& text, std::size_t* size) {
  *size = text.size();
  return kSuccess;
}
int copy_of(const std::string& text, char* to) {
  std::memcpy(to, text.data(), text.size());
  return kSuccess;
}

}  // namespace

extern "C" {
int nvrtcVersion(int* major, int* minor) {
  if (const char* const waits = std::getenv("STAND_IN_NVRTC_WAITS")) usleep(static_cast<useconds_t>(std::atoi(waits)));
  *major = STAND_IN_MAJOR;
  *minor = STAND_IN_MINOR;
  return kSuccess;
}
const char* nvrtcGetErrorString(int) {
  return lies("no_error_text") ? nullptr : "the stand-in was asked for what it does not do";
}
int nvrtcGetNumSupportedArchs(int* count) {
  *count = lies("many_archs") ? 1 << 30 : static_cast<int>(std::size(kArchs));
  return kSuccess;
}
int nvrtcGetSupportedArchs(int* archs) {
  std::memcpy(archs, kArchs, sizeof kArchs);
  return kSuccess;
}
int nvrtcCreateProgram(Program** program, const char*, const char* name, int, const char* const*, const char* const*) {
  const std::string_view file = name;
  if (!file.ends_with(".cu")) return kInvalidInput;
  *program = new Program{.entry = std::string(file.substr(0, file.size() - 3)), .log = {}, .cubin = {}};
  return kSuccess;
}
int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return kSuccess;
}
int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  if (lies("no_error_text")) return kInvalidInput;
  std::string seed;
  for (int i = 0; i < count; ++i) {
    constexpr std::string_view kSeed = "--frandom-seed=";
    if (const std::string_view option = options[i]; option.starts_with(kSeed)) seed = option.substr(kSeed.size());
  }
  program->cubin = make_cubin(program->entry, seed);
  program->log = "ptxas info    : Compiling entry function '" + program->entry +
                 "' for 'sm_90a'\nptxas info    : Function properties for " + program->entry +
                 "\nptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                 "ptxas info    : Used 32 registers\n";
  return kSuccess;
}
int nvrtcGetProgramLogSize(const Program* program, std::size_t* size) {
  size_of(program->log, size);
  if (lies("huge_log")) *size = kHuge;
  return kSuccess;
}
int nvrtcGetProgramLog(const Program* program, char* to) { return copy_of(program->log, to); }
int nvrtcGetCUBINSize(const Program* program, std::size_t* size) {
  size_of(program->cubin, size);
  if (lies("huge_cubin")) *size = kHuge;
  if (lies("no_cubin")) *size = 0;
  return kSuccess;
}
int nvrtcGetCUBIN(const Program* program, char* to) { return copy_of(program->cubin, to); }
int nvrtcGetPTXSize(const Program*, std::size_t*) { return kInvalidInput; }
int nvrtcGetPTX(const Program*, char*) { return kInvalidInput; }
}
