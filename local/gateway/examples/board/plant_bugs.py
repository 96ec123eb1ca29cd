"""Copies the example with bugs planted: ``python plant_bugs.py FOLDER [BUG...]``.

Without names it plants all six.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent

# Of each bug: the file, what is right, and what a reviewer might let pass.
BUGS = {
    "message_order": (
        "app.py",
        'if body["number"] <= texts.get(user, (0, ""))[0]:',
        'if body["number"] == texts.get(user, (0, ""))[0]:',
    ),
    "gone_connections": (
        "app.py",
        """            post(connection_id, update)
        except client().exceptions.GoneException:
            leave(connection_id)
""",
        """            post(connection_id, update)
        except client().exceptions.GoneException:
            pass
""",
    ),
    "lost_disconnect": ("app.py", '@app.schedule("rate(1 minute)")\n', ""),
    "idle": ("app.py", '@app.schedule("rate(5 minutes)")', '@app.schedule("rate(15 minutes)")'),
    "two_hours": (
        "app.py",
        "        user = users.pop(connection_id, None)\n",
        "        user = users.pop(connection_id, None)\n        texts.pop(user, None)\n",
    ),
    "frame_size": (
        "board_client.py",
        "PART_CHARACTERS = 2_500",
        "PART_CHARACTERS = 32_000 - 100",
    ),
}


def plant(folder: Path, names: list[str]) -> None:
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for name in names:
        file, right, wrong = BUGS[name]
        source = (folder / file).read_text()
        if source.count(right) != 1:
            raise ValueError(f"{file} has no place for {name}")
        (folder / file).write_text(source.replace(right, wrong))


if __name__ == "__main__":
    plant(Path(sys.argv[1]), sys.argv[2:] or list(BUGS))
