"""Build hook: puts napari.yaml and sample_data, which lie at the top of the repository, into the package.

A wheel gets them by force-include. An editable install points into ``src``, where npe2 looks for the
manifest beside the package's modules: there the hook makes copies that git ignores. (A symbolic link would
need rights on Windows that users do not have.) After a change of ``napari.yaml`` install again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "napari_atomcount"
BUNDLED = ("napari.yaml", "sample_data")


class BundleHook(BuildHookInterface):
    """Bundles the files of the repository's top that the installed package needs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy (editable) or force-include (wheel) what BUNDLED names.

        Parameters
        ----------
        version
            hatchling's name of the build: ``"editable"`` or ``"standard"``.
        build_data
            hatchling's mutable record of the build.
        """
        top = Path(self.root)
        for name in BUNDLED:
            source = top / name
            if not source.exists():
                raise FileNotFoundError(f"{source} is missing: check the repository out again")
            if version == "editable":
                self._copy(source, top / "src" / PACKAGE / name)
            else:
                build_data["force_include"][str(source)] = f"{PACKAGE}/{name}"

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        """Replace ``target`` by a copy of ``source``, file or folder."""
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
