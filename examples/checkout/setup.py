from setuptools import setup, find_packages
setup(name="ops-recipes", version="0.0.dev0", packages=find_packages())
