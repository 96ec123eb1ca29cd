"""The deployed template: permissions, settings, resources and alarms."""

from __future__ import annotations

import json
import re
from itertools import product
from string import ascii_letters, digits

import pytest

from chalice_gateway.compression import minimum_compression_bytes
from chalice_gateway.gateway_responses import ResponseType, read_gateway_responses
from chalicelib.auth.jwks import read_keys
from chalicelib.settings import read_settings
from infra.packaging import ROOT, Package

from .permissions import Conditions, Permission, Template

CONDITIONS = [
    {
        "MakesStore": store,
        "BroadcastsInline": inline,
        "Traces": traces,
        "AsksForTokens": reads or holds,
        "NamesNoKeys": True,
        "MakesKeys": reads or holds,
        "ReadsKeys": reads,
        "HoldsKeys": holds,
        "TellsSomebody": True,
    }
    for store, inline, traces in product((True, False), repeat=3)
    for reads, holds in ((True, False), (False, True), (False, False))
]
ON_AWS: Conditions = CONDITIONS[0]

FUNCTIONS = {
    "APIHandler": "app.app",
    "WebsocketConnect": "app.connect",
    "WebsocketMessage": "app.message",
    "WebsocketDisconnect": "app.disconnect",
    "Greet": "app.greet",
    "Sweep": "app.sweep",
}

LOG = {
    Permission("Allow", "logs:CreateLogStream", "FunctionLogs"),
    Permission("Allow", "logs:PutLogEvents", "FunctionLogs"),
}
POST = {
    Permission(
        "Allow", "execute-api:ManageConnections", f"${{WebsocketAPI}}/*/{method}/@connections/*"
    )
    for method in ("POST", "DELETE")
}
GREET = {Permission("Allow", "lambda:InvokeFunction", "Greet")}
TRACE = {
    Permission("Allow", "xray:PutTraceSegments", "*"),
    Permission("Allow", "xray:PutTelemetryRecords", "*"),
}
STACK = {"Ref": "AWS::StackName"}
NOT_REFERRED_TO = {"outcome", "transport"}
"""Labels of the app's own metrics; tests/infra/test_metric_alarms.py checks their values."""

READ_KEYS = {Permission("Allow", "secretsmanager:GetSecretValue", "{'Ref': 'AuthKeys'}")}
NETWORK = {
    Permission(effect, f"ec2:{action}", "*")
    for effect in ("Allow", "Deny")
    for action in (
        "AssignPrivateIpAddresses",
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "UnassignPrivateIpAddresses",
    )
}


@pytest.mark.parametrize("conditions", CONDITIONS, ids=json.dumps)
def test_each_function_has_only_the_permissions_it_uses(
    template: Template, conditions: Conditions
) -> None:
    every = LOG | (NETWORK if conditions["MakesStore"] else set())
    every |= TRACE if conditions["Traces"] else set()
    keys = READ_KEYS if conditions["ReadsKeys"] else set()
    broadcast = POST if conditions["BroadcastsInline"] else set()

    assert {name: template.permissions(name, conditions) for name in FUNCTIONS} == {
        "APIHandler": every | broadcast | keys,
        "WebsocketConnect": every | GREET | keys,
        "WebsocketMessage": every | POST,
        "WebsocketDisconnect": every,
        "Greet": every | POST,
        "Sweep": every | broadcast,
    }


def test_network_permissions_are_denied_to_function_code(template: Template) -> None:
    document = template.properties("EveryFunctionPolicy", ON_AWS)["PolicyDocument"]
    (denied,) = [one for one in document["Statement"] if one["Effect"] == "Deny"]

    # Only requests by a function's code have this key.
    assert set(denied["Condition"]["ArnLike"]) == {"lambda:SourceFunctionArn"}


def test_there_are_no_other_roles_and_functions(template: Template) -> None:
    assert not template.of_type("AWS::IAM::Policy")
    assert template.of_type("AWS::Lambda::Function").keys() == FUNCTIONS.keys()
    assert template.of_type("AWS::IAM::Role").keys() == {
        "AnswerRole",
        "CallRole",
        "CommitRole",
        "ConnectRole",
        "DefaultRole",
    }
    for name, handler in FUNCTIONS.items():
        function = template.properties(name, ON_AWS)
        assert (function["Handler"], function["Runtime"]) == (handler, "python3.13")
        assert function["Architectures"] == ["arm64"]
        # The sweep waits most of its time, and does it whether or not there is anything to do.
        assert function["MemorySize"] == (256 if name == "Sweep" else 1024)
        assert function["LoggingConfig"] == {"LogGroup": {"Ref": "FunctionLogs"}}


def test_timeouts_fit_the_grace_period_of_a_connection(template: Template) -> None:
    timeouts = {name: template.properties(name, ON_AWS)["Timeout"] for name in FUNCTIONS}

    assert timeouts.pop("Sweep") == 75
    # A registration has a grace period of 15 s, within which $connect must return.
    assert set(timeouts.values()) == {10}


