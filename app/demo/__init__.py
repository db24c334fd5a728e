"""The demo registry: real models, trained here in less than a minute, and the history that people made with them.

Everything goes through the calls and services that users have. A build that was cut short goes on where it stopped;
a finished one is not touched again.
"""

from app.demo.build import build

__all__ = ["build"]
