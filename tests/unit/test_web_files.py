"""The files of the gallery: sizes, references, texts, and what a file must not contain."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.aws import ROOT
from tests.unit import web_tree
from tools.web.vendor import packages

WEB = ROOT / "web"
LINES_MAX = 300
FIRST_BYTES_MAX = 20_000
ALL_BYTES_MAX = 60_000
SIGN_IN_BYTES_MAX = 20_000
PACKAGES_MAX = 6
# Only a gallery on AWS loads it, at the sign-in.
SIGN_IN_LIBRARY = "vendor/oidc-client.js"
# The modules that do not wait for the texts of more-LANGUAGE.js.
WITHOUT_MORE_TEXTS = ["app.js", "follow/follow.js", "make/submit.js"]


@pytest.fixture(scope="module")
def texts() -> dict[str, Any]:
    return kinds_of_texts(WEB)


def kinds_of_texts(root: Path) -> dict[str, Any]:
    """Read the texts. Without Node.js, skip the test; fail in CI."""
    try:
        return web_tree.texts(root)
    except web_tree.NodeNotHere as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the texts must be compared in CI: {missing}")
        warnings.warn(f"nothing compares the texts: {missing}", stacklevel=1)
        pytest.skip(f"not tried: {missing}")


def modules(root: Path) -> list[str]:
    return [
        name
        for name in web_tree.own(root)
        if name.endswith(".js") and not name.startswith("texts/")
    ]


def report(sizes: dict[str, int]) -> str:
    lines = sorted(sizes.items(), key=lambda item: -item[1])
    return f"{sum(sizes.values())} bytes: " + ", ".join(f"{name} {size}" for name, size in lines)


class TestSizes:
    def test_no_file_has_more_than_300_lines(self) -> None:
        counts = {
            name: len((WEB / name).read_text().splitlines())
            for name in web_tree.files(WEB)
            if name.endswith((".js", ".css", ".html", ".d.ts"))
            and not name.startswith("vendor/")
            and name != "api.d.ts"
        }

        assert {name: count for name, count in counts.items() if count > LINES_MAX} == {}

    def test_code_before_the_first_paint_has_at_most_20_kb(self) -> None:
        sizes = web_tree.first_files(WEB)

        assert {"app.js", "style.css", "vendor/preact.js"} <= sizes.keys()
        assert sum(sizes.values()) <= FIRST_BYTES_MAX, report(sizes)

    def test_all_code_but_the_sign_in_library_has_at_most_60_kb(self) -> None:
        sizes = web_tree.all_files(WEB)
        del sizes[SIGN_IN_LIBRARY]

        assert sizes.keys() >= web_tree.first_files(WEB).keys()
        assert sum(sizes.values()) <= ALL_BYTES_MAX, report(sizes)

    def test_the_sign_in_library_has_at_most_20_kb_and_loads_only_at_the_sign_in(self) -> None:
        assert web_tree.all_files(WEB)[SIGN_IN_LIBRARY] <= SIGN_IN_BYTES_MAX
        page = web_tree.page(WEB)
        assert SIGN_IN_LIBRARY in page.later
        assert SIGN_IN_LIBRARY not in page.first

    def test_at_most_six_packages_are_vendored(self) -> None:
        pinned = packages()

        assert len(pinned) <= PACKAGES_MAX
        vendored = {file["file"] for package in pinned for file in package["files"]}
        by_hand = {"vendor.json", "preact.d.ts"}
        assert {path.name for path in (WEB / "vendor").iterdir()} == vendored | by_hand
        assert {package["license_file"] for package in pinned} <= vendored


class TestReferences:
    def test_each_imported_file_exists(self) -> None:
        assert web_tree.missing_imports(WEB) == []

    def test_each_reference_of_the_page_exists(self) -> None:
        page = web_tree.page(WEB)

        assert [name for name in page.first + page.later if not (WEB / name).is_file()] == []

    def test_the_page_can_load_each_file(self) -> None:
        unused = set(web_tree.served(WEB)) - web_tree.reachable(WEB)

        # Browsers do not load them. People read them.
        legal = {name for name in unused if re.fullmatch(r"vendor/(LICENSE-.*|vendor\.json)", name)}
        assert unused == legal

    def test_the_page_preloads_what_it_needs_for_the_first_paint(self) -> None:
        first = web_tree.page(WEB).first
        needed = {name for name in web_tree.closure(WEB, ["app.js"]) if name.endswith(".js")}

        assert {name for name in first if name.endswith(".js")} == needed

    def test_no_file_has_an_external_host_or_markup_from_text(self) -> None:
        assert list(web_tree.findings(WEB)) == []


class TestTexts:
    @pytest.mark.parametrize("group", web_tree.TEXT_GROUPS)
    def test_both_languages_have_the_same_texts(self, texts: dict[str, Any], group: str) -> None:
        english, chinese = (texts[f"texts/{group}{one}.js"] for one in web_tree.LANGUAGES)

        assert english == chinese
        assert list(english) == list(chinese), "the order is another one"

    def test_no_key_is_in_two_groups(self, texts: dict[str, Any]) -> None:
        groups = [texts[f"texts/{group}en.js"].keys() for group in web_tree.TEXT_GROUPS]

        assert groups[0] & groups[1] == set()

    def test_each_used_text_exists_and_each_text_is_used(self, texts: dict[str, Any]) -> None:
        used = {key for name in modules(WEB) for key in web_tree.used_texts(WEB, name)}

        known = {key for group in web_tree.TEXT_GROUPS for key in texts[f"texts/{group}en.js"]}
        assert (used - known, known - used) == (set(), set())

    def test_code_that_runs_first_uses_only_the_texts_that_load_first(
        self, texts: dict[str, Any]
    ) -> None:
        names = web_tree.closure(WEB, WITHOUT_MORE_TEXTS)
        used = {key for name in names for key in web_tree.used_texts(WEB, name)}

        assert used - texts["texts/en.js"].keys() == set()


class TestTheChecks:
    """The checks find what they look for, in a small tree."""

    PAGE = (
        '<link rel="stylesheet" href="style.css"><script type="module" src="app.js"></script>'
        '<template id="t"><script src="vendor/later.js"></script></template>'
    )
    FILES: ClassVar = {
        "index.html": PAGE,
        "style.css": "body { background: url('icon.svg') }",
        "icon.svg": "<svg/>",
        "app.js": (
            "import {\n  t,\n} from './core/text.js';\n"
            "/** @type {import('./gone.js')} */\n"
            "import('./late.js'); // import './comment.js'\n"
            "const example = (code) => new URL(`./examples/${code}.webp`, import.meta.url);\n"
            "export const a = t.used, b = t.unknown, list = 'a'.t.no;\n"
            "export const key = 'darkroom.user';\n"
        ),
        "core/text.js": "export * from './deep.js';\nimport(`../texts/${x}.js`);\n",
        "core/deep.js": "import './missing.js';\n",
        "late.js": "import(`./texts/more-${x}.js`);\n",
        "dead.js": "",
        "examples/one.webp": "",
        "vendor/later.js": "",
        "texts/en.js": "export default { used: '', kind: '' };",
        "texts/zh.js": "export default { used: '', kind: (a) => a };",
        "texts/more-en.js": "export default { group: { a: '' } };",
        "texts/more-zh.js": "export default { group: { b: '' } };",
        "types.d.ts": "",
    }

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name, text in self.FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    def test_finds_dead_files_and_missing_imports(self, tree: Path) -> None:
        assert set(web_tree.served(tree)) - web_tree.reachable(tree) == {"dead.js"}
        assert web_tree.missing_imports(tree) == ["core/deep.js: core/missing.js"]

    def test_knows_what_loads_before_the_first_paint(self, tree: Path) -> None:
        first = web_tree.first_files(tree)

        assert set(first) == {"app.js", "core/text.js", "core/deep.js", "style.css", "texts/zh.js"}
        every = {"late.js", "dead.js", "vendor/later.js", "texts/more-en.js"}
        assert set(web_tree.all_files(tree)) - set(first) == every

    def test_counts_the_bytes_after_compression(self, tree: Path) -> None:
        (tree / "style.css").write_text("a" * 10_000)

        assert 20 < web_tree.first_files(tree)["style.css"] < 60

    def test_finds_used_texts_and_compares_kinds(self, tree: Path) -> None:
        assert web_tree.used_texts(tree, "app.js") == {"used", "unknown"}
        kinds = kinds_of_texts(tree)
        assert kinds["texts/zh.js"] == {"used": "string", "kind": "function of 1"}
        assert kinds["texts/more-en.js"] == {"group": {"a": "string"}}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("app.js", "fetch('https://cdn.evil.dev/x')"),
            ("app.js", "const a = `https://${host}/x`"),
            ("app.js", "element.innerHTML = text"),
            ("app.js", "html`<p dangerouslySetInnerHTML=${x} />`"),
            ("app.js", "new Function('x')"),
            ("app.js", "eval ('x')"),
            ("app.js", "// one\nlocation.href = 'javascript:x()'"),
            ("style.css", "@import 'http://host/x.css'"),
            ("index.html", '<p style="color: red">'),
            ("index.html", '<p onclick="x()">'),
            ("index.html", "<script>x()</script>"),
            ("index.html", "<style>p {}</style>"),
        ],
    )
    def test_finds_what_a_file_must_not_contain(self, tree: Path, name: str, text: str) -> None:
        (tree / name).write_text(text)

        assert len(list(web_tree.findings(tree))) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "/** See https://host/x */",
            "  // https://host/x\n",
            "const placeholder = 'https://example.com/hook'",
            "text.startsWith('https://')",
            "const names = { JavaScript: code };",
            "html`<input accept='image/*' />`; call(); /* x */",
        ],
    )
    def test_accepts_harmless_texts(self, tree: Path, text: str) -> None:
        (tree / "app.js").write_text(text)

        assert list(web_tree.findings(tree)) == []

    def test_the_settings_are_json(self) -> None:
        assert all(json.loads((WEB / name).read_text()) for name in web_tree.SETTINGS)
