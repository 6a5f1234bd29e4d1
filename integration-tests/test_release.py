"""Releasing a package of a small tree that is laid out as this one is, with the real tools."""

import subprocess
import sys
from pathlib import Path

import distributions
import pytest
import release
import support_table

ROOT = Path(__file__).parents[1]
PACKAGE = """
[build-system]
requires = ["uv_build>=0.9,<0.14"]
build-backend = "uv_build"
[project]
name = "pentad-{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = [{dependencies}]
[tool.uv.build-backend]
module-name = "{module}"
"""
MATRIX = """
pythons = ["{python}"]
[packages.parcels]
import = "parcels"
rows.oldest = {{ constraints = ["django==5.2.*", "redis==5.0.1"] }}
rows.newest = {{ constraints = ["django>=6"], pythons = ["3.99"] }}
[packages.config]
import = "pentad_config"
"""


def git(tree, *arguments):
    return subprocess.run(["git", *arguments], cwd=tree, check=True, capture_output=True, text=True).stdout


def commit(tree, **files):
    """Write the files of `parcels` that are given, and commit."""
    names = {"code": "src/parcels/__init__.py", "news": "changes/+news.added.md"}
    for name, text in files.items():
        path = tree / "packages/parcels" / names[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(tree, "add", "--all")
    git(tree, "commit", "--message", "work")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository with the packages `config` and `parcels`, and news of the second."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
    root = tmp_path / "tree"
    for name, module in {"config": "pentad_config", "parcels": "parcels"}.items():
        (root / f"packages/{name}/src/{module}").mkdir(parents=True)
        (root / f"packages/{name}/src/{module}/__init__.py").touch()
        (root / f"packages/{name}/pyproject.toml").write_text(
            PACKAGE.format(name=name, module=module, dependencies="" if name == "config" else '"pentad-config>=0.1"')
        )
        (root / f"packages/{name}/CHANGELOG.md").write_text("<!-- towncrier release notes start -->\n")
    (root / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text().replace('"integration-tests/', '"no/'))
    (root / "matrix.toml").write_text(MATRIX.format(python=".".join(map(str, sys.version_info[:2]))))
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", "tree")
    commit(root, code="def send(address): ...\n", news="Parcels are sent.\n")
    return root


def test_a_release_bumps_writes_the_change_log_and_tags(tree, capsys):
    """The fragments become a section of the change log; a dry run does all of it and leaves nothing."""
    git(tree, "tag", "pentad-config-v0.1.0")
    git(tree, "tag", "pentad-parcels-v0.1.0")
    before = git(tree, "rev-parse", "HEAD")
    release.release(tree, "parcels", "minor", dry_run=True)
    assert "Parcels are sent." in capsys.readouterr().out
    assert (git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain")) == (before, "")

    release.release(tree, "parcels", "minor", dry_run=False)
    assert "git push origin HEAD pentad-parcels-v0.2.0" in capsys.readouterr().out
    assert git(tree, "rev-parse", "pentad-parcels-v0.2.0^{commit}") == git(tree, "rev-parse", "main")
    assert "### Added\n\n- Parcels are sent." in (tree / "packages/parcels/CHANGELOG.md").read_text()
    assert not list((tree / "packages/parcels").glob("changes/*.md"))
    assert distributions.packages(tree)["parcels"].version == "0.2.0"
    assert distributions.packages(tree)["config"].version == "0.1.0"
    assert len(git(tree, "worktree", "list").splitlines()) == 1


def test_the_first_release_has_the_version_that_is_there(tree):
    """Nobody has it yet, so it is not bumped; a clone without the tags of earlier releases is no first release."""
    parcels = distributions.packages(tree)["parcels"]
    release.bump(parcels, "minor")
    assert parcels.version == "0.1.0"
    (parcels.path / "CHANGELOG.md").write_text("# Changes\n\n## 0.1.0 (2026-11-22)\n")
    with pytest.raises(distributions.Refused, match="git fetch --tags"):
        release.bump(parcels, "minor")


def test_a_package_is_not_released_before_what_it_needs(tree):
    """The error names it; a dry run says what would be released all the same."""
    parcels = distributions.packages(tree)["parcels"]
    with pytest.raises(distributions.Refused, match="pentad-config: release that first"):
        release.refuse_before_dependency(parcels, dry_run=False)
    release.refuse_before_dependency(parcels, dry_run=True)
    git(tree, "tag", "pentad-config-v0.1.0")
    release.refuse_before_dependency(parcels, dry_run=False)


def test_a_package_is_tried_with_the_config_that_its_users_get(tree, tmp_path):
    """That is the last release, and not what has been added to the tree since."""
    git(tree, "tag", "pentad-config-v0.1.0")
    project = tree / "packages/config/pyproject.toml"
    project.write_text(project.read_text().replace("0.1.0", "0.3.0"))
    commit(tree)
    release.build_released_config(distributions.packages(tree)["parcels"], tmp_path)
    assert [file.name for file in tmp_path.glob("*.whl")] == ["pentad_config-0.1.0-py3-none-any.whl"]


def test_what_has_changes_that_nobody_committed_is_not_released(tree):
    """The error names the files."""
    (tree / "stray.txt").touch()
    with pytest.raises(distributions.Refused, match=r"stray\.txt"):
        release.release(tree, "parcels", "minor", dry_run=True)


def test_a_package_without_news_is_not_released(tree):
    """A fragment of a kind that the change log does not know is an error, too, and not left out."""
    news = tree / "packages/parcels/changes/+news.added.md"
    news.rename(news.with_name("+news.feature.md"))
    commit(tree)
    with pytest.raises(distributions.Refused, match=r"\+news\.feature\.md"):
        release.release(tree, "parcels", "minor", dry_run=True)
    git(tree, "rm", "--quiet", "packages/parcels/changes/+news.feature.md")
    commit(tree)
    with pytest.raises(distributions.Refused, match="no fragment"):
        release.release(tree, "parcels", "minor", dry_run=True)


def test_a_patch_does_not_break_the_public_api(tree, capsys):
    """What the last tag has is compared; a minor version may break it as long as the major one is 0."""
    git(tree, "tag", "pentad-parcels-v0.1.0")
    commit(tree, code="def send(address, weight): ...\n")
    parcels = distributions.packages(tree)["parcels"]
    with pytest.raises(distributions.Refused, match="weight"):
        release.refuse_broken(parcels, "patch")
    release.refuse_broken(parcels, "minor")
    assert "weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("package", "part", "known"), [("parcel", "minor", "starsessions"), ("config", "tiny", "patch")]
)
def test_an_unknown_package_or_part_is_an_error_of_usage(package, part, known, capsys, monkeypatch):
    """The error says which there are."""
    monkeypatch.setattr(sys, "argv", ["release.py", package, part])
    with pytest.raises(SystemExit) as ended:
        release.main()
    assert ended.value.code == 2
    assert known in capsys.readouterr().err


def test_only_the_package_that_a_tag_names_is_built_for_it(tmp_path):
    """A tag of another version, or of nothing here, builds nothing."""
    config = distributions.packages()["config"]
    distributions.build_tagged(config.tag(), tmp_path)
    assert {file.name.partition("-")[0] for file in tmp_path.glob("pentad*")} == {"pentad_config"}
    with pytest.raises(distributions.Refused, match="no tag of a version in this tree"):
        distributions.build_tagged(f"{config.distribution}-v99.0.0", tmp_path)


def test_builds_that_differ_are_refused(tmp_path, monkeypatch):
    """The error names the file."""
    builds = iter([{"a.whl": "1", "a.tar.gz": "2"}, {"a.whl": "1", "a.tar.gz": "3"}])
    monkeypatch.setattr(distributions, "build", lambda chosen, out: next(builds))
    with pytest.raises(distributions.Refused, match=r"differ in a\.tar\.gz"):
        distributions.build_twice([], tmp_path)


def test_the_table_of_what_is_supported_has_a_line_for_each_row_of_the_matrix(tree):
    """It says versions in words, and the Pythons of the row."""
    python = ".".join(map(str, sys.version_info[:2]))
    assert support_table.table(tree).splitlines()[2:] == [
        f"| `pentad-parcels` | django 5.2, redis 5.0.1 | {python} |",
        "| `pentad-parcels` | django 6 and newer | 3.99 |",
        f"| `pentad-config` | the newest of everything it declares | {python} |",
    ]
    with pytest.raises(ValueError, match="django<6"):
        support_table.in_words("django<6")
