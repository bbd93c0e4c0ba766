"""Errors of the system: a preloaded library lets one call fail."""
import errno, shutil, subprocess

from shared import HERE, newest, run

CALLS = [("write", [errno.ENOSPC, errno.EIO]), ("rename", [errno.EACCES]), ("fsync", [errno.EIO]),
         ("mkdir", [errno.ENOSPC]), ("close", [errno.EIO]), ("open", [errno.EMFILE, errno.EROFS])]


def run_part(campaign):
    shim = campaign.work / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", HERE / "faults.c", "-o", shim, "-ldl"], check=True)
    whole = campaign.work / "whole"
    assert run(campaign.train(whole)).status == 0
    right = campaign.digest(whole / "latest")
    for resumes in [False, True]:
        with campaign.section("errors", "of a resume" if resumes else "of a fresh run") as section:
            for call, codes in CALLS:
                for code in codes:
                    fail(campaign, section, shim, right, resumes, call, code)


def fail(campaign, section, shim, right, resumes, call, code):
    """Lets the call fail at many places, one at a time."""
    count, runs = campaign.work / "count", campaign.work / "faulty"

    def attempt(at):
        shutil.rmtree(runs, ignore_errors=True)
        command = campaign.train(runs)
        if resumes:
            assert run(campaign.train(runs, "--steps", "7")).status == 0
            command = [campaign.binary, "train", "--resume", (runs / "latest").resolve(), "--set", "training.steps=null"]
        env = {"LD_PRELOAD": str(shim), "FAULT_CALL": call, "FAULT_AT": str(at), "FAULT_ERRNO": str(code),
               "FAULT_UNDER": str(runs), "FAULT_COUNT": str(count)}
        return command, run(command, env=env)

    attempt(0)
    calls = int(count.read_text())
    places = list(range(1, calls + 1))
    most = 200 if campaign.is_long else 12
    if len(places) > most:
        places = sorted(set(places[:4] + places[-4:] + campaign.random.sample(places, most - 8)))
    for at in places:
        command, result = attempt(at)
        section.count(result)
        what = f"{'resume' if resumes else 'train'}, {call} {at} of {calls} fails with {errno.errorcode[code]}"
        words = (f"FAULT_CALL={call} FAULT_AT={at} FAULT_ERRNO={code} FAULT_UNDER={runs} LD_PRELOAD={shim} "
                 + " ".join(map(str, command)))
        # To open is to read as well: data, or the configuration of a run.
        ours = (0, 73, 74) + ((65, 66, 78) if call == "open" else ())
        campaign.judge("errors", what, result, words, allowed=ours)
        # Where there is a checkpoint the run goes on to the weights it would have had.
        folders = list(runs.glob("mnist-mlp-*")) if runs.exists() else []
        if result.status and folders and newest(folders[0]):
            again = run([campaign.binary, "train", "--resume", folders[0], "--set", "training.steps=null"])
            if again.status != 0:
                campaign.tell("errors", f"{what}: it cannot be resumed: {again.last}", words)
            elif campaign.digest(folders[0]) != right:
                campaign.tell("errors", f"{what}: resumed, it has other weights, findings or steps", words)
