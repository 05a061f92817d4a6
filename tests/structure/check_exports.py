"""Lists the dynamic symbols of libattnjit.so and fails on one that is no part of the API.

Expected are every function that attnjit.h declares with ATTNJIT_API and nothing else in C; in C++ the members of
namespace attnjit, but nothing of the rooms behind them (attnjit::cache, attnjit::jit, attnjit::runtime) and no Impl.
"""

import argparse
import re
import subprocess
import sys

ROOMS = ("cache", "jit", "runtime", "kernel", "tools")


def dynamic_symbols(nm, library):
    lines = subprocess.run(
        [nm, "--dynamic", "--defined-only", "--format=posix", library], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


def declared_functions(header):
    text = re.sub(r"/\*.*?\*/", "", open(header, encoding="utf-8").read(), flags=re.DOTALL)
    return set(re.findall(r"^ATTNJIT_API\b[^;(]*?\b(attnjit_\w+)\s*\(", text, flags=re.MULTILINE))


def namespaces(symbol):
    """["attnjit", "Context", ...] of a mangled nested name, [] of any other symbol."""
    match = re.match(r"_Z(?:T[ISV])?NK?", symbol)
    if not match:
        return []
    names, rest = [], symbol[match.end():]
    while number := re.match(r"\d+", rest):
        end = number.end() + int(number.group())
        names.append(rest[number.end():end])
        rest = rest[end:]
    return names


def faults(symbols, declared):
    found = []
    for symbol in sorted(symbols):
        names = namespaces(symbol)
        public = names[:1] == ["attnjit"] and len(names) > 1 and names[1] not in ROOMS and "Impl" not in names
        if public or symbol in declared:
            continue
        found.append(f"{symbol} is exported, but is no part of the API")
    found += [f"{name} is declared in attnjit.h, but not exported" for name in sorted(declared - symbols)]
    if not any(symbol.startswith("_ZTIN7attnjit5Error") for symbol in symbols):
        found.append("the type information of attnjit::Error is not exported: it could not be caught by its type")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("shared_object")
    parser.add_argument("header")
    arguments = parser.parse_args()
    symbols = dynamic_symbols(arguments.nm, arguments.shared_object)
    declared = declared_functions(arguments.header)
    if not declared:
        sys.exit(f"{arguments.header}: no ATTNJIT_API function was found in it")
    found = faults(symbols, declared)
    for fault in found:
        print(fault)
    print(f"{len(symbols)} dynamic symbols, {len(declared)} functions of the C ABI, {len(found)} faults")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
