"""The customers' API: streamed, authorised, throttled, and discreet in its logs."""

import json
import re

import pytest
from expansion import ROOT, Deployment


def body(**parameters):
    return Deployment(**parameters).properties("Api")["Body"]


def stage(**parameters):
    return Deployment(**parameters).of_type("AWS::ApiGateway::Stage")["ApiprodStage"]


ANY = "x-amazon-apigateway-any-method"
# Those of readers of the dashboards, who are no customers.
READERS = {("/grafana", "get"), ("/grafana", "head"), ("/grafana/{file}", "get"), ("/grafana/{file}", "head")}


def methods(**parameters):
    paths = body(**parameters)["paths"]
    return {(path, name): method for path, methods in paths.items() for name, method in methods.items()}


def test_every_path_is_streamed_to_the_function():
    found = methods()
    assert set(found) == READERS | {("/{proxy+}", ANY)}
    for place, method in found.items():
        integration = method["x-amazon-apigateway-integration"]
        assert integration["type"] == "aws_proxy", place
        assert integration["responseTransferMode"] == "STREAM", place
        assert integration["uri"].endswith("functions/<MetricsApi.Arn>/response-streaming-invocations"), place


def test_the_function_ends_an_answer_no_later_than_the_gateway_does():
    deployment = Deployment()
    for place, method in methods().items():
        timeout = method["x-amazon-apigateway-integration"]["timeoutInMillis"]
        # The longest that API Gateway streams.
        assert deployment.properties("MetricsApi")["Timeout"] * 1000 <= timeout <= 900_000, place


def test_every_method_asks_the_authorizer_and_counts_customers_by_the_key_that_it_names():
    assert Deployment().properties("Api")["ApiKeySourceType"] == "AUTHORIZER"
    found = methods()
    assert found
    for place, method in found.items():
        # A reader of dashboards has no key, so that no customer's path lets him in.
        key = [] if place in READERS else [{"api_key": []}]
        assert method["security"] == [{"Customers": []}, *key], place


@pytest.mark.parametrize("environment", ["prod", "develop"])
def test_the_dashboards_are_those_of_the_environment(environment):
    deployment = Deployment(Environment=environment)
    variables = deployment.properties("MetricsApi")["Environment"]["Variables"]
    assert variables["FANLIGHT_ENVIRONMENT"] == environment
    assert (ROOT / "layer" / "dashboards" / environment).is_dir(), "what the layer holds"


@pytest.mark.parametrize("ttl", [0, 60, 3600])
def test_the_authorizer_is_asked_by_token_and_address(ttl):
    authorizer = body(AuthorizerTtl=ttl)["components"]["securitySchemes"]["Customers"]
    settings = authorizer["x-amazon-apigateway-authorizer"]
    assert settings["type"] == "request"
    sources = {source.strip() for source in settings["identitySource"].split(",")}
    assert sources == {"method.request.header.Authorization", "context.identity.sourceIp"}
    assert str(settings["authorizerResultTtlInSeconds"]) == str(ttl)
    assert settings["authorizerUri"].endswith("functions/<Authorizer.Arn>/invocations")


