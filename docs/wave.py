"""Draw docs/wave.svg: a sine wave, and the letters with which a network continues it.

    python docs/wave.py

Runs the commands of docs/wave.md in a temporary folder, and draws what they write. Needs bash.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
START, PRIME = 20_000, 100  # the number of the first letter that is sampled; letters before it

# Geometry in pixels: the zero line, the height of a wave, the width of a letter.
MIDDLE, AMPLITUDE, STEP, MARGIN = 110, 80, 2.8, 16
BACKGROUND, WAVE, READ, WRITTEN = "#1e222a", "#5c6370", "#d7dae0", "#98c379"
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def continued() -> str:
    """The prime and the sample that the page's commands write."""
    block = re.search(r"```sh\n(.*?)```", (DOCS / "wave.md").read_text("utf-8"), re.DOTALL)
    assert block
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        command = ["bash", "-eu", "-c", block[1]]
        subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True)
        return (Path(folder) / "continued.txt").read_text("utf-8")


def point(t: float, value: float) -> tuple[float, float]:
    """Where the picture shows a value of the wave, or of a letter, at a time."""
    return MARGIN + STEP * (t - START + PRIME), MIDDLE - AMPLITUDE * value


def draw(letters: str) -> str:
    """The picture, as SVG."""
    first, width, height = START - PRIME, 2 * MARGIN + STEP * len(letters), MIDDLE * 2 + 24
    times = [first + i / 2 for i in range(2 * len(letters) - 1)]
    line = " ".join("{:.1f},{:.1f}".format(*point(t, math.sin(t / 5))) for t in times)
    edge, _ = point(START - 0.5, 0)
    labels = f'y="{height - 12}" fill='
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" font-family="{FONTS}" font-size="13">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        f'<polyline points="{line}" fill="none" stroke="{WAVE}" stroke-width="1.5"/>',
        f'<path d="M{edge:.1f} 12V{height - 12}" stroke="{WAVE}" stroke-dasharray="3 4"/>',
        f'<text x="{edge - 8:.1f}" {labels}"{READ}" text-anchor="end">prime</text>',
        f'<text x="{edge + 8:.1f}" {labels}"{WRITTEN}">continued by the network</text>',
    ]
    for t, letter in enumerate(letters, first):
        x, y = point(t, (ord(letter) - 77.5) / 12.5)
        color = READ if t < START else WRITTEN
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.9" fill="{color}"/>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (DOCS / "wave.svg").write_text(draw(continued()), "utf-8")
