"""Write the API reference of both packages from their docstrings, and check the references in docstrings.

``python -m docs.reference`` writes ``build/reference`` and a line for each dead reference; exit code 1 if there is one.

A name in double backticks is a reference in these cases:

- It contains a dot and starts with one of our packages or modules, or it follows "see". Then it must be a full path, as
  in ``mixer_edge.metrics.top_k``, or a path within the same module. A file name, as in ``manifest.json``, is not one.
- It contains a capital. Then it must be such a path, or a word in the code of the module.
- It contains an underscore. Then it must be such a path, or a word in any of our code.

Other words are values, such as ``squash``. A path in a folder of the repository must exist.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pdoc.doc
import pdoc.render

from mixer_edge_export.network.convert import quiet_tensorflow

ROOT = Path(__file__).parents[1]
SOURCES = (ROOT / "runtime" / "src", ROOT / "export" / "src")
OUT = ROOT / "build" / "reference"

NAME = re.compile(r"(?P<see>\b[Ss]ee )?``(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)(\(\))?``")
PATH = re.compile(r"\b(docs|calibration_data|benchmarks|emulator|tests|runtime|export)/[\w./-]*\w")
FILE = re.compile(r"\.(csv|fbs|html|json|md|npz|py|tflite|txt)$")


def module_names(sources: Iterable[Path]) -> list[str]:
    """Return the modules and packages below source folders, without those that run when they are imported."""
    paths = [path.relative_to(source) for source in sources for path in source.rglob("*.py")]
    parts = [path.with_suffix("").parts for path in paths if path.name != "__main__.py"]
    return sorted(".".join(part for part in names if part != "__init__") for names in parts)


def load(names: Iterable[str]) -> dict[str, pdoc.doc.Module]:
    """Return the documentation of modules, by name."""
    modules = {name: pdoc.doc.Module.from_name(name) for name in names}
    for module in modules.values():
        for name in getattr(module.obj, "__all__", ()):
            getattr(module.obj, name)  # pdoc does not find what is imported when it is asked for
    return modules


def write(modules: Mapping[str, pdoc.doc.Module], out: Path) -> None:
    """Write one page for each module, an index and a search into a folder; they need no network."""
    pdoc.render.configure(docformat="google", show_source=False)
    html = pdoc.render.env.filters["to_html"]
    # Markdown knows a block of code by its indentation and needs no "::" before it
    pdoc.render.env.filters["to_html"] = lambda text: html(re.sub(r"^::$|(?<=:):$", "", text, flags=re.M))
    for name, module in modules.items():
        page = out / f"{name.replace('.', '/')}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, modules), "utf-8")
    (out / "index.html").write_text(pdoc.render.html_index(modules), "utf-8")
    (out / "search.js").write_text(pdoc.render.search_index(modules), "utf-8")


def dead_references(modules: Mapping[str, pdoc.doc.Module], root: Path = ROOT) -> list[str]:
    """Return one line for each reference in a docstring that does not exist."""
    dead = []
    for module in modules.values():
        for doc in _documented(module):
            for match in NAME.finditer(" ".join(doc.docstring.split())):
                if not _is_there(match["name"], doc, modules) and _is_meant(match["name"], match["see"], doc, modules):
                    dead.append(f"{doc.fullname}: ``{match['name']}`` is not there; write the whole path")
        dead += [
            f"{module.fullname}: {match[0]} is not there"
            for match in PATH.finditer(module.source)
            if not (root / match[0]).exists()
        ]
    return dead


def _documented(namespace: pdoc.doc.Namespace) -> Iterator[pdoc.doc.Doc]:
    """Yield a module or class and everything that is defined in it, whatever the depth."""
    yield namespace
    for doc in namespace.own_members:
        if doc.taken_from[0] != doc.modulename:
            continue  # imported to be found here too
        if isinstance(doc, pdoc.doc.Class):
            yield from _documented(doc)
        else:
            yield doc


def _is_there(name: str, doc: pdoc.doc.Doc, modules: Mapping[str, pdoc.doc.Module]) -> bool:
    """Return whether a name is a module, a path from one, or something in the module or the class of ``doc``."""
    parts = name.split(".")
    paths = [(".".join(parts[:length]), ".".join(parts[length:])) for length in range(1, len(parts))]
    inside = doc.qualname.split(".")
    paths += [(doc.modulename, ".".join([*inside[:depth], name])) for depth in range(len(inside) + 1)]
    return name in modules or any(path in modules and modules[path].get(inner) is not None for path, inner in paths)


def _is_meant(name: str, see: str | None, doc: pdoc.doc.Doc, modules: Mapping[str, pdoc.doc.Module]) -> bool:
    """Return whether a name that is not there claims to be, by the rules above."""
    if FILE.search(name):
        return False
    if see or "." in name:
        return bool(see) or any(name.split(".")[0] in path.split(".") for path in modules)
    if re.search("[A-Z]", name):
        return not _has_word(modules[doc.modulename], name)
    return "_" in name and not any(_has_word(module, name) for module in modules.values())


def _has_word(module: pdoc.doc.Module, word: str) -> bool:
    return re.search(rf"(?<![`\w]){word}(?![`\w])", module.source) is not None


def main(argv: list[str]) -> int:
    """Write the reference and return 1 if a reference in it does not exist, else 0."""
    parser = argparse.ArgumentParser(prog="python -m docs.reference", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pages (default: build/reference)")
    out = parser.parse_args(argv).out
    warnings.simplefilter("error")
    # a class that is generic for the type checker only
    warnings.filterwarnings("ignore", r"Error parsing type annotation argparse\._SubParsersAction")
    modules = load(module_names(SOURCES))
    with quiet_tensorflow():  # some annotations are TensorFlow's
        write(modules, out)
    dead = dead_references(modules)
    for line in dead:
        print(line, file=sys.stderr)
    print(out / "index.html")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
