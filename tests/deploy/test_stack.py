"""The functions and what is around them: network, queue, logs, alarms, names."""

import json
import zipfile
from pathlib import Path

import pytest
from expansion import ROOT, Deployment, source
from samcli.lib.package.utils import make_zip
from samtranslator.yaml_helper import yaml_parse
from test_permissions import EVERYTHING

FUNCTIONS = {"Collector": "collector", "MetricsApi": "metrics-api", "Authorizer": "authorizer"}


def dimensions(alarm):
    return {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_the_functions_run_rust_on_amazon_linux(architecture):
    functions = Deployment(Architecture=architecture).of_type("AWS::Lambda::Function")
    assert set(functions) == set(FUNCTIONS)
    for name, function in functions.items():
        assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap"), name
        assert function["Architectures"] == [architecture], name


def test_the_functions_are_built_with_cargo_lambda_from_their_packages():
    for name, package in FUNCTIONS.items():
        function = source()["Resources"][name]
        assert function["Metadata"] == {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": package}}
        manifest = ROOT / function["Properties"]["CodeUri"] / "Cargo.toml"
        assert f'name = "{package}"' in manifest.read_text(encoding="utf-8")


def test_the_configuration_comes_as_a_layer(tmp_path):
    deployment = Deployment()
    (layer,) = deployment.of_type("AWS::Lambda::LayerVersion")
    for name, function in deployment.of_type("AWS::Lambda::Function").items():
        assert function["Layers"] == [f"<{layer}>"], name
        assert "FANLIGHT_CONFIG" not in function.get("Environment", {}).get("Variables", {}), name
    # Lambda unpacks a layer into /opt, and the functions look into /opt/config and /opt/dashboards.
    folder = ROOT / source()["Resources"]["Configuration"]["Properties"]["ContentUri"]
    packed = make_zip(str(tmp_path / "layer"), str(folder))
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    expected = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for folder in ["config", "dashboards"]
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert "config/fanlight.yaml" in expected
    assert "dashboards/prod/Fanlight/fanlight-functions.json" in expected
    assert files == expected


def test_the_functions_environments_are_what_the_parameters_say_and_hold_no_secret():
    deployment = Deployment(
        DatabaseHost="db.example", DatabaseName="shop", PushgatewayUrl="https://g.example", PrometheusUrl="https://p.example", **EVERYTHING
    )
    functions = deployment.of_type("AWS::Lambda::Function")
    variables = {name: one.get("Environment", {}).get("Variables", {}) for name, one in functions.items()}
    assert variables == {
        "Collector": {"DB_HOST": "db.example", "DB_NAME": "shop", "PUSHGATEWAY_URL": "https://g.example"},
        "MetricsApi": {"FANLIGHT_ENVIRONMENT": "prod", "PROMETHEUS_URL": "https://p.example"},
        "Authorizer": {},
    }


def test_without_subnets_no_function_is_in_a_vpc():
    deployment = Deployment()
    for name, function in deployment.of_type("AWS::Lambda::Function").items():
        assert "VpcConfig" not in function, name
    assert "NetworkPolicy" not in deployment.resources


def test_with_subnets_two_functions_are_in_them_each_with_its_own_groups():
    functions = Deployment(
        SubnetIds="subnet-1,subnet-2", CollectorSecurityGroupIds="sg-1", MetricsApiSecurityGroupIds="sg-2,sg-3"
    ).of_type("AWS::Lambda::Function")
    subnets = ["subnet-1", "subnet-2"]
    assert {name: function.get("VpcConfig") for name, function in functions.items()} == {
        "Collector": {"SubnetIds": subnets, "SecurityGroupIds": ["sg-1"]},
        "MetricsApi": {"SubnetIds": subnets, "SecurityGroupIds": ["sg-2", "sg-3"]},
        "Authorizer": None,
    }


@pytest.mark.parametrize(
    ("parameters", "collector", "metrics_api"),
    [
        ({}, "20", None),
        ({"CollectorConcurrency": 7}, "7", None),
        ({"CollectorConcurrency": 0}, None, None),
        ({"CollectorConcurrency": 0, "MetricsApiConcurrency": 50}, None, "50"),
    ],
)
def test_concurrency_is_reserved_unless_it_is_0(parameters, collector, metrics_api):
    functions = Deployment(**parameters).of_type("AWS::Lambda::Function")
    found = {name: function.get("ReservedConcurrentExecutions") for name, function in functions.items()}
    assert found == {"Collector": collector, "MetricsApi": metrics_api, "Authorizer": None}


def test_the_collectors_time_is_that_of_its_longest_job():
    times = [Deployment(**one).properties("Collector")["Timeout"] for one in ({}, {"CollectorTimeout": 305})]
    assert times == ["65", "305"]
    assert source()["Parameters"]["CollectorTimeout"]["MaxValue"] == 900, "Lambda's own"


SUBNETS = {"SubnetIds": "subnet-1,subnet-2"}


@pytest.mark.parametrize(
    ("parameters", "objections"),
    [
        ({}, []),
        (EVERYTHING, []),
        (SUBNETS, ["SubnetIds needs CollectorSecurityGroupIds", "SubnetIds needs MetricsApiSecurityGroupIds"]),
        ({"CollectorSecurityGroupIds": "sg-1", **SUBNETS}, ["SubnetIds needs MetricsApiSecurityGroupIds"]),
        ({"MetricsApiSecurityGroupIds": "sg-1", **SUBNETS}, ["SubnetIds needs CollectorSecurityGroupIds"]),
        ({"DomainName": "metrics.example"}, ["DomainName needs CertificateArn"]),
        ({"HostedZoneId": "Z1"}, ["HostedZoneId needs DomainName"]),
    ],
)
def test_parameters_that_need_others_are_refused_without_them(parameters, objections):
    assert Deployment(**parameters).objections() == objections


def test_no_level_hides_the_records_that_alarms_read():
    """`watched` and `denied` are logged at INFO."""
    level = source()["Parameters"]["LogLevel"]
    assert (level["Default"], level["AllowedValues"]) == ("INFO", ["TRACE", "DEBUG", "INFO"])
    for name, function in Deployment(LogLevel="DEBUG").of_type("AWS::Lambda::Function").items():
        logging = function["LoggingConfig"]
        assert (logging["ApplicationLogLevel"], logging["SystemLogLevel"]) == ("DEBUG", "INFO"), name


def test_a_run_is_repeated_once_and_soon_and_then_kept():
    deployment = Deployment()
    (settings,) = deployment.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert settings["FunctionName"] == "<Collector>"
    assert settings["MaximumRetryAttempts"] <= 1
    assert 60 <= settings["MaximumEventAgeInSeconds"] <= 300
    assert settings["DestinationConfig"] == {"OnFailure": {"Destination": "<DeadLetters.Arn>"}}
    queue = deployment.properties("DeadLetters")
    assert (queue["MessageRetentionPeriod"], queue["SqsManagedSseEnabled"]) == (14 * 24 * 3600, True)


def test_the_schedules_get_what_they_ask_for():
    schedules = source()["Resources"]["Schedules"]
    assert (schedules["Type"], schedules["Properties"]["Location"]) == (
        "AWS::Serverless::Application",
        "schedules.yaml",
    )
    nested = yaml_parse((ROOT / "schedules.yaml").read_text(encoding="utf-8"))
    given = Deployment().properties("Schedules")["Parameters"]
    assert given == {
        "CollectorArn": "<Collector.Arn>",
        "SchedulerRoleArn": "<SchedulerRole.Arn>",
        "DeadLetterQueueArn": "<DeadLetters.Arn>",
        "ScheduleGroupName": "<ScheduleGroup>",
    }
    assert set(given) == set(nested["Parameters"])


def test_every_function_logs_into_a_group_that_forgets():
    deployment = Deployment(LogRetentionDays=14)
    groups = deployment.of_type("AWS::Logs::LogGroup")
    for name, function in deployment.of_type("AWS::Lambda::Function").items():
        logging = function["LoggingConfig"]
        assert logging["LogFormat"] == "JSON", name
        assert logging["LogGroup"] == f"<{name}Log>", name
        assert function["TracingConfig"] == {"Mode": "Active"}, name
    assert set(groups) == {"CollectorLog", "MetricsApiLog", "AuthorizerLog", "AccessLog"}
    for name, group in groups.items():
        assert group["RetentionInDays"] == "14", name


# The stack's own metrics.
OWN = "Fanlight/fanlight"
# What each watches, (namespace, metric, dimensions ..) summed up; and when it barks: (statistic, seconds, periods of
# which so many, comparison, threshold).
ALARMS = {
    "api-errors": (
        {("AWS/ApiGateway", "5XXError", "fanlight", "<ApiprodStage>")},
        ("Sum", 300, 3, 2, ">=", 5),
    ),
    "api-throttles": (
        {("AWS/Lambda", "Throttles", "<MetricsApi>"), ("AWS/Lambda", "Throttles", "<Authorizer>")},
        ("Sum", 300, 3, 2, ">", 0),
    ),
    "authorizer-failures": ({(OWN, "AuthorizerFailures")}, ("Sum", 300, 1, 1, ">", 0)),
    "broken-answers": (
        {(OWN, "BrokenAnswers"), ("AWS/Lambda", "Errors", "<MetricsApi>")},
        ("Sum", 300, 3, 2, ">=", 5),
    ),
    "collector-errors": ({("AWS/Lambda", "Errors", "<Collector>")}, ("Sum", 300, 3, 2, ">", 0)),
    "collector-throttles": ({("AWS/Lambda", "Throttles", "<Collector>")}, ("Sum", 300, 3, 2, ">", 0)),
    "dead-letters": (
        {("AWS/SQS", "ApproximateNumberOfMessagesVisible", "<DeadLetters.QueueName>")},
        ("Maximum", 300, 1, 1, ">", 0),
    ),
    "jobs-overdue": ({(OWN, "JobsOverdue")}, ("Maximum", 600, 2, 2, ">", 0)),
    "lost-runs": (
        {
            ("AWS/Scheduler", "InvocationsFailedToBeSentToDeadLetterCount", "<ScheduleGroup>"),
            ("AWS/Lambda", "DestinationDeliveryFailures", "<Collector>"),
        },
        ("Sum", 300, 1, 1, ">", 0),
    ),
    "refusals": ({(OWN, "Refusals")}, ("Sum", 300, 3, 3, ">", 100)),
}
COMPARISONS = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">="}

# Which records of which log are counted, and by which of their values. That the functions log records of this kind is
# for the tests that run them: metrics_api_callers.rs, metrics_api_faults.rs and collector_watchdog.rs in tests/tests/e2e.
FILTERS = {
    "AuthorizerFailures": (
        "<AuthorizerLog>",
        '{ ($.level = "ERROR") || (($.type = "platform.report") && (($.record.status = "timeout")'
        ' || ($.record.errorType = "Runtime.*"))) }',
        "1",
        0,
    ),
    "BrokenAnswers": ("<MetricsApiLog>", '{ $.end = "broken" }', "1", 0),
    # No default: that nobody looks is not that nothing is overdue.
    "JobsOverdue": ("<CollectorLog>", '{ $.message = "watched" }', "$.overdue", None),
    "Refusals": ("<AuthorizerLog>", '{ $.message = "denied" }', "1", 0),
}


def test_every_alarm_tells_the_topic_and_has_its_place_in_the_docs():
    alarms = Deployment().of_type("AWS::CloudWatch::Alarm").values()
    assert {alarm["AlarmName"].removeprefix("fanlight-") for alarm in alarms} == set(ALARMS)
    docs = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    for alarm in alarms:
        name = alarm["AlarmName"].removeprefix("fanlight-")
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["<Alarms>"], name
        assert f"`{name}`" in docs, f"docs/operate.md does not tell what to do about {name}"


def test_each_alarm_watches_what_it_says_and_barks_when_it_should():
    deployment = Deployment()
    found = {}
    for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values():
        name = alarm["AlarmName"].removeprefix("fanlight-")
        parts = [one["MetricStat"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        parts = parts or [{"Metric": alarm, "Stat": alarm["Statistic"], "Period": alarm["Period"]}]
        metrics = {
            (part["Metric"]["Namespace"], part["Metric"]["MetricName"], *dimensions(part["Metric"]).values())
            for part in parts
        }
        ((statistic, period),) = {(part["Stat"], part["Period"]) for part in parts}
        periods = alarm["EvaluationPeriods"]
        comparison = COMPARISONS[alarm["ComparisonOperator"]]
        found[name] = (
            metrics,
            (statistic, period, periods, alarm.get("DatapointsToAlarm", periods), comparison, alarm["Threshold"]),
        )
    assert found == ALARMS
    assert deployment.properties("Api")["Name"] == "fanlight"


def test_an_alarm_on_two_metrics_is_on_their_sum():
    several = [one["Metrics"] for one in Deployment().of_type("AWS::CloudWatch::Alarm").values() if "Metrics" in one]
    assert len(several) == 3
    for metrics in several:
        (total,) = [one for one in metrics if one.get("ReturnData", True)]
        parts = [one["Id"] for one in metrics if one is not total]
        assert total["Expression"] == " + ".join(f"FILL({part}, 0)" for part in parts)


def test_the_filters_count_what_the_functions_log():
    found = {}
    for properties in Deployment().of_type("AWS::Logs::MetricFilter").values():
        (one,) = properties["MetricTransformations"]
        found[one["MetricName"]] = (
            properties["LogGroupName"],
            properties["FilterPattern"],
            one["MetricValue"],
            one.get("DefaultValue"),
        )
    assert found == FILTERS


def test_alarms_on_logs_watch_what_the_filters_count():
    deployment = Deployment()
    counted = set()
    for properties in deployment.of_type("AWS::Logs::MetricFilter").values():
        (transformation,) = properties["MetricTransformations"]
        counted.add((transformation["MetricNamespace"], transformation["MetricName"]))
    watched = {metric for metrics, _ in ALARMS.values() for metric in metrics if metric[0].startswith("Fanlight/")}
    assert watched == counted


def test_the_watchdog_looks_more_often_than_its_alarm_and_sends_the_event_that_is_tested():
    deployment = Deployment()
    schedule = deployment.properties("WatchdogSchedule")
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    assert deployment.properties("OverdueAlarm")["Period"] >= 2 * 300
    target = schedule["Target"]
    event = (ROOT / "events" / "collector-watchdog.json").read_text(encoding="utf-8")
    assert json.loads(target["Input"]) == json.loads(event)
    assert (target["Arn"], target["RoleArn"]) == ("<Collector.Arn>", "<SchedulerRole.Arn>")
    # By the group the role's trust knows it.
    assert schedule["GroupName"] == "<ScheduleGroup>"
    nested = yaml_parse((ROOT / "schedules.yaml").read_text(encoding="utf-8"))
    assert schedule["Name"] not in {one["Properties"]["Name"] for one in nested["Resources"].values()}


def test_without_a_watchdog_there_is_nothing_of_it():
    full, without = Deployment().resources, Deployment(Watchdog="false").resources
    # A deployment of the API is named by the second in which it is made.
    gone = {name for name in set(full) - set(without) if full[name]["Type"] != "AWS::ApiGateway::Deployment"}
    assert gone == {"Overdue", "OverdueAlarm", "WatchdogSchedule"}


def test_nothing_having_run_is_an_alarm_and_nothing_having_failed_is_none():
    for alarm in Deployment().of_type("AWS::CloudWatch::Alarm").values():
        missing = "breaching" if alarm["AlarmName"] == "fanlight-jobs-overdue" else "notBreaching"
        assert alarm["TreatMissingData"] == missing, alarm["AlarmName"]


def test_alarms_go_to_an_address_if_there_is_one():
    assert not Deployment().of_type("AWS::SNS::Subscription")
    (subscription,) = Deployment(AlarmEmail="on-call@example.com").of_type("AWS::SNS::Subscription").values()
    assert subscription == {"TopicArn": "<Alarms>", "Protocol": "email", "Endpoint": "on-call@example.com"}


# The properties by which a resource is known in its account and region; whatever has none of these gets a name from
# CloudFormation.
NAMES = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::ApiGateway::UsagePlan": "UsagePlanName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
}
# Known below another resource, of this stack: a schedule below its group.
NAMELESS = {
    "AWS::Scheduler::Schedule",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::Stage",
    "AWS::CloudFormation::Stack",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
}


def names(deployment):
    found = set()
    for name, resource in deployment.resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in NAMELESS:
            continue
        assert kind in NAMES, f"{name}: can there be two {kind} in one account and region?"
        if NAMES[kind] in properties:
            found.add((kind, properties[NAMES[kind]]))
    return found


def test_two_stacks_of_one_account_have_no_name_in_common():
    one, other = names(Deployment("fanlight")), names(Deployment("fanlight-staging"))
    assert len(one) == len(other) > 20
    assert not one & other


def test_a_function_of_one_stack_is_not_taken_for_anothers():
    metrics = [
        {transformation["MetricNamespace"] for properties in filters for transformation in properties["MetricTransformations"]}
        for filters in (
            Deployment(stack).of_type("AWS::Logs::MetricFilter").values() for stack in ("fanlight", "fanlight-staging")
        )
    ]
    assert not metrics[0] & metrics[1]


def test_api_gateways_account_is_left_alone_unless_asked():
    assert "ApiGatewayLogging" not in Deployment().resources
    owner = Deployment(OwnsApiGatewayLogging="true")
    assert owner.properties("ApiGatewayLogging") == {"CloudWatchRoleArn": "<ApiGatewayLoggingRole.Arn>"}
    for name in ("ApiGatewayLogging", "ApiGatewayLoggingRole"):
        assert owner.resources[name]["DeletionPolicy"] == "Retain", "other stacks log by it"
    assert owner.resources["Api"]["DependsOn"] == "ApiGatewayLogging"


def test_the_longest_name_fits_with_a_stack_of_52_characters():
    """As docs/deploy.md says: 64 characters a function or a group of schedules, 80 a queue. CloudFormation allows 128."""
    stack = "f" * 52
    for kind, name in names(Deployment(stack)):
        limit = {"AWS::Lambda::Function": 64, "AWS::Scheduler::ScheduleGroup": 64, "AWS::SQS::Queue": 80}.get(kind)
        assert limit is None or len(name) <= limit, name
