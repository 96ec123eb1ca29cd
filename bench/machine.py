"""The machine a run took place on: what it is, who else used it, what processes cost.

Where the system has no /proc, what would come from there is ``None``.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROC = Path("/proc")
PACKAGES = ("chalice", "pydantic", "hiredis", "httptools", "uvloop", "boto3")


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process and all of its threads, ended ones included."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name, second field, is in parentheses and may contain anything.
    fields = stat.rpartition(")")[2].split()
    user_ticks, system_ticks = int(fields[11]), int(fields[12])
    return (user_ticks + system_ticks) / os.sysconf("SC_CLK_TCK")


def allow_many_files(wanted: int = 8192) -> None:
    """Have this process, and those that it starts, open as many files as they may, up to that."""
    allowed, at_most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if at_most != resource.RLIM_INFINITY:
        wanted = min(wanted, at_most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, at_most))


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run; none where that isn't known."""
    found: list[int] = []
    for task in (PROC / str(pid) / "task").glob("*"):
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def command_line(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def resident_bytes(pid: int) -> int | None:
    """How much memory of its own and of files a process has at hand."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def describe(valkey_version: str) -> dict[str, str]:
    """What to know before comparing figures with those of another run."""
    versions = [f"Valkey {valkey_version}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} CPUs",
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": ", ".join(versions),
    }


def _processor() -> str:
    try:
        for line in (PROC / "cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _busy_seconds() -> float | None:
    """CPU time of all processes, and what a hypervisor took, since the system started."""
    try:
        line = (PROC / "stat").read_text().splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _our_seconds() -> float:
    ours = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in ours)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Watches, from now on, how much of the machine went to others."""

    began_seconds: float = field(default_factory=time.monotonic)
    busy_at_first: float | None = field(default_factory=_busy_seconds)
    ours_at_first: float = field(default_factory=_our_seconds)

    def share(self) -> str:
        """In words; our processes count once they have ended and were waited for."""
        busy = _busy_seconds()
        if busy is None or self.busy_at_first is None:
            return "not known"
        others = (busy - self.busy_at_first) - (_our_seconds() - self.ours_at_first)
        available = (time.monotonic() - self.began_seconds) * (os.cpu_count() or 1)
        return f"{max(0.0, others) / available:.0%} of all CPU time during the run"


def sources_digest(root: Path) -> str:
    """Tells whether two runs measured the same code; files count, not commits."""
    files = [root / "app.py"]
    for folder in ("chalicelib", "local", "bench"):
        files += [
            path
            for kind in ("py", "lua", "js", "yml")
            for path in (root / folder).rglob(f"*.{kind}")
        ]
    digest = sha256()
    for path in sorted(files):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def running_python() -> str:
    where = "system-wide" if sys.prefix == sys.base_prefix else "in a virtual environment"
    return f"{platform.python_implementation()} {platform.python_version()}, {where}"
