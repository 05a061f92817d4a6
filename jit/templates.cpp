#include "jit/templates.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <set>
#include <utility>

#include "attnjit/error.hpp"
#include "jit/cpp_text.h"
#include "jit/embedded_files.h"
#include "process/made_once.h"

namespace attnjit::jit {
namespace {

namespace fs = std::filesystem;

/// Advice for an unusable template directory.
constexpr const char* kOwnTemplates =
    "Name a copy of templates/ by ATTNJIT_TEMPLATE_DIR or ContextOptions::template_dir, or neither: then the library's "
    "own are used";

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream.good() && !stream.eof()) {
    throw Error(Status::kInvalidArgument, fmt::format("template {} cannot be read", path.string()));
  }
  if (text.find('\0') != std::string::npos) {
    throw Error(Status::kInvalidArgument,
                fmt::format("template {} holds a zero byte; NVRTC takes texts that end at one", path.string()));
  }
  return text;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

/// Collects stripped text: runs of blanks become one, none at line ends, no empty lines.
class StrippedText {
 public:
  void add_code(std::string_view code) {
    for (const char c : code) {
      if (c == '\n') {
        end_line();
      } else if (is_blank(c)) {
        blank_pending_ = true;
      } else {
        add_visible(c);
      }
    }
  }
  /// To the compiler, a comment is one blank.
  void add_comment() { blank_pending_ = true; }
  void add_literal(std::string_view literal) {
    if (literal.empty()) return;
    add_visible(literal.front());
    text_ += literal.substr(1);
  }
  std::string take() {
    end_line();
    return std::move(text_);
  }

 private:
  void add_visible(char c) {
    if (blank_pending_ && line_begin_ != text_.size()) text_ += ' ';
    blank_pending_ = false;
    text_ += c;
  }
  void end_line() {
    if (line_begin_ != text_.size()) text_ += '\n';
    line_begin_ = text_.size();
    blank_pending_ = false;
  }

  std::string text_;
  std::size_t line_begin_ = 0;
  bool blank_pending_ = false;
};

/// Walks a header's includes depth first, in the order the compiler meets them.
class ClosureWalk {
 public:
  explicit ClosureWalk(const Templates& templates) : templates_(templates) {}

  void visit(const std::string& name) {
    if (!seen_.insert(name).second) return;
    order_.push_back(name);
    for (const IncludeLine& include : find_includes(templates_.files().find(name)->second)) {
      if (!templates_.files().contains(include.name)) {
        throw Error(Status::kCompileFailed,
                    fmt::format("{}:{}: no template is named \"{}\" in {}; includes are written from the templates' "
                                "root, as in \"core/softmax.cuh\"",
                                name, include.line, include.name, templates_.origin()));
      }
      visit(include.name);
    }
  }

  std::vector<std::string> take() { return std::move(order_); }

 private:
  const Templates& templates_;
  std::set<std::string> seen_;
  std::vector<std::string> order_;
};

}  // namespace

const Templates& Templates::embedded() {
  static constinit process::MadeOnce<Templates> templates;
  return templates.get([] {
    Templates made;
    for (std::size_t i = 0; i < kEmbeddedFileCount; ++i) {
      const EmbeddedFile& file = kEmbeddedFiles[i];
      made.files_.emplace(file.name, std::string(reinterpret_cast<const char*>(file.text), file.size));
    }
    return made;
  });
}

Templates Templates::from_directory(const fs::path& directory) {
  Templates templates;
  const fs::path root = fs::absolute(directory).lexically_normal();
  templates.directory_ = root;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
      const fs::path extension = entry.path().extension();
      if ((extension != ".cuh" && extension != ".h") || !entry.is_regular_file()) continue;
      templates.files_.emplace(entry.path().lexically_relative(root).generic_string(), read_file(entry.path()));
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(Status::kInvalidArgument, fmt::format("template directory {} cannot be read: {}. {}", root.string(),
                                                      error.code().message(), kOwnTemplates));
  }
  if (templates.files_.empty()) {
    throw Error(Status::kInvalidArgument,
                fmt::format("template directory {} holds no *.cuh and no *.h. {}", root.string(), kOwnTemplates));
  }
  return templates;
}

std::string Templates::origin() const {
  return overridden() ? directory_.string() : std::string("the library's own templates");
}

std::vector<std::string> Templates::closure(std::string_view header) const {
  if (!files_.contains(header)) {
    throw Error(Status::kCompileFailed, fmt::format("no template is named \"{}\" in {}", header, origin()));
  }
  ClosureWalk walk(*this);
  walk.visit(std::string(header));
  return walk.take();
}

std::string Templates::closure_text(std::string_view header) const {
  std::string text;
  for (const std::string& name : closure(header)) {
    const std::string& file = files_.find(name)->second;
    // #file is not a C++ directive, so no template that compiles contains such a line.
    text += fmt::format("#file \"{}\"\n{}", name, file);
    if (!file.ends_with('\n')) text += '\n';
  }
  return text;
}

std::string strip_comments(std::string_view text) {
  StrippedText stripped;
  for (const TextPiece& piece : split_text(text)) {
    switch (piece.kind) {
      case TextPiece::Kind::kCode: stripped.add_code(piece.text); break;
      case TextPiece::Kind::kComment: stripped.add_comment(); break;
      case TextPiece::Kind::kLiteral:
      case TextPiece::Kind::kRawLiteral: stripped.add_literal(piece.text); break;
    }
  }
  return stripped.take();
}

}  // namespace attnjit::jit
