# Writes OUTPUT, a C++ file that holds every *.h and *.cuh below ROOT as raw string literals in pieces that every
# compiler accepts.
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/*.cuh ${ROOT}/*.h)
list(SORT files)
set(text "// Generated from templates/. Do not edit.\n#include <cstddef>\n\nnamespace attnjit::jit {\n\n")
string(APPEND text "struct EmbeddedFile {\n  const char* name;\n  const char* text;\n};\n\n")
string(APPEND text "extern const EmbeddedFile kEmbeddedFiles[];\nextern const std::size_t kEmbeddedFileCount;\n\n")
string(APPEND text "const EmbeddedFile kEmbeddedFiles[] = {\n")
set(count 0)
foreach(file IN LISTS files)
  file(READ ${ROOT}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" escaped "${hex}")
  # Pieces of 64 bytes: one string literal each, joined by the compiler.
  string(REGEX REPLACE "((\\\\x[0-9a-f][0-9a-f])(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?)"
         "\"\\1\"\n" literals "${escaped}")
  string(APPEND text "    {\"${file}\",\n${literals}},\n")
  math(EXPR count "${count} + 1")
endforeach()
string(APPEND text "};\nconst std::size_t kEmbeddedFileCount = ${count};\n\n}  // namespace attnjit::jit\n")
file(WRITE ${OUTPUT} "${text}")
