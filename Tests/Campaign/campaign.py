#!/usr/bin/env python3
"""Tries to make the program lose or crash: injected errors, kills, mutated files, hostile plug-ins.

    campaign.py [--binary PATH] [--seed N] [--hours] [--count N] [--only FORMAT]... [errors | kills | files | plugins]...

Minutes by default; --hours asks for everything. Ends with 1 where something crashed, hung, was lost, took too much
memory, or ended with a status that is none of ours. Faults are told with the command that shows them again; a table
ends the report.
"""
import argparse, shutil, signal, sys, tempfile, time

import errors, files, kills, plugins
from shared import ROOT, Campaign

PARTS = {"errors": errors.run_part, "kills": kills.run_part, "files": files.run_part, "plugins": plugins.run_part}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / ".build/release/switchback")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", action="store_true")
    parser.add_argument("--count", type=int, help="mutated files for each format")
    parser.add_argument("--only", action="append", default=[], metavar="FORMAT", help="of the part files; repeatable")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}: {', '.join(PARTS)}")
    # Where a script starts this in the background it is ignored, and whatever is started here would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options.work = tempfile.mkdtemp(prefix="switchback-campaign-")
    campaign = Campaign(options)
    for part in options.parts or (["files"] if options.only else PARTS):
        begin = time.time()
        PARTS[part](campaign)
        print(f"{part}: {time.time() - begin:.0f} s", flush=True)
    found = campaign.faults
    print("\n" + campaign.table() + f"\n\n{len(found)} faults" + (f"; what was kept is in {options.work}" if found else ""))
    if not found:
        shutil.rmtree(options.work, ignore_errors=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
