# SPDX-License-Identifier: BSD-3-Clause
"""Linux's sources as Debian 12 packages them (linux-source-6.12), through apt; no root needed."""
import glob
import os
import shutil
import subprocess
import tempfile

PACKAGE = "linux-source-6.12"


class SourceError(Exception):
    """Says what could not be done."""


def apt_options(folder):
    """apt with lists and caches of our own, for users who may not touch the system's."""
    lists, cache = f"{folder}/apt/lists", f"{folder}/apt/cache"
    os.makedirs(lists + "/partial", exist_ok=True)
    os.makedirs(cache + "/archives/partial", exist_ok=True)
    return ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}",
            "-o", "Debug::NoLocking=true"]


def update_own(folder, options=()):
    """The same sources as the system's, in lists of our own. Returns apt's options."""
    own = [*apt_options(folder), *options]
    subprocess.run(["apt-get", "-qq", *own, "update"], check=False, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return own


def update_security(folder):
    """The security archive beside the mirror that the system uses, for systems whose sources leave it
    out. None where that mirror is not laid out as Debian's."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                              "Created-By: Packages"], check=False, capture_output=True, text=True)
    for line in targets.stdout.splitlines():
        uri, _, release = line.partition(" ")
        if uri.rstrip("/").endswith("/debian") and "-" not in release:
            break
    else:
        return None
    sources = f"{folder}/apt/security.list"
    os.makedirs(os.path.dirname(sources), exist_ok=True)
    with open(sources, "w", encoding="utf-8") as file:
        file.write(f"deb {uri.rstrip('/')}-security {release}-security main\n")
    return update_own(folder, ["-o", f"Dir::Etc::SourceList={sources}",
                               "-o", "Dir::Etc::SourceParts=/nonexistent"])


def download(folder):
    """The package's file: in folder, where it stays for the next one, or the system's own copy."""
    os.makedirs(folder, exist_ok=True)
    have = glob.glob(f"{folder}/{PACKAGE}_*.deb")
    cached = glob.glob(f"/var/cache/apt/archives/{PACKAGE}_*.deb")
    if have:
        return have[0]
    if cached:
        return cached[-1]
    print(f"fetching {PACKAGE}", flush=True)
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    # The system's lists first; where they are missing, or without the security archive that carries
    # the package, lists of our own in the build folder.
    for prepare in (lambda own: [], update_own, update_security):
        own = prepare(os.path.abspath(folder))
        if own is None:
            continue
        done = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=", *own, "download",
                               PACKAGE], **quiet, check=False)
        have = glob.glob(f"{folder}/{PACKAGE}_*.deb")
        if done.returncode == 0 and have:
            return have[0]
    reason = (done.stderr.strip() or "apt gave no file").splitlines()[0]
    raise SourceError(f"cannot fetch {PACKAGE}: {reason}; it is in Debian 12's security archive: "
                      "add bookworm-security to apt's sources")


def version(deb):
    """6.12.117-1~deb12u1"""
    return os.path.basename(deb).split("_")[1]


def unpack(deb, target, wanted=(), unwanted=()):
    """The sources as they are, in the folder target: all but what unwanted matches, or what wanted
    matches. Patterns are tar's, of paths inside the source tree. A file that was downloaded for
    this and is broken is removed."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as work:
        members = " ".join(f"'{PACKAGE}/{path}'" for path in wanted)
        excluded = " ".join(f"--exclude='{PACKAGE}/{path}'" for path in unwanted)
        command = (f"dpkg-deb --fsys-tarfile '{deb}' | tar -xO ./usr/src/{PACKAGE}.tar.xz | "
                   f"tar -xJ -C '{work}' {excluded} --wildcards {members}")
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=False,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            if not deb.startswith("/var/cache/apt/"):
                os.remove(deb)
            raise SourceError(f"cannot unpack {deb}: {done.stderr.strip()}")
        shutil.rmtree(target, ignore_errors=True)
        os.rename(f"{work}/{PACKAGE}", target)

