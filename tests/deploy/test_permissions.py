"""Least privilege: what each role may do is written here a second time, so that a change of it is seen."""

import pytest
from expansion import ACCOUNT, REGION, Deployment

SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
WORKSPACE = f"arn:aws:aps:{REGION}:{ACCOUNT}:workspace/ws-1"
UPSTREAM_ROLE = f"arn:aws:iam::{ACCOUNT}:role/prometheus"
READER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
DATABASE_USER = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-1/fanlight"
INTERFACES = f"arn:aws:ec2:{REGION}:{ACCOUNT}:*/*"

EVERYTHING = {
    "CollectorSecretArns": f"{SECRET}shop-AbCdEf,{SECRET}gateway-AbCdEf",
    "MetricsApiSecretArns": f"{SECRET}prometheus-AbCdEf",
    "AuthorizerSecretArns": f"{SECRET}tokens-AbCdEf",
    "SecretsKeyArn": KEY,
    "CollectorReadsCloudWatch": "true",
    "CollectorCloudWatchNamespaces": "Shop,Growth",
    "CollectorRoleArns": READER_ROLE,
    "CollectorDatabaseUserArns": DATABASE_USER,
    "PrometheusWorkspaceArn": WORKSPACE,
    "UpstreamRoleArn": UPSTREAM_ROLE,
    "SubnetIds": "subnet-1,subnet-2",
    "CollectorSecurityGroupIds": "sg-1",
    "MetricsApiSecurityGroupIds": "sg-2",
    "AllowedAddresses": "203.0.113.0/24",
    "DomainName": "metrics.example",
    "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1",
    "HostedZoneId": "Z1",
    "OwnsApiGatewayLogging": "true",
    "AlarmEmail": "on-call@example.com",
}

# For these the Service Authorization Reference knows no resources.
WITHOUT_RESOURCES = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "cloudwatch:PutMetricData",
}

TRACES = {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
NETWORK = {
    ("ec2:DescribeNetworkInterfaces", "*"),
    ("ec2:DescribeSubnets", "*"),
    ("ec2:CreateNetworkInterface", INTERFACES),
    ("ec2:DeleteNetworkInterface", INTERFACES),
    ("ec2:AssignPrivateIpAddresses", INTERFACES),
    ("ec2:UnassignPrivateIpAddresses", INTERFACES),
}


def logs(group):
    return {("logs:CreateLogStream", f"<{group}.Arn>"), ("logs:PutLogEvents", f"<{group}.Arn>")}


def several(value):
    return value if isinstance(value, list) else [value]


def statements(deployment, role):
    """Of a role's own policies and of the stack's that are attached to it."""
    properties = deployment.properties(role)
    policies = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    for arn in properties.get("ManagedPolicyArns", []):
        if arn.startswith("<"):
            policies.append(deployment.properties(arn.strip("<>"))["PolicyDocument"])
    return [statement for policy in policies for statement in policy["Statement"]]


def allowed(deployment, role):
    return {
        (action, resource)
        for statement in statements(deployment, role)
        if statement["Effect"] == "Allow"
        for action in several(statement["Action"])
        for resource in several(statement["Resource"])
    }


def test_what_each_role_may_do_with_nothing_set():
    deployment = Deployment()
    assert {role: allowed(deployment, role) for role in deployment.of_type("AWS::IAM::Role")} == {
        "CollectorRole": TRACES | logs("CollectorLog") | {("sqs:SendMessage", "<DeadLetters.Arn>")},
        "MetricsApiRole": TRACES | logs("MetricsApiLog"),
        "AuthorizerRole": TRACES | logs("AuthorizerLog"),
        "SchedulerRole": {
            ("lambda:InvokeFunction", "<Collector.Arn>"),
            ("sqs:SendMessage", "<DeadLetters.Arn>"),
        },
    }


def test_what_each_role_may_do_with_everything_set():
    deployment = Deployment(**EVERYTHING)
    read, decrypt = "secretsmanager:GetSecretValue", {("kms:Decrypt", KEY)}
    assert {role: allowed(deployment, role) for role in deployment.of_type("AWS::IAM::Role")} == {
        "CollectorRole": TRACES
        | NETWORK
        | logs("CollectorLog")
        | decrypt
        | {
            ("sqs:SendMessage", "<DeadLetters.Arn>"),
            (read, f"{SECRET}shop-AbCdEf"),
            (read, f"{SECRET}gateway-AbCdEf"),
            ("cloudwatch:GetMetricData", "*"),
            ("cloudwatch:ListMetrics", "*"),
            ("cloudwatch:PutMetricData", "*"),
            ("sts:AssumeRole", READER_ROLE),
            ("rds-db:connect", DATABASE_USER),
        },
        "MetricsApiRole": TRACES
        | NETWORK
        | logs("MetricsApiLog")
        | decrypt
        | {
            (read, f"{SECRET}prometheus-AbCdEf"),
            ("aps:QueryMetrics", WORKSPACE),
            ("aps:GetSeries", WORKSPACE),
            ("aps:GetLabels", WORKSPACE),
            ("sts:AssumeRole", UPSTREAM_ROLE),
        },
        "AuthorizerRole": TRACES | logs("AuthorizerLog") | decrypt | {(read, f"{SECRET}tokens-AbCdEf")},
        "SchedulerRole": {
            ("lambda:InvokeFunction", "<Collector.Arn>"),
            ("sqs:SendMessage", "<DeadLetters.Arn>"),
        },
        # AWS' own policy and nothing else; see below.
        "ApiGatewayLoggingRole": set(),
    }


@pytest.mark.parametrize("parameters", [{}, EVERYTHING], ids=["nothing set", "everything set"])
def test_no_action_is_a_pattern_and_no_resource_that_could_be_one_is_everything(parameters):
    deployment = Deployment(**parameters)
    roles = deployment.of_type("AWS::IAM::Role")
    pairs = {pair for role in roles for pair in allowed(deployment, role)}
    assert pairs
    for action, resource in pairs:
        assert "*" not in action and ":" in action, action
        assert resource != "*" or action in WITHOUT_RESOURCES, f"{action} on everything"
    for role in roles:
        for statement in statements(deployment, role):
            assert "NotAction" not in statement and "NotResource" not in statement, role


@pytest.mark.parametrize("parameters", [{}, EVERYTHING], ids=["nothing set", "everything set"])
def test_policies_of_aws_are_attached_to_nothing_but_api_gateways_log_writer(parameters):
    deployment = Deployment(**parameters)
    attached = {
        (role, arn)
        for role, properties in deployment.of_type("AWS::IAM::Role").items()
        for arn in properties.get("ManagedPolicyArns", [])
        if not arn.startswith("<")
    }
    aws = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    assert attached == ({("ApiGatewayLoggingRole", aws)} if parameters else set())


def test_who_may_take_on_a_role():
    deployment = Deployment(**EVERYTHING)
    trusted = {}
    for role, properties in deployment.of_type("AWS::IAM::Role").items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Action"] == "sts:AssumeRole", role
        trusted[role] = (statement["Principal"], statement.get("Condition"))
    function = ({"Service": "lambda.amazonaws.com"}, None)
    own_schedules = {"StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": "<ScheduleGroup.Arn>"}}
    assert trusted == {
        "CollectorRole": function,
        "MetricsApiRole": function,
        "AuthorizerRole": function,
        "SchedulerRole": ({"Service": "scheduler.amazonaws.com"}, own_schedules),
        "ApiGatewayLoggingRole": ({"Service": "apigateway.amazonaws.com"}, None),
    }


