"""The bootstrap: what an application is made of, how it starts and how it drains."""

from wireloom.application.application import Application
from wireloom.application.blueprint import Blueprint
from wireloom.application.bootstrap import FromEnv, from_env, provide_microservices

__all__ = ["Application", "Blueprint", "FromEnv", "from_env", "provide_microservices"]
