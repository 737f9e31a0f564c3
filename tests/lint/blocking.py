"""Who may block says so. Every function of the library that takes a Deadline and waits for something calls assert_may_block(),
which aborts on a loop's thread; one that does not wait hands its Deadline on to functions that do. In the modules that calld media is made of the same
holds for every function that waits, sleeps or joins a thread, with a Deadline or without: so nothing that a media loop can reach waits without
having asked. The files that run on a loop share no plain mutex with threads of a lower priority, and touch no file. And those on the path of an
audio frame call nothing that waits, locks, writes a file or logs."""
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
# What else runs on a media loop: joining a stream to its call, and the bridge to the call's thread.
ON_LOOPS = ["core/media/call_connection", "core/media/call_link", "core/media/taped_session", "core/media/tape_text",
            "core/media/assembly", "core/media/instruments", "core/media/server", "core/net/ws_session", "core/net/ws_server",
            "core/flow/call_threads", "core/flow/service"]
calls_that_a_loop_must_not_make = {
    r"\bstd::(mutex|condition_variable|timed_mutex|shared_mutex)\b": "has a mutex without priority inheritance (PiMutex has it)",
    r"\bofstream|\bifstream|\bfopen\(|(?<!Listener)::open\(|\bfsync|\bread_file\(|\bwrite_file": "touches a file",
}
# The modules of which calld media is made, as far as they have threads.
MODULES = ("core/base/", "core/runtime/", "core/net/", "core/media/", "core/flow/", "core/speech/", "core/provider/")
WAITS_BY_ITSELF = re.compile(r"\bthread_?\.join\(|\w\.(wait|wait_for|wait_until)\((?!\))|get_future\(\)\.|\bsleep|\bpoll\(|\bselect\("
                             r"|pthread_join\(")
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


def function_around(lines, number):
    """The function that line `number` is in: from its header to its closing brace. Relies on the code's format."""
    indent = len(lines[number]) - len(lines[number].lstrip())
    header = number
    while indent > 0:
        header -= 1
        line = lines[header]
        here = len(line) - len(line.lstrip())
        if not line.strip() or here >= indent or re.match(r" (public|private|protected):", line):
            continue
        if re.match(r"(template <.*> )?(class|struct|namespace)\b[^;()]*\{$", line.strip()):
            break
        indent, start = here, header
    end = start + 1
    while end < len(lines) and not re.match(" " * indent + r"\}", lines[end]):
        end += 1
    return "\n".join(lines[start:end])


def waits_unasked(text):
    """Numbers of lines that wait, in functions that do not assert that they may."""
    lines = [re.sub(r"//.*", "", line) for line in text.splitlines()]
    return [number + 1 for number, line in enumerate(lines)
            if WAITS_BY_ITSELF.search(line) and line.startswith(" ")
            and "assert_may_block(" not in function_around(lines, number)]


def self_test():
    plain = "Thing::~Thing() {\n  if (on) {\n    thread_.join();\n  }\n}\n"
    inside = "class A {\n public:\n  void f(Lock& lock,\n         int x) {\n    changed_.wait(lock);\n  }\n};\n"
    for text, line in ((plain, 3), (inside, 5)):
        asked = text.replace("{\n  if", "{\n  assert_may_block(\"f\");\n  if").replace(") {\n    ch", ") {\n    assert_may_block(\"f\");\n    ch")
        if waits_unasked(text) != [line] or waits_unasked(asked):
            return False
    bad = "Result<int> wait_long(Deadline deadline) {\n  while (!deadline.passed()) {\n  }\n  return 1;\n}\n"
    good = "bool f(Deadline deadline) {\n  assert_may_block(\"f\");\n}\nbool g(int x, Deadline d) {\n  return f(d);\n}\n"
    return list(unguarded(bad)) == ["wait_long"] and not list(unguarded(good))


def main():
    problems = [] if self_test() else ["blocking.py: its own self test fails"]
    checked = 0
    loop_files = set()
    for path in files(".cpp", ".hpp", under=("core", "daemon")):
        text = path.read_text()
        checked += len(DEFINITION.findall(text))
        problems += [f"{path.relative_to(ROOT)}: {name}() takes a Deadline; begin it with assert_may_block(\"{name}\")"
                     for name in unguarded(text)]
        name = str(path.relative_to(ROOT))
        if name.startswith(MODULES) and name != "core/base/pi_mutex.hpp":
            problems += [f"{name}:{number}: waits; its function begins with assert_may_block()" for number in waits_unasked(text)]
        if name.rsplit(".")[0] in ON_LOOPS:
            loop_files.add(name)
            problems += [f"{name}:{number}: runs on a loop, and it {why}"
                         for number, line in enumerate(text.splitlines(), 1)
                         for pattern, why in calls_that_a_loop_must_not_make.items() if re.search(pattern, line.split("//")[0])]
    if checked < 30:
        problems.append(f"blocking.py: only {checked} functions with a Deadline were found; the pattern is out of date")
    problems += [f"blocking.py: {name} is said to run on a loop and is not there"
                 for name in ON_LOOPS if not loop_files & {f"{name}.cpp", f"{name}.hpp"}]
    for name in FRAME_PATH:
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            code = line.split("//")[0]
            problems += [f"{name}:{number}: on the path of an audio frame, and it {why}"
                         for pattern, why in calls_that_a_frame_must_not_make.items() if re.search(pattern, code)]
    return report(problems, "blocking")


sys.exit(main())
