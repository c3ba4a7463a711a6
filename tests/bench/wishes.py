"""What is wanted of coldcase's figures, and whether it came true."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    text: str
    found: str
    met: bool

    def line(self) -> str:
        return f"{'met    ' if self.met else 'NOT MET'}  {self.text}: {self.found}"
