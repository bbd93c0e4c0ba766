"""Plug-ins that misbehave: copies of the template with a deed at one of its functions."""
import pathlib, tempfile

from shared import ROOT, run

DEEDS = ["exit(0);", "_exit(0);", "abort();", "*(volatile int *)1 = 1;", "raise(SIGTERM);", "for (;;) pause();",
         "setlocale(LC_ALL, \"de_DE.UTF-8\"); setlocale(LC_ALL, \"C.UTF-8\");", "close(1); close(2);",
         "throw_away();", "chdir(\"/\");"]
HEAD = ("#include <locale.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
        "static void throw_away(void) { volatile char big[64 << 20]; big[0] = 1; big[sizeof big - 1] = 1; }\n"
        "__attribute__((unused)) static void *unused_throw_away = (void *)throw_away;\n")
PLACES = ["(*device)->host = host;", "*ticket = 0;", "(void)host_minor;"]


def library(source, folder):
    """The library of a plug-in's source, in the folder."""
    (folder / "p.c").write_text(source)
    library = folder / "libSwitchbackp.so"
    headers = ROOT / "Sources/SwitchbackABI/include"
    made = run(["cc", "-shared", "-fPIC", "-O1", "-I", headers, folder / "p.c", "-o", library])
    assert made.status == 0, made.errors
    return library


def template():
    return (ROOT / "Backends/Template/template_backend.c").read_text()


def run_part(campaign):
    source = template()
    with campaign.section("plugins", "copies of the template") as section:
        for place in PLACES:
            assert place in source, place
            for deed in DEEDS:
                folder = pathlib.Path(tempfile.mkdtemp(dir=campaign.work))
                made = library(HEAD + source.replace(place, deed + " " + place, 1), folder)
                misbehave(campaign, section, made, folder, deed, place)


def misbehave(campaign, section, library, folder, deed, place):
    hangs = "for (;;)" in deed
    dies = any(word in deed for word in ["exit", "abort", "volatile int", "raise", "for (;;)"])
    env = {"SWITCHBACK_BACKEND_PATH": str(folder), "XDG_CACHE_HOME": str(campaign.cache)}
    for words in [["backends"], ["backends", "check", library, "--limit", "3"],
                  ["conformance", "--backend", library, "--quick", "--filter", "matmul", "--limit", "3",
                   "--failures", folder]]:
        command = [campaign.binary, *words]
        text = " ".join(map(str, command))
        result = run(command, limit=200, env=env)
        section.count(result)
        what = f"{words[0]} {words[1] if len(words) > 1 else ''} with a plug-in that does {deed} at {place}"
        campaign.judge("plugins", what, result, text)
        if words[0] == "conformance" and dies and place != "(void)host_minor;" and result.status == 0:
            campaign.tell("plugins", f"{what}: it passes", text)
        if words == ["backends"] and (result.status != 0 or "reference" not in result.output):
            campaign.tell("plugins", f"{what}: the list is gone (status {result.status})", text)
    # What ends the process by a signal ends a run too; what ends it with success must not look like one.
    if dies and not hangs and not any(word in deed for word in ["raise", "abort", "volatile", "_exit"]):
        command = campaign.train(folder / "runs", backend=str(library))
        result = run(command, limit=60, env=env)
        section.count(result)
        if result.status == 0:
            campaign.tell("plugins", f"train with a plug-in that does {deed} at {place}: it is a success",
                          " ".join(map(str, command)))
