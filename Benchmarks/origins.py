"""What results say of where they come from: the processor and the sources."""
import pathlib
import platform
import subprocess


def processor():
    names = (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    return next(names, platform.machine())


def processor_word():
    """The same in the name of a file."""
    return "-".join(processor().lower().replace("(r)", "").split())


def revision():
    made = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
    return made.stdout.strip()
