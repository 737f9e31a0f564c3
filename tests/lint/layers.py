"""Modules include only downward. core/LAYERS declares who may use whom; this fails on anything else."""
import re
import sys

from tree import ROOT, files, report

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

# Third-party headers that live in one module only (or, for the JSON library, never in a header).
FENCES = {
    "boost/beast": {"core/net"},
    "hiredis": {"core/redis"},
    "pqxx": {"core/store"},
    "spdlog/": {"core/log"},
    "toml++": {"core/config"},
    "pocketsphinx": {"core/speech"},
    "flite/": {"core/speech"},
    "speex/": {"core/audio"},
    "phonenumbers/": {"core/contacts", "core/policy"},
    "libpq-fe": {"core/config"},
    "openssl/": {"core/crypto", "core/net"},
    "CLI/": {"cmd", "daemon"},
}


def declared():
    allowed = {}
    for number, line in enumerate((ROOT / "core/LAYERS").read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        module, _, uses = line.partition(":")
        uses = uses.split()
        for use in uses:
            if use not in allowed:
                sys.exit(f"core/LAYERS:{number}: {module} uses {use}, which is not declared above it")
        allowed[module.strip()] = set(uses)
    return allowed


def check_line(name, line, allowed):
    """The problem of one source line, or None. `name` is the path from the root."""
    parts = name.split("/")
    found = INCLUDE.match(line)
    if found and parts[0] == "core":
        target = found.group(1).split("/")
        if target[0] != "core":
            return f'include "{found.group(1)}" from the root: "core/..."'
        own, used = parts[1], target[1]
        if own not in allowed:
            return f"module {own} is not declared in core/LAYERS"
        if used != own and used not in allowed[own]:
            return f"{own} may not include {used} (core/LAYERS)"
    if found and parts[0] in ("cmd", "daemon"):
        other = "daemon" if parts[0] == "cmd" else "cmd"
        if found.group(1).startswith(other + "/"):
            return f"{parts[0]} may not include {other}"
    home = "/".join(parts[:2]) if parts[0] == "core" else parts[0]
    bracket = re.match(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
    if bracket and parts[0] in ("core", "cmd", "daemon"):
        for prefix, homes in FENCES.items():
            if bracket.group(1).startswith(prefix) and home not in homes:
                return f"<{bracket.group(1)}> belongs in {', '.join(sorted(homes))} only"
        if bracket.group(1) == "nlohmann/json.hpp" and name.endswith(".hpp"):
            return "<nlohmann/json.hpp> in a header: include <nlohmann/json_fwd.hpp>"
    return None


def self_test():
    allowed = {"base": set(), "log": {"base"}, "store": {"base", "log"}}
    bad = [("core/base/a.cpp", '#include "core/log/log.hpp"'),
           ("core/log/a.cpp", '#include "core/store/pool.hpp"'),
           ("core/log/a.cpp", "#include <pqxx/pqxx>"),
           ("core/store/a.hpp", "#include <nlohmann/json.hpp>"),
           ("cmd/a.cpp", '#include "daemon/wiring.hpp"'),
           ("core/extra/a.cpp", '#include "core/base/error.hpp"')]
    good = [("core/store/a.cpp", '#include "core/log/log.hpp"'),
            ("core/store/a.cpp", "#include <pqxx/pqxx>"),
            ("cmd/a.cpp", '#include "core/store/pool.hpp"')]
    problems = [f"accepted: {n}: {l}" for n, l in bad if check_line(n, l, allowed) is None]
    problems += [f"refused: {n}: {l}" for n, l in good if check_line(n, l, allowed) is not None]
    return report(problems, "layers self-test")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    allowed = declared()
    problems = []
    for path in files(".hpp", ".cpp", under=("core", "cmd", "daemon")):
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            problem = check_line(name, line, allowed)
            if problem:
                problems.append(f"{name}:{number}: {problem}")
    return report(problems, "layers")


sys.exit(main())
