"""What a container engine does, by hand: build an image's stages, and start a container with its mounts and user.

Both run as root in a mount namespace of their own (`unshare --mount`): whatever they mount is gone with them. This
machine's files stand in for the base image: an overlay shows them, read-only below what a stage writes.

    unshare --mount python -m tests.support.namespace build FILE TARGET CONTEXT OUT
    unshare --mount python -m tests.support.namespace run SPEC.json
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.containerfile import Copy, Stage, needed, parse

# Debian keeps it where not every PATH looks.
_CHROOT = shutil.which("chroot", path=os.defpath + ":/usr/sbin:/sbin") or "chroot"
PYTHON = Path(sys.base_prefix, "bin").resolve() / "python"
PATH = f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin"


def mount(*arguments: str | Path) -> None:
    """Mount, or raise subprocess.CalledProcessError."""
    subprocess.run(["mount", *arguments], check=True)


def base(folder: Path) -> Path:
    """Return a layer that makes this machine's Python that of the base image: no folder on the way is closed."""
    for parent in reversed(PYTHON.parents):
        (folder / str(parent).lstrip("/")).mkdir(mode=0o755, exist_ok=True)
    return folder


def build(file: Path, target: str, context: Path, out: Path) -> None:
    """Do the steps of every stage that ``target`` needs, and write what ``target`` adds to its base into ``out``."""
    work = out.with_name("work")
    work.mkdir()
    mount("-t", "tmpfs", "tmpfs", work)
    lower = base(work / "base")
    for stage in needed(parse(file), target):
        folder = work / stage.name
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        layers = f"lowerdir={lower}:/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
        mount("-t", "overlay", "overlay", "-o", layers, folder / "root")
        _steps(stage, work, context)
    shutil.copytree(work / target / "upper", out, symlinks=True)


def _steps(stage: Stage, work: Path, context: Path) -> None:
    root = work / stage.name / "root"
    for name in ("proc", "dev"):
        mount("--rbind", f"/{name}", root / name)
    # Where pip finds its packages is this machine's business.
    own = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "http", "HTTP"))}
    for step in stage.steps:
        if isinstance(step, Copy):
            _copy(step, work / step.origin / "root" if step.origin else context, root)
        else:
            environment = {"PATH": PATH, "HOME": "/root", **own}
            subprocess.run([_CHROOT, root, "/bin/sh", "-c", step], env=environment, check=True)
    (root / stage.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _copy(step: Copy, origin: Path, root: Path) -> None:
    target = root / step.target.lstrip("/")
    for pattern in step.sources:
        found = sorted(origin.glob(pattern.lstrip("/")))
        if not found:
            raise FileNotFoundError(f"COPY {pattern}: nothing in {origin}")
        for path in found:
            if path.is_dir():
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


def run(spec: Mapping[str, Any]) -> None:
    """Become the process of a container. Mounts are (folder, path in the container, whether it is read-only).

    The root is read-only, no capability is left, and none can be gained.
    """
    work = Path(spec["work"])
    mount("-t", "tmpfs", "tmpfs", work)
    lower, root = base(work / "base"), work / "root"
    root.mkdir()
    mounts = [(spec["layer"] + "/opt", "/opt", True), *spec["mounts"]]
    for _, path, _ in mounts:
        (lower / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower}:/", root)
    for folder, path, read_only in mounts:
        mount("--bind", folder, root / path.lstrip("/"))
        if read_only:
            mount("-o", "remount,bind,ro", root / path.lstrip("/"))
    for name in ("proc", "dev"):
        mount("--rbind", f"/{name}", root / name)
    confined = [
        "setpriv", f"--reuid={spec['user']}", f"--regid={spec['group']}", f"--groups={spec['fs_group']}",
        "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
    ]  # fmt: skip
    command = [_CHROOT, str(root), "env", f"--chdir={spec['folder']}", *confined, *spec["command"]]
    os.execve(_CHROOT, command, {"PATH": PATH, **spec["environment"]})


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        run(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
