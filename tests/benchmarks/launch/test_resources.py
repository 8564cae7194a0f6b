"""The block `cluster`: numbers in their bounds, options that can't break a batch script."""

import math

import pytest

from benchmarks.params.cluster import ClusterParams, Resources
from benchmarks.params.errors import ParamsError, validate
from tests.benchmarks.launch.conftest import RESOURCES, STAGES


@pytest.mark.parametrize("value", [-1, math.inf, math.nan, 1e300])
@pytest.mark.parametrize("key", ["gpus", "cpus", "memory_gb", "hours"])
def test_resources_out_of_bounds(key, value):
    with pytest.raises(ParamsError, match=rf"stages\.train\.{key}: "):
        validate(Resources, RESOURCES | {key: value}, "cluster.stages.train")


@pytest.mark.parametrize(
    ("key", "value"),
    [("jobs", 0), ("jobs", -1), ("jobs", 10**12), ("retries", -1), ("retries", 10**12)],
)
def test_numbers_of_the_cluster_out_of_bounds(key, value):
    values = {"jobs": 1, "retries": 0, "stages": STAGES} | {key: value}
    with pytest.raises(ParamsError, match=rf"cluster\.{key}: "):
        validate(ClusterParams, values, "cluster")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"qos\n#SBATCH --uid": 0}, r"'qos\\n#SBATCH --uid': expected the long name"),
        ({"mail type": "END"}, "'mail type': expected the long name"),
        ({"--qos": "high"}, "'--qos': expected the long name"),
        ({"QOS": "high"}, "'QOS': expected the long name"),
        ({"": "high"}, "'': expected the long name"),
        ({"account": "lab\n#SBATCH --uid=0"}, r"account: 'lab\\n#SBATCH --uid=0': expected print"),
        ({"comment": "two words"}, "comment: 'two words': expected printable"),
        ({"wckey": ""}, "wckey: '': expected printable"),
        ({"account": "\x1b[2J"}, r"account: '\\x1b\[2J': expected printable"),
        ({"array": "0-999"}, "'array' is set by launch"),
        ({"output": "/tmp/x"}, "'output' is set by launch"),
        ({"time": 5}, "'time' is set by launch: time by `hours`"),
    ],
)
@pytest.mark.parametrize("where", ["cluster", "stage"])
def test_options_that_would_break_a_script(options, message, where):
    values = {"jobs": 1, "retries": 0, "stages": STAGES | {"train": dict(RESOURCES)}}
    (values if where == "cluster" else values["stages"]["train"])["options"] = options
    with pytest.raises(ParamsError, match=f"options: .*{message}"):
        validate(ClusterParams, values, "cluster")


@pytest.mark.parametrize("partition", ["", "a b", "a\n#SBATCH --uid=0"])
def test_partitions_that_would_break_a_script(partition):
    with pytest.raises(ParamsError, match="partition"):
        validate(Resources, RESOURCES | {"partition": partition}, "cluster.stages.train")
    assert Resources(**RESOURCES, partition="short,long").partition == "short,long"


@pytest.mark.parametrize("missing", ["data", "train", "few_shot"])
def test_a_stage_without_resources(missing):
    stages = {name: resources for name, resources in STAGES.items() if name != missing}
    with pytest.raises(
        ParamsError, match=rf"cluster\.stages: .*{missing} missing; expected data, "
    ):
        validate(ClusterParams, {"jobs": 1, "retries": 0, "stages": stages}, "cluster")