def test_every_function_has_a_role_of_its_own():
    functions = Deployment().of_type("AWS::Lambda::Function")
    roles = {name: properties["Role"] for name, properties in functions.items()}
    assert roles == {
        "Collector": "<CollectorRole.Arn>",
        "MetricsApi": "<MetricsApiRole.Arn>",
        "Authorizer": "<AuthorizerRole.Arn>",
    }


def test_who_may_call_the_functions():
    permissions = Deployment().of_type("AWS::Lambda::Permission").values()
    api = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:<Api>/"
    found = {(one["FunctionName"], one["Action"], one["Principal"], one["SourceArn"]) for one in permissions}
    dashboards = {
        ("<MetricsApi>", "lambda:InvokeFunction", "apigateway.amazonaws.com", f"{api}*/{method}/{path}")
        for method in ["GET", "HEAD"]
        for path in ["grafana", "grafana/*"]
    }
    assert found == dashboards | {
        ("<MetricsApi>", "lambda:InvokeFunction", "apigateway.amazonaws.com", f"{api}*/*/*"),
        ("<Authorizer.Arn>", "lambda:InvokeFunction", "apigateway.amazonaws.com", f"{api}authorizers/*"),
    }


def test_code_in_a_vpc_may_not_touch_its_interfaces():
    deployment = Deployment(**EVERYTHING)
    denials = [
        statement for statement in statements(deployment, "CollectorRole") if statement["Effect"] == "Deny"
    ]
    (denial,) = denials
    assert {(action, denial["Resource"]) for action in denial["Action"]} == NETWORK - {
        ("ec2:DescribeNetworkInterfaces", "*"),
        ("ec2:DescribeSubnets", "*"),
    }
    (pattern,) = denial["Condition"]["ArnLike"].values()
    assert pattern == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:fanlight-*"


def test_a_key_is_used_through_secrets_manager_only():
    deployment = Deployment(**EVERYTHING)
    found = 0
    for role in deployment.of_type("AWS::IAM::Role"):
        for statement in statements(deployment, role):
            if statement["Action"] == "kms:Decrypt":
                found += 1
                service = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
                assert statement["Condition"] == {"StringEquals": service}, role
    assert found == 3


def test_metrics_are_sent_to_the_namespaces_that_are_named_only():
    deployment = Deployment(**EVERYTHING)
    (statement,) = [
        statement
        for statement in statements(deployment, "CollectorRole")
        if statement["Action"] == "cloudwatch:PutMetricData"
    ]
    assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": ["Shop", "Growth"]}}
