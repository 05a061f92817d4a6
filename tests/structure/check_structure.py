"""Reads the source tree and prints every place that breaks its layout: see ARCHITECTURE.md for the rooms.

Usage: check_structure.py ROOT. Exit status 1 if anything was printed. Each line is `file:line: [rule] text`.
Rules: direction, outside, unresolved, length, kernel-text, bodies, folder, names, words, readme.
"""

import re
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

MAX_LINES = 400

# What a room may include. A name that ends in "/" is everything below a folder, any other is one file.
ERRORS = ["include/attnjit/error.hpp", "include/attnjit/export.h"]
LIBRARY = ["operators/", "runtime/", "jit/", "cache/", "process/", "templates/shared/", "include/"]
ALLOWED = {
    "templates/shared/": ["templates/shared/"],
    "templates/ptx/": ["templates/shared/", "templates/ptx/"],
    "templates/core/": ["templates/shared/", "templates/ptx/", "templates/core/"],
    "templates/kernels/": ["templates/"],
    "process/": ["process/"],
    "cache/": ["cache/", "process/", "templates/shared/", *ERRORS],
    "jit/": ["jit/", "process/", "templates/shared/", *ERRORS],
    "runtime/": ["runtime/", "jit/", "cache/", "process/", "templates/shared/", "include/"],
    "operators/": LIBRARY,
    "capi/": ["capi/", *LIBRARY],
    "emulator/": [
        "emulator/", "operators/", "runtime/", "jit/", "cache/key.h", "cache/location.h", "templates/shared/", "include/",
    ],
    "emulator/ptx/": ["emulator/ptx/", "templates/shared/"],
    "verify/": ["verify/", "emulator/", *LIBRARY],
    "include/": ["include/"],
    "examples/": ["examples/", "include/"],
    "tools/": ["tools/", "verify/", "emulator/", *LIBRARY],
    "bench/": ["bench/", "examples/", "verify/", "emulator/", *LIBRARY],
    "tests/": [
        "tests/", "bench/", "tools/", "verify/", "emulator/", "capi/", "templates/", *LIBRARY,
    ],
}

# Headers from outside the tree that a room must not see, by regular expression.
_DRIVER = r"cuda.*\.h"
_NVRTC = r"nvrtc\.h"
_STORE = r"sqlite3\.h"
_RUNTIME_API = r"cuda_runtime.*\.h"
FORBIDDEN_OUTSIDE = {
    "templates/": r".*",  # NVRTC gets the embedded files and nothing else
    "emulator/ptx/": r".*",  # the same files with other bodies, and what a kernel's compiler has to read is short
    "include/": rf"({_DRIVER}|{_NVRTC}|{_STORE}|fmt/.*|nlohmann/.*)",  # users have only the standard library and DLPack
    "process/": rf"({_DRIVER}|{_NVRTC}|{_STORE}|fmt/.*)",  # runs in a forked child, and while the process exits
    "cache/": rf"({_DRIVER}|{_NVRTC})",
    "jit/": rf"({_DRIVER}|{_STORE})",
    "runtime/": rf"({_RUNTIME_API}|{_NVRTC}|{_STORE})",
    "operators/": rf"({_RUNTIME_API}|{_NVRTC}|{_STORE})",
    "capi/": rf"({_RUNTIME_API}|{_NVRTC}|{_STORE})",
}

# Kernel text is what the emulator runs: whatever a CPU has no word for lives in templates/ptx/.
ENTRY_ATTRIBUTES = {
    "__host__", "__device__", "__global__", "__forceinline__", "__noinline__", "__restrict__", "__launch_bounds__",
    "__grid_constant__", "__cluster_dims__", "__maxnreg__", "__CUDACC_RTC__",
}
ALLOWED_UNDERSCORES = ENTRY_ATTRIBUTES | {"__builtin_bit_cast"}
BUILTIN_VARIABLES = {"threadIdx", "blockIdx", "blockDim", "gridDim", "warpSize"}

SOURCE_SUFFIXES = {".h", ".hpp", ".cuh", ".c", ".cpp", ".cu", ".py", ".sh", ".cmake"}
INCLUDING_SUFFIXES = {".h", ".hpp", ".cuh", ".c", ".cpp", ".cu"}
FORBIDDEN_FOLDERS = {"utils", "util", "common"}
# Where a name between the quotes is looked for, then beside the file that has it. For headers in memory NVRTC knows
# neither a sibling nor the repository's root, so templates have only their own.
INCLUDE_ROOTS = ["", "include/", "templates/"]
TEMPLATE_INCLUDE_ROOTS = ["templates/"]
# Second bodies of templates/ptx are found before the first ones.
BODY_INCLUDE_ROOTS = ["emulator/", "templates/"]