def test_asynchronous_invocations_are_not_retried(template: Template) -> None:
    configured = template.of_type("AWS::Lambda::EventInvokeConfig").values()

    assert {one["FunctionName"]["Ref"] for one in configured} == {"Greet", "Sweep"}
    assert {one["MaximumRetryAttempts"] for one in configured} == {0}


def test_functions_have_the_store_s_url(template: Template) -> None:
    elsewhere = {**ON_AWS, "MakesStore": False}
    for name in FUNCTIONS:
        ours = template.properties(name, ON_AWS)
        theirs = template.properties(name, elsewhere)

        assert set(ours["VpcConfig"]) == {"SecurityGroupIds", "SubnetIds"}
        assert "VpcConfig" not in theirs
        assert theirs["Environment"]["Variables"]["REDIS_URL"] == {"Ref": "RedisUrl"}


@pytest.mark.parametrize(("traces", "mode"), [(True, "Active"), (False, "PassThrough")])
def test_lambda_traces_only_with_tracing_on(template: Template, traces: bool, mode: str) -> None:
    assert template.body["Parameters"]["Tracing"]["Default"] == "off"
    assert template.body["Conditions"]["Traces"] == {"Fn::Equals": [{"Ref": "Tracing"}, "on"]}
    for name in FUNCTIONS:
        function = template.properties(name, {**ON_AWS, "Traces": traces})

        assert function["TracingConfig"] == {"Mode": mode}
        assert function["Environment"]["Variables"]["TRACING"] == {"Ref": "Tracing"}


@pytest.mark.parametrize("value", ["off", "on"])
def test_app_accepts_the_values_of_tracing(template: Template, value: str) -> None:
    assert value in template.body["Parameters"]["Tracing"]["AllowedValues"]
    assert read_settings({"TRACING": value}).tracing is (value == "on")


def test_app_reads_the_settings_of_the_template(template: Template) -> None:
    store = {
        "${StorePassword}": "arn",
        "{{resolve:secretsmanager:arn}}": "Passw0rd",
        "${Store.Endpoint.Address}": "store.cache.amazonaws.com",
        "${Store.Endpoint.Port}": "6379",
    }
    variables = template.properties("WebsocketConnect", ON_AWS)["Environment"]["Variables"]
    url = variables["REDIS_URL"]["Fn::Sub"]
    for name, value in store.items():
        url = url.replace(name, value)
    settings = read_settings(
        {
            "REDIS_URL": url,
            "REDIS_CLUSTER": variables["REDIS_CLUSTER"],
            "BROADCAST": template.body["Parameters"]["Broadcast"]["Default"],
            "GREETER": "stack-Greet-1A2B",
            "AUTH": template.body["Parameters"]["Auth"]["Default"],
            "AUTH_KEYS_SECRET": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:keys",
            "ALLOWED_ORIGINS": template.body["Parameters"]["AllowedOrigins"]["Default"],
        }
    )

    assert settings.redis_url == "rediss://tickless:Passw0rd@store.cache.amazonaws.com:6379"
    assert settings.redis_cluster
    assert settings.auth
    assert variables["AUTH_KEYS_SECRET"] == {"Ref": "AuthKeys"}
    assert not settings.allowed_origins
    assert settings.broadcast == "inline"
    assert variables["GREETER"] == {"Ref": "Greet"}


def test_page_has_the_websocket_url_of_its_stage(template: Template) -> None:
    variables = template.properties("APIHandler", ON_AWS)["Environment"]["Variables"]
    url = variables["WEBSOCKET_URL"]["Fn::Sub"]
    for name, value in {
        "${WebsocketAPI}": "1a2b3c",
        "${AWS::Region}": "eu-west-1",
        "${AWS::URLSuffix}": "amazonaws.com",
        "${WebsocketAPIStage}": "prod",
    }.items():
        url = url.replace(name, value)

    websocket_url = read_settings({"WEBSOCKET_URL": url}).websocket_url
    assert websocket_url == "wss://1a2b3c.execute-api.eu-west-1.amazonaws.com/prod"


def test_large_responses_are_compressed(template: Template) -> None:
    (api,) = template.of_type("AWS::ApiGateway::RestApi").values()

    assert (
        minimum_compression_bytes(
            {"Resources": {"API": {"Properties": {"DefinitionBody": api["Body"]}}}}
        )
        == 4096
    )


def test_external_store_creates_no_network(template: Template) -> None:
    of_ours = re.compile("AWS::(EC2|ElastiCache|SecretsManager)::")
    conditions = {
        one.get("Condition")
        for one in template.body["Resources"].values()
        if of_ours.match(one["Type"])
    }

    assert conditions == {"MakesStore", "MakesKeys"}


def test_app_accepts_the_generated_key(template: Template) -> None:
    made = template.properties("AuthKeys", ON_AWS)["GenerateSecretString"]
    assert made["ExcludePunctuation"]
    key = json.loads(made["SecretStringTemplate"])
    key[made["GenerateStringKey"]] = (ascii_letters + digits + ascii_letters)[
        : made["PasswordLength"]
    ]

    assert read_keys(json.dumps(key)).signing.kid == "of-the-stack"


HOLDS = {"ReadsKeys": False, "HoldsKeys": True}


