"""Draw docs/architecture.svg: the modules of both packages in their layers, and the imports between them.

``python docs/draw_architecture.py`` writes the picture from the import rules in pyproject.toml and the imports in the
sources. An arrow is omitted if other arrows imply it (a -> c, if there are a -> b and b -> c).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import grimp
import tomllib

from mixer_edge_export.report.svg import document, shape

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGES = {"mixer_edge_export": "export: mixer_edge_export", "mixer_edge": "runtime: mixer_edge"}
WIDTH, COLUMN, FLOOR, TOP, BOX = 1180, 590, 62, 60, 26

Rooms = list[list[str]]
Arrows = dict[str, set[str]]


def floors(package: str) -> Rooms:
    """Return the rooms of a package, floor by floor from the top, as the import rules have them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == [package])
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def imports(package: str, rooms: Rooms) -> Arrows:
    """Return which rooms each room imports, without those that it reaches through another."""
    graph = grimp.build_graph(package)
    for room in (room for floor in rooms for room in floor):
        graph.squash_module(f"{package}.{room}") if graph.find_descendants(f"{package}.{room}") else None
    direct = {
        room: {
            found.removeprefix(f"{package}.")
            for found in graph.find_modules_directly_imported_by(f"{package}.{room}")
            if found not in (package, f"{package}.{room}")
        }
        for floor in rooms
        for room in floor
    }

    def reached(room: str) -> set[str]:
        return direct[room].union(*(reached(other) for other in direct[room]))

    return {
        room: {other for other in others if not any(other in reached(third) for third in others - {other})}
        for room, others in direct.items()
    }


def draw(package: str, left: int, rooms: Rooms, arrows: Arrows) -> list[str]:
    """Return the shapes of one package: a box for each room, its floors from the top, and its arrows."""
    places: Mapping[str, tuple[float, int]] = {
        room: (left + COLUMN * (number + 1) / (len(floor) + 1), TOP + FLOOR * row)
        for row, floor in enumerate(rooms)
        for number, room in enumerate(floor)
    }
    shapes = [shape("text", PACKAGES[package], x=left + COLUMN / 2, y=28, text_anchor="middle", font_weight="bold")]
    for room in sorted(arrows):
        for other in sorted(arrows[room]):
            (x1, y1), (x2, y2) = places[room], places[other]
            path = f"M{x1:.1f} {y1 + BOX}C{x1:.1f} {y1 + BOX + 30} {x2:.1f} {y2 - 30} {x2:.1f} {y2}"
            shapes.append(shape("path", d=path, fill="none", stroke="#7a8da6", marker_end="url(#tip)"))
    for room, (x, y) in places.items():
        width = 6.5 * len(room) + 14
        shapes.append(
            shape("rect", x=x - width / 2, y=y, width=width, height=BOX, rx=4, fill="#eef3f9", stroke="#44607c")
        )
        shapes.append(shape("text", room, x=x, y=y + 17, text_anchor="middle"))
    return shapes


def picture() -> str:
    """Return the SVG document."""
    tip = '<marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
    shapes = [f'<defs>{tip}<path d="M0 0L8 4L0 8z" fill="#7a8da6"/></marker></defs>']
    rooms = {package: floors(package) for package in PACKAGES}
    for number, package in enumerate(PACKAGES):
        shapes += draw(package, number * COLUMN, rooms[package], imports(package, rooms[package]))
    shapes.append(shape("path", d=f"M{COLUMN - 40} 24H{COLUMN + 40}", stroke="#c33", marker_end="url(#tip)"))
    shapes.append(shape("text", "never back", x=float(COLUMN), y=18, text_anchor="middle", fill="#c33"))
    height = TOP + FLOOR * max(map(len, rooms.values()))
    return document(WIDTH, height, shapes)


def main(arguments: Sequence[str]) -> int:
    """Write the picture, to the path given or to its place in docs."""
    Path(arguments[0] if arguments else PICTURE).write_text(picture(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
