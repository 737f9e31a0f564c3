"""Who may block says so. Every function of the library that takes a Deadline and waits for something calls assert_may_block(),
which aborts on a loop's thread; one that does not wait hands its Deadline on to functions that do. And the files on the path of an audio frame call
nothing that waits, sleeps, writes a file or logs above debug."""
import re
import sys

from tree import ROOT, files, report

# On the path of a frame, from the socket to the session and back.
FRAME_PATH = ["core/net/ws_frame.cpp", "core/net/utf8.cpp", "core/media/session.cpp", "core/media/protocol.cpp",
              "core/media/flat_json.cpp", "core/media/playout.cpp", "core/media/turn.cpp", "core/media/recording.cpp",
              "core/media/voicemail.cpp"]
calls_that_a_frame_must_not_make = {
    r"\.wait\(|\.wait_for\(|\.wait_until\(|\.join\(|\.get_future\(": "waits",
    r"\bsleep|\bpoll\(|\bselect\(": "waits",
    r"\bstd::(mutex|condition_variable|lock_guard|unique_lock)": "takes a lock",
    r"\bofstream|\bifstream|\bfopen\(|::open\(|\bfsync": "touches a file",
    r"\blog_?\.(info|warn|error|debug|trace)\(|log::": "logs",
    r"\bDeadline::": "makes a deadline: it would block",
}
# A function definition that takes a Deadline, up to its body's brace.
DEFINITION = re.compile(r"^[A-Za-z_][^;{}#]*?\b([A-Za-z_:~]+)\(([^;{}]*\bDeadline (\w+)[^;{}]*)\)[^;{}]*\{", re.M)


def body_of(text, start):
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return text[start:]


WAITS = re.compile(r"\bpoll\(|\bselect\(|wait\(|wait_for\(|wait_until\(|\.join\(|\.get_future\(\)|\bwhile \(|\brun_for\(")


def unguarded(text):
    """Names of functions that take a Deadline, wait themselves or loop until it, and do not assert."""
    code = re.sub(r"//[^\n]*", "", text)
    for found in DEFINITION.finditer(code):
        name, deadline = found.group(1), found.group(3)
        body = body_of(code, found.end())
        hands_on = re.search(r"[(,{]\s*(std::min\()?" + deadline + r"\s*[,)}]", body)
        if "assert_may_block(" not in body and not hands_on and WAITS.search(body):
            yield name


def self_test():
    bad = "Result<int> wait_long(Deadline deadline) {\n  while (!deadline.passed()) {\n  }\n  return 1;\n}\n"
    good = "bool f(Deadline deadline) {\n  assert_may_block(\"f\");\n}\nbool g(int x, Deadline d) {\n  return f(d);\n}\n"
    return list(unguarded(bad)) == ["wait_long"] and not list(unguarded(good))


def main():
    problems = [] if self_test() else ["blocking.py: its own self test fails"]
    checked = 0
    for path in files(".cpp", under=("core", "daemon")):
        text = path.read_text()
        checked += len(DEFINITION.findall(text))
        problems += [f"{path.relative_to(ROOT)}: {name}() takes a Deadline; begin it with assert_may_block(\"{name}\")"
                     for name in unguarded(text)]
    if checked < 30:
        problems.append(f"blocking.py: only {checked} functions with a Deadline were found; the pattern is out of date")
    for name in FRAME_PATH:
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            code = line.split("//")[0]
            problems += [f"{name}:{number}: on the path of an audio frame, and it {why}"
                         for pattern, why in calls_that_a_frame_must_not_make.items() if re.search(pattern, code)]
    return report(problems, "blocking")


sys.exit(main())
