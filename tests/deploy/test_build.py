"""What `sam build` has made: binaries that Amazon Linux 2023 can run, and small ones."""

import re

import pytest
from expansion import ROOT
from samtranslator.yaml_helper import yaml_parse

BUILD = ROOT / ".aws-sam" / "build"
FUNCTIONS = ["Collector", "MetricsApi", "Authorizer"]
# https://docs.aws.amazon.com/linux/al2023/: the C library of provided.al2023.
GLIBC = (2, 34)
# Of an ELF header's e_machine.
MACHINES = {0x3E, 0xB7}  # x86_64 and arm64


def binary(function):
    return (BUILD / function / "bootstrap").read_bytes()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_binary_needs_no_newer_c_library_than_lambdas(function):
    needed = {
        (int(major), int(minor)) for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", binary(function))
    }
    assert needed, "not linked to the C library at all?"
    assert max(needed) <= GLIBC


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_binary_is_small(function):
    """With link-time optimisation, that is; each cold start begins with fetching it."""
    assert len(binary(function)) <= 12_000_000


def test_the_binaries_are_for_one_processor_of_lambdas():
    headers = {function: binary(function)[:20] for function in FUNCTIONS}
    assert {header[:4] for header in headers.values()} == {b"\x7fELF"}
    (machine,) = {int.from_bytes(header[18:20], "little") for header in headers.values()}
    assert machine in MACHINES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_its_binary_and_nothing_else(function):
    assert [path.name for path in (BUILD / function).iterdir()] == ["bootstrap"]


def test_the_built_template_has_every_function_where_it_was_built():
    template = yaml_parse((BUILD / "template.yaml").read_text(encoding="utf-8"))
    assert {name: template["Resources"][name]["Properties"]["CodeUri"] for name in FUNCTIONS} == {
        name: name for name in FUNCTIONS
    }
    layer = template["Resources"]["Configuration"]["Properties"]["ContentUri"]
    assert (BUILD / layer / "config" / "fanlight.yaml").is_file()
    assert list((BUILD / layer / "dashboards" / "prod").glob("*/*-main.json"))
