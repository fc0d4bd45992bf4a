"""The configuration: a TOML file, variables and flags come in, one typed `Config` goes out.

`load` does all of that, and this is the only package that reads the environment. The keys are defined in
`qacache.config.sections`; `qacache.config.example` prints them as a commented file.
"""

from qacache.config.loading import Setting, Settings, config_file, load
from qacache.config.sections import Config, Db, Ffprobe, Scan

__all__ = ["Config", "Db", "Ffprobe", "Scan", "Setting", "Settings", "config_file", "load"]
