"""Volumes of a rendered pod as a node lays them out, and its exporter as a process on this machine.

As root, the process is in a mount namespace of its own: with the image's files, the pod's mounts at their paths, its
user and groups, a read-only root, no capability. Otherwise it is this environment's exporter, with paths replaced.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.image import ROOTED, Image
from tests.support.manifests import Object
from tests.support.paths import ROOT


class Pod:
    """The volumes of ``pod`` in ``folder``, and one process of ``container`` at a time."""

    def __init__(self, folder: Path, pod: Object, container: Object, objects: Iterable[Object]) -> None:
        self._folder, self._pod, self._container = folder, pod, container
        self._volumes = {volume["name"]: folder / "volumes" / volume["name"] for volume in pod["volumes"]}
        named = {(one["kind"], one["metadata"]["name"]): one for one in objects}
        for volume in pod["volumes"]:
            path = self._volumes[volume["name"]]
            path.mkdir(parents=True)
            if "configMap" in volume:
                self._lay_out(
                    path, volume["configMap"], named["ConfigMap", volume["configMap"]["name"]]["data"]
                )
            elif "secret" in volume:
                self._lay_out(
                    path, volume["secret"], named["Secret", volume["secret"]["secretName"]]["stringData"]
                )
            else:
                # Of kubelet: anybody may write, files belong to fsGroup.
                path.chmod(0o2777)
                if ROOTED:
                    os.chown(path, 0, self._fs_group)

    @property
    def _fs_group(self) -> int:
        return int(self._pod["securityContext"]["fsGroup"])

    def folder(self, mount_path: str) -> Path:
        """Return the folder on this machine that the container sees at ``mount_path``."""
        (mount,) = [mount for mount in self._container["volumeMounts"] if mount["mountPath"] == mount_path]
        found: Path = self._volumes[mount["name"]]
        return found

    @staticmethod
    def _lay_out(path: Path, source: Object, data: Mapping[str, str]) -> None:
        """Write keys as kubelet does: into a dated folder, behind a link `..data` that a change replaces."""
        dated = path / "..2026_01_01_00_00_00.1"
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            file = dated / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(data[item["key"]], encoding="utf-8")
        (path / "..data").symlink_to(dated.name)
        for name in {Path(item["path"]).parts[0] for item in items}:
            (path / name).symlink_to(Path("..data", name))

    def start(self, image: Image | None, log: Path) -> subprocess.Popen[bytes]:
        """Start the container; without an ``image``, its command in this environment."""
        with log.open("ab") as output:
            if image is None:
                paths = {
                    mount["mountPath"]: str(self._volumes[mount["name"]])
                    for mount in self._container["volumeMounts"]
                }
                arguments = [_replaced(argument, paths) for argument in self._container["args"]]
                for file in self.folder("/etc/mlslo").glob("..data/*.y*ml"):
                    # The second start finds what the first has replaced.
                    if str(self._folder) not in file.read_text():
                        file.write_text(_replaced(file.read_text(), paths))
                command = [str(Path(sys.executable).with_name("mlslo-exporter")), *arguments]
            else:
                spec = self._folder / "container.json"
                spec.write_text(json.dumps(self._spec(image)))
                module = [sys.executable, "-m", "tests.support.namespace", "run", str(spec)]
                command = ["unshare", "--mount", "--propagation", "private", *module]
            return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)

    def _spec(self, image: Image) -> Object:
        security = {**self._pod["securityContext"], **self._container["securityContext"]}
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        work = self._folder / "namespace"
        work.mkdir(exist_ok=True)
        mounts = [
            (str(self._volumes[mount["name"]]), mount["mountPath"], mount.get("readOnly", False))
            for mount in self._container["volumeMounts"]
        ]
        return {
            "work": str(work), "layer": str(image.layer), "mounts": mounts, "user": security["runAsUser"],
            "group": security["runAsGroup"], "fs_group": self._fs_group, "folder": image.stage.folder,
            "environment": {key: value for key, value in image.stage.environment.items() if key != "PATH"},
            "command": [*image.stage.entrypoint, *self._container["args"]],
        }  # fmt: skip


def _replaced(text: str, paths: Mapping[str, str]) -> str:
    """Return ``text`` with each path that begins with one of ``paths`` in its folder."""
    names = "|".join(map(re.escape, paths))
    return re.sub(rf"({names})(?![-\w])", lambda found: paths[found[1]], text)


def stop(process: subprocess.Popen[bytes], image: Image | None) -> int:
    """Send the image's stop signal, and return the exit code."""
    process.send_signal(getattr(signal, image.stage.stop_signal) if image else signal.SIGTERM)
    return process.wait(30)


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of a user with a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