_ROOMS = "templates|process|cache|jit|runtime|operators|capi|emulator|verify|tools|bench|tests|examples|docs|scripts|cmake|include"
_NAMED_PATH = re.compile(rf"(?<![\w./<>$}}{{-])((?:{_ROOMS})/[\w./{{}},*<>-]*[\w}}*/>])")
# Each with what to say instead.
DIALECT = {
    "anew": "again, or reread",
    "boldly": "lazily, lazy rescale",
    "fetcher": "producer or load warp",
    "thereof": "its",
    "wherein": "in which, where",
}
_DIALECT = re.compile(rf"\b({'|'.join(DIALECT)})\b", re.IGNORECASE)
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
_CODE_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_WORD = re.compile(r"\b\w+\b")


class Finding(NamedTuple):
    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: [{self.rule}] {self.text}"


def tree_files(root: Path) -> list[str]:
    """Every file of the tree, root-relative; build folders and hidden ones are left out."""
    files = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if parts[0] == "build" or parts[0].startswith("build-") or not path.is_file():
            continue
        files.append("/".join(parts))
    return files


def is_source(file: str) -> bool:
    path = Path(file)
    return path.suffix in SOURCE_SUFFIXES or path.name == "CMakeLists.txt" or file.startswith("scripts/")


def room_of(file: str) -> str | None:
    """The longest key of ALLOWED that holds the file."""
    rooms = [room for room in ALLOWED if file.startswith(room)]
    return max(rooms, key=len) if rooms else None


def read(root: Path, file: str) -> str:
    return (root / file).read_text(encoding="utf-8", errors="replace")


def resolve(root: Path, file: str, name: str) -> str | None:
    """Root-relative name of the tree's file that an include names; None if it is none of the tree's."""
    if ".." in Path(name).parts:
        return None
    beside = Path(file).parent.as_posix() + "/"
    if file.startswith("templates/"):
        roots = TEMPLATE_INCLUDE_ROOTS
    elif file.startswith("emulator/ptx/"):
        roots = BODY_INCLUDE_ROOTS
    else:
        roots = [*INCLUDE_ROOTS, beside]
    for include_root in roots:
        if (root / (include_root + name)).is_file():
            return include_root + name
    return None


def check_includes(root: Path, file: str) -> Iterator[Finding]:
    room = room_of(file)
    if room is None or Path(file).suffix not in INCLUDING_SUFFIXES:
        return
    forbidden = next((text for prefix, text in FORBIDDEN_OUTSIDE.items() if file.startswith(prefix)), "")
    in_raw_string = False  # generated sources are written as raw strings; their includes are not this file's
    for number, line in enumerate(read(root, file).splitlines(), 1):
        match = None if in_raw_string else _INCLUDE.match(line)
        if 'R"(' in line:
            in_raw_string = True
        if ')"' in line:
            in_raw_string = False
        if not match:
            continue
        quote, name = match.groups()
        target = resolve(root, file, name)
        if target is None and quote == '"':
            yield Finding(file, number, "unresolved", f'no "{name}" below an include root; includes are root-relative')
        elif target is None:
            if forbidden and re.fullmatch(forbidden, name):
                yield Finding(file, number, "outside", f"{room} must not include <{name}>")
        elif not any(target == allowed or (allowed[-1] == "/" and target.startswith(allowed)) for allowed in ALLOWED[room]):
            yield Finding(file, number, "direction", f"{room} must not include {target}; it may include {ALLOWED[room]}")


def check_length(root: Path, file: str) -> Iterator[Finding]:
    if not is_source(file):
        return
    lines = read(root, file).count("\n")
    if lines > MAX_LINES:
        yield Finding(file, lines, "length", f"{lines} lines, allowed are {MAX_LINES}; split it by ideas")


def check_kernel_text(root: Path, file: str) -> Iterator[Finding]:
    if not file.startswith("templates/") or file.startswith("templates/ptx/"):
        return
    if Path(file).suffix not in INCLUDING_SUFFIXES:
        return
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())  # noqa: E731 - keeps the line numbers
    for number, line in enumerate(_CODE_NOISE.sub(blank, read(root, file)).splitlines(), 1):
        for word in _WORD.findall(line):
            if word in ("asm", "__asm__", "__asm"):
                yield Finding(file, number, "kernel-text", "asm belongs into templates/ptx/")
            elif word in BUILTIN_VARIABLES:
                yield Finding(file, number, "kernel-text", f"{word}: ask templates/ptx/builtins.cuh")
            elif word.startswith("__") and word not in ALLOWED_UNDERSCORES:
                yield Finding(file, number, "kernel-text", f"{word}: intrinsics belong into templates/ptx/")


_FUNCTION = re.compile(r"(template\s*<[^<>]*>\s*)?ATTNJIT_DEVICE\s+([^(){};=]*?)(\w+)\(((?:[^()]|\([^()]*\))*)\)\s*\{")


