"""Prints calld-events(7) from man/events.toml:  python3 man/make_events.py > man/calld-events.7"""
import pathlib
import tomllib

HERE = pathlib.Path(__file__).resolve().parent

FRAME = """.\\" Made by man/make_events.py from man/events.toml: change that.
.Dd November 27, 2026
.Dt CALLD-EVENTS 7
.Os calld
.Sh NAME
.Nm calld-events
.Nd warnings and errors of calld, their causes, and what to do
.Sh DESCRIPTION
A log line of
.Xr calld 8
names its level, its module and its message.
An
.Cm error
needs somebody who acts; a
.Cm warn
says that something is worse than it should be, and mends itself or waits for
somebody.
Messages are listed by module, with
.Ql ...
for what changes.
.Pp
Find one:
.Dl man calld-events, then / and a few words of the message
@EVENTS@.Sh SEE ALSO
.Xr callctl-doctor 1 ,
.Xr callctl-log-level 1 ,
.Xr calld.toml 5 ,
.Xr calld 8
"""


def mdoc(text):
    """Plain text as mdoc lines: one sentence a line, nothing that begins as a macro."""
    text = text.replace("\\", "\\e").replace(". ", ".\n")
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in text.splitlines())


def title(message):
    shown = message.replace('\\"', '"')
    while "{" in shown:
        start, end = shown.index("{"), shown.index("}")
        shown = shown[:start] + "..." + shown[end + 1:]
    return shown.replace("\\", "\\e").replace('"', "\\(dq")


def page():
    events = tomllib.loads((HERE / "events.toml").read_text())["event"]
    text = ""
    for module in sorted({e["module"] for e in events}):
        text += f".Sh {module.upper()}\n.Bl -tag -width Ds\n"
        for event in (e for e in events if e["module"] == module):
            text += f'.It \\fB{event["level"]}\\fR \\&{title(event["message"])}\n'
            text += mdoc(event["cause"]) + "\n.Pp\n" + mdoc(event["action"]) + "\n"
        text += ".El\n"
    return FRAME.replace("@EVENTS@", text)


if __name__ == "__main__":
    print(page(), end="")
