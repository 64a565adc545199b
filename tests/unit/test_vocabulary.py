"""The vocabulary: the terms of docs/glossary.md, and the old identifiers that they replaced."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tests.aws import ROOT

# Words that no identifier contains, in any case.
OLD_WORD = re.compile(
    r"agenda|books?|chairs?|chance|doors?|fates?|films?|laps?|not(ed|ing)|park(ed|ing)?"
    r"|pictures?|retouching|sandbox(es)?|shelf|sold|strays?|troubles?|waiters?|weather"
    r"|withdrawn|woken|world"
)
# Whole identifiers, without leading underscores.
OLD_NAME = re.compile(
    r"BooksDiffer\w*|CALLS_BACK|CannotTell|ComeBackLater|Created|JobClosed|Order|Pause"
    r"|PASSING_CODES|ReadTheTime|Wanted|WasItAFault|Work|ask(ed_at|ed_since|s_count)"
    r"|is_(known|on|passing)|keep_on|kept_until|look_(again|at)|no_more_this_minute"
    r"|is_told|note_\w+|[Ss]aid|shown|stand_in_line|sweep_up|throw_away|told"
)
# Modules that were renamed.
OLD_MODULE = re.compile(
    r"answers|callers|elsewhere|ending|front|minutes|shown|slots|switches"
    r"|telling|told"
)
# Allowed old names: patterns of the path and of the text, and the reason. Strings have quotes.
EXCEPTIONS = {
    ("*", '"Sandbox.*"'): "an error name that Lambda defines",
    ("*.asl.yaml", "Sandbox.*"): "an error name that Lambda defines",
    ("*", '"noted"'): "a public field of the response to a webhook",
    ("*", '"stray"'): "a public value of the response to the webhook of an orphan prediction",
    ("*", "NotedResponse"): "the public schema of the response to a webhook",
    ("shared/darkroom/schemas/service_responses.py", "noted"): "its public field",
    ("tests/chromium.py", '"--no-sandbox"'): "an option of Chromium",
    ("template.yaml", "Pause"): "the event of the route PUT /admin/paused",
    ("tests/unit/test_vocabulary.py", "*"): "the examples below",
}
TERMS_MAX = 25
MEANING_WORDS_MAX = 25
GLOSSARY_ROW = re.compile(r"\| ([a-z ]+) \| (.+) \| `(.+)` \|")
IDENTIFIER = re.compile(r"[\w-]+")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
STRING = re.compile(r"""\w*(?:'([^\s'"]+)'|"([^\s'"]+)")""")


def tracked(*patterns: str) -> list[str]:
    """Return the tracked files that match these patterns."""
    listed = subprocess.run(
        ["git", "ls-files", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # Git still lists a file that was moved and not committed.
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def names_in_python(source: str) -> Iterator[tuple[int, str]]:
    """Yield each name, and each string that could be a name, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string
        elif token.type == tokenize.STRING and (string := STRING.fullmatch(token.string)):
            yield token.start[0], f'"{string[1] or string[2]}"'


def names_in_yaml(source: str) -> Iterator[tuple[int, str]]:
    """Yield each key and value without white space, with its line."""
    for token in yaml.scan(source):
        if isinstance(token, yaml.ScalarToken) and not re.search(r"\s", token.value):
            yield token.start_mark.line + 1, token.value


def is_old(text: str) -> bool:
    """Return whether a text contains an old name."""
    return any(is_old_name(name.lstrip("_")) for name in IDENTIFIER.findall(text))


def is_old_name(name: str) -> bool:
    """Return whether an identifier is old or contains an old word."""
    has_old_word = any(OLD_WORD.fullmatch(word.lower()) for word in WORD.findall(name))
    return has_old_word or bool(OLD_NAME.fullmatch(name.replace("-", "_")))


def old_names() -> Iterator[tuple[str, int, str]]:
    """Yield each old name in the tracked Python and YAML files, with its path and line."""
    for path in tracked("*.py", "*.yaml"):
        names_in = names_in_python if path.endswith(".py") else names_in_yaml
        for line, text in names_in((ROOT / path).read_text()):
            if is_old(text):
                yield path, line, text


def exceptions_for(path: str, text: str) -> set[tuple[str, str]]:
    """Return the exceptions that allow this text in this file."""
    return {each for each in EXCEPTIONS if fnmatch(path, each[0]) and fnmatch(text, each[1])}


def glossary() -> list[tuple[str, str, str]]:
    """Return the term, the meaning and the file of each row."""
    _, _, rows = (ROOT / "docs/glossary.md").read_text().partition("|---|---|---|\n")
    matches = [GLOSSARY_ROW.fullmatch(row) for row in rows.splitlines()]
    return [(match[1], match[2], match[3]) for match in matches if match]


def spelled_out(source: str) -> str:
    """Return identifiers as words: `next_check_at` and `NextCheck` both contain "next check"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", source).replace("_", " ").lower()


def test_no_identifier_contains_an_old_word() -> None:
    old = [each for each in old_names() if not exceptions_for(each[0], each[2])]

    found = [f"{path}:{line}: {text}" for path, line, text in old]

    assert not found, "old names, see docs/glossary.md:\n" + "\n".join(found)


def test_no_module_has_an_old_name() -> None:
    modules = {path: path.removesuffix(".py") for path in tracked("*.py")}

    found = [path for path, name in modules.items() if is_old(name)]
    found += [path for path, name in modules.items() if OLD_MODULE.fullmatch(Path(name).name)]

    assert modules
    assert not found, f"modules with old names: {', '.join(found)}"


def test_every_exception_is_needed() -> None:
    used = {each for path, _, text in old_names() for each in exceptions_for(path, text)}

    assert used == EXCEPTIONS.keys()


@pytest.mark.parametrize(
    ("source", "old"),
    [
        ("def look_at(job): ...", ["look_at"]),
        ("class _ComeBackLater(Exception): ...", ["_ComeBackLater"]),
        ("message = f'{job.lap_count + 1} of {waiter!r}'", ["lap_count", "waiter"]),
        ("FILMS_MAX = HttpSandbox.parkNow", ["FILMS_MAX", "HttpSandbox", "parkNow"]),
        ("row = {'kept_until': note_output(job)}", ['"kept_until"', "note_output"]),
        ("def test_a_woken_job_sees_the_picture(): ...", ["test_a_woken_job_sees_the_picture"]),
    ],
)
def test_an_old_identifier_in_python_is_found(source: str, old: list[str]) -> None:
    assert [text for _, text in names_in_python(source) if is_old(text)] == old


def test_prose_and_longer_words_are_not_old_identifiers() -> None:
    source = """
        def overlap(parker, classroom, outdoors): 'The picture is shown to the world.'
        # A stray waiter is parked.
    """

    assert not any(is_old(text) for _, text in names_in_python(dedent(source)))


def test_an_old_name_in_yaml_is_found_with_its_line() -> None:
    source = """
        # ReadTheTime: a comment
        States:
          WasItAFault: {Type: Choice, Next: JobClosed}
          Ok: {Comment: the films are shown}
        IndexName: !Sub ${Table}/index/look-at
    """

    found = [(line, text) for line, text in names_in_yaml(dedent(source)) if is_old(text)]

    assert found == [(4, "WasItAFault"), (4, "JobClosed"), (6, "${Table}/index/look-at")]


def test_the_glossary_has_at_most_25_terms_of_one_line_each() -> None:
    rows = (ROOT / "docs/glossary.md").read_text().partition("|---|---|---|\n")[2].splitlines()
    terms = glossary()

    long = [term for term, meaning, _ in terms if len(meaning.split()) > MEANING_WORDS_MAX]

    assert len(rows) == len(terms) == len({term for term, _, _ in terms})
    assert 0 < len(terms) <= TERMS_MAX
    assert not long, f"meanings of more than {MEANING_WORDS_MAX} words: {', '.join(long)}"


def test_each_term_of_the_glossary_is_in_the_file_that_it_names() -> None:
    for term, _, path in glossary():
        assert (ROOT / path).is_file(), f"{term}: there is no file {path}"
        assert term in spelled_out((ROOT / path).read_text()), f"{path} does not contain {term}"
