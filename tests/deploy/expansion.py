"""The template as CloudFormation gets it: expanded by SAM's own translator, with the parameters and conditions of one
deployment filled in."""

import os
import re
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"

ACCOUNT = "123456789012"
REGION = "eu-west-3"
# The translator asks for the region in which it runs, and for nothing else of AWS.
os.environ["AWS_DEFAULT_REGION"] = REGION

# What `!Ref AWS::NoValue` leaves: nothing.
_NOTHING = object()


class _NoPolicies:
    """AWS' managed policies by name, which SAM asks for when it makes roles. It makes none here."""

    def load(self):
        return {}


def source():
    """The template as it is written, its tags as mappings."""
    return yaml_parse(TEMPLATE.read_text(encoding="utf-8"))


def expand(parameters):
    """The template after SAM, before CloudFormation; `parameters` as they are given to a deployment."""
    template = source()
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        # `sam package` writes addresses into the place of folders.
        for key in ("CodeUri", "ContentUri"):
            if key in properties:
                properties[key] = "s3://bucket/key"
        if resource["Type"] == "AWS::Serverless::Application":
            properties["Location"] = "https://s3.example/schedules.yaml"
    return transform(template, dict(parameters), _NoPolicies())


class Deployment:
    """The resources of one stack, with everything filled in that CloudFormation fills in, except other resources'
    attributes: those are `<Resource>` and `<Resource.Attribute>`."""

    def __init__(self, stack="fanlight", **parameters):
        self.template = expand(parameters)
        self.values = {
            "AWS::StackName": stack,
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }
        declared = self.template["Parameters"]
        unknown = set(parameters) - set(declared)
        if unknown:
            raise KeyError(f"the template has no parameters {sorted(unknown)}")
        for name, parameter in declared.items():
            value = str(parameters.get(name, parameter.get("Default")))
            is_list = parameter["Type"].startswith(("CommaDelimitedList", "List<"))
            self.values[name] = value.split(",") if is_list else value
        self.conditions = {name: None for name in self.template["Conditions"]}
        self.resources = {
            name: self.filled(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }
        self.outputs = {
            name: self.filled(output["Value"])
            for name, output in self.template["Outputs"].items()
            if "Condition" not in output or self.condition(output["Condition"])
        }

    def properties(self, name):
        return self.resources[name]["Properties"]

    def of_type(self, kind):
        """Properties by logical name."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def condition(self, name):
        if self.conditions[name] is None:
            self.conditions[name] = self.filled(self.template["Conditions"][name])
        return self.conditions[name]

    def objections(self):
        """What the template's rules have against these parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self.filled(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.filled(assertion["Assert"])
        ]

    def filled(self, node):
        if isinstance(node, list):
            return [item for item in map(self.filled, node) if item is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, value),) = node.items()
            function = getattr(self, "_" + key.removeprefix("Fn::").lower(), None)
            if function and (key.startswith("Fn::") or key in ("Ref", "Condition") and isinstance(value, str)):
                return function(value)
            if key.startswith("Fn::"):
                raise NotImplementedError(key)
        items = ((key, self.filled(value)) for key, value in node.items())
        return {key: value for key, value in items if value is not _NOTHING}

    def _ref(self, name):
        if name == "AWS::NoValue":
            return _NOTHING
        return self.values.get(name, f"<{name}>")

    def _condition(self, name):
        return self.condition(name)

    def _getatt(self, path):
        return "<" + (path if isinstance(path, str) else ".".join(path)) + ">"

    def _sub(self, value):
        text, more = value if isinstance(value, list) else (value, {})
        more = self.filled(more)

        def one(match):
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            return str(more.get(name, self._getatt(name) if "." in name else self._ref(name)))

        return re.sub(r"\$\{([^}]+)\}", one, text)

    def _join(self, value):
        separator, parts = self.filled(value)
        return separator.join(parts)

    def _split(self, value):
        separator, text = self.filled(value)
        return text.split(separator)

    def _equals(self, value):
        one, other = self.filled(value)
        return str(one) == str(other)

    def _contains(self, value):
        texts, text = self.filled(value)
        return text in texts

    def _not(self, value):
        return not self.filled(value)[0]

    def _and(self, value):
        return all(self.filled(value))

    def _or(self, value):
        return any(self.filled(value))

    def _if(self, value):
        name, yes, no = value
        return self.filled(yes if self.condition(name) else no)
