"""Plants one violation after the other in a small tree and expects exactly that finding."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_structure  # noqa: E402

PROGRAM = '#include <attnjit/attnjit.hpp>\n\nint main() {}\n'

# A tree that obeys every rule, and uses each direction that is allowed.
CLEAN_TREE = {
    "README.md": f"# A title\n\n```cpp\n{PROGRAM}```\n\n```cpp\nanother block;\n```\n",
    "examples/readme_program.cpp": PROGRAM,
    "include/attnjit/attnjit.hpp": '#include <string>\n#include <dlpack/dlpack.h>\n#include "attnjit/error.hpp"\n',
    "include/attnjit/error.hpp": "// errors\n",
    "include/attnjit/context.hpp": "// context\n",
    "templates/shared/types.h": "#define ATTNJIT_HOST_DEVICE __host__ __device__\n",
    "templates/ptx/mma.cuh": '#include "shared/types.h"\ninline int lane() { asm(""); return threadIdx.x + __clz(1); }\n',
    "templates/ptx/copy.cuh": "template <int kN>\nATTNJIT_DEVICE void copy(float (&d)[4], const void* from, u32) { asm(\"\"); }\n",
    "emulator/ptx/copy.cuh": '#include "ptx/machine.h"\n#include "shared/types.h"\ntemplate <int kN>\n'
                             "ATTNJIT_DEVICE void copy(float(&out)[4], const void *source, u32 bytes, Site site = Site::here()) {}\n",
    "emulator/ptx/machine.h": "// primitives\n",
    "templates/core/softmax.cuh": '#include "ptx/mma.cuh"\n// no asm, no threadIdx, no __expf here\n',
    "templates/kernels/k.cuh": '#include "core/softmax.cuh"\nfloat f = __builtin_bit_cast(float, 0u);\n',
    "jit/source.cpp": '#include "jit/source.h"\n#include <nvrtc.h>\n#include "attnjit/error.hpp"\n'
                      'const char* text = R"(\n#include "{header}"\n)";\n',
    "jit/source.h": '#include "templates/shared/types.h"\n',
    "cache/store.h": "#include <sqlite3.h>\n",
    "runtime/plan.h": '#include <cuda.h>\n#include "cache/store.h"\n#include "jit/source.h"\n#include "attnjit/context.hpp"\n',
    "tools/main.cpp": '#include "runtime/plan.h"\n#include "tools/progress.h"\n',
    "tools/progress.h": "\n" * check_structure.MAX_LINES,
    "tests/runtime/plan_test.cpp": '#include "runtime/plan.h"\n#include "table.h"\n',
    "tests/runtime/table.h": "// rows\n",
    "bench/bench.h": "// timing\n",
    "operators/run.h": "// launches\n",
    "capi/support.h": "// handles\n",
    "emulator/run.h": '#include "runtime/plan.h"\n#include "emulator/ptx/machine.h"\n',
    "build/anything/utils/x.h": '#include "nowhere.h"\n',
    "docs/notes.md": "\n" * 1000,
}

# rule, file, its text. Each is planted in the clean tree alone.
VIOLATIONS = [
    ("direction", "process/bad.h", '#include "cache/store.h"\n'),
    ("direction", "cache/bad.h", '#include "jit/source.h"\n'),
    ("direction", "cache/bad.h", '#include "runtime/plan.h"\n'),
    ("direction", "cache/bad.h", '#include "attnjit/context.hpp"\n'),
    ("direction", "cache/bad.h", '#include "ptx/mma.cuh"\n'),
    ("direction", "jit/bad.cpp", '  #  include "cache/store.h"\n'),
    ("direction", "jit/bad.cpp", '#include <cache/store.h>\n'),
    ("direction", "jit/bad.cpp", '#include "runtime/plan.h"\n'),
    ("direction", "runtime/bad.h", '#include "templates/kernels/k.cuh"\n'),
    ("direction", "runtime/kernels/bad.h", '#include "tools/progress.h"\n'),
    ("direction", "runtime/bad.h", '#include "emulator/run.h"\n'),
    ("direction", "runtime/bad.h", '#include "tests/runtime/table.h"\n'),
    ("direction", "include/attnjit/bad.hpp", '#include "runtime/plan.h"\n'),
    ("direction", "examples/bad.c", '#include "runtime/plan.h"\n'),
    ("direction", "examples/bad.c", '#include "bench/bench.h"\n'),
    ("direction", "emulator/bad.h", '#include "tools/progress.h"\n'),
    ("direction", "emulator/bad.h", '#include "cache/store.h"\n'),
    ("direction", "emulator/ptx/bad.h", '#include "core/softmax.cuh"\n'),
    ("outside", "emulator/ptx/bad.h", "#include <cmath>\n"),
    ("bodies", "templates/ptx/bad.cuh", 'ATTNJIT_DEVICE void only_here(u32 address) { asm(""); }\n'),
    ("bodies", "emulator/ptx/bad.cuh", "ATTNJIT_DEVICE void only_here(u32 address) {}\n"),
    ("direction", "templates/shared/bad.h", '#include "ptx/mma.cuh"\n'),
    ("direction", "templates/ptx/bad.cuh", '#include "core/softmax.cuh"\n'),
    ("direction", "templates/core/bad.cuh", '#include "kernels/k.cuh"\n'),
    ("unresolved", "templates/core/bad.cuh", '#include "softmax.cuh"\n'),
    ("unresolved", "templates/core/bad.cuh", '#include "../core/softmax.cuh"\n'),
    ("unresolved", "templates/core/bad.cuh", '#include "attnjit/error.hpp"\n'),
    ("unresolved", "runtime/bad.h", '#include "runtime/gone.h"\n'),
    ("outside", "templates/core/bad.cuh", "#include <cuda_bf16.h>\n"),
    ("outside", "include/attnjit/bad.hpp", "#include <cuda.h>\n"),
    ("outside", "include/attnjit/bad.hpp", "#include <fmt/format.h>\n"),
    ("outside", "process/bad.h", "#include <fmt/format.h>\n"),
    ("outside", "cache/bad.h", "#include <cuda.h>\n"),
    ("outside", "cache/bad.h", "#include <nvrtc.h>\n"),
    ("outside", "jit/bad.cpp", "#include <cuda.h>\n"),
    ("outside", "jit/bad.cpp", "#include <sqlite3.h>\n"),
    ("outside", "runtime/bad.h", "#include <cuda_runtime_api.h>\n"),
    ("length", "tools/bad.cpp", "\n" * (check_structure.MAX_LINES + 1)),
    ("length", "scripts/bad", "\n" * (check_structure.MAX_LINES + 1)),
    ("kernel-text", "templates/core/bad.cuh", 'asm volatile("");\n'),
    ("kernel-text", "templates/kernels/bad.cuh", '/* why */ __asm__("");\n'),
    ("kernel-text", "templates/kernels/bad.cuh", "__syncthreads();\n"),
    ("kernel-text", "templates/core/bad.cuh", "const float e = __expf(x);\n"),
    ("kernel-text", "templates/core/bad.cuh", 'f("// text"); const int x = threadIdx.x;\n'),
    ("kernel-text", "templates/shared/bad.h", "inline int b() { return blockIdx.x; }\n"),
    ("folder", "runtime/utils/bad.h", "// nothing\n"),
    ("words", "runtime/bad.h", "// reads the index anew\n"),
    ("words", "docs/bad.md", "The fetcher loads K.\n"),
    ("names", "docs/bad.md", "See `runtime/gone.h`.\n"),
    ("names", "runtime/bad.h", "// made by operators/gone/call.cpp\n"),
    ("direction", "operators/bad.h", '#include "capi/support.h"\n'),
    ("direction", "operators/bad.h", '#include "emulator/run.h"\n'),
    ("direction", "runtime/bad.h", '#include "operators/run.h"\n'),
    ("direction", "capi/bad.h", '#include "emulator/run.h"\n'),
    ("direction", "verify/bad.h", '#include "tests/runtime/table.h"\n'),
    ("direction", "tools/bad.h", '#include "tests/runtime/table.h"\n'),
    ("direction", "bench/bad.h", '#include "tools/progress.h"\n'),
    ("direction", "tests/bad.h", '#include "examples/readme_program.cpp"\n'),
    ("folder", "tests/Common/bad.h", "// nothing\n"),
    ("readme", "examples/readme_program.cpp", PROGRAM + "// more\n"),
    ("readme", "README.md", "# A title\n\nno block\n"),
]


class PlantedViolations(unittest.TestCase):
    def findings(self, tree: dict[str, str]) -> list[check_structure.Finding]:
        with tempfile.TemporaryDirectory() as folder:
            for file, text in tree.items():
                path = Path(folder, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return check_structure.check(Path(folder))

    def test_clean_tree_has_no_finding(self):
        self.assertEqual(self.findings(CLEAN_TREE), [])

    def test_each_planted_violation_is_the_only_finding(self):
        for rule, file, text in VIOLATIONS:
            with self.subTest(rule=rule, file=file, text=text[:60]):
                found = self.findings(CLEAN_TREE | {file: text})
                self.assertEqual([(finding.rule, finding.file) for finding in found], [(rule, file)]
                                 if file != "examples/readme_program.cpp" else [(rule, "README.md")])

    def test_missing_readme_and_program(self):
        for file in ("README.md", "examples/readme_program.cpp"):
            tree = {name: text for name, text in CLEAN_TREE.items() if name != file}
            self.assertEqual([(finding.rule, finding.file) for finding in self.findings(tree)], [("readme", file)])

    def test_line_numbers(self):
        text = '// one\n/* two\n three */\n#include "jit/source.h"\n'
        (finding,) = self.findings(CLEAN_TREE | {"cache/bad.h": text})
        self.assertEqual(finding.line, 4)
        text = "// one\n/* two\n three */ int x = warpSize;\n"
        (finding,) = self.findings(CLEAN_TREE | {"templates/core/bad.cuh": text})
        self.assertEqual(finding.line, 3)

    def test_every_room_and_rule_is_planted(self):
        planted = [file for rule, file, _ in VIOLATIONS if rule == "direction"]
        for room, allowed in check_structure.ALLOWED.items():
            if room != "templates/kernels/":
                self.assertTrue(any(check_structure.room_of(file) == room for file in planted), room)


if __name__ == "__main__":
    unittest.main()