def test_the_api_is_regional():
    assert Deployment().properties("Api")["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def test_the_stage_is_throttled_and_logs_no_headers_and_bodies():
    of_all, *_ = stage(StageRequestsPerSecond=7, StageBurst=9)["MethodSettings"]
    assert (of_all["HttpMethod"], of_all["ResourcePath"]) == ("*", "/*")
    assert (of_all["ThrottlingRateLimit"], of_all["ThrottlingBurstLimit"]) == ("7", "9")
    for settings in stage()["MethodSettings"]:
        assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
        assert settings["MetricsEnabled"] is False, "metrics a method cost, and no alarm watches them"


def test_what_no_usage_plan_counts_is_throttled_by_itself():
    _, *settings = stage()["MethodSettings"]
    throttled = {
        (one["ResourcePath"].replace("/~1", "/").replace("~1", "/"), one["HttpMethod"].lower()) for one in settings
    }
    paths = Deployment().properties("Api")["Body"]["paths"]
    keyless = {
        (path, method)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "security" in operation
        if not any("api_key" in requirement for requirement in operation["security"])
    }
    assert throttled == keyless
    assert {(one["ThrottlingRateLimit"], one["ThrottlingBurstLimit"]) for one in settings} == {(5, 10)}


def test_the_usage_plans_count_what_the_stage_serves():
    plans = Deployment().of_type("AWS::ApiGateway::UsagePlan")
    assert plans
    for name, plan in plans.items():
        assert plan["ApiStages"] == [{"ApiId": "<Api>", "Stage": "<ApiprodStage>"}], name


def test_the_stage_is_traced():
    assert stage()["TracingEnabled"] is True


# Whatever is not here could hold a secret, a customer's query, or text of the client's choice that breaks the JSON.
LOGGED = {
    "$context.requestTimeEpoch",
    "$context.requestId",
    "$context.identity.sourceIp",
    "$context.httpMethod",
    "$context.path",
    "$context.status",
    "$context.error.responseType",
    "$context.authorizer.client",
    "$context.authorizer.plan",
    "$context.authorizer.status",
    "$context.integration.status",
    "$context.responseLength",
    "$context.responseLatency",
    "$context.xrayTraceId",
}


def test_the_access_log_is_json_of_what_may_be_known():
    setting = stage()["AccessLogSetting"]
    assert setting["DestinationArn"] == "<AccessLog.Arn>"
    assert "\n" not in setting["Format"]
    record = json.loads(setting["Format"])
    assert "$context.requestId" in record.values()
    assert set(record.values()) <= LOGGED
    assert set(re.findall(r"\$[\w.]+", setting["Format"])) <= LOGGED


def statements(**parameters):
    return body(**parameters)["x-amazon-apigateway-policy"]["Statement"]


def test_without_a_list_of_addresses_everybody_may_ask_the_authorizer():
    (everybody,) = statements()
    assert everybody["Effect"] == "Allow"
    assert "Condition" not in everybody


def test_with_a_list_of_addresses_all_others_are_denied_before_the_authorizer_is_asked():
    everybody, others = statements(AllowedAddresses="203.0.113.0/24,198.51.100.7")
    assert everybody["Effect"] == "Allow"
    assert others == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
        "Condition": {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.7"]}},
    }


def test_every_deployment_of_the_stack_is_one_of_the_api(monkeypatch):
    """A stage serves the deployment that it was made with, and SAM does not see that a list of addresses has changed."""
    made = set()
    for now in (1_800_000_000, 1_800_000_060):
        monkeypatch.setattr("samtranslator.model.apigateway.time.time", lambda now=now: now)
        made |= set(Deployment().of_type("AWS::ApiGateway::Deployment"))
    assert len(made) == 2


DOMAIN = {"DomainName": "metrics.example", "CertificateArn": "arn:aws:acm:eu-west-3:123456789012:certificate/1"}


def closed(**parameters):
    (server,) = body(**parameters)["servers"]
    return server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]


def test_without_a_domain_there_is_the_generated_name():
    deployment = Deployment()
    assert not {"Domain", "DomainMapping", "DomainRecord"} & set(deployment.resources)
    assert not closed()
    assert deployment.outputs["ApiUrl"] == "https://<Api>.execute-api.eu-west-3.amazonaws.com/prod"
    assert "DomainTarget" not in deployment.outputs


def test_with_a_domain_the_generated_name_is_closed():
    deployment = Deployment(**DOMAIN)
    domain = deployment.properties("Domain")
    assert domain["DomainName"] == "metrics.example"
    assert domain["RegionalCertificateArn"] == DOMAIN["CertificateArn"]
    assert (domain["EndpointConfiguration"]["Types"], domain["SecurityPolicy"]) == (["REGIONAL"], "TLS_1_2")
    mapping = deployment.properties("DomainMapping")
    assert (mapping["RestApiId"], mapping["DomainName"]) == ("<Api>", "<Domain>")
    assert "BasePath" not in mapping, "the function knows paths without a prefix"
    assert closed(**DOMAIN)
    assert deployment.outputs["ApiUrl"] == "https://metrics.example"
    assert deployment.outputs["DomainTarget"] == "<Domain.RegionalDomainName>"
    assert "DomainRecord" not in deployment.resources


def test_with_a_zone_the_name_is_made_in_it():
    record = Deployment(HostedZoneId="Z1", **DOMAIN).properties("DomainRecord")
    assert (record["HostedZoneId"], record["Name"], record["Type"]) == ("Z1", "metrics.example", "A")
    assert record["AliasTarget"]["DNSName"] == "<Domain.RegionalDomainName>"


def test_a_zone_alone_makes_nothing():
    assert "DomainRecord" not in Deployment(HostedZoneId="Z1").resources
