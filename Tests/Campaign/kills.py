"""Kills at a random moment, and the resume after each."""
import shutil, signal, subprocess, time

from shared import ROOT, newest, run


def run_part(campaign):
    backends = ["reference", "openblas"] + (["opencl", "auto"] if campaign.is_long else [])
    for backend in backends:
        alone = campaign.work / f"alone-{backend}"
        result = run(campaign.train(alone, backend=backend), limit=600)
        if result.status != 0:
            print(f"kills: without {backend}: {result.last}")
            continue
        right = campaign.digest(alone / "latest")
        with campaign.section("kills", f"on {backend}") as section:
            section.unit = "runs"
            for _ in range((200 if campaign.is_long else 20) // len(backends)):
                section.tried += 1
                kill(campaign, backend, right)


def kill(campaign, backend, right):
    cut = campaign.work / "cut"
    shutil.rmtree(cut, ignore_errors=True)
    number = campaign.random.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
    what = f"{backend}: {number.name}"
    process = subprocess.Popen([str(c) for c in campaign.train(cut, backend=backend)], cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(campaign.random.uniform(0.05, 0.6))
    process.send_signal(number)
    try:
        status = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return campaign.tell("kills", f"{what}: it does not end")
    if number != signal.SIGKILL and status not in (0, 128 + number, -number):
        campaign.tell("kills", f"{what}: status {status}")
    folders = list(cut.glob("mnist-mlp-*")) if cut.exists() else []
    if not folders or not newest(folders[0]):
        return
    again = run([campaign.binary, "train", "--resume", folders[0]], limit=600)
    if again.status != 0:
        campaign.tell("kills", f"{what}: it cannot be resumed: {again.last}")
    elif campaign.digest(folders[0]) != right:
        campaign.tell("kills", f"{what}: other weights, findings or steps than alone")