@pytest.mark.parametrize(
    ("conditions", "secret", "keys"),
    [
        ({}, {"Ref": "AuthKeys"}, ""),
        ({"NamesNoKeys": False}, {"Ref": "AuthKeysSecret"}, ""),
        (HOLDS, "", {"Fn::Sub": "{{resolve:secretsmanager:${AuthKeys}}}"}),
        (
            {**HOLDS, "NamesNoKeys": False},
            "",
            {"Fn::Sub": "{{resolve:secretsmanager:${AuthKeysSecret}}}"},
        ),
        ({"AsksForTokens": False, "MakesKeys": False, "ReadsKeys": False}, "", ""),
    ],
)
def test_functions_have_their_keys_or_the_secret_but_not_both(
    template: Template, conditions: Conditions, secret: object, keys: object
) -> None:
    for name in FUNCTIONS:
        variables = template.properties(name, {**ON_AWS, **conditions})["Environment"]["Variables"]

        assert variables["AUTH"] == {"Ref": "Auth"}
        assert (variables["AUTH_KEYS_SECRET"], variables["AUTH_KEYS"]) == (secret, keys)


@pytest.mark.parametrize(
    ("place", "condition"), [("secret", "ReadsKeys"), ("environment", "HoldsKeys")]
)
def test_auth_keys_in_selects_where_keys_are(
    template: Template, place: str, condition: str
) -> None:
    assert template.body["Parameters"]["AuthKeysIn"]["AllowedValues"] == ["secret", "environment"]
    assert template.body["Conditions"][condition] == {
        "Fn::And": [
            {"Condition": "AsksForTokens"},
            {"Fn::Equals": [{"Ref": "AuthKeysIn"}, place]},
        ]
    }


def test_gateway_responses_are_deployed(packaged: Package, template: Template) -> None:
    responses = read_gateway_responses(packaged.read_template())
    (api,) = template.of_type("AWS::ApiGateway::RestApi").values()

    assert ResponseType.DEFAULT_5XX in responses
    assert api["Body"]["x-amazon-apigateway-gateway-responses"].keys() == responses.keys()
    assert api["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def test_each_api_has_only_the_packaged_stage(template: Template) -> None:
    stages = [
        one["StageName"]
        for kind in ("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage")
        for one in template.of_type(kind).values()
    ]
    (deployment,) = template.of_type("AWS::ApiGateway::Deployment").values()

    assert stages == ["prod", "prod"]
    # A named deployment creates another stage, in addition to the one that refers to it.
    assert "StageName" not in deployment


# The service that may invoke each function, and the source resource.
CALLERS = {
    "APIHandler": ("apigateway.amazonaws.com", "RestAPI"),
    "WebsocketConnect": ("apigateway.amazonaws.com", "WebsocketAPI"),
    "WebsocketMessage": ("apigateway.amazonaws.com", "WebsocketAPI"),
    "WebsocketDisconnect": ("apigateway.amazonaws.com", "WebsocketAPI"),
    "Sweep": ("events.amazonaws.com", "SweepSweepEvent"),
}


def test_each_function_is_invoked_by_its_own_api_or_schedule_only(template: Template) -> None:
    called = {}
    for one in template.of_type("AWS::Lambda::Permission").values():
        assert one["Action"] == "lambda:InvokeFunction"
        source = one["SourceArn"]
        if "Fn::Sub" in source:
            arn, names = source["Fn::Sub"]
            ((variable, reference),) = names.items()
            assert arn == (
                "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:"
                f"${{{variable}}}/*"
            )
            source = reference["Ref"]
        else:
            source, _ = source["Fn::GetAtt"]
        called[one["FunctionName"]["Ref"]] = (one["Principal"], source)

    assert called == CALLERS
    assert not template.of_type("AWS::Lambda::Url")


def test_rest_api_has_the_name_that_its_alarm_watches(template: Template) -> None:
    (api,) = template.of_type("AWS::ApiGateway::RestApi").values()
    dimensions = template.properties("RestErrorsAlarm", ON_AWS)["Dimensions"]

    assert api["Name"] == api["Body"]["info"]["title"] == STACK
    assert {"Name": "ApiName", "Value": STACK} in dimensions


NOT_OF_THE_TEMPLATE = {"Dockerfile", "Duration", "ElastiCacheProcessingUnits", "NoEcho"}


def test_names_in_docs_deploying_are_in_the_template(template: Template) -> None:
    names = re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", (ROOT / "docs" / "deploying.md").read_text())
    parts = (template.body[name] for name in ("Parameters", "Resources", "Outputs"))

    assert len(set(names)) > 20
    assert set(names) - NOT_OF_THE_TEMPLATE - {name for part in parts for name in part} == set()


def test_alarms_watch_resources_of_this_stack(template: Template) -> None:
    resources = template.body["Resources"]
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        metrics = [
            one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one
        ]
        watched = [
            one["Value"]
            for metric in metrics or [alarm]
            for one in metric["Dimensions"]
            if one["Name"] not in NOT_REFERRED_TO
        ]
        assert all(one["Ref"] in {*resources, STACK["Ref"]} for one in watched), name
        assert "AlarmActions" in alarm
