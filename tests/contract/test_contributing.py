"""Everything that CONTRIBUTING.md names exists, and commits are checked by the tools of the lint."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
HOOKS: list[dict[str, Any]] = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    for hook in repository["hooks"]
]


def test_commits_are_checked_by_what_this_checkout_has() -> None:
    """Every hook is local: it downloads nothing, and only needs .venv."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert list(config) == ["repos"]
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    assert [hook["id"] for hook in HOOKS] == ["ruff-check", "ruff-format", "mypy", "lint-imports"]
    assert {hook["language"] for hook in HOOKS} == {"system"}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_each_hook_runs_a_tool_of_the_lint(hook: dict[str, Any]) -> None:
    """Its program is installed and says its version, and ``make lint`` calls it with the same subcommand or paths."""
    program, *arguments = hook["entry"].split()
    subprocess.run([ROOT / program, "--version"], check=True, capture_output=True)
    words = [Path(program).name, *(argument for argument in arguments if not argument.startswith("-"))]
    assert f"\t$(BIN)/{' '.join(words)}" in MAKEFILE


def test_what_contributing_names_is_there() -> None:
    """Each target, each module that is run and each path exists."""
    code = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.S) for line in block.splitlines()]
    code += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT)
    targets = {words[1] for line in code if (words := line.split())[0] == "make"}
    assert targets >= {"lint", "test", "reference"}
    assert [target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.M)] == []
    modules = {words[2] for line in code if (words := line.split())[:2] == ["python", "-m"]}
    assert modules >= {"tests.contract.formats"}
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []
    built = (".venv", "build/")
    paths = {line for line in code if re.fullmatch(r"\.?\w[\w./-]*[/.]\w[\w./-]*", line) and not line.startswith(built)}
    paths |= set(re.findall(r"\]\((?!https:)([^)]+)\)", TEXT))
    assert len(paths) > 10
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []
