"""Presets and the demo's text are found in a checkout and in an installed package."""

from charrnn.resources import folder


def test_a_checkout_has_them_beside_the_package(tmp_path):
    (tmp_path / "charrnn").mkdir()
    (tmp_path / "configs").mkdir()
    assert folder("configs", tmp_path / "charrnn") == tmp_path / "configs"


def test_an_installed_package_has_them_inside_and_looks_there_first(tmp_path):
    for path in ("configs", "charrnn/configs"):
        (tmp_path / path).mkdir(parents=True)
    assert folder("configs", tmp_path / "charrnn") == tmp_path / "charrnn" / "configs"


def test_they_are_there():
    assert (folder("configs") / "tiny.yaml").is_file()
    assert (folder("corpora") / "fables.txt").stat().st_size == 86_027
