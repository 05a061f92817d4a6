// The device source text: embedded when the library is built, or read from ATTNJIT_TEMPLATE_DIR.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace attnjit::jit {

/// Header name ("core/softmax.cuh", relative to templates/) -> text.
class Templates {
 public:
  /// The text embedded at build time.
  static const Templates& embedded();
  /// All *.cuh and *.h below `directory`; throws attnjit::Error if there are none.
  static Templates from_directory(const std::filesystem::path& directory);

  const std::map<std::string, std::string, std::less<>>& files() const { return files_; }
  /// True if read from a directory: kernels made from it are marked local and never shared.
  bool overridden() const { return !directory_.empty(); }
  /// For messages: the directory's full path, or a note that these are the library's own.
  std::string origin() const;

  /// All headers that `header` includes with "name", itself first, in order of first inclusion, each once. Throws
  /// attnjit::Error naming the including file and line if an include is missing.
  std::vector<std::string> closure(std::string_view header) const;
  /// The closure's names and texts as one string, from which the source digest is computed. Survives strip_comments():
  /// the lines with the names are kept.
  std::string closure_text(std::string_view header) const;

 private:
  std::map<std::string, std::string, std::less<>> files_;
  std::filesystem::path directory_;  // empty: embedded
};

/// The text without // and /* */ comments and blank lines, with runs of blanks collapsed and none at line ends: it
/// changes only if the meaning may have. Strings and character literals are kept as they are.
std::string strip_comments(std::string_view text);

}  // namespace attnjit::jit