def _parameter_type(parameter: str) -> str:
    """`const u32 (&a)[4]` -> `const u32(&)[4]`; the emulator's own `Site site = ...` -> nothing."""
    text = parameter.split("=")[0].strip()
    if text.startswith("Site "):
        return ""
    if "(&" in text:
        text = re.sub(r"\(&\s*\w+\)", "(&)", text)
    else:
        text = re.sub(r"\s*\b\w+$", "", text) if " " in text or "*" in text or "&" in text else text
    return re.sub(r"\s+", " ", re.sub(r"\s*([*&()\[\]])\s*", r"\1", text)).strip()


def declared_functions(text: str) -> dict[str, int]:
    """Signature -> line of every instruction that a file of ptx/ declares."""
    functions = {}
    for match in _FUNCTION.finditer(_CODE_NOISE.sub(lambda noise: re.sub(r"[^\n]", " ", noise.group()), text)):
        template, result, name, parameters = match.groups()
        types = [_parameter_type(parameter) for parameter in parameters.split(",")]
        template = re.sub(r"\s+", "", template or "")
        result = re.sub(r"\s+", "", result)
        functions[f"{template}{result} {name}({', '.join(filter(None, types))})"] = text[: match.start()].count("\n") + 1
    return functions


def check_bodies(root: Path) -> Iterator[Finding]:
    """Every instruction of templates/ptx has a second body in the file of the same name in emulator/ptx, and none else."""
    for first, second in (("templates/ptx/", "emulator/ptx/"), ("emulator/ptx/", "templates/ptx/")):
        for path in sorted((root / first).glob("*.cuh")):
            other = root / second / path.name
            there = declared_functions(other.read_text(encoding="utf-8")) if other.is_file() else {}
            for signature, line in declared_functions(path.read_text(encoding="utf-8")).items():
                if signature not in there:
                    yield Finding(first + path.name, line, "bodies", f"{signature} is not in {second}{path.name}")


def check_folders(file: str) -> Iterator[Finding]:
    for part in Path(file).parent.parts:
        if part.lower() in FORBIDDEN_FOLDERS:
            yield Finding(file, 1, "folder", f"a folder named {part} says nothing; name it for what it holds")


def check_names(root: Path, file: str) -> Iterator[Finding]:
    """Every path that a text names exists: in docs, comments, scripts, CMake."""
    if not (is_source(file) or file.endswith(".md")) or file.endswith(("_test.py", "_test.cpp")):
        return
    for number, line in enumerate(read(root, file).splitlines(), 1):
        if _INCLUDE.match(line):
            continue  # "unresolved" is for these
        for match in _NAMED_PATH.finditer(line):
            name = match.group(1).rstrip("/.")
            placeholder = re.search(r"[*<>{}]|\b(X|NAME)\b|(X|NAME)_|\.\.\.", match.group(1))
            if placeholder or any((root / (prefix + name)).exists() for prefix in ("", "templates/")):
                continue
            if not any((root / (name + suffix)).exists() for suffix in (".h", ".cpp", ".py")):
                yield Finding(file, number, "names", f"there is no {name}")


def check_words(root: Path, file: str) -> Iterator[Finding]:
    """Words that readers of the field do not know, where it has its own."""
    if not (is_source(file) or file.endswith(".md")) or file.startswith("tests/structure/"):
        return
    for number, line in enumerate(read(root, file).splitlines(), 1):
        for match in _DIALECT.finditer(line):
            yield Finding(file, number, "words", f"{match.group(0)}: {DIALECT[match.group(0).lower()]}")


def check_readme(root: Path) -> Iterator[Finding]:
    """The program that README shows is the one that is built."""
    readme, program = root / "README.md", root / "examples/readme_program.cpp"
    for path in (readme, program):
        if not path.is_file():
            yield Finding(path.relative_to(root).as_posix(), 1, "readme", "is not there")
            return
    text = readme.read_text(encoding="utf-8")
    block = re.search(r"^```cpp\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if not block:
        yield Finding("README.md", 1, "readme", "has no ```cpp block")
    elif block.group(1) != program.read_text(encoding="utf-8"):
        line = text[: block.start()].count("\n") + 2
        yield Finding("README.md", line, "readme", "the first ```cpp block differs from examples/readme_program.cpp")


def check(root: Path) -> list[Finding]:
    findings = []
    for file in tree_files(root):
        findings += check_includes(root, file)
        findings += check_length(root, file)
        findings += check_kernel_text(root, file)
        findings += check_folders(file)
        findings += check_names(root, file)
        findings += check_words(root, file)
    findings += check_bodies(root)
    findings += check_readme(root)
    return findings


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    findings = check(Path(sys.argv[1]))
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
