"""``python sam.py TEMPLATE``: what CloudFormation's transform makes of a SAM template, as JSON.

Run in the environment of the packaging tools, where AWS's translator is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """AWS's own policies are named in full, so none has to be looked up."""

    def load(self) -> dict[str, str]:
        return {}


def main(template: Path) -> None:
    read = json.loads(template.read_bytes())
    for resource in read["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # As ``aws cloudformation package`` leaves it.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    json.dump(transform(read, {}, NoManagedPolicies()), sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
