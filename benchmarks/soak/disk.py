"""The disk of a soak's store."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Disk:
    """The disk of the store, which can be full for a while."""

    root: Path
    megabytes: int
    family: Callable[[], list[psutil.Process]]  # whose files are limited where nothing can be mounted

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.mounted = self.root.is_mount() or self._mount(f"size={self.megabytes}m")

    def fill(self, leave: int) -> None:
        """Leave so many bytes."""
        facts = os.statvfs(self.root)
        used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
        if not self.mounted or not self._mount(f"remount,size={(used + leave) // 1024 + 4}k"):
            self._limit(leave)

    def free(self) -> None:
        """Give the space back."""
        if self.mounted:
            self._mount(f"remount,size={self.megabytes}m")
        self._limit(psutil.RLIM_INFINITY)

    def close(self) -> None:
        """Remove the disk and all that is on it."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.root)], check=False)

    def _mount(self, options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "ganatomy-soak", str(self.root)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def _limit(self, size: int) -> None:
        for process in self.family():
            try:
                _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
                process.rlimit(psutil.RLIMIT_FSIZE, (size, hard))
            except psutil.Error:
                continue
