// The device text: embedded when the library is built, or read from ATTNJIT_TEMPLATE_DIR.
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
  /// The text that was embedded at build time.
  static const Templates& embedded();
  /// All *.cuh and *.h below `directory`; throws attnjit::Error when there is none.
  static Templates from_directory(const std::filesystem::path& directory);

  const std::map<std::string, std::string, std::less<>>& files() const { return files_; }
  /// True when read from a directory: kernels made from it are marked local and never shared.
  bool overridden() const { return !directory_.empty(); }
  /// For messages: the full path of that directory, or that these are the library's own.
  std::string origin() const;

  /// Everything that `header` includes by "name", itself first, in order of first inclusion, each once.
  /// Throws attnjit::Error naming the including file and line when an include is not there.
  std::vector<std::string> closure(std::string_view header) const;
  /// The closure's names and texts as one string, from which the source digest is made. It may be given to
  /// strip_comments(): the lines that carry the names stay.
  std::string closure_text(std::string_view header) const;

 private:
  std::map<std::string, std::string, std::less<>> files_;
  std::filesystem::path directory_;  // empty: embedded
};

/// The text without // and /* */ comments and blank lines, every run of blanks in a line as one and none at its
/// ends: what a change of meaning can be read from. Strings and characters are kept as they are.
std::string strip_comments(std::string_view text);

}  // namespace attnjit::jit
