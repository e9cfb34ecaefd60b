"""What goes into the package; everything else about it is in pyproject.toml.

pyproject.toml can have packages found, or list them, but not both, and the presets need both:
they lie at the top of the repository, where people look for them.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["charrnn", "charrnn.*"]), "charrnn.configs"],
    package_dir={"charrnn": "charrnn", "charrnn.configs": "configs"},
    include_package_data=False,  # what package_data names, and nothing else
    package_data={"charrnn": ["py.typed", "**/*.txt"], "charrnn.configs": ["*.yaml"]},
)
