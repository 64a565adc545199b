"""An invalid file of a simulated model is refused. The error names the file and the key."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from local.simulators.common.model_files import ModelFileInvalid, read_models
from local.simulators.replicate import model as replicate
from local.simulators.runway import model as runway

REPLICATE = """\
description = "A model"
official = true
output = "uri"
required = ["prompt"]

[inputs]
prompt = { type = "string" }
steps = { type = "integer", minimum = 1, default = 4 }

[[rejections]]
error = "too many steps"
when = { properties = { steps = { exclusiveMinimum = 9 } } }
"""
RUNWAY = """\
required = ["ratio"]
credits_per_second = 5
silent_credits_per_second = 3

[properties]
ratio = { type = "string", enum = ["1:1"] }
duration = { type = "integer", default = 5 }
audio = { type = "boolean", default = true }
promptImage = { frames = ["first"] }
"""


def read[Model: BaseModel](folder: Path, text: str, model_type: type[Model], group: str) -> Model:
    path = folder / "acme" / "one-1.5.toml"
    path.parent.mkdir()
    path.write_text(text)
    (model,) = read_models(folder, model_type, group=group)
    return model


def test_model_name_is_the_path_of_its_file(tmp_path: Path) -> None:
    model = read(tmp_path, REPLICATE, replicate.Model, "owner")

    assert model.full_name == "acme/one-1.5"
    assert len(model.version) == 64
    assert [model.rejections[0].applies({"steps": steps}) for steps in (9, 10)] == [False, True]


@pytest.mark.parametrize(
    ("valid", "invalid", "message"),
    [
        ("official = true", "official =", "line 2"),
        ("official = true", "", "official: Field required"),
        ("official = true", 'official = "yes"', "official: Input should be a valid boolean"),
        ("official = true", "official = false", "version: String should match pattern"),
        ("official = true", 'official = true\nowner = "acme"', "owner: the path of the file"),
        ("official = true", "official = true\nprice = 1", "price: Extra inputs"),
        ("official = true", "official = 2024-01-01", "not JSON serializable"),
        ('output = "uri"', 'output = "url"', "output: Input should be 'uri'"),
        ('["prompt"]', '["promt"]', "required: Value error, no input is named promt"),
        ('{ type = "string" }', '{ type = "text" }', "inputs: Value error, prompt: 'text'"),
        ('{ type = "string" }', "{ minLength = 1 }", "prompt: type is missing"),
        ("minimum = 1", "minimun = 1", "steps: unknown keyword minimun"),
        ("default = 4", "default = 0", "steps: the default is not valid"),
        ("exclusiveMinimum = 9", 'exclusiveMinimum = "9"', "rejections.0.when"),
    ],
)
def test_refuses_invalid_replicate_model_files(
    tmp_path: Path, valid: str, invalid: str, message: str
) -> None:
    with pytest.raises(ModelFileInvalid, match=r"acme/one-1\.5\.toml: .*" + message):
        read(tmp_path, REPLICATE.replace(valid, invalid), replicate.Model, "owner")


@pytest.mark.parametrize(
    ("valid", "invalid", "message"),
    [
        ('["ratio"]', '["ratio", "seed"]', "no property is named seed"),
        ('["ratio"]', "[]", "ratio must be required or have a default"),
        (", default = 5", "", "duration must be required or have a default"),
        ('audio = { type = "boolean", default = true }', "", "needs the property audio"),
        ("credits_per_second = 5", 'credits_per_second = "5"', "credits_per_second: Input should"),
        ('frames = ["first"]', 'frames = "first"', "promptImage"),
        ('frames = ["first"]', "frames = 1", "int"),
    ],
)
def test_refuses_invalid_runway_model_files(
    tmp_path: Path, valid: str, invalid: str, message: str
) -> None:
    with pytest.raises(ModelFileInvalid, match=r"acme/one-1\.5\.toml: .*" + message):
        read(tmp_path, RUNWAY.replace(valid, invalid), runway.Model, "endpoint")
