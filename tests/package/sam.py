"""``python sam.py TEMPLATE``: CloudFormation's transform of a SAM template, as JSON.

Runs in the virtual environment of the linters, which has AWS's translator.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """An empty set of managed policies: the template has their full ARNs."""

    def load(self) -> dict[str, str]:
        return {}


def main(template: Path) -> None:
    read = json.loads(template.read_bytes())
    for resource in read["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # As after ``aws cloudformation package``.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    json.dump(transform(read, {}, NoManagedPolicies()), sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
