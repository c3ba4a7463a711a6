"""How the demo looks: headings, facts and moments in 80 columns, in colour only where a person wants colour."""

import os
import sys
import textwrap

NO_BREAK = "\N{NO-BREAK SPACE}"
WIDTH = 80
LABEL = 12  # columns of a fact's name or of a moment's time

SEVERITIES = {"critical": "red", "high": "red", "medium": "yellow", "low": None, "info": None}

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def paint(text: str, style: str | None) -> str:
    if not style or not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{STYLES[style]}m{text}\033[0m"


def title(text: str, below: str) -> None:
    print(paint(text, "bold"))
    print(paint("─" * WIDTH, "dim"))
    paragraph(below, margin="")


def heading(number: int, text: str) -> None:
    print()
    print(paint(f"{number}  {text}", "bold"))
    print()


def step(name: str, why: str) -> None:
    print()
    print("   " + paint(name, "yellow"))
    for line in wrapped(why, WIDTH - 3):
        print("   " + paint(line, "dim"))
    sys.stdout.flush()


def paragraph(text: str, margin: str = "   ") -> None:
    for line in textwrap.wrap(text, WIDTH - len(margin)):
        print(margin + line)
    sys.stdout.flush()


def fact(name: str, text: str, style: str | None = None) -> None:
    """One fact under its name; what is too long goes on below itself."""
    _columns(f"{name:<{LABEL}}", text, style)


def moment(seconds: float, text: str, style: str | None = None) -> None:
    """One fact with the seconds since the attacker's call."""
    _columns(paint(f"{seconds:+7.2f} s".ljust(LABEL), "dim"), text, style)


def shell(command: str) -> None:
    """A command as it is typed."""
    for number, line in enumerate(command.splitlines()):
        print("   " + ("$ " if number == 0 else "  ") + line)
    sys.stdout.flush()


def verdict(good: bool, text: str) -> None:
    mark = paint("yes", "green") if good else paint("NO ", "red")
    lines = wrapped(text, WIDTH - 8)
    print(f"   {mark}  {lines[0]}")
    for line in lines[1:]:
        print(f"        {line}")
    sys.stdout.flush()


def line(text: str = "", style: str | None = None) -> None:
    print(paint(text, style), flush=True)


def size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def amount(count: int, thing: str, things: str | None = None) -> str:
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def clean(text: str) -> str:
    """Text that an attacker may have chosen, as one line that no terminal obeys."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def _columns(name: str, text: str, style: str | None) -> None:
    first, *rest = wrapped(text, WIDTH - 3 - LABEL)
    print("   " + name + paint(first, style))
    for more in rest:
        print("   " + " " * LABEL + paint(more, style))
    sys.stdout.flush()


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a no-break space holds together what belongs together."""
    return [line.replace(NO_BREAK, " ") for line in textwrap.wrap(text, width, break_on_hyphens=False)] or [""]
