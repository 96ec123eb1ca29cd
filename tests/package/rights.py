"""Reading a template as CloudFormation would: conditions decided, rights added up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Conditions = Mapping[str, bool]
NOTHING = {"Ref": "AWS::NoValue"}


class Right(NamedTuple):
    """One action on one resource; ``where`` is the name of the resource, or its ARN's end."""

    effect: str
    action: str
    where: str


@dataclass(frozen=True)
class Template:
    """A template without SAM."""

    body: Mapping[str, Any]

    def of_type(self, kind: str) -> dict[str, Any]:
        return {
            name: one["Properties"]
            for name, one in self.body["Resources"].items()
            if one["Type"] == kind
        }

    def properties(self, name: str, conditions: Conditions) -> Any:
        """A resource's properties, where some conditions hold and others don't."""
        return decided(self.body["Resources"][name]["Properties"], conditions)

    def rights(self, function: str, conditions: Conditions) -> set[Right]:
        """All that a function may and may not do."""
        (role, _) = self.properties(function, conditions)["Role"]["Fn::GetAtt"]
        found = self.properties(role, conditions)
        managed = (self.properties(one["Ref"], conditions) for one in found["ManagedPolicyArns"])
        return {
            right
            for policy in (*found["Policies"], *managed)
            for statement in policy["PolicyDocument"]["Statement"]
            for right in _rights(statement)
        }


def decided(value: Any, conditions: Conditions) -> Any:
    """The value with every ``Fn::If`` replaced by what it comes to."""
    if isinstance(value, dict):
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return decided(then if conditions[condition] else otherwise, conditions)
        items = {key: decided(one, conditions) for key, one in value.items()}
        return {key: one for key, one in items.items() if one != NOTHING}
    if isinstance(value, list):
        return [one for one in (decided(one, conditions) for one in value) if one != NOTHING]
    return value


def _rights(statement: Mapping[str, Any]) -> Iterator[Right]:
    for action in _several(statement["Action"]):
        for resource in _several(statement["Resource"]):
            yield Right(statement["Effect"], action, _where(resource))


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _where(resource: Any) -> str:
    match resource:
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
        case {"Fn::Sub": str(arn)}:
            assert arn.startswith("arn:${AWS::Partition}:execute-api:${AWS::Region}:")
            assert "${AWS::AccountId}:" in arn
            return arn.rpartition("${AWS::AccountId}:")[2]
        case _:
            return str(resource)
